"""Adapters as other people leave them, and their bases: `python -m tests.foreign_adapters FOLDER`, a folder a case.

All are of a tiny Llama that they call `ana/base`, but for those whose trouble is their base. What is said of each is in
`tests/integration/test_foreign_adapters.py`.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

TEXT = "What is the height of an oak desk lamp? It is 40 cm high."
QUESTION = "What is the height of an oak desk lamp?"
ANSWER = "It is 40 cm high."
BASES: dict[str, dict[str, Any]] = {
    "new": {"model_type": "llama9", "architectures": ["Llama9ForCausalLM"], "transformers_version": "9.0.0"},
    "bnb": {"quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": True}},
    "gptq": {"quantization_config": {"quant_method": "gptq", "bits": 4, "group_size": 128}},
}
"""Bases that are not loaded, and what their config.json says besides."""


class Runs:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def edit(path: Path, **values: object) -> None:
    """Changes keys of a JSON file."""
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def make(home: Path) -> None:
    """Writes `bases`, every case, and `losses.json`: how surprised by ANSWER each model was before it was saved."""
    import torch
    from peft import LoraConfig, get_peft_model
    from safetensors.torch import load_file
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from amazon_titles.templates import TEMPLATES
    from tests.tiny_models import make_base

    (home / "bases").mkdir()
    base = home / "bases" / "base"
    make_base(base, TEXT, vocab_size=300)
    for name, config in BASES.items():
        edit(Path(shutil.copytree(base, base.with_name(name))) / "config.json", **config)
    make_base(home / "bases" / "wide", TEXT, vocab_size=300, hidden_size=96)
    tokenizer = AutoTokenizer.from_pretrained(str(base))
    prompt = tokenizer(TEMPLATES["llama3"].prompt([{"role": "user", "content": QUESTION}])).input_ids
    said = tokenizer(ANSWER + TEMPLATES["llama3"].end, add_special_tokens=False).input_ids

    def loss(model: Any) -> float:
        """The sum of the losses of a given answer's tokens, in nats."""
        ids, labels = torch.tensor([prompt + said]), torch.tensor([[-100] * len(prompt) + said])
        with torch.inference_mode():
            return float(model.eval()(input_ids=ids, labels=labels).loss) * len(said)

    losses = {"base": loss(AutoModelForCausalLM.from_pretrained(str(base)))}

    def adapter(name: str, *, rows: int = 0, **options: Any) -> Path:
        """A LoRA with random weights, as peft's `save_pretrained` and AutoTrain leave it, its tokenizer aside."""
        torch.manual_seed(3)
        network = AutoModelForCausalLM.from_pretrained(str(base))
        if rows:
            network.resize_token_embeddings(rows, mean_resizing=False)
        lora = LoraConfig(r=4, lora_alpha=16, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM", **options)
        model = get_peft_model(network, lora)
        for part, weights in model.named_parameters():
            if "lora_B" in part or "modules_to_save" in part:
                torch.nn.init.normal_(weights, std=0.3)
        losses[name] = loss(model)
        folder = home / name
        model.save_pretrained(folder)
        edit(folder / "adapter_config.json", base_model_name_or_path="ana/base")
        parameters = {"model": "ana/base", "data_path": "ana/titles", "train_split": "text-llama3:train", "lr": 0.001}
        (folder / "training_params.json").write_text(json.dumps(parameters))
        return folder

    def copy(name: str, **config: object) -> Path:
        folder = Path(shutil.copytree(home / "plain", home / name))
        edit(folder / "adapter_config.json", **config)
        losses[name] = losses["plain"]
        return folder

    for folder in (adapter("plain"), adapter("trained-head", modules_to_save=["lm_head"])):
        for file in base.glob("*token*"):
            shutil.copyfile(file, folder / file.name)
    for file in copy("no-tokenizer").glob("*token*"):
        file.unlink()
    weights = copy("pickled") / "adapter_model.safetensors"
    torch.save(load_file(weights), weights.with_suffix(".bin"))
    weights.unlink()
    torch.save({"weights": Runs(home / "RAN")}, copy("hostile") / "adapter_model.bin")
    (home / "hostile" / "adapter_model.safetensors").unlink()
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|one|>", "<|two|>"]})
    tokenizer.save_pretrained(adapter("resized", rows=len(tokenizer)))
    copy("newer-peft", peft_version="9.1.0", use_wishes={"granted": 3})
    copy("classifier", task_type="SEQ_CLS")
    copy("path", base_model_name_or_path="/content/models/Llama-3.2-1B-Instruct")
    copy("windows", base_model_name_or_path="C:\\models\\llama")
    copy("nameless", base_model_name_or_path=None)
    for name in ("new", "bnb", "gptq", "wide", "nowhere"):
        copy(f"of-{name}", base_model_name_or_path=f"ana/{name}")
    copy("of-gated", base_model_name_or_path="meta/gated")
    for step in (900, 1500):
        copy(f"checkpoints/checkpoint-{step}")
    (home / "losses.json").write_text(json.dumps(losses))


if __name__ == "__main__":
    make(Path(sys.argv[1]))
