"""Where a training can run: accelerators, their speed and memory, and what an hour costs."""

from __future__ import annotations

import os
import re
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from amazon_titles.processes import cores
from amazon_titles.recipes.gpus import gpus

if TYPE_CHECKING:
    from huggingface_hub import JobHardwareInfo

# Seconds.
_MEASURING, _BURSTS = 0.08, 5


@dataclass(frozen=True, slots=True)
class Flavor:
    """One kind of machine.

    Attributes:
        name: As `--flavor` and `backend: spaces-<name>` take it; `here` for this machine.
        devices: GPUs; 0 for a CPU.
        memory_gb: Memory of one GPU, or of the machine where there is none; 0 where it is not known.
        half: Peak of dense matrix products in fp16 or bf16, in 10^12 operations a second and device.
        single: The same in float32.
        dollars: Price of an hour; None where it is not known.
        cores: Of a machine without a GPU.
        bf16: Whether it computes in bf16: CPUs do, and GPUs from Ampere on.
    """

    name: str
    devices: int
    memory_gb: float
    half: float
    single: float
    dollars: float | None
    cores: int = 0
    bf16: bool = True


# Peaks, dense, from NVIDIA's data sheets (A10G: from AWS's g5). A CPU core of the Hub's: taken to be one of those that
# benchmarks/budget.py ran on, which multiplies float32 matrices at this rate.
_T4, _L4, _A10G, _L40S = (16, 65.0, 8.1), (24, 121.0, 30.3), (24, 70.0, 31.2), (48, 362.0, 91.6)
_A100, _H100, _H200 = (80, 312.0, 19.5), (80, 989.0, 67.0), (141, 989.0, 67.0)
_CORE = 0.038
_CHIPS = {"T4": _T4, "L4": _L4, "A10G": _A10G, "L40S": _L40S, "A100": _A100, "H100": _H100, "H200": _H200}
# Dollars an hour: the Hub's pages on Jobs (huggingface.co/docs/hub/jobs-pricing) and on GPU Spaces (spaces-gpus), the
# L4's and the A100's as others quote it; asked anew where the Hub is reached. None where no source was at hand.
_FLAVORS = (
    Flavor("cpu-basic", 0, 16, 2 * _CORE, 2 * _CORE, 0.01, 2),
    Flavor("cpu-upgrade", 0, 32, 8 * _CORE, 8 * _CORE, 0.03, 8),
    Flavor("t4-small", 1, *_T4, 0.40, bf16=False),
    Flavor("t4-medium", 1, *_T4, 0.60, bf16=False),
    Flavor("l4x1", 1, *_L4, 0.80),
    Flavor("l4x4", 4, *_L4, 3.80),
    Flavor("a10g-small", 1, *_A10G, 1.00),
    Flavor("a10g-large", 1, *_A10G, 1.50),
    Flavor("l40sx1", 1, *_L40S, 1.80),
    Flavor("a100-large", 1, *_A100, 2.50),
    Flavor("h200", 1, *_H200, None),
)


@lru_cache(maxsize=1)
def core_rate() -> float:
    """Float32 matrix products on one core of this machine, in 10^12 operations a second; takes half a second.

    All cores work at once, because two that share one body are not twice as fast as one. Counted in the process's own
    time, so that what else runs here at the moment does not make the machine slower; the slowest of a few bursts,
    because a burst in which the cores did not work at once is up to three times as fast.
    """
    return min(_burst() for _ in range(_BURSTS))


def _burst() -> float:
    import numpy as np

    size = 768
    left, right = np.ones((size, size), np.float32), np.ones((size, size), np.float32)
    left @ right  # loads what is needed
    until, busy = time.perf_counter() + _MEASURING, time.process_time()

    def multiply(_: int) -> int:
        products = 0
        while True:  # one at least: a process that got no core in that time is slow, not without speed
            left @ right
            products += 1
            if time.perf_counter() >= until:
                return products

    with ThreadPoolExecutor(cores()) as pool:
        products = sum(pool.map(multiply, range(cores())))
    return 2.0 * size**3 * products / 1e12 / max(time.process_time() - busy, 1e-9)


def here() -> Flavor:
    """This machine: its GPUs where their speed is known, otherwise its CPU, at the speed that it has."""
    found = gpus()
    words = re.split(r"[\s-]", found[0].name) if found else ()
    chip = next((peaks for name, peaks in _CHIPS.items() if name in words), None)
    if chip:
        return Flavor("here", len(found), found[0].memory_gb, *chip[1:], 0.0, bf16=found[0].capability >= 8.0)
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    except (AttributeError, ValueError, OSError):
        memory = 0.0
    rate = cores() * core_rate()
    return Flavor("here", 0, memory, rate, rate, 0.0, cores())


def flavors(*, online: bool = False) -> tuple[list[Flavor], str]:
    """Every kind of machine with its price, and where the prices come from.

    Args:
        online: Ask `list_jobs_hardware()`.
    """
    table = "prices of the Hub's pages on Jobs and Spaces, which change"
    if not online:
        return [here(), *_FLAVORS], table
    try:
        asked = {item.name: item for item in _asked()}
    except Exception as error:  # offline, a client without jobs, a changed reply
        return [here(), *_FLAVORS], f"{table} (the Hub did not say: {type(error).__name__})"
    known = [replace(flavor, dollars=_price(asked.get(flavor.name), flavor.dollars)) for flavor in _FLAVORS]
    names = {flavor.name for flavor in known}
    known += [made for name, item in asked.items() if name not in names and (made := _flavor_of(item))]
    return [here(), *known], "prices asked from the Hub just now"


def _asked() -> list[JobHardwareInfo]:
    # Jobs are not in huggingface_hub 0.27.
    from huggingface_hub import HfApi

    return HfApi().list_jobs_hardware()


def _price(item: JobHardwareInfo | None, otherwise: float | None) -> float | None:
    return otherwise if item is None else dollars_an_hour(item)


def dollars_an_hour(item: JobHardwareInfo) -> float:
    """What an hour of a machine costs, as `list_jobs_hardware` tells it."""
    return item.unit_cost_usd * {"second": 3600.0, "minute": 60.0, "hour": 1.0}[item.unit_label]


def _flavor_of(item: JobHardwareInfo) -> Flavor | None:
    """A machine that the table does not have; None where its GPU is not known either."""
    chip = _CHIPS.get(item.accelerator.model) if item.accelerator else None
    if chip is None or item.accelerator is None:
        return None
    price = dollars_an_hour(item)
    return Flavor(item.name, int(item.accelerator.quantity), *chip, price, bf16=item.accelerator.model != "T4")
