"""What is published loads anywhere: an adapter of each stack, in each stack, from the folder and from the Hub.

The base stands on the Hub, AutoTrain trains from the dataset's id and pushes by itself, and `push_adapter_to_hub`
finishes what it left there.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from amazon_titles.dataset import build_dataset
from amazon_titles.sample import write_sample
from amazon_titles.templates import TEMPLATES
from tests.autotrain_env import require_other_python
from tests.loopback_hub import LoopbackHub
from tests.loopback_hub.clients import TOKEN, environment, push, run, try_to_push

pytestmark = pytest.mark.integration

QUESTION = [{"role": "user", "content": 'What is "Oak Desk Lamp 40 cm"?'}]
LOGITS_AGREE_WITHIN = 2e-4
"""Logits this close are the same, in float32, with either stack's kernels; a rope that is read wrong is 0.1 off."""

WAYS = ("AutoPeftModelForCausalLM", "AutoModelForCausalLM", "pipeline")
PUBLISHED = {"adapter-here": "ana/Llama-here", "Llama-by-train": "ana/Llama-by-train"}
"""Folder → repository: of today's stack, and of AutoTrain, finished here by `train`."""
FINISHED = "ana/Llama-by-autotrain"
"""What AutoTrain pushed by itself, finished there by `push-adapter`."""

MAKE_BASE = """
from pathlib import Path
from tests.tiny_models import make_base
make_base(Path("base"), Path("texts.txt").read_text(), hidden_size=96)
"""

TRAIN_HERE = """
import json, pathlib, torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer
from amazon_titles.templates import TEMPLATES
from amazon_titles.training.adapter import finish_adapter
from amazon_titles import cards
from tests.loopback_hub.folders import run_json
torch.manual_seed(1)
model = AutoModelForCausalLM.from_pretrained("ana/tiny-llama")
tokenizer = AutoTokenizer.from_pretrained("ana/tiny-llama")
model = get_peft_model(model, LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", task_type="CAUSAL_LM"))
optimizer = torch.optim.AdamW(model.parameters(), lr=2e-2)
ids = tokenizer("An oak desk lamp, 40 cm high, of oak and brass.", return_tensors="pt").input_ids
for _ in range(10):
    loss = model(input_ids=ids, labels=ids).loss
    loss.backward(); optimizer.step(); optimizer.zero_grad()
model.save_pretrained("trained-here")
folder = pathlib.Path("adapter-here"); folder.mkdir()
run = run_json("ana/tiny-llama")
run["dataset"]["report_sha256"] = None
recipe = "base_model: ana/tiny-llama\\n"
finish_adapter(pathlib.Path("trained-here"), folder, base="ana/tiny-llama", template=TEMPLATES["llama3"],
               recipe=recipe, run=run)
(folder / "README.md").write_text(cards.model_card(run, recipe))
"""

LOAD = """
import json, sys, torch
from importlib.metadata import version
from peft import AutoPeftModelForCausalLM
from transformers import AutoModelForCausalLM, AutoTokenizer, pipeline
options = {"max_new_tokens": 12, "do_sample": False, "return_full_text": False}
found = {"base": pipeline("text-generation", model="ana/tiny-llama")(json.loads(sys.argv[1]), **options)}
found["base"] = found["base"][0]["generated_text"]
libraries = ("huggingface_hub", "datasets", "transformers", "peft", "torch")
found["versions"] = ", ".join(f"{name} {version(name)}" for name in libraries)
for name in sys.argv[2:]:
    tokenizer = AutoTokenizer.from_pretrained(name)
    ids = tokenizer(json.loads(sys.argv[1]), return_tensors="pt")
    found[name] = {}
    for how in (AutoPeftModelForCausalLM, AutoModelForCausalLM):
        model = how.from_pretrained(name).eval()
        with torch.no_grad():
            logits = model(**ids).logits[0, -1, :50].tolist()
        out = model.generate(**ids, max_new_tokens=12, do_sample=False)
        text = tokenizer.decode(out[0, ids.input_ids.shape[1]:], skip_special_tokens=True)
        found[name][how.__name__] = {"answer": text, "logits": logits}
    for how, piped in (("pipeline", pipeline("text-generation", model=model, tokenizer=tokenizer)),
                       ("pipeline by name", pipeline("text-generation", model=name))):
        found[name][how] = {"answer": piped(json.loads(sys.argv[1]), **options)[0]["generated_text"]}
    asked = [{"role": "user", "content": "Hm?"}]
    found[name]["template"] = tokenizer.apply_chat_template(asked, tokenize=False, add_generation_prompt=True)
print(json.dumps(found))
"""


