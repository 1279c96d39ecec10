"""Runs Python of either environment against a loopback Hub, as a user's process would run."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from tests.autotrain_env import ROOT
from tests.loopback_hub.server import LoopbackHub

TOKEN = "hf_" + "LoopbackWriteToken".ljust(34, "0")


def environment(hub: LoopbackHub, home: Path, *, token: str | None = TOKEN, **more: str) -> dict[str, str]:
    """The whole environment of a client's process: nothing of this machine's own login or caches."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
    return {**clean, "PYTHONPATH": str(ROOT), **hub.environment(token, home), **more}


def run(
    python: str | Path,
    code: str,
    hub: LoopbackHub,
    home: Path,
    *,
    token: str | None = TOKEN,
    check: bool = True,
    timeout: float = 120,
    arguments: tuple[str, ...] = (),
    **more: str,
) -> subprocess.CompletedProcess[str]:
    """Runs `code`; with `check`, a failure shows what it said."""
    done = subprocess.run(
        [str(python), "-c", code, *arguments],
        env=environment(hub, home, token=token, **more),
        cwd=home,
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    if check and done.returncode:
        raise AssertionError(f"exit {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done


_PUSH = """
import json, sys
from amazon_titles.errors import AmazonTitlesError
from amazon_titles.hub import client, push_adapter_to_hub, push_dataset_to_hub
client.FIRST_WAIT = 0.02
options = json.loads(sys.argv[1])
push = push_dataset_to_hub if options.pop("what") == "dataset" else push_adapter_to_hub
try:
    print(push(**options).to_json())
except AmazonTitlesError as error:
    sys.stderr.write(f"Error: {error}\\n")
    sys.exit(error.exit_code)
"""


def push_command(python: str | Path, what: str, folder: Path, repo_id: str, **options: Any) -> list[str]:
    """The command line that publishes a folder as `what` (`dataset` or `adapter`); short waits between tries."""
    values = {"what": what, "folder": str(folder), "repo_id": repo_id, **options}
    return [str(python), "-c", _PUSH, json.dumps(values)]


def push(
    python: str | Path, what: str, folder: Path, repo_id: str, hub: LoopbackHub, home: Path, **options: Any
) -> dict[str, Any]:
    """Publishes a folder and gives the report."""
    done = try_to_push(python, what, folder, repo_id, hub, home, **options)
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def try_to_push(
    python: str | Path, what: str, folder: Path, repo_id: str, hub: LoopbackHub, home: Path, **options: Any
) -> subprocess.CompletedProcess[str]:
    """Publishes a folder, and gives what the process said, whatever became of it. `login` replaces the token."""
    token = options.pop("login", TOKEN)
    extra = options.pop("env", {})
    return subprocess.run(
        push_command(python, what, folder, repo_id, **options),
        env=environment(hub, home, token=token, **extra),
        cwd=home,
        capture_output=True,
        text=True,
        timeout=120,
    )
