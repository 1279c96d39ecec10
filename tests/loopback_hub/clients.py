"""Runs Python of either environment against a loopback Hub, as a user's process would run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.loopback_hub.server import LoopbackHub

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "hf_" + "LoopbackWriteToken".ljust(34, "0")


def other_python() -> Path | None:
    """The interpreter of the AutoTrain environment; None where it has not been built."""
    named = os.environ.get("AMAZON_TITLES_OTHER_PYTHON")
    path = Path(named) if named else ROOT / ".venv-autotrain" / "bin" / "python"
    return path if path.is_file() else None


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


HERE = sys.executable
