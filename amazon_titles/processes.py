"""The cores of this machine, and processes that are started on it."""

from __future__ import annotations

import ctypes
import os
import platform
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

COMPUTING = {
    # How long a waiting thread of libgomp spins. With its default a training ran five times slower as soon as anything
    # else ran on the machine; sleeping at once (OMP_WAIT_POLICY=PASSIVE) costs a sixth of the speed of a quiet one.
    "GOMP_SPINCOUNT": "2000",
    # glibc gives large blocks back to the system as soon as they are free, and each step of a training then faults its
    # logits and activations in anew: 178,424 faults a step of SmolLM2-135M and 1.5 times the processor's time (2.56
    # against 1.66 s; 2.2 instead of 1.9 GiB at its peak), on two cores with AMX. Other systems read none of these.
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(1 << 33),
    "MALLOC_TOP_PAD_": str(1 << 28),
}
"""Variables of the environment that a process which trains on a CPU wants, where nobody set them."""


def keep_freed_memory() -> None:
    """Does for this process, where its C library is glibc, what `COMPUTING` does for those that it starts."""
    with suppress(AttributeError, OSError, TypeError):
        libc = ctypes.CDLL(None)
        for option, value in ((-4, 0), (-1, (1 << 31) - 1), (-2, 1 << 28)):  # M_MMAP_MAX, M_TRIM_THRESHOLD, M_TOP_PAD
            libc.mallopt(option, value)


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
    """Runs a process and hands on what it says, line by line; it ends with this one.

    Args:
        command: The program and its arguments.
        on_line: Takes each line of stdout and stderr, with its end; a carriage return ends one too.
        env: The whole environment of the process.
        cwd: Its folder; by default this one.

    Returns:
        Its exit status; below 0 the signal that ended it.
    """
    process = subprocess.Popen(
        list(map(str, command)), cwd=cwd, env=dict(env), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, encoding="utf-8", errors="replace",
    )  # fmt: skip
    try:
        for line in process.stdout or ():
            on_line(line)
        return process.wait()
    except BaseException:
        process.terminate()
        process.wait()
        raise
