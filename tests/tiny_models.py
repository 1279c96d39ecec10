"""A tiny base and a random adapter, made in whichever environment runs this: for tests of what becomes of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any


def make_base(folder: Path, text: str, *, vocab_size: int = 400, hidden_size: int = 48, layers: int = 2) -> Any:
    """A Llama with random weights and a tokenizer of this text, as the transformers of this environment saves it."""
    from amazon_titles import tiny_llama

    folder.mkdir()
    tiny_llama.write_tokenizer(folder, [text], vocab_size=vocab_size)
    size = tiny_llama.vocabulary_size(folder)
    return tiny_llama.write_model(folder, vocab_size=size, hidden_size=hidden_size, layers=layers, heads=3)


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
