"""Going on where a run ended, and never where another one did."""

from __future__ import annotations

import pytest

from amazon_titles.errors import InputError
from amazon_titles.training import checkpoints


def checkpoint(folder, step, *, complete=True):
    (folder / f"checkpoint-{step}").mkdir(parents=True)
    if complete:
        (folder / f"checkpoint-{step}" / checkpoints.COMPLETE).touch()


def test_goes_on_from_the_newest_that_is_complete(tmp_path):
    folder = tmp_path / "unfinished"
    assert checkpoints.starting_point(folder, {"lr": 1}, resume=False) is None
    for step, complete in ((9, True), (100, True), (101, False), ("100-copy", True)):
        checkpoint(folder, step, complete=complete)
    assert checkpoints.starting_point(folder, {"lr": 1}, resume=True) == folder / "checkpoint-100"


def test_another_training_is_not_continued(tmp_path):
    checkpoints.starting_point(tmp_path, {"lr": 1, "epochs": 2}, resume=False)
    checkpoint(tmp_path, 10)
    with pytest.raises(InputError, match="lr was 1 and is 3"):
        checkpoints.starting_point(tmp_path, {"lr": 3, "epochs": 2}, resume=True)
    assert checkpoints.latest(tmp_path) is not None


def test_an_unfinished_training_is_not_thrown_away_unasked(tmp_path):
    checkpoints.starting_point(tmp_path, {"lr": 1}, resume=False)
    checkpoint(tmp_path, 10)
    with pytest.raises(InputError, match="unfinished training, at checkpoint 10") as refused:
        checkpoints.starting_point(tmp_path, {"lr": 1}, resume=False)
    assert "--resume" in str(refused.value)
    # With other settings it is of no use, and gives way.
    assert checkpoints.starting_point(tmp_path, {"lr": 2}, resume=False) is None
    assert checkpoints.latest(tmp_path) is None


def test_to_go_on_from_nothing_is_to_begin(tmp_path, capsys):
    folder = tmp_path / "nothing"
    assert checkpoints.starting_point(folder, {"lr": 1}, resume=True) is None
    assert "starting from the beginning" in capsys.readouterr().err


def test_only_what_is_ours_is_removed(tmp_path):
    checkpoints.starting_point(tmp_path / "a", {}, resume=False)
    checkpoint(tmp_path / "a", 1)
    checkpoints.remove(tmp_path / "a")
    assert not (tmp_path / "a").exists()
    checkpoint(tmp_path / "b", 1)
    (tmp_path / "b" / "notes.txt").touch()
    checkpoints.remove(tmp_path / "b")
    assert [path.name for path in (tmp_path / "b").iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("name", ["checkpoint-500", "best", "README.md", "training.json"])
def test_what_another_program_left_is_not_overwritten(tmp_path, name):
    if name.endswith(("md", "json")):
        (tmp_path / name).write_text("[]")
    else:
        (tmp_path / name).mkdir()
    (tmp_path / "photos").mkdir()
    for resume in (False, True):
        with pytest.raises(InputError, match=rf"left \({name}\)(.|\n)*--set checkpoint_dir=DIR"):
            checkpoints.starting_point(tmp_path, {"lr": 1}, resume=resume)
    assert {path.name for path in tmp_path.iterdir()} == {name, "photos"}


def test_notes_within_a_checkpoint_stay(tmp_path):
    checkpoints.starting_point(tmp_path, {"lr": 1}, resume=False)
    checkpoint(tmp_path, 5)
    checkpoint(tmp_path, 6)
    (tmp_path / "checkpoint-5" / "deep").mkdir()
    (tmp_path / "checkpoint-5" / "deep" / "model.safetensors").touch()
    (tmp_path / "checkpoint-5" / "notes.txt").write_text("mine")
    (tmp_path / "checkpoint-old").mkdir()
    (tmp_path / "checkpoint-old" / "model.safetensors").write_text("mine")
    checkpoints.remove(tmp_path)
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {"checkpoint-5/notes.txt", "checkpoint-old/model.safetensors"}


def test_a_removal_that_is_killed_can_be_done_again(tmp_path, monkeypatch):
    checkpoints.starting_point(tmp_path / "a", {"lr": 1}, resume=False)
    for step in range(1, 4):
        checkpoint(tmp_path / "a", step)
    unlink = type(tmp_path).unlink

    def killed(path, **_):
        unlink(path)
        raise KeyboardInterrupt

    monkeypatch.setattr(type(tmp_path), "unlink", killed)
    with pytest.raises(KeyboardInterrupt):
        checkpoints.remove(tmp_path / "a")
    monkeypatch.undo()
    assert checkpoints.starting_point(tmp_path / "a", {"lr": 2}, resume=False) is None
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["training.json"]
