"""What goes wrong between here and the Hub: busy servers, cut lines, lost answers, and a push that is killed."""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import struct
import subprocess
import time
from pathlib import Path

import pytest

from tests.integration.test_hub_push import on_hub
from tests.loopback_hub import LoopbackHub
from tests.loopback_hub.clients import environment, push, push_command, try_to_push
from tests.loopback_hub.folders import adapter_folder, dataset_folder, digests

pytestmark = pytest.mark.integration


@pytest.mark.parametrize(
    ("pattern", "how"),
    [
        (r"GET /api/whoami", {"status": 503}),
        (r"GET /api/datasets/ana/titles\?", {"status": 500}),
        (r"POST /api/repos/create", {"status": 500}),
        (r"GET /api/datasets/ana/titles\?", {"cut_answer_after": 20}),
        (r"/refs", {"status": 502}),
        (r"/preupload/", {"status": 429, "retry_after": 1}),
        (r"/objects/batch", {"status": 500}),
        (r"PUT /upload/", {"status": 429, "times": 2}),
        (r"PUT /upload/", {"status": 500}),
        (r"PUT /upload/", {"cut_body_after": 100}),
        (r"PUT /upload/", {"cut_answer_after": 0}),
        (r"POST /api/validate-yaml", {"cut_answer_after": 0}),
        (r"/commit/main", {"status": 503}),
        (r"/commit/main", {"status": 429, "retry_after": 1}),
        (r"/commit/main", {"cut_body_after": 100}),
        (r"/commit/main", {"cut_answer_after": 0}),
        (r"/commit/main", {"delay": 1.0}),
        (r"/resolve/.*parquet", {"status": 503}),
        (r"/resolve/.*parquet", {"cut_answer_after": 10}),
        (r"/tag/", {"status": 500}),
        (r"/tag/", {"cut_answer_after": 0}),
    ],
)
def test_one_fault_is_survived(
    hub: LoopbackHub, client_python: str, tmp_path: Path, pattern: str, how: dict[str, int]
) -> None:
    fault = hub.fail(pattern, **how)
    folder = dataset_folder(tmp_path / "dataset")
    report = push(client_python, "dataset", folder, "ana/titles", hub, tmp_path, tag="v1")
    assert fault.times == 0, "the fault has struck"
    repo = hub.repo("ana/titles", "dataset")
    assert on_hub(hub, "ana/titles", "dataset") == digests(folder)
    assert len(repo.commits) == 2, "one commit, even where its answer was lost"
    assert repo.tags == {"v1": report["commit"]}


@pytest.mark.parametrize(
    ("pattern", "how"),
    [
        (r"GET /api/models/ana/tiny\?", {"status": 502}),
        (r"HEAD .*/resolve/.*/run.json", {"status": 503}),
        (r"GET .*/resolve/.*/adapter_config.json", {"cut_answer_after": 0}),
        (r"GET .*/resolve/.*safetensors", {"cut_answer_after": 1000}),
        (r"PUT /upload/\w+/\w+/2", {"cut_body_after": 100_000}),
        (r"POST /complete/", {"status": 500}),
        (r"PUT /api/models/.*/settings", {"status": 500}),
    ],
)
def test_one_fault_in_an_adapters_push_is_survived(
    hub: LoopbackHub, client_python: str, tmp_path: Path, pattern: str, how: dict[str, int]
) -> None:
    fault = hub.fail(pattern, **how)
    folder = adapter_folder(tmp_path / "adapter", big=10_240_000)
    push(client_python, "adapter", folder, "ana/adapter", hub, tmp_path, private=False)
    assert fault.times == 0, "the fault has struck"
    assert on_hub(hub, "ana/adapter", "model") == digests(folder)
    assert len(hub.repo("ana/adapter").commits) == 2
    assert not hub.repo("ana/adapter").private


def test_a_hub_that_stays_away_is_told_and_the_rerun_goes_on(
    hub: LoopbackHub, client_python: str, tmp_path: Path
) -> None:
    folder = adapter_folder(tmp_path / "adapter", big=6_000_128)
    hub.fail(r"/commit/main", status=503, times=1000)
    done = try_to_push(client_python, "adapter", folder, "ana/adapter", hub, tmp_path)
    assert done.returncode == 1
    assert "Error: The Hub answered 503 for ana/adapter" in done.stderr
    assert "trying again in" in done.stderr
    assert "Traceback" not in done.stderr
    assert set(hub.repo("ana/adapter").files()) == {".gitattributes"}
    hub.faults.clear()
    hub.log.clear()
    push(client_python, "adapter", folder, "ana/adapter", hub, tmp_path)
    assert on_hub(hub, "ana/adapter", "model") == digests(folder)
    assert not hub.requests("^PUT /upload"), "the weights were up already"


