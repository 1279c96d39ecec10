"""Every shipped recipe through AutoTrain's own parser, and a few steps of each on a tiny Llama."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from amazon_titles import resources
from amazon_titles.recipes import autotrain_checks, fields, load_recipe
from tests.autotrain_env import ROOT, autotrain_python

sys.path.insert(0, str(Path(__file__).parent))
import tokens_bases
from test_tokens import ON_A_CPU, conversations, write_dataset

pytestmark = pytest.mark.integration
RECIPES = resources.recipes()
# What check says AutoTrain would do, done.
TRAPS = {
    "validation-split": {"data.valid_split": "text-llama3:train"},
    "too-small": {"block_size": 131072, "model_max_length": 131072},
    "merge-adapter": {"merge_adapter": True},
    "modules-with-spaces": {"target_modules": "q_proj, v_proj"},
}

# What `distributed_backend` may be, and an option of `accelerate launch` with which AutoTrain then starts several GPUs.
BACKENDS = {None: "--multi_gpu", "ddp": "--multi_gpu", "deepspeed": "--use_deepspeed"}


@pytest.fixture(scope="module")
def autotrain(tmp_path_factory):
    python = autotrain_python()
    folder = tmp_path_factory.mktemp("recipes")
    rows = conversations() * 2
    write_dataset(folder / "dataset", rows)
    texts = [message["content"] for row in rows for message in row]
    tokens_bases.llama3(folder / "base-llama3", texts)
    tokens_bases.chatml(folder / "base-chatml", texts)
    jobs = {"parse": {}, "run": {}, "bases": [str(folder / "base-llama3"), str(folder / "base-chatml")]}
    for name, path in RECIPES.items():
        recipe = load_recipe(path)
        base = str(folder / f"base-{recipe.template.name}")
        tiny = {
            **ON_A_CPU,
            "base_model": base,
            "data.path": str(folder / "dataset"),
            "batch_size": 2,
            "gradient_accumulation": 1,
        }
        (folder / f"{name}.yml").write_text(recipe.with_settings(tiny).text, encoding="utf-8")
        jobs["parse"][name] = str(path)
        jobs["run"][name] = str(folder / f"{name}.yml")
        if name.startswith("quickstart"):
            for trap, settings in TRAPS.items():
                broken = recipe.with_settings({**tiny, **settings, "project_name": trap})
                (folder / f"{trap}.yml").write_text(broken.text, encoding="utf-8")
                jobs["run"][trap] = str(folder / f"{trap}.yml")
    jobs["start"] = {}
    for backend in BACKENDS:
        given = load_recipe(RECIPES["llama-3.2-1b-lora"]).with_settings({"distributed_backend": backend})
        (folder / f"on-{backend}.yml").write_text(given.text, encoding="utf-8")
        jobs["start"][str(backend)] = str(folder / f"on-{backend}.yml")
    jobs["parse"]["misspelt"] = str(ROOT / "tests/unit/broken_recipes/misspelt-setting.yml")
    (folder / "jobs.json").write_text(json.dumps(jobs), encoding="utf-8")
    hub = {"HF_HOME": str(folder / "hf"), "HF_HUB_OFFLINE": "1", "ALLOW_REMOTE_CODE": "false"}
    variables = {"HF_USERNAME": "somebody", "HF_TOKEN": ""}
    done = subprocess.run(
        [python, str(Path(__file__).parent / "recipes_autotrain.py"), "jobs.json", "out.json"],
        cwd=folder,
        env={**os.environ, **hub, **variables, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads((folder / "out.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", RECIPES)
def test_autotrain_reads_what_we_read(autotrain, name):
    recipe, read = load_recipe(RECIPES[name]), autotrain["parsed"][name]
    assert read["unused"] == []
    theirs = read["params"]
    assert theirs["trainer"] == "sft"
    assert theirs["model"] == recipe.base_model
    assert theirs["data_path"] == recipe.data_path
    assert theirs["train_split"] == recipe.train_split
    assert theirs["text_column"] == recipe.text_column
    assert theirs["chat_template"] is None
    assert theirs["valid_split"] is None
    ours = asdict(recipe.params)
    ours.pop("trainer")  # of the task
    assert {key: theirs[key] for key in ours} == ours


def test_the_distributed_backend_of_a_recipe_reaches_autotrain(autotrain):
    for backend, option in BACKENDS.items():
        assert autotrain["started"][str(backend)][:3] == ["accelerate", "launch", option]


def test_autotrain_only_warns_of_a_misspelt_setting(autotrain):
    assert "learning_rate" in " ".join(autotrain["parsed"]["misspelt"]["unused"])


def test_the_traps_are_real(autotrain):
    run = autotrain["run"]
    assert "eval_dataset" in run["validation-split"]["failed"]
    assert "packing the dataset" in run["too-small"]["failed"]
    assert "model.safetensors" in run["merge-adapter"]["files"]
    assert not [file for file in run["merge-adapter"]["files"] if file.startswith("adapter_")]
    assert run["modules-with-spaces"]["adapter"]["target_modules"] != ["q_proj", "v_proj"]


def test_our_table_is_autotrains(autotrain):
    known = autotrain["known"]
    for name, field in fields.PARAMS.items():
        assert known["defaults"][name] == field.default
        # A padding of null is not AutoTrain's type but does nothing either way.
        assert (name in known["optional"]) == field.optional
    assert set(known["defaults"]) == {*fields.PARAMS, *fields.ELSEWHERE}
    assert sorted(autotrain_checks.SPACES) == known["spaces"]
    assert set(fields.PARAMS["scheduler"].choices) <= set(known["schedulers"])
    assert set(fields.PARAMS["optimizer"].choices) <= set(known["optimizers"])


@pytest.mark.parametrize("name", RECIPES)
def test_a_few_steps_leave_an_adapter(autotrain, name):
    left, params = autotrain["run"][name], load_recipe(RECIPES[name]).params
    assert {"adapter_model.safetensors", "adapter_config.json"} <= set(left["files"])
    assert left["adapter"]["r"] == params.lora_r
    assert left["adapter"]["lora_alpha"] == params.lora_alpha
    linear = {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}
    assert set(left["adapter"]["target_modules"]) == linear
