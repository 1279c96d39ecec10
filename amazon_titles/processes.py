"""The cores of this machine, and processes that are started on it."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path


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
