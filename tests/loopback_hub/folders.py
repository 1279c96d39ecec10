"""Small dataset and adapter folders, as `build` and `train` leave them, to be published in tests."""

from __future__ import annotations

import hashlib
import json
import struct
from array import array
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

DATASET_CARD = """---
license: other
license_name: research
license_link: LICENSE
language:
- en
task_categories:
- question-answering
configs:
- config_name: default
  default: true
  data_files:
  - split: train
    path: chat/train-*.parquet
  - split: test
    path: chat/test-*.parquet
- config_name: text-llama3
  data_files:
  - split: train
    path: text-llama3/train-*.parquet
- config_name: catalog
  data_files:
  - split: train
    path: catalog/train-*.parquet
---
# Titles

See https://www.amazon.com/dp/0001234567 for one of them.
"""

MODEL_CARD = """---
license: other
base_model: ana/tiny
base_model_relation: adapter
library_name: peft
pipeline_tag: text-generation
---
# An adapter

Merge it with `amazon-titles merge ana/adapter --out ./merged`.
"""


def dataset_folder(folder: Path, *, rows: int = 20, salt: str = "") -> Path:
    """A dataset folder with `rows` training rows; `salt` makes another one of it."""
    messages = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
    chat = pa.schema([("uid", pa.string()), ("task", pa.string()), ("language", pa.string()), ("messages", messages)])

    def talk(number: int) -> dict[str, Any]:
        question = {"role": "user", "content": f"What is item {number}{salt}?"}
        answer = {"role": "assistant", "content": f"Item {number}{salt} is {number * 7} cm long."}
        return {"uid": f"{number:010}", "task": "recall", "language": "en", "messages": [question, answer]}

    tables = {
        "chat/train-00000-of-00001.parquet": pa.Table.from_pylist([talk(n) for n in range(rows)], chat),
        "chat/test-00000-of-00001.parquet": pa.Table.from_pylist([talk(n) for n in range(rows, rows + 4)], chat),
        "text-llama3/train-00000-of-00001.parquet": pa.table(
            {"uid": [f"{n:010}" for n in range(rows)], "text": [f"text {n}{salt}" for n in range(rows)]}
        ),
        "catalog/train-00000-of-00001.parquet": pa.table(
            {"uid": [f"{n:010}" for n in range(rows + 4)], "title": [f"item {n}{salt}" for n in range(rows + 4)]}
        ),
    }
    for path, table in tables.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, folder / path)
    (folder / "README.md").write_text(DATASET_CARD)
    report = {"rows_read": rows + 10, "kept": rows + 4, "dropped": {"empty_title": 6}, "source": f"trn{salt}.json"}
    (folder / "report.json").write_text(json.dumps(report, indent=2))
    return folder


def adapter_folder(folder: Path, *, seed: int = 1, base: str = "ana/tiny", big: int = 0) -> Path:
    """An adapter folder, its weights of this seed; `big` adds a tensor of so many bytes (a multiple of 512)."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {"peft_type": "LORA", "task_type": "CAUSAL_LM", "base_model_name_or_path": base, "r": 4, "lora_alpha": 8}
    (folder / "adapter_config.json").write_text(json.dumps(config | {"target_modules": ["q_proj"]}, indent=2))
    numbers = [((seed * 7919 + n * 104729) % 2000 - 1000) / 1000 for n in range(128)]
    tensors = {"q_proj.lora_A.weight": array("f", numbers[:64]), "q_proj.lora_B.weight": array("f", numbers[64:])}
    if big:
        tensors["k_proj.lora_A.weight"] = array("f", numbers) * (big // 512)
    write_safetensors(folder / "adapter_model.safetensors", tensors)
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast"}))
    (folder / "tokenizer.json").write_text(json.dumps({"model": {"vocab": {"/home/": 1}}}))
    (folder / "README.md").write_text(MODEL_CARD.replace("ana/tiny", base))
    (folder / "recipe.yml").write_text(
        f"# How it was trained\nbase_model: {base}\nproject_name: adapter\ndata:\n  path: ana/titles # the dataset\n"
        "  train_split: text-llama3:train\nparams:\n  lr: 0.001\n"
    )
    (folder / "run.json").write_text(json.dumps(run_json(base), indent=2))
    (folder / "eval").mkdir(exist_ok=True)
    (folder / "eval" / "comparison.md").write_text("| before | after |\n|---|---|\n| 0.1 | 0.9 |\n")
    return folder


def run_json(base: str) -> dict[str, Any]:
    """What `train` writes beside the weights."""
    return {
        "library": "0.1.0",
        "engine": "autotrain",
        "base_model": base,
        "dataset": {"path": "ana/titles", "revision": "v1", "report_sha256": "0" * 64},
        "train_split": "text-llama3:train",
        "template": "llama3",
        "recipe": "recipe.yml",
        "publishable": True,
        "why_not_publishable": None,
        "device": "cpu",
        "machine": "Linux x86_64",
        "versions": {"peft": "0.14.0"},
        "seconds": 19.5,
        "training_seconds": 5.6,
        "rows": 20,
        "tokens_an_epoch": 300,
        "tokens": 12000,
        "losses": [{"epoch": 1.0, "loss": 2.0}, {"epoch": 40.0, "loss": 0.1}],
    }


def write_safetensors(path: Path, tensors: dict[str, array[float]]) -> None:
    """Float32 tensors of one dimension, in the format's own layout."""
    header: dict[str, Any] = {}
    offset = 0
    for name, numbers in tensors.items():
        header[name] = {"dtype": "F32", "shape": [len(numbers)], "data_offsets": [offset, offset + 4 * len(numbers)]}
        offset += 4 * len(numbers)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    data = b"".join(numbers.tobytes() for numbers in tensors.values())
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def digests(folder: Path) -> dict[str, str]:
    """Path → SHA-256 of every file."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
