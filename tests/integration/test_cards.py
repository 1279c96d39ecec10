"""Every Python block of every card and of the README is run as written; only names are replaced, or none.

An adapter and its dataset are published on the loopback Hub, so that their cards name what stands there; a trial run's
card names folders, and those are put in.
"""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from amazon_titles.cards import model_card
from amazon_titles.dataset import build_dataset
from amazon_titles.evaluation import EvalReport, compare, evaluate_model
from amazon_titles.sample import write_sample
from tests import blocks
from tests.autotrain_env import ROOT, other_python
from tests.loopback_hub import LoopbackHub
from tests.loopback_hub.clients import TOKEN, environment, push, run
from tests.tiny_models import make_base

pytestmark = pytest.mark.integration
pytest.importorskip("torch")

# Made in AutoTrain's environment where there is one, as AutoTrain's adapters are: random weights that change answers.
MAKE_ADAPTER = """
from pathlib import Path
from amazon_titles.training.adapter import dataset_of
from tests.tiny_models import make_adapter
run = {"dataset": dataset_of(str(Path("dataset").resolve())), "publishable": False, "why_not_publishable": "Local."}
make_adapter(Path("base").resolve(), Path("adapter"), recipe=Path("recipe.yml").read_text(), run=run)
"""

RECIPE = """# How it was trained
task: llm-sft
base_model: {home}/base
project_name: Llama-tiny-titles
data:
  path: {home}/dataset
  train_split: text-llama3:train
params:
  lora_r: 4
"""


@dataclass
class Story:
    hub: LoopbackHub
    home: Path
    adapter_card: str
    dataset_card: str


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    from amazon_titles.model import CatalogModel

    home = tmp_path_factory.mktemp("cards")
    write_sample(home / "trn.json", 120)
    build_dataset(home / "trn.json", home / "dataset", limit=40, render=("llama3",))
    make_base(home / "base", (home / "trn.json").read_text())
    (home / "recipe.yml").write_text(RECIPE.format(home=home))
    with LoopbackHub() as hub:
        hub.state.add_account("ana", TOKEN)
        run(other_python() or sys.executable, MAKE_ADAPTER, hub, home)
        reports = [
            evaluate_model(CatalogModel.from_pretrained(home / name), home / "dataset", limit=3, max_new_tokens=8)
            for name in ("base", "adapter")
        ]
        (home / "adapter" / "eval").mkdir()
        for name, report in zip(("before", "after"), reports, strict=True):
            (home / "adapter" / "eval" / f"{name}.json").write_text(report.to_json())
        (home / "adapter" / "eval" / "comparison.json").write_text(compare(*reports).to_json())
        hub.put("model", "ana/tiny-llama", {path.name: path.read_bytes() for path in (home / "base").iterdir()})
        push(sys.executable, "dataset", home / "dataset", "ana/titles", hub, home, tag="v1")
        options = {"base": "ana/tiny-llama", "dataset": "ana/titles@v1"}
        push(sys.executable, "adapter", home / "adapter", "ana/Llama-tiny-titles", hub, home, **options)
        yield Story(
            hub,
            home,
            hub.read("ana/Llama-tiny-titles", "README.md").decode(),
            hub.read("ana/titles", "README.md", kind="dataset").decode(),
        )


