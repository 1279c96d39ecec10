"""`evaluate` and `compare` as commands, on tiny Llamas with random weights: killed, run again, set side by side."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from amazon_titles import tiny_llama
from amazon_titles.cli import main
from amazon_titles.dataset import build_dataset
from amazon_titles.evaluation import SETS, evaluate_model
from amazon_titles.model import CatalogModel
from amazon_titles.sample import write_sample
from amazon_titles.templates import TEMPLATES

pytestmark = pytest.mark.integration
pytest.importorskip("torch")
tells_more = pytest.mark.skipif(
    not hasattr(CatalogModel, "generate_full"), reason="CatalogModel does not tell ends and losses yet"
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("evaluate")
    write_sample(home / "trn.json", 90)
    build_dataset(home / "trn.json", home / "dataset", test=0.3, grounded=1.0, abstain=1.0)
    for name, seed in (("base", 1), ("other", 2)):
        (home / name).mkdir()
        tiny_llama.write_tokenizer(home / name, [(home / "trn.json").read_text()], vocab_size=400)
        size = tiny_llama.vocabulary_size(home / name)
        tiny_llama.write_model(home / name, vocab_size=size, hidden_size=48, layers=2, heads=3, seed=seed)
    return home


def evaluate(model: str, out: str) -> list[str]:
    options = ["--dataset", "dataset", "--limit", "4", "--batch-size", "2", "--max-new-tokens", "64", "--out", out]
    return [sys.executable, "-m", "amazon_titles", "evaluate", model, *options]


def lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


# The power goes once six answers are noted.
KILLED = """
import os, signal, sys
from contextlib import contextmanager
from amazon_titles.cli import main
from amazon_titles.evaluation import run
resumed = run.resumed
@contextmanager
def killed_after_six(*what):
    with resumed(*what) as (done, add):
        def then_killed(*noted):
            add(*noted)
            if len(done) == 6:
                os.kill(os.getpid(), signal.SIGKILL)
        yield done, then_killed
run.resumed = killed_after_six
main(sys.argv[1:])
"""


def test_a_killed_evaluation_goes_on_and_says_the_same(home: Path) -> None:
    subprocess.run(evaluate("base", "whole.json"), cwd=home, check=True, capture_output=True)
    journal = home / "killed.partial.jsonl"
    killed = subprocess.run([sys.executable, "-c", KILLED, *evaluate("base", "killed.json")[3:]], cwd=home)
    assert killed.returncode == -signal.SIGKILL
    assert not (home / "killed.json").exists()
    asked = lines(journal)
    assert asked >= 6
    before = journal.read_bytes()
    other = subprocess.run(evaluate("other", "killed.json"), cwd=home, capture_output=True, text=True)
    assert other.returncode == 2
    assert "belongs to another evaluation, with other model and weights" in other.stderr
    assert journal.read_bytes() == before, "and it is kept"
    done = subprocess.run(evaluate("base", "killed.json"), cwd=home, check=True, capture_output=True, text=True)
    assert set(json.loads(done.stdout)) == set(SETS)
    assert (home / "killed.json").read_bytes() == (home / "whole.json").read_bytes()
    assert (home / "killed.jsonl").read_bytes() == (home / "whole.jsonl").read_bytes()
    assert not journal.exists()
    assert not [path for path in home.iterdir() if path.name.startswith(".")]


@tells_more
def test_two_models_stand_side_by_side(home: Path) -> None:
    for name in ("base", "other"):
        model = CatalogModel.from_pretrained(home / name, dataset=home / "dataset")
        evaluate_model(model, home / "dataset", limit=4, max_new_tokens=8, out=home / f"{name}.json")
    main(["compare", str(home / "base.json"), str(home / "other.json"), "--out", str(home / "both")])
    told = json.loads((home / "both" / "comparison.json").read_text())
    rows = {(row["set"], row["key"]): row for row in told["rows"]}
    for name in SETS:
        assert rows[name, "ended"]["n"] == 4
        assert rows[name, "loss"]["before"] != rows[name, "loss"]["after"]
    assert str(home) not in (home / "both" / "comparison.json").read_text(), "a path of this machine"


@tells_more
def test_the_loss_is_that_of_the_answer_token_by_token(home: Path) -> None:
    """Against a forward pass a row, written out here."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    loaded = CatalogModel.from_pretrained(home / "base", dataset=home / "dataset")
    report = evaluate_model(loaded, home / "dataset", sets=["seen", "grounded"], limit=3, max_new_tokens=4)
    model = AutoModelForCausalLM.from_pretrained(home / "base").eval()
    tokenizer = AutoTokenizer.from_pretrained(home / "base")
    template = TEMPLATES["llama3"]
    for example in report.examples:
        prompt = template.prompt([{"role": "user", "content": example.question}])
        answer = tokenizer(example.reference + template.end, add_special_tokens=False).input_ids
        ids = torch.tensor([[*tokenizer(prompt).input_ids, *answer]])
        with torch.inference_mode():
            logits = model(ids).logits[0].log_softmax(-1)
        start = ids.shape[1] - len(answer)
        losses = [-logits[start - 1 + place, token].item() for place, token in enumerate(answer)]
        assert example.loss_tokens == len(answer)
        assert example.scores["loss"] == pytest.approx(sum(losses) / len(losses), abs=1e-4)
