"""Where the adapter goes: whole or not at all, one training at a time, over nothing that is not a training's."""

from __future__ import annotations

import json
import subprocess
import sys
from array import array
from contextlib import nullcontext

import pytest

from amazon_titles.errors import InputError, TrainingError
from amazon_titles.io import held
from amazon_titles.training import run as training
from amazon_titles.training.adapter import finish_adapter
from tests.fake_training import FILES, MOMENTS, pretend
from tests.loopback_hub.folders import adapter_folder, write_safetensors

OLD, KILLED, NEW = 0.9, 0.5, 0.1


@pytest.fixture(autouse=True)
def engines(monkeypatch):
    """`pretend` replaces them: they come back after each test."""
    for name in ("_check", "plot_losses"):
        monkeypatch.setattr(training, name, getattr(training, name))
    for engine in (training.autotrain, training.trl):
        monkeypatch.setattr(engine, "fine_tune", engine.fine_tune)


def loss(folder):
    """The last loss of the whole adapter that stands there, which tells one from another."""
    assert {path.name for path in (folder / "adapter").iterdir()} == FILES
    told = json.loads((folder / "adapter" / "run.json").read_text())["losses"][-1]["loss"]
    assert f"{told:.3f}" in (folder / "adapter" / "README.md").read_text(), "the card is another training's"
    return told


@pytest.mark.parametrize(
    ("engine", "moment"), [*(("trl", moment) for moment in MOMENTS), ("autotrain", "in the card")]
)  # fmt: skip
def test_killed_at_any_moment_the_old_adapter_or_the_new_one_is_whole(tmp_path, engine, moment):
    pretend(tmp_path, engine, loss=OLD)
    killed = subprocess.run([sys.executable, "-m", "tests.fake_training", str(tmp_path), engine, moment])
    assert killed.returncode == 9
    if (
        moment == "between two renames"
    ):  # of a system that cannot swap: both are whole, and the next training sees to it
        assert not (tmp_path / "adapter").exists()
        with pytest.raises(ZeroDivisionError):
            pretend(tmp_path, engine, loss=NEW, meanwhile=lambda: 1 / 0)
        assert loss(tmp_path) == KILLED
    else:
        assert loss(tmp_path) == (KILLED if moment == "after the swap" else OLD)
    pretend(tmp_path, engine, loss=NEW)
    assert loss(tmp_path) == NEW
    assert sorted(path.name for path in tmp_path.iterdir()) == ["adapter", "base", "recipe.yml"]


@pytest.mark.parametrize("engine", ["autotrain", "trl"])
def test_a_second_training_is_told_of_the_first_and_neither_suffers(tmp_path, engine):
    def second():
        with pytest.raises(InputError, match=r"is in use: training by process \d+ on ") as refused:
            pretend(tmp_path, engine, loss=NEW)
        assert "Choose another" in str(refused.value)

    pretend(tmp_path, engine, loss=OLD, meanwhile=second)
    assert loss(tmp_path) == OLD


def test_two_trainings_do_not_share_a_folder_of_checkpoints(tmp_path):
    place = tmp_path / "checkpoints"
    with (
        held(place, "training", hint=""),
        pytest.raises(InputError, match=r"checkpoints is in use(.|\n)*--set checkpoint_dir=DIR"),
    ):
        pretend(tmp_path, "trl", loss=NEW, **{"amazon_titles.checkpoint_dir": str(place)})
    assert not (tmp_path / "adapter").exists()


def test_checkpoints_within_the_adapter_would_go_with_it(tmp_path):
    with pytest.raises(InputError, match="cannot hold checkpoints"):
        pretend(tmp_path, "trl", loss=NEW, **{"amazon_titles.checkpoint_dir": str(tmp_path / "adapter" / "steps")})


def test_a_document_that_fails_costs_no_training(tmp_path, monkeypatch):
    def fails(*_, **__):
        raise RuntimeError("no card today")

    monkeypatch.setattr(training.cards, "model_card", fails)
    with pytest.raises(RuntimeError, match="no card today"):
        pretend(tmp_path, "trl", loss=NEW)
    assert {path.name for path in (tmp_path / "adapter").iterdir()} == FILES - {"README.md"}
    assert not (tmp_path / "adapter.checkpoints").exists()


@pytest.mark.parametrize("path", ["notes.txt", "eval/notes.md", "eval/photos/cat.jpg", "checkpoint-5/optimizer.pt"])
def test_what_no_training_made_is_named_and_stays(tmp_path, path):
    pretend(tmp_path, "autotrain", loss=OLD)
    (tmp_path / "adapter" / path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / "adapter" / path).write_text("mine")
    with pytest.raises(InputError, match=rf"\({path}\)(.|\n)*--set project_name=NAME"):
        pretend(tmp_path, "autotrain", loss=NEW)
    assert (tmp_path / "adapter" / path).read_text() == "mine"


def test_the_tests_of_the_old_adapter_go_with_it(tmp_path):
    pretend(tmp_path, "autotrain", loss=OLD)
    (tmp_path / "adapter" / "eval").mkdir()
    for name in ("before.json", "after.json", "comparison.md", "comparison.json", "before_after.png", "changes.png"):
        (tmp_path / "adapter" / "eval" / name).touch()
    pretend(tmp_path, "autotrain", loss=NEW)
    assert loss(tmp_path) == NEW


def test_what_plain_autotrain_left_is_not_ours_to_replace(tmp_path):
    (tmp_path / "adapter").mkdir()
    (tmp_path / "adapter" / "training_params.json").write_text("{}")
    with pytest.raises(InputError, match=r"training_params\.json"):
        pretend(tmp_path, "autotrain", loss=NEW)


@pytest.mark.parametrize("rate", [None, 1e-4])
def test_steps_without_a_rate_leave_the_base_and_that_is_said(tmp_path, capsys, rate):
    """Warm-up begins at 0: plain AutoTrain trains a step on twenty rows, and nothing is wrong with that."""
    trained, folder = adapter_folder(tmp_path / "trained"), tmp_path / "adapter"
    folder.mkdir()
    zeros = {f"x.lora_{name}.weight": array("f", [value]) for name, value in (("A", 1.0), ("B", 0.0))}
    write_safetensors(trained / "adapter_model.safetensors", zeros)
    run = {"losses": [{"loss": 6, "learning_rate": rate}]}
    with nullcontext() if rate is None else pytest.raises(TrainingError, match="all zero"):
        finish_adapter(trained, folder, base=str(trained), template=None, recipe="", run=run)
        assert "answers like its base" in capsys.readouterr().err
        its, ours = (json.loads((place / "tokenizer_config.json").read_text()) for place in (trained, folder))
        assert ours.get("chat_template") == its.get("chat_template")