@dataclass
class Story:
    """Everything that the module's tests look at."""

    hub: LoopbackHub
    home: Path
    dataset_commit: str
    autotrain_said: str


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    old = require_other_python()
    home = tmp_path_factory.mktemp("story")
    with LoopbackHub() as hub:
        hub.state.add_account("ana", TOKEN)
        write_sample(home / "trn.json", 80)
        build_dataset(home / "trn.json", home / "dataset", limit=24)
        (home / "texts.txt").write_text((home / "trn.json").read_text())
        run(old, MAKE_BASE, hub, home)
        files = {path.name: path.read_bytes() for path in (home / "base").iterdir()}
        hub.put("model", "ana/tiny-llama", files)
        commit = push(sys.executable, "dataset", home / "dataset", "ana/titles", hub, home, tag="v1")["commit"]
        said = autotrain(old, hub, home)
        train(old, hub, home)
        run(sys.executable, TRAIN_HERE, hub, home)
        yield Story(hub, home, commit, said)


def recipe(project: str, *, push_to_hub: bool) -> str:
    """A recipe from the Hub's ids."""
    config = {
        "task": "llm-sft", "base_model": "ana/tiny-llama", "project_name": project, "log": "tensorboard",
        "backend": "local-cli",
        "data": {
            "path": "ana/titles", "train_split": "text-llama3:train", "valid_split": None, "chat_template": None,
            "column_mapping": {"text_column": "text"},
        },
        "params": {
            "block_size": 128, "batch_size": 4, "gradient_accumulation": 1, "epochs": 1, "lr": 5e-3, "peft": True,
            "quantization": None, "mixed_precision": None, "optimizer": "adamw_torch", "lora_r": 4, "lora_alpha": 8,
            "target_modules": "all-linear", "merge_adapter": False, "disable_gradient_checkpointing": True,
            "logging_steps": 2,
        },
        "hub": {"username": "ana", "token": "${HF_TOKEN}" if push_to_hub else None, "push_to_hub": push_to_hub},
    }  # fmt: skip
    return yaml.safe_dump(config)


