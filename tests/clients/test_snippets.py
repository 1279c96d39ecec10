"""The dataset card's snippets in the programs that they are for: every row becomes the tokens that this library trains.

`make test-clients` installs each program in an environment of its own, `.venv-clients/NAME`. The base has Llama 3.2's
trap, a template that writes today's date. On these rows each program then trains for two steps, on the CPU.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from amazon_titles.templates import get_template
from tests import blocks
from tests.autotrain_env import ROOT
from tests.integration.test_cards import story  # noqa: F401 - a fixture
from tests.loopback_hub.clients import environment

pytestmark = pytest.mark.integration
NAMES = {"REPO_ID": "ana/titles", "BASE_MODEL": "ana/tiny-llama", "ADAPTER": "ana/Llama-tiny-titles"}
QUIET = {"AXOLOTL_DO_NOT_TRACK": "1", "DO_NOT_TRACK": "1", "WANDB_MODE": "disabled"}
LONGEST = 4096  # longer than any row: nothing is cut or left out
LORA = {"lora_r": 4, "lora_alpha": 8, "learning_rate": 1e-4, "max_steps": 2, "gradient_accumulation_steps": 1}


@pytest.fixture
def client(story, tmp_path):  # noqa: F811
    """Runs Python in a program's environment, and gives what was printed last."""

    def runs(name, *arguments):
        python = ROOT / ".venv-clients" / name / "bin" / "python"
        if not python.is_file():
            pytest.skip(f"{name} is not installed: make test-clients")
        values = environment(story.hub, tmp_path) | QUIET
        done = subprocess.run([python, *arguments], env=values, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return (done.stdout.strip().splitlines() or [""])[-1]

    return runs


@pytest.fixture
def card(story):  # noqa: F811
    """The dataset card, of what is published."""
    text = story.dataset_card
    for name, there in NAMES.items():
        text = text.replace(name, there)
    return text


@pytest.fixture
def rows(story):  # noqa: F811
    """Token ids and labels of every row of the train split, sorted: by the template of this library."""
    from transformers import AutoTokenizer

    tokenizer, template = AutoTokenizer.from_pretrained(story.home / "base"), get_template("llama3")
    made = []
    for row in pq.read_table(story.home / "dataset" / "chat" / "train-00000-of-00001.parquet").to_pylist():
        ids = tokenizer(template.training_text(row["messages"]) + template.end).input_ids
        asked = len(tokenizer(template.prompt(row["messages"][:-1])).input_ids)
        made.append([ids, [-100] * asked + ids[asked:]])
    assert max(len(ids) for ids, _ in made) < LONGEST
    return sorted(made)


def settings(card: str, key: str) -> dict[str, object]:
    """The card's YAML that has this key."""
    found = (yaml.safe_load(block.text) for block in blocks.blocks(card, "yaml"))
    return next(told for told in found if key in told)


def written(folder: Path) -> list[list[list[int]]]:
    """Token ids and labels of a dataset that a program left on the disk, sorted."""
    from datasets import load_from_disk

    found = load_from_disk(str(folder)).with_format(None)
    return sorted([list(row["input_ids"]), list(row["labels"])] for row in found)


def test_datasets(client, card, rows):
    load = blocks.blocks(card, "python")[0].text
    found = client("datasets", "-c", f"{load}\nprint(len(chat), len(products), len(text), chat[0]['messages'])")
    counts = found.split()[:3]
    assert counts == [str(len(rows)), "40", str(len(rows))]
    assert "'role': 'user'" in found


TRAIN = """
import json
found = [list(ids) for ids in trainer.train_dataset["input_ids"]]
trainer.args.max_steps = 2
print(json.dumps([trainer.train().global_step, found]))
"""


@pytest.mark.parametrize("name", ["trl", "unsloth"])
def test_trl_and_unsloth(client, card, rows, name):
    first = "import unsloth\n" if name == "unsloth" else ""
    code = blocks.python(card).replace('"trained"', f'"trained", max_length={LONGEST}, per_device_train_batch_size=1')
    steps, found = json.loads(client(name, "-c", first + code + TRAIN))
    assert sorted(found) == [ids for ids, _ in rows]
    assert steps == 2


def test_trl_with_the_template_of_the_adapter(client, card, rows):
    """As the card says in a sentence, instead of the tokenizer."""
    more = f'"trained", max_length={LONGEST}, per_device_train_batch_size=1, chat_template_path="{NAMES["ADAPTER"]}"'
    code = blocks.python(card).replace('"trained"', more).replace(", processing_class=tokenizer", "")
    _, found = json.loads(client("trl", "-c", code + TRAIN))
    assert sorted(found) == [ids for ids, _ in rows]


def test_axolotl(client, card, rows, tmp_path):
    told = settings(card, "chat_template") | LORA | {
        "base_model": NAMES["BASE_MODEL"], "adapter": "lora", "lora_target_linear": True, "sequence_len": LONGEST,
        "dataset_prepared_path": "prepared", "output_dir": "out", "micro_batch_size": 1, "optimizer": "adamw_torch",
        "bf16": False, "fp16": False,
        # Its own kernels, on by default, want CUDA.
        "lora_mlp_kernel": False, "lora_qkv_kernel": False, "lora_o_kernel": False,
    }  # fmt: skip
    (tmp_path / "run.yml").write_text(yaml.safe_dump(told))
    client("axolotl", "-m", "axolotl.cli.preprocess", "run.yml")
    (prepared,) = {path.parent for path in (tmp_path / "prepared").rglob("state.json")}
    assert written(prepared) == rows
    client("axolotl", "-m", "axolotl.cli.train", "run.yml")
    assert (tmp_path / "out" / "adapter_model.safetensors").is_file()


def test_llama_factory(client, card, rows, tmp_path):
    (info,) = blocks.blocks(card, "json")
    told = settings(card, "template") | {
        "model_name_or_path": NAMES["BASE_MODEL"], "stage": "sft", "do_train": True, "finetuning_type": "lora",
        "lora_rank": 4, "dataset_dir": ".", "cutoff_len": LONGEST, "tokenized_path": "prepared", "output_dir": "out",
        "max_steps": 2, "per_device_train_batch_size": 1, "report_to": "none", "use_cpu": True,
    }  # fmt: skip
    # LLaMA-Factory imports it, and reads sounds with it; there are none, and its wheel wants CUDA.
    (tmp_path / "torchaudio.py").touch()
    (tmp_path / "dataset_info.json").write_text(info.text)
    (tmp_path / "run.yml").write_text(yaml.safe_dump(told))
    client("llamafactory", "-m", "llamafactory.cli", "train", "run.yml")
    assert written(tmp_path / "prepared" / "train") == rows
    assert (tmp_path / "out" / "adapter_model.safetensors").is_file()
