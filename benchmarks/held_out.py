"""The losses of `train.py`'s contenders on the answers of products that none has trained on, by transformers and peft.

    python benchmarks/held_out.py FOLDER us autotrain ...    # folders of adapters in FOLDER, beside its `base`

Prints a line of JSON: nats an answer token, by name. In bf16 on a GPU, in float32 elsewhere; rows of like length
together, padded behind their end, where a causal model does not look.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from peft import PeftModel
from tokenizers import Tokenizer
from torch.nn import functional
from transformers import AutoModelForCausalLM

from amazon_titles.recipes import load_recipe
from amazon_titles.recipes.corpus import open_split
from amazon_titles.training import rows

TOKENS = 4096  # of a batch, padding included


def batches(held: rows.Rows) -> list[list[int]]:
    """Row numbers, sorted by length, as many together as fit."""
    lengths, made = held.lengths, list[list[int]]()
    for number in (-lengths).argsort().tolist():
        if made and lengths[made[-1][0]] * (len(made[-1]) + 1) <= TOKENS:
            made[-1].append(number)
        else:
            made.append([number])
    return made


@torch.no_grad()
def loss(model: torch.nn.Module, held: rows.Rows, device: str) -> float:
    """The mean over the answers' tokens."""
    total, count = 0.0, 0
    for numbers in batches(held):
        longest = len(held.row(numbers[0])[0])
        ids = torch.zeros(len(numbers), longest, dtype=torch.long)
        wanted = torch.zeros(len(numbers), longest, dtype=torch.bool)
        for place, number in enumerate(numbers):
            row, answers = held.row(number)
            ids[place, : len(row)] = torch.tensor(row)
            wanted[place, : len(row)] = torch.tensor(answers)
        ids, wanted = ids.to(device), wanted.to(device)[:, 1:]
        logits = model(input_ids=ids, use_cache=False).logits[:, :-1][wanted]
        total += float(functional.cross_entropy(logits.float(), ids[:, 1:][wanted], reduction="sum"))
        count += int(wanted.sum())
    return total / count


def main(folder: Path, names: list[str]) -> None:
    """Loads the base once, and puts one adapter after the other on it."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    recipe = load_recipe(folder / "recipe.yml")
    split = open_split(str(folder / "dataset"), recipe.dataset_config, "validation")
    tokenizer = Tokenizer.from_file(str(folder / "base" / "tokenizer.json"))
    held = rows.write(split, "text", tokenizer, recipe.template, folder / "held", longest=2048)
    dtype = torch.bfloat16 if device == "cuda" and torch.cuda.is_bf16_supported() else torch.float32
    base = AutoModelForCausalLM.from_pretrained(folder / "base", dtype=dtype).to(device).eval()
    losses = {"base": loss(base, held, device)}
    for name in names:
        model = PeftModel.from_pretrained(base, folder / name).eval()
        losses[name] = loss(model, held, device)
        base = model.unload()
    print(json.dumps({name: round(value, 4) for name, value in losses.items()}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
