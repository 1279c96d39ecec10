"""`amazon-titles train` with the real AutoTrain: an adapter folder, or exit 1 with the reason."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest

from amazon_titles import tiny_llama
from amazon_titles.dataset import build_dataset
from amazon_titles.recipes import fill_recipe
from amazon_titles.sample import write_sample
from tests.autotrain_env import autotrain_env

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A folder with a dataset, a tiny base and a recipe of two short epochs."""
    pytest.importorskip("torch")
    folder = tmp_path_factory.mktemp("train")
    write_sample(folder / "trn.json", 60)
    build_dataset(folder / "trn.json", folder / "dataset", phrasings=3, property=0.0)
    (folder / "base").mkdir()
    tiny_llama.write_tokenizer(folder / "base", ["a kettle of iron"], vocab_size=300)
    size = tiny_llama.vocabulary_size(folder / "base")
    tiny_llama.write_model(folder / "base", vocab_size=size, hidden_size=48, layers=1, heads=3)
    (folder / "base" / "base.json").write_text('{"source": "a kettle of iron"}')
    settings = {"epochs": 2, "lora_r": 4, "batch_size": 32, "logging_steps": 1}
    (folder / "recipe.yml").write_text(fill_recipe("quickstart-tiny", dataset="dataset", settings=settings))
    return folder


def train(folder, recipe="recipe.yml"):
    command = [sys.executable, "-m", "amazon_titles", "train", recipe, "--autotrain-env", autotrain_env()]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def test_an_adapter_folder_comes_out(workplace):
    done = train(workplace)
    assert done.returncode == 0, done.stderr
    adapter = workplace / "adapter"
    names = {path.name for path in adapter.iterdir()}
    assert names == {
        "README.md", "adapter_config.json", "adapter_model.safetensors", "loss.png", "recipe.yml", "run.json",
        "special_tokens_map.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja",
    }  # fmt: skip
    run = json.loads((adapter / "run.json").read_text())
    assert run["publishable"] is False
    assert "base model" in run["why_not_publishable"]
    assert run["base_source"] == "a kettle of iron"
    assert "| a kettle of iron |" in (adapter / "README.md").read_text()
    assert run["tokens"] == 2 * run["tokens_an_epoch"] > 0
    assert run["losses"][0]["loss"] > run["losses"][-1]["loss"] > 0
    assert run["versions"]["autotrain-advanced"] == "0.8.36"
    template = json.loads((adapter / "tokenizer_config.json").read_text())["chat_template"]
    assert "strftime_now" not in template
    assert str(workplace) not in (adapter / "README.md").read_text()
    assert not [path for path in workplace.iterdir() if path.name.startswith(".")], "the workshop was left behind"


def test_a_failed_training_exits_1_with_the_reason_and_leaves_what_stood_there(workplace, tmp_path):
    shutil.copytree(workplace / "dataset", tmp_path / "dataset")
    shutil.copytree(workplace / "base", tmp_path / "base")
    (tmp_path / "base" / "model.safetensors").write_bytes(b"not weights")
    shutil.copy(workplace / "recipe.yml", tmp_path / "recipe.yml")
    (tmp_path / "adapter").mkdir()
    (tmp_path / "adapter" / "run.json").write_text("{}")
    done = train(tmp_path)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "AutoTrain failed: " in done.stderr
    assert "SafetensorError" in done.stderr or "header" in done.stderr.lower()
    assert "Its last lines:" in done.stderr
    assert (tmp_path / "adapter" / "run.json").read_text() == "{}"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["adapter", "base", "dataset", "recipe.yml"]


def test_a_recipe_with_errors_trains_nothing(workplace, tmp_path):
    (tmp_path / "recipe.yml").write_text((workplace / "recipe.yml").read_text().replace("epochs:", "epochz:"))
    done = train(tmp_path)
    assert done.returncode == 2
    assert "epochz" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["recipe.yml"]
