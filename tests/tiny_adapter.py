"""A tiny Llama with random weights, an adapter that changes it, and a dataset: all that a page needs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from amazon_titles import tiny_llama
from tests import chat_models


def make_adapter(folder: Path, *, base: str | None = None, dataset: str | None = None) -> Path:
    """Writes `base`, `adapter` and `dataset` into a folder.

    Args:
        folder: Is there.
        base: What the adapter names as its base; by default the folder's own.
        dataset: What its `run.json` names; likewise.
    """
    from peft import LoraConfig, get_peft_model

    data = chat_models.make_dataset(folder)
    here, adapter = folder / "base", folder / "adapter"
    here.mkdir()
    tiny_llama.write_tokenizer(here, (folder / "trn.json").read_text(encoding="utf-8").splitlines(), vocab_size=400)
    size = tiny_llama.vocabulary_size(here)
    model = tiny_llama.write_model(here, vocab_size=size, hidden_size=48, layers=2, heads=3)
    lora = LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False, task_type="CAUSAL_LM")
    adapted = get_peft_model(model, lora)
    adapted.peft_config["default"].base_model_name_or_path = str(here)
    adapted.save_pretrained(adapter)
    config = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))
    config["base_model_name_or_path"] = base or str(here)  # now: peft would have looked for it when it saved
    (adapter / "adapter_config.json").write_text(json.dumps(config), encoding="utf-8")
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        shutil.copy(here / name, adapter / name)
    run = {"dataset": {"path": dataset or str(data), "revision": None}}
    (adapter / "run.json").write_text(json.dumps(run), encoding="utf-8")
    return folder
