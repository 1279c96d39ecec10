"""The cores of this machine, and processes that are started on it, none of which outlives who started it.

Run as a script it is the keeper of one: any Python runs it, so it needs nothing but the standard library.
"""

from __future__ import annotations

import ctypes
import gc
import os
import platform
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

COMPUTING = {
    # How long a waiting thread of libgomp spins. With its default a training ran five times slower as soon as anything
    # else ran on the machine; sleeping at once (OMP_WAIT_POLICY=PASSIVE) costs a sixth of the speed of a quiet one.
    "GOMP_SPINCOUNT": "2000",
    # glibc gives large blocks back to the system as soon as they are free, and each step of a training then faults its
    # logits and activations in anew. Where they are kept, AutoTrain's stack trains SmolLM2-135M 1.16 times as fast on
    # two cores and today's 1.13 times, in 0.2 GiB more (benchmarks/faults.py). Other systems read none of these.
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(1 << 33),
    "MALLOC_TOP_PAD_": str(1 << 28),
}
"""Variables of the environment that a process which trains on a CPU wants, where nobody set them."""


_GRACE_SECONDS = 1.0  # of a process that is asked to end


@contextmanager
def freed_memory_kept() -> Iterator[None]:
    """Does for this process, where its C library is glibc, what `COMPUTING` does for those that it starts.

    At the end what is free goes back to the system, and what is freed later does: an evaluation that follows would
    otherwise keep what each of its batches took.
    """
    _tune(mmap_max=0, trim_threshold=(1 << 31) - 1, top_pad=1 << 28)
    try:
        yield
    finally:
        gc.collect()
        _tune(mmap_max=1 << 16, trim_threshold=1 << 17, top_pad=1 << 17)  # glibc's own: mallopt(3)


def _tune(*, mmap_max: int, trim_threshold: int, top_pad: int) -> None:
    with suppress(AttributeError, OSError, TypeError):  # of other C libraries
        libc = ctypes.CDLL(None)
        for option, value in ((-4, mmap_max), (-1, trim_threshold), (-2, top_pad)):
            libc.mallopt(option, value)
        libc.malloc_trim(0)


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def peak_memory() -> int:
    """MiB of the largest process that this one started and that has ended; 0 where the system does not tell."""
    try:
        import resource
    except ImportError:  # Windows
        return 0
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return peak // (1 << 20 if platform.system() == "Darwin" else 1 << 10)


def run_child(
    command: Sequence[str | Path], on_line: Callable[[str], None], *, env: Mapping[str, str], cwd: Path | None = None
) -> int:
    """Runs a process and hands on what it says, line by line; it and its children end with this one, however that does.

    A keeper stands between the two. It reads a pipe that this process alone can write to, which the system closes when
    this process ends, and then ends the group of processes that it leads.

    Args:
        command: The program and its arguments.
        on_line: Takes each line of stdout and stderr, with its end; a carriage return ends one too.
        env: The whole environment of the process.
        cwd: Its folder; by default this one.

    Returns:
        Its exit status; above 128 by the number of the signal that ended it.
    """
    process = subprocess.Popen(
        [sys.executable, "-I", __file__, *map(str, command)], cwd=cwd, env=dict(env), stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8", errors="replace",
        start_new_session=True,
    )  # fmt: skip
    try:
        for line in process.stdout or ():
            on_line(line)
        return process.wait()
    finally:
        if process.stdin:
            process.stdin.close()
        process.wait()
        _end_group(process.pid, "SIGKILL")  # what the process left behind


def end_with_listener() -> None:
    """Ends this process as soon as nobody can read what it says: whoever started it is gone, and perhaps the keeper.

    What torchrun starts is in no group of the keeper's, but its stdout is the pipe that `run_child` reads.
    """
    if hasattr(select, "poll"):  # not on Windows
        pipe = select.poll()
        pipe.register(1, 0)  # for errors alone
        threading.Thread(target=lambda: pipe.poll() and os._exit(1), daemon=True).start()


def keep(command: Sequence[str]) -> int:
    """Runs a command until it ends, or nobody holds the other end of stdin any more; its exit status."""
    signal.signal(signal.SIGTERM, lambda *_: None)  # that the group gets is for the child, which does not inherit this
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL)

    def watch() -> None:
        os.read(0, 1)  # nobody writes: it returns at the end
        if sys.platform == "win32":
            subprocess.run(["taskkill", "/F", "/T", "/PID", str(child.pid)], check=False, capture_output=True)
            return
        _end_group(os.getpid(), "SIGTERM")  # so that torchrun and srun end what they started elsewhere
        with suppress(subprocess.TimeoutExpired):
            child.wait(_GRACE_SECONDS)
        _end_group(os.getpid(), "SIGKILL")

    threading.Thread(target=watch, daemon=True).start()
    status = child.wait()
    return 128 - status if status < 0 else status


def _end_group(leader: int, name: str) -> None:
    """Sends a signal to a group of processes; on Windows there is none."""
    if sys.platform != "win32":
        with suppress(ProcessLookupError, PermissionError):  # macOS says the latter of a group that has ended
            os.killpg(leader, getattr(signal, name))


if __name__ == "__main__":
    sys.exit(keep(sys.argv[1:]))
