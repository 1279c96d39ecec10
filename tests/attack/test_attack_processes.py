"""However a command ends, what it started ends with it: children, and their children, too."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from amazon_titles.processes import run_child

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes in /proc")

# A process with a child of its own, as `accelerate launch` is one; both would sleep for long.
TREE = "import subprocess, sys, time; p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(300)'])\n"
TREE += "import os; print(os.getpid(), p.pid, flush=True); time.sleep(300)"
PARENT = f"import os, sys; from amazon_titles.processes import run_child\nrun_child([sys.executable, '-c', {TREE!r}], "
PARENT += "lambda line: print(line, end='', flush=True), env=dict(os.environ))"


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_for_the_end(started: list[int]) -> None:
    begun = time.monotonic()
    while any(map(lives, started)) and time.monotonic() - begun < 30:
        time.sleep(0.02)
    assert not any(map(lives, started))
    assert time.monotonic() - begun < 2 * float(os.environ.get("SLOW", "1"))


@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM", "SIGINT"])
@pytest.mark.parametrize("group", [False, True])
def test_no_orphans(name, group):
    root = str(Path(__file__).parents[2])
    environment = os.environ | {"PYTHONPATH": root}
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment,
        start_new_session=True,
    )
    started = [int(pid) for pid in parent.stdout.readline().split()]
    assert len(started) == 2
    (os.killpg if group else os.kill)(parent.pid, getattr(signal, name))
    wait_for_the_end(started)
    parent.wait()


WORKER = (
    "from amazon_titles.processes import end_with_listener as e; import os, time; e(); print(os.getpid(), flush=True)"
)
LAUNCHER = f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {WORKER + '; time.sleep(300)'!r}], "
LAUNCHER += "start_new_session=True); time.sleep(300)"


def test_a_worker_ends_with_who_listens_whatever_its_group():
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    launcher = subprocess.Popen([sys.executable, "-c", LAUNCHER], stdout=subprocess.PIPE, text=True, env=environment)
    worker = int(launcher.stdout.readline())
    launcher.kill()
    launcher.wait()
    assert lives(worker), "it is in a session of its own"
    launcher.stdout.close()
    wait_for_the_end([worker])


def test_status_and_lines_come_through():
    said: list[str] = []
    code = "import sys; print('é'); sys.stderr.write('x\\r'); sys.exit(3)"
    environment = os.environ | {"PYTHONIOENCODING": "utf-8"}
    assert run_child([sys.executable, "-c", code], said.append, env=environment) == 3
    assert sorted("".join(said).split()) == ["x", "é"]
    assert run_child([sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"], said.append, env=environment) == 137
