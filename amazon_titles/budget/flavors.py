"""Where a training can run: accelerators, their speed and memory, and what an hour costs."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Flavor:
    """One kind of machine.

    Attributes:
        name: As `--flavor` and `backend: spaces-<name>` take it; `here` for this machine's CPU.
        devices: GPUs; 0 for a CPU.
        memory_gb: Memory of one GPU, or of the machine where there is none; 0 where it is not known.
        half: Peak of dense matrix products in fp16 or bf16, in 10^12 operations a second and device.
        single: The same in float32.
        dollars: Price of an hour; None where it is not known.
    """

    name: str
    devices: int
    memory_gb: float
    half: float
    single: float
    dollars: float | None

    @property
    def bf16(self) -> bool:
        """Whether it computes in bf16: CPUs do, and GPUs from Ampere on; of these only the T4 is older."""
        return not self.name.startswith("t4-")


# Peaks, dense, from NVIDIA's data sheets (A10G: from AWS's g5). A CPU core: 0.04, from a Llama of 1.9 M parameters
# that trained 11 k tokens/s on two cores.
_T4, _L4, _A10G, _L40S = (16, 65.0, 8.1), (24, 121.0, 30.3), (24, 70.0, 31.2), (48, 362.0, 91.6)
_A100, _H200 = (80, 312.0, 19.5), (141, 989.0, 67.0)
_CORE = 0.04
# Dollars an hour: the Hub's page on GPU Spaces (huggingface.co/docs/hub/spaces-gpus), the L4's and the A100's as others
# quote it; asked anew where the Hub is reached. None where no source was at hand.
_FLAVORS = (
    Flavor("cpu-basic", 0, 16, 2 * _CORE, 2 * _CORE, None),
    Flavor("cpu-upgrade", 0, 32, 8 * _CORE, 8 * _CORE, 0.03),
    Flavor("t4-small", 1, *_T4, 0.40),
    Flavor("t4-medium", 1, *_T4, 0.60),
    Flavor("l4x1", 1, *_L4, 0.80),
    Flavor("l4x4", 4, *_L4, 3.80),
    Flavor("a10g-small", 1, *_A10G, 1.00),
    Flavor("a10g-large", 1, *_A10G, 1.50),
    Flavor("l40sx1", 1, *_L40S, 1.80),
    Flavor("a100-large", 1, *_A100, 2.50),
    Flavor("h200", 1, *_H200, None),
)


def here() -> Flavor:
    """This machine's CPU."""
    cores = os.cpu_count() or 1
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    except (AttributeError, ValueError, OSError):
        memory = 0.0
    return Flavor("here", 0, memory, cores * _CORE, cores * _CORE, 0.0)


def flavors(*, online: bool = False) -> tuple[list[Flavor], str]:
    """Every kind of machine with its price, and where the prices come from.

    Args:
        online: Ask `list_jobs_hardware()`.
    """
    table = "prices of the Hub's page on GPU Spaces, which change"
    if not online:
        return [here(), *_FLAVORS], table
    try:
        asked = _asked_prices()
    except Exception as error:  # offline, a client without jobs, a changed reply
        return [here(), *_FLAVORS], f"{table} (the Hub did not say: {type(error).__name__})"
    known = [replace(flavor, dollars=asked.get(flavor.name, flavor.dollars)) for flavor in _FLAVORS]
    return [here(), *known], "prices asked from the Hub just now"


def _asked_prices() -> dict[str, float]:
    # Jobs are not in huggingface_hub 0.27.
    from huggingface_hub import HfApi

    minutes = {"second": 3600.0, "minute": 60.0, "hour": 1.0}
    listed = HfApi().list_jobs_hardware()
    return {item.name: item.unit_cost_usd * minutes[item.unit_label] for item in listed}
