"""A tiny base and a random adapter, made in whichever environment runs this: for tests of what becomes of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# Llama 3's scaled rope, for so short a context that a config whose rope is misread gives other answers.
_THETA = 20.0
_SCALED = {
    "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
    "original_max_position_embeddings": 16,
}  # fmt: skip
_ROPE_KEYS = ("rope_theta", "rope_scaling", "rope_parameters")


def make_base(
    folder: Path,
    text: str,
    *,
    vocab_size: int = 400,
    hidden_size: int = 48,
    layers: int = 2,
    rope: str = "old",
    dtype: str = "float32",
) -> None:
    """A Llama with random weights and a tokenizer of this text.

    `rope` spells its rope as transformers before 5 did (`old`, so do Llama's own repositories) or as 5 does (`new`).
    """
    import torch

    from amazon_titles import tiny_llama

    folder.mkdir()
    tiny_llama.write_tokenizer(folder, [text], vocab_size=vocab_size)
    size = tiny_llama.vocabulary_size(folder)
    model = tiny_llama.write_model(folder, vocab_size=size, hidden_size=hidden_size, layers=layers, heads=3)
    model.to(getattr(torch, dtype)).save_pretrained(folder)
    config = json.loads((folder / "config.json").read_text())
    config = {key: value for key, value in config.items() if key not in (*_ROPE_KEYS, "dtype", "torch_dtype")}
    if rope == "new":
        config |= {"rope_parameters": _SCALED | {"rope_theta": _THETA}, "dtype": dtype}
    else:
        config |= {"rope_theta": _THETA, "rope_scaling": _SCALED, "torch_dtype": dtype}
    (folder / "config.json").write_text(json.dumps(config))


def make_adapter(
    base: Path, folder: Path, *, recipe: str, run: Mapping[str, Any] | None = None, std: float = 0.2
) -> None:
    """An adapter folder as `train` leaves it: random weights that change answers, the more so the larger `std`."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    from amazon_titles import cards
    from amazon_titles.templates import TEMPLATES
    from amazon_titles.training.adapter import finish_adapter
    from tests.loopback_hub.folders import run_json

    torch.manual_seed(3)
    model = AutoModelForCausalLM.from_pretrained(str(base))
    model = get_peft_model(model, LoraConfig(r=4, lora_alpha=16, target_modules="all-linear", task_type="CAUSAL_LM"))
    for name, weights in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weights, std=std)
    trained = folder.with_name("trained")
    model.save_pretrained(trained)
    folder.mkdir()
    told = run_json(str(base)) | dict(run or {})
    finish_adapter(trained, folder, base=str(base), template=TEMPLATES["llama3"], recipe=recipe, run=told)
    (folder / "README.md").write_text(cards.model_card(told, recipe))
