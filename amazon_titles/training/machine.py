"""What the machine has, and what a training took of it."""

from __future__ import annotations

import os
import platform


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