def shell(command: list[str], python: str, story: Story, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Runs `hf` or `amazon-titles` as the environment of `python` has it."""
    if command[0] == "amazon-titles":
        command = [python, "-m", "amazon_titles", *command[1:]]
    else:
        command = [str(Path(sys.executable).parent / command[0]), *command[1:]]
    values = environment(story.hub, cwd)
    done = subprocess.run(command, env=values, cwd=cwd, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"{shlex.join(command)}\n{done.stdout}\n{done.stderr}"
    return done


def test_the_published_card_says_where_everything_stands(story: Story) -> None:
    card = story.adapter_card
    assert "base_model: ana/tiny-llama" in card
    assert "| seen | 3 | fact recall |" in card
    assert "### 1. Most improved" in card
    assert "model-index" in card
    assert str(story.home) not in card
    assert "\\[MADEUP" in card, "a source without its uid"
    assert "none of its products" in card
    assert "amazon.com" not in card, "the sample has no links"
    run_told = json.loads(story.hub.read("ana/Llama-tiny-titles", "run.json"))
    assert run_told["dataset"]["revision"] in card


# What random weights say is full of line ends; so that answers can be told apart, each print becomes one line. It also
# has spaces before full stops, which the pipeline of transformers 4.48 removes (`clean_up_tokenization_spaces`).
ONE_LINE_A_PRINT = """
import builtins, json, re
_print = print
def tidied(said):
    return re.sub(" *(n't|[.?!,']) *", r"\\1", str(said)).strip()
builtins.print = lambda *said: _print(json.dumps([tidied(one) for one in said]))
"""


def test_the_published_card_runs_as_written(story: Story, client_python: str, tmp_path: Path) -> None:
    said = []
    for block in blocks.blocks(story.adapter_card, "sh"):
        for words in blocks.commands(block.text):
            if words[0] in ("hf", "amazon-titles"):
                said.append(shell(words, client_python, story, tmp_path).stdout)
    assert any("Sources:" in text for text in said)
    done = run(client_python, ONE_LINE_A_PRINT + blocks.python(story.adapter_card), story.hub, tmp_path, timeout=300)
    answers = done.stdout.strip().splitlines()
    assert len(answers) >= 3
    third = len(answers) // 3
    assert answers[:third] == answers[third : 2 * third] == answers[2 * third :], "peft, pipeline and merged differ"


def test_a_trials_card_runs_offline(story: Story, tmp_path: Path) -> None:
    adapter, dataset = story.home / "adapter", story.home / "dataset"
    run_told = json.loads((adapter / "run.json").read_text())
    comparison = compare(*(EvalReport.load(adapter / "eval" / f"{name}.json") for name in ("before", "after")))
    card = model_card(run_told, (adapter / "recipe.yml").read_text(), comparison=comparison, language="pt")
    card = card.replace("FOLDER", str(adapter)).replace("DATASET", str(dataset))
    offline = [block for block in blocks.blocks(card, "sh") if block.offline]
    assert len(offline) == 3
    for block in offline:
        for words in blocks.commands(block.text):
            values = environment(story.hub, tmp_path) | {"HF_HUB_OFFLINE": "1"}
            command = [sys.executable, "-m", "amazon_titles", *words[1:]]
            subprocess.run(command, env=values, cwd=tmp_path, check=True, capture_output=True, timeout=300)
    assert (tmp_path / "merged" / "model.safetensors").is_file()
    assert (tmp_path / "titles" / "titles.gguf").read_bytes()[:4] == b"GGUF"
    done = run(sys.executable, blocks.python(card), story.hub, tmp_path, timeout=300, HF_HUB_OFFLINE="1")
    assert done.stdout.strip()


def test_the_dataset_card_runs_as_written(story: Story, client_python: str, tmp_path: Path) -> None:
    code = story.dataset_card
    names = {"REPO_ID": "ana/titles", "BASE_MODEL": "ana/tiny-llama", "ADAPTER": "ana/Llama-tiny-titles"}
    for name, there in names.items():
        code = code.replace(name, there)
    run(client_python, blocks.python(code), story.hub, tmp_path, timeout=300)


def test_the_readme_runs_as_written(story: Story, tmp_path: Path) -> None:
    (tmp_path / "quickstart").mkdir()
    write_sample(tmp_path / "quickstart" / "sample.json", 120)
    shutil.copytree(story.home / "adapter", tmp_path / "quickstart" / "adapter")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert blocks.blocks(readme, "python")
    run(sys.executable, blocks.python(readme), story.hub, tmp_path, timeout=300, HF_HUB_OFFLINE="1")
