"""The NVIDIA GPUs of this machine, without importing torch: nvidia-smi is asked, which comes with the driver."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

_QUESTION = ("nvidia-smi", "--query-gpu=name,memory.total,compute_cap", "--format=csv,noheader,nounits")


class Gpu(NamedTuple):
    """One GPU.

    Attributes:
        name: As the driver says it, such as `NVIDIA L4`.
        memory_gb: Its memory, in 10^9 bytes.
        capability: CUDA's compute capability: from 8.0 on (Ampere) it computes in bf16.
    """

    name: str
    memory_gb: float
    capability: float


def has_cuda() -> bool:
    """Whether this machine shows an NVIDIA GPU."""
    if sys.platform == "darwin" or os.environ.get("CUDA_VISIBLE_DEVICES", "all") in ("", "-1"):
        return False
    return Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi") is not None


@lru_cache(maxsize=1)
def gpus() -> tuple[Gpu, ...]:
    """Every GPU that the driver shows; none where it cannot be asked."""
    if not has_cuda():
        return ()
    try:
        answer = subprocess.check_output(
            _QUESTION, encoding="utf-8", errors="replace", timeout=10, stderr=subprocess.DEVNULL
        )
        rows = [line.split(",") for line in answer.splitlines() if line.strip()]
        return tuple(Gpu(name.strip(), float(mib) * 2**20 / 1e9, float(cap)) for name, mib, cap in rows)
    except (OSError, subprocess.SubprocessError, ValueError):
        return ()