def train(python: Path, hub: LoopbackHub, home: Path) -> None:
    """`amazon-titles train`: AutoTrain, and then the folder is finished."""
    (home / "train.yml").write_text(recipe("Llama-by-train", push_to_hub=False))
    command = [sys.executable, "-m", "amazon_titles", "train", "train.yml"]
    done = subprocess.run(
        [*command, "--autotrain-env", str(python.parent.parent)],
        env=environment(hub, home), cwd=home, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    run = json.loads((home / "Llama-by-train" / "run.json").read_text())
    assert run["dataset"]["revision"] == hub.repo("ana/titles", "dataset").resolve("main").oid


def autotrain(python: Path, hub: LoopbackHub, home: Path) -> str:
    """Plain `autotrain --config` from the Hub id, pushing by itself. Gives what it said."""
    (home / "recipe.yml").write_text(recipe("Llama-by-autotrain", push_to_hub=True))
    values = environment(hub, home, PATH=f"{python.parent}:/usr/bin:/bin", OMP_NUM_THREADS="2")
    values.pop("PYTHONPATH")  # the checkout has a folder called autotrain
    done = subprocess.run(
        [str(python), "-m", "autotrain.cli.autotrain", "--config", "recipe.yml"],
        env=values, cwd=home, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    return done.stdout + done.stderr


def test_autotrain_trains_from_the_hub_id_and_its_push_is_finished(story: Story) -> None:
    hub, home = story.hub, story.home
    assert "train has failed" not in story.autotrain_said, story.autotrain_said[-3000:]
    left = set(hub.repo("ana/Llama-by-autotrain").files())
    assert {"training_args.bin", "adapter_model.safetensors", "training_params.json"} <= left
    name = "ana/Llama-by-autotrain"
    options: dict[str, Any] = {"dataset": "ana/titles@v1"}
    preview = push(sys.executable, "adapter", Path(name), name, hub, home, dry_run=True)
    assert "the revision of ana/titles used for training is unknown" in preview["warnings"][0]
    report = push(sys.executable, "adapter", Path(name), name, hub, home, **options)
    assert report["warnings"] == []
    assert "training_args.bin" in report["deleted"]
    files = set(hub.repo("ana/Llama-by-autotrain").files())
    assert {"run.json", "recipe.yml", "README.md"} <= files
    assert not {path for path in files if path.endswith(".bin") or path.startswith("runs/")}
    told = json.loads(hub.read("ana/Llama-by-autotrain", "run.json"))
    assert told["dataset"]["path"] == "ana/titles"
    assert told["dataset"]["revision"] == story.dataset_commit
    assert told["losses"], "the loss curve is in tensorboard's file"
    assert told["losses"][-1]["loss"] < told["losses"][0]["loss"]
    recipe = yaml.safe_load(hub.read("ana/Llama-by-autotrain", "recipe.yml"))
    assert recipe["params"]["lr"] == 5e-3
    assert recipe["data"]["train_split"] == "text-llama3:train"
    card = hub.read("ana/Llama-by-autotrain", "README.md").decode()
    assert 'from_pretrained("ana/Llama-by-autotrain")' in card
    assert "favorite condiment" not in card
    tokenizer = json.loads(hub.read("ana/Llama-by-autotrain", "tokenizer_config.json"))
    assert tokenizer["chat_template"] == TEMPLATES["llama3"].jinja, "the base's own has a clock"
    again = push(sys.executable, "adapter", Path(name), name, hub, home)
    assert not again["changed"]


def test_the_cards_pass_the_clients_own_classes(story: Story) -> None:
    from huggingface_hub import DatasetCard, ModelCard

    from tests.loopback_hub.cards import problems

    card = story.hub.read("ana/titles", "README.md", kind="dataset").decode()
    assert problems(card, "dataset") == []
    configs = DatasetCard(card).data.to_dict()["configs"]
    assert {"text-llama3", "catalog"} <= {config["config_name"] for config in configs}
    card = story.hub.read("ana/Llama-by-autotrain", "README.md").decode()
    assert problems(card, "model") == []
    assert ModelCard(card).data.base_model == "ana/tiny-llama"


def test_the_folder_that_autotrain_left_is_finished_too(story: Story, client_python: str) -> None:
    folder = story.home / "Llama-by-autotrain"
    params = json.loads((folder / "training_params.json").read_text())
    (folder / "training_params.json").write_text(json.dumps(params | {"token": TOKEN}))
    repo = f"ana/from-folder-{Path(client_python).parent.parent.name}"
    push(client_python, "adapter", folder, repo, story.hub, story.home, dataset="ana/titles@v1")
    assert "training_args.bin" not in story.hub.repo(repo).files()
    assert story.hub.received(TOKEN.encode()) == []
    assert not (folder / "run.json").exists()


def test_loads_anywhere(story: Story) -> None:
    """The matrix. By a name alone, `pipeline` of transformers 4.48 takes the base for the adapter and says nothing.

    (pipelines/__init__.py, 847: `model = adapter_config["base_model_name_or_path"]`.) Nothing in a repository can mend
    that, so the card passes the model itself; here it is held that the trap is still that one, and no other.
    """
    hub, home = story.hub, story.home
    for folder, name in PUBLISHED.items():
        push(sys.executable, "adapter", home / folder, name, hub, home, dataset="ana/titles@v1")
    if "run.json" not in hub.repo(FINISHED).files():
        push(sys.executable, "adapter", Path(FINISHED), FINISHED, hub, home, dataset="ana/titles@v1")
    names = (*PUBLISHED, *PUBLISHED.values(), FINISHED)
    prompt = json.dumps(TEMPLATES["llama3"].prompt(QUESTION))
    found = {}
    for stack, python in (("new", sys.executable), ("old", require_other_python())):
        (home / stack).mkdir()
        told = run(python, LOAD, hub, home, arguments=(prompt, *names), timeout=300, HF_HOME=str(home / stack))
        found[stack] = json.loads(told.stdout.splitlines()[-1])
    for stack, loaded in found.items():
        for name in names:
            answers = {how: value["answer"] for how, value in loaded[name].items() if how in WAYS}
            assert set(answers) == set(WAYS), "none skipped"
            assert len(set(answers.values())) == 1, f"{name}, {stack}: {answers}"
            wrong = loaded["base"] if stack == "old" else loaded[name]["pipeline"]["answer"]
            assert loaded[name]["pipeline by name"]["answer"] == wrong
            sent = loaded[name]["template"]
            assert sent.startswith("<|begin_of_text|><|start_header_id|>user"), "no date before the question"
        for folder, name in PUBLISHED.items():
            assert loaded[name]["pipeline"] == loaded[folder]["pipeline"], "the Hub's and the folder's are one"
        adapters = [loaded[name]["pipeline"]["answer"] for name in (*PUBLISHED, FINISHED)]
        # AutoTrain's two may say the same: trained alike, on random weights.
        assert loaded["base"] not in adapters, "an adapter that changes nothing proves nothing"
        assert adapters[0] not in adapters[1:], "two stacks, two adapters, two answers"
        assert loaded[FINISHED][WAYS[0]]["logits"] != loaded["Llama-by-train"][WAYS[0]]["logits"], "two trainings"
    for name in names:
        for how in WAYS[:2]:
            pairs = zip(found["new"][name][how]["logits"], found["old"][name][how]["logits"], strict=True)
            apart = max(abs(a - b) for a, b in pairs)
            sys.stdout.write(f"{name:<24}{how:<26}logits {apart:.1e} apart\n")
            assert apart < LOGITS_AGREE_WITHIN, f"{name} by {how}: the stacks are {apart} apart"
    sys.stdout.write("\n".join(f"{stack}: {loaded['versions']}" for stack, loaded in found.items()) + "\n")


def test_a_repository_that_is_no_adapter(story: Story) -> None:
    said = try_to_push(sys.executable, "adapter", Path("ana/tiny-llama"), "ana/x", story.hub, story.home)
    assert said.returncode == 2
    assert "it has no adapter_config.json" in said.stderr