def on_a_terminal(command: list[str], variables: dict[str, str], cwd: Path) -> str:
    """Runs a command whose stderr is a terminal of 100 columns; gives what it wrote there."""
    fcntl, pty, termios = (pytest.importorskip(name) for name in ("fcntl", "pty", "termios"))
    lead, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
    process = subprocess.Popen(command, env=variables, cwd=cwd, stdout=subprocess.DEVNULL, stderr=terminal)
    os.close(terminal)
    said = b""
    with contextlib.suppress(OSError):  # how Linux says that nobody writes any more
        while piece := os.read(lead, 1 << 16):
            said += piece
    os.close(lead)
    assert process.wait(60) == 0, said.decode()
    return said.decode()


def test_an_upload_is_seen_to_go_on_where_somebody_watches(
    hub: LoopbackHub, client_python: str, tmp_path: Path
) -> None:
    hub.fail(r"PUT /upload", delay=0.3, times=10)
    folder = adapter_folder(tmp_path / "adapter", big=15_360_000)
    command = push_command(client_python, "adapter", folder, "ana/watched")
    said = on_a_terminal(command, environment(hub, tmp_path), tmp_path).partition("loading it back")[0]
    shares = [int(share) for share in re.findall(r"adapter_model\.safetensors: +(\d+)%", said)]
    assert shares == sorted(shares)
    assert any(0 < share < 100 for share in shares), said
    done = try_to_push(client_python, "adapter", folder, "ana/unwatched", hub, tmp_path)
    assert done.returncode == 0
    assert "%" not in done.stderr
    assert done.stderr.splitlines()[0] == "sending 8 files, 15.4 MB"


def test_killed_twenty_times(hub: LoopbackHub, client_python: str, tmp_path: Path) -> None:
    """Each time the repository shows the old state or the new one, and the same command finishes it."""
    dice = random.Random(20)
    folders = [tmp_path / "adapter-0", tmp_path / "adapter-1"]
    push(client_python, "adapter", adapter_folder(folders[1]), "ana/adapter", hub, tmp_path)
    push(client_python, "adapter", adapter_folder(folders[0]), "ana/adapter", hub, tmp_path, tag="v1")
    hub.log.clear()
    push(client_python, "adapter", adapter_folder(folders[1], big=5_200_384), "ana/adapter", hub, tmp_path, tag="v2")
    requests = len(hub.log)
    seen = {"old": 0, "new": 0}
    for number in range(20):
        old, new = folders[(number + 1) % 2], folders[number % 2]
        adapter_folder(new, seed=100 + number, big=5_200_384)  # other weights each time, so that they have to go up
        hub.log.clear()
        process = subprocess.Popen(
            push_command(client_python, "adapter", new, "ana/adapter", tag=f"kill-{number}"),
            env=environment(hub, tmp_path),
            cwd=tmp_path,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        strike = dice.randrange(requests)
        while len(hub.log) < strike and process.poll() is None:
            time.sleep(0.001)
        time.sleep(dice.uniform(0, 0.02))
        process.send_signal(signal.SIGKILL)
        process.wait()
        time.sleep(0.05)  # what the Hub had received, it carries out
        state = on_hub(hub, "ana/adapter", "model")
        assert state in (digests(old), digests(new)), f"half a state after kill {number}"
        seen["new" if state == digests(new) else "old"] += 1
        push(client_python, "adapter", new, "ana/adapter", hub, tmp_path, tag=f"kill-{number}")
        assert on_hub(hub, "ana/adapter", "model") == digests(new)
        assert hub.repo("ana/adapter").tags[f"kill-{number}"] == hub.repo("ana/adapter").branches["main"]
    assert min(seen.values()) > 0, f"the kills should strike before and after the commit: {seen}"


def test_interrupted_by_ctrl_c(hub: LoopbackHub, client_python: str, tmp_path: Path) -> None:
    folder = dataset_folder(tmp_path / "dataset")
    hub.fail(r"PUT /upload", delay=3.0, times=10)
    process = subprocess.Popen(
        push_command(client_python, "dataset", folder, "ana/titles"),
        env=environment(hub, tmp_path),
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        # A shell that runs the tests in the background has them ignore Ctrl-C, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    while not hub.requests("/objects/batch") and process.poll() is None:
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode != 0
    assert set(hub.repo("ana/titles", "dataset").files()) == {".gitattributes"}
    hub.faults.clear()
    push(client_python, "dataset", folder, "ana/titles", hub, tmp_path)
    assert on_hub(hub, "ana/titles", "dataset") == digests(folder)
