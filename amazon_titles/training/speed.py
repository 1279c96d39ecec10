"""What this machine trains fastest with: its accelerator, its precision, and the layers that a CPU can afford."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_MODULES = (
    "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj", "mlp.gate_proj", "mlp.up_proj",
    "mlp.down_proj",
)  # fmt: skip


def accelerator() -> str | None:
    """`cuda` or `mps` where this machine has one; None for a CPU."""
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else None


def computes_in_bf16() -> bool:
    """Whether this machine multiplies matrices faster in bf16 than in float32: CUDA from Ampere on, CPUs with AMX."""
    import torch

    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    # Not public before torch names it otherwise; where it is gone, float32 is right everywhere.
    known = getattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    return bool(known())


def upper_half(config: Mapping[str, Any]) -> str:
    """`target_modules` of the upper half of a Llama's layers, as plain AutoTrain takes them: names with commas between.

    Backward ends where the lowest adapted layer begins, which saves a CPU much of a step's time.

    Args:
        config: The base's `config.json`.
    """
    layers = int(config["num_hidden_layers"])
    return ",".join(f"{layer}.{module}" for layer in range(layers // 2, layers) for module in _MODULES)
