"""AutoTrain as a child process: finding it, reading what it says, and not believing its exit status."""

from __future__ import annotations

import os
import sys
from importlib import metadata
from pathlib import Path

import pytest

from amazon_titles.errors import InputError
from amazon_titles.training import autotrain
from amazon_titles.training.engine import EngineLog

# What stands for AutoTrain here: it prints what AutoTrain prints, writes nothing, and exits 0.
FAKE = """
print("INFO | {'loss': 2.5, 'grad_norm': 1.0, 'learning_rate': 0.01, 'epoch': 0.496}")
print("                 {'loss': 2.5, 'grad_norm': 1.0, 'learning_rate': 0.01, 'epoch': 0.5}")
print("50%|#### | 1/2 [00:01<00:01]INFO | {'loss': 1.5, 'grad_norm': 1.0, 'learning_rate': 0.0, 'epoch': 1.0}")
print("INFO | {'train_runtime': 3.25, 'train_samples_per_second': 1.0, 'epoch': 1.0}")
print("ERROR | train has failed due to an exception: Traceback (most recent call last):")
print("ValueError: the set is too small to pack")
"""


@pytest.fixture
def fake_autotrain(tmp_path, monkeypatch):
    package = tmp_path / "site" / "autotrain" / "cli"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package.parent / "__init__.py").touch()
    (package / "autotrain.py").write_text(FAKE)
    return {**os.environ, "PYTHONPATH": str(tmp_path / "site")}


def test_losses_are_read_once_and_the_reason_is_found(tmp_path, fake_autotrain):
    log = autotrain.run_autotrain(
        Path(sys.executable), tmp_path / "r.yml", cwd=tmp_path, tokens=None, variables=fake_autotrain
    )
    assert [(point["epoch"], point["loss"]) for point in log.losses] == [(0.496, 2.5), (1.0, 1.5)]
    assert log.seconds == 3.25
    assert log.reason == "ValueError: the set is too small to pack"
    assert "too small to pack" in log.tail[-1]


def test_of_a_training_of_one_step_the_mean_loss_is_known():
    with EngineLog("AutoTrain") as log:
        log.read("INFO | {'train_runtime': 0.5, 'train_loss': 6.25, 'epoch': 1.0}\n")
    assert log.losses == [{"epoch": 1.0, "loss": 6.25}]


def test_a_file_hears_how_far_the_training_is(beat):
    with EngineLog("AutoTrain", tokens=216 * 512) as shown:
        assert beat(10) == ["  starting AutoTrain …", "  starting AutoTrain: 0:00:10 so far"]
        shown.read("Loading checkpoint shards:  50%|#####     | 1/2 [00:00<00:00]\n")
        shown.read("  0%|          | 0/216 [00:00<?, ?it/s]\n")
        assert beat(0) == ["  training: 0 of 216 steps …"]
        shown.read("  2%|▏         | 5/216 [00:05<03:31,  1.00it/s]INFO     | {'loss': 2.5, 'epoch': 0.02}\n")
        shown.read(" 50%|#####     | 1/2 [00:00<00:00,  9.97it/s]\n")  # an evaluation
        shown.read("  4%|▍         | 9/216 [00:09<03:27,  1.00it/s]\n")
        shown.advance(0, note="loss 2.500")
        assert beat(10) == ["  training: 9 of 216 steps, loss 2.500, 461 tokens/s, 0:03:50 left"]
        shown.read("INFO | {'train_runtime': 9.0, 'epoch': 1.0}\n")
        assert beat(10) == ["  saving the adapter: 0:00:10 so far"]


def test_its_process_gets_a_cache_of_its_own_all_cores_and_no_remote_code(tmp_path, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("PYTHONPATH", "elsewhere")
    variables = autotrain.environment(tmp_path / "cache")
    assert variables["HF_DATASETS_CACHE"] == str(tmp_path / "cache")
    assert variables["ALLOW_REMOTE_CODE"] == "false"
    assert int(variables["OMP_NUM_THREADS"]) >= 1
    assert "PYTHONPATH" not in variables


def make_environment(folder: Path, *, with_autotrain: bool) -> None:
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").touch()
    site = folder / "lib" / "python3.11" / "site-packages"
    site.mkdir(parents=True)
    if with_autotrain:
        (site / "autotrain_advanced-0.8.36.dist-info").mkdir()


def test_finds_the_environment_beside_or_above(tmp_path, monkeypatch):
    monkeypatch.setattr(metadata, "distributions", lambda **_: iter(()))
    (tmp_path / "project" / "autotrain").mkdir(parents=True)  # the recipes' folder is not AutoTrain
    monkeypatch.chdir(tmp_path / "project")
    with pytest.raises(InputError, match=r"no \.venv-autotrain") as refused:
        autotrain.find_autotrain()
    assert "pip install" in str(refused.value)
    make_environment(tmp_path / ".venv-autotrain", with_autotrain=True)
    assert autotrain.find_autotrain() == tmp_path / ".venv-autotrain" / "bin" / "python"
    make_environment(tmp_path / "plain", with_autotrain=False)
    with pytest.raises(InputError, match="is not an environment with AutoTrain"):
        autotrain.find_autotrain(tmp_path / "plain")
