"""How fast this machine trains a base with LoRA: a few real steps, before hours are promised."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from amazon_titles.errors import require
from amazon_titles.processes import freed_memory_kept
from amazon_titles.recipes.fields import Params

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
    """Whether bf16 is faster than float32 on this machine: CUDA from Ampere on, CPUs with AMX or AVX512-BF16."""
    import torch

    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    # Not public before torch names them otherwise; where they are gone, float32 is right everywhere.
    names = "_is_amx_tile_supported", "_is_avx512_bf16_supported"
    return any(getattr(torch.cpu, name, lambda: False)() for name in names)


def upper_half(config: Mapping[str, Any]) -> str:
    """`target_modules` of the upper half of a Llama's layers, as plain AutoTrain takes them: names with commas between.

    Backward ends where the lowest adapted layer begins, which saves a CPU much of a step's time.

    Args:
        config: The base's `config.json`.
    """
    layers = int(config["num_hidden_layers"])
    return ",".join(f"{layer}.{module}" for layer in range(layers // 2, layers) for module in _MODULES)


def tokens_per_second(base: str | Path, params: Params, steps: int = 2) -> float:
    """Tokens a second of a training loop as AutoTrain's, measured: one step to warm up, then timed ones.

    Args:
        base: A model's folder or Hub id.
        params: The recipe's; a base that is to be quantised is measured as it is.
        steps: How many are timed.

    Raises:
        MissingExtraError: torch, transformers or peft is not installed.
    """
    require("train", "torch", "peft", "transformers")
    with freed_memory_kept():
        return _measured(str(base), params, steps)


def _measured(base: str, params: Params, steps: int) -> float:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    device = accelerator() or "cpu"
    model = AutoModelForCausalLM.from_pretrained(base, trust_remote_code=False).float().to(device)
    modules = params.target_modules or "all-linear"
    targets = modules if modules == "all-linear" else modules.split(",")
    model = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", r=params.lora_r, target_modules=targets)).train()
    optimizer = torch.optim.AdamW([parameter for parameter in model.parameters() if parameter.requires_grad])
    rows = torch.randint(model.config.vocab_size, (params.batch_size, params.tokens_a_row), device=device)
    for step in range(1 + steps):
        if step == 1:
            start = time.perf_counter()
        with torch.autocast(device, torch.bfloat16, enabled=params.mixed_precision == "bf16"):
            loss = model(input_ids=rows, labels=rows, use_cache=False).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        float(loss.detach())  # waits for a GPU to be done
    return steps * rows.numel() / (time.perf_counter() - start)
