"""Where a training can run: machines, their memory and peak speed, and what an hour costs."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from amazon_titles.budget.shapes import Shape, in_half_precision
from amazon_titles.recipes import Recipe
from amazon_titles.recipes.gpus import gpus

if TYPE_CHECKING:
    from huggingface_hub import JobHardwareInfo

SHARES = {"autotrain": 0.15, "trl": 0.35}
"""Share of a GPU's peak that training reaches: on an H100 AutoTrain reached 0.15, the trl engine 0.40 once compiled
(`benchmarks/results`) and about 0.34 in shorter trainings, which are not."""


class Flavor(NamedTuple):
    """One kind of machine.

    Attributes:
        name: As `--flavor` and `backend: spaces-<name>` take it; `here` for this machine.
        devices: GPUs; 0 for a CPU.
        memory_gb: Memory of one GPU, or of the machine where there is none; 0 where it is not known.
        half: 10^12 operations a second and device in fp16 or bf16: a GPU's peak, what a CPU reaches; 0 where it is not
            known.
        single: The same in float32.
        dollars: Price of an hour; None where it is not known.
        bf16: Whether it computes in bf16: CPUs do, and GPUs from Ampere on.
    """

    name: str
    devices: int
    memory_gb: float
    half: float
    single: float
    dollars: float | None
    bf16: bool = True


# Memory, and peaks of dense products from NVIDIA's data sheets (A10G: from AWS's g5). Of a CPU of the Hub's nothing is
# published: 0.023 * 10^12 operations a second and core is coarse; with AMX it is several times as fast.
_CHIPS = {
    "T4": (16, 65.0, 8.1), "L4": (24, 121.0, 30.3), "A10G": (24, 70.0, 31.2), "L40S": (48, 362.0, 91.6),
    "A100": (80, 312.0, 19.5), "H100": (80, 989.0, 67.0), "H200": (141, 989.0, 67.0),
    "2 cores": (16, 0.046, 0.046), "8 cores": (32, 0.184, 0.184),
}  # fmt: skip
# Chip, devices and dollars an hour: the Hub's pages on Jobs (huggingface.co/docs/hub/jobs-pricing) and on GPU Spaces
# (spaces-gpus), the L4's and the A100's as others quote it; asked anew where the Hub is reached. None where no source
# was at hand.
_MACHINES: dict[str, tuple[str, int, float | None]] = {
    "cpu-basic": ("2 cores", 0, 0.01), "cpu-upgrade": ("8 cores", 0, 0.03), "t4-small": ("T4", 1, 0.40),
    "t4-medium": ("T4", 1, 0.60), "l4x1": ("L4", 1, 0.80), "l4x4": ("L4", 4, 3.80), "a10g-small": ("A10G", 1, 1.00),
    "a10g-large": ("A10G", 1, 1.50), "l40sx1": ("L40S", 1, 1.80), "a100-large": ("A100", 1, 2.50),
    "h200": ("H200", 1, None),
}  # fmt: skip


def here() -> Flavor:
    """This machine: its GPUs where their speed is known, otherwise its CPU, whose speed only a training tells."""
    found = gpus()
    words = re.split(r"[\s-]", found[0].name) if found else []
    if chip := next((peaks for name, peaks in _CHIPS.items() if name in words), None):
        return Flavor("here", len(found), found[0].memory_gb, *chip[1:], 0.0, bf16=found[0].capability >= 8.0)
    memory = 0.0
    with suppress(AttributeError, ValueError, OSError):  # Windows has no sysconf
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return Flavor("here", 0, memory, 0.0, 0.0, 0.0)


def flavors(*, online: bool = False) -> tuple[list[Flavor], str]:
    """Every kind of machine with its price, and where the prices come from.

    Args:
        online: Ask `list_jobs_hardware()`.
    """
    machines, source = dict(_MACHINES), "prices from the Hub's pages on Jobs and Spaces, which may have changed"
    if online:
        try:
            # Jobs are not in huggingface_hub 0.27.
            from huggingface_hub import HfApi

            for item in HfApi().list_jobs_hardware():
                gpu = (item.accelerator.model, int(item.accelerator.quantity)) if item.accelerator else ("", 0)
                known = machines[item.name][:2] if item.name in machines else gpu
                if known[0] in _CHIPS:
                    machines[item.name] = (*known, dollars_an_hour(item))
            source = "prices from the Hub, asked just now"
        except Exception as error:  # offline, a client without jobs, a changed reply
            source += f" (the Hub did not answer: {type(error).__name__})"
    listed = [Flavor(name, n, *_CHIPS[chip], cost, bf16=chip != "T4") for name, (chip, n, cost) in machines.items()]
    return [here(), *listed], source


def dollars_an_hour(item: JobHardwareInfo) -> float:
    """What an hour of a machine costs, as `list_jobs_hardware` tells it."""
    return item.unit_cost_usd * {"second": 3600.0, "minute": 60.0, "hour": 1.0}[item.unit_label]


def runs(recipe: Recipe, flavor: Flavor, engine: str) -> bool:
    """Whether the machine has what the recipe computes in: int4, int8 and AutoTrain's fp16 want CUDA, bf16 Ampere."""
    params = recipe.params
    if not flavor.devices:
        return params.quantization is None and not (params.mixed_precision == "fp16" and engine == "autotrain")
    return flavor.bf16 or params.mixed_precision != "bf16"


def tokens_per_second(recipe: Recipe, shape: Shape, flavor: Flavor, engine: str) -> float | None:
    """Tokens that a recipe trains in a second, once it runs; None where the machine's rate is not known.

    Forward is 2 operations a parameter and token, backward through frozen weights 2 more, and gradient checkpointing
    runs forward once more. Attention and the adapter are left out.
    """
    work = shape.parameters * (4 if recipe.params.disable_gradient_checkpointing else 6)
    rate = (flavor.half if in_half_precision(recipe, engine) else flavor.single) * 1e12
    return rate * (flavor.devices * SHARES[engine] if flavor.devices else 1) / work or None
