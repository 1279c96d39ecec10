"""The NVIDIA GPUs of this machine, without importing torch: nvidia-smi is asked, which comes with the driver."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

_QUESTION = ("--query-gpu=name,memory.total,compute_cap", "--format=csv,noheader,nounits")
_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Gpu:
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
    if not has_cuda() or (program := shutil.which("nvidia-smi")) is None:
        return ()
    try:
        done = subprocess.run(
            [program, *_QUESTION],
            capture_output=True,
            text=True,
            check=True,
            timeout=_SECONDS,
            stdin=subprocess.DEVNULL,
        )
        return tuple(_gpu(line) for line in done.stdout.splitlines() if line.strip())
    except (OSError, subprocess.SubprocessError, ValueError):
        return ()


def _gpu(line: str) -> Gpu:
    name, memory, capability = (part.strip() for part in line.split(","))
    return Gpu(name, float(memory) * 2**20 / 1e9, float(capability))
