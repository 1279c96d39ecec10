"""The hand-in of an adapter that stands on the Hub: its papers are fetched, and what is missing is to be pushed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.loopback_hub import LoopbackHub
from tests.loopback_hub.clients import environment, push
from tests.loopback_hub.folders import adapter_folder
from tests.unit.test_model_card import AFTER, BEFORE

pytestmark = pytest.mark.integration


def handin(hub: LoopbackHub, home: Path, model: str, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "amazon_titles", "handin", "work", "--model", model, *options]
    return subprocess.run(command, env=environment(hub, home), cwd=home, capture_output=True, text=True, timeout=120)


def test_an_adapter_of_the_hub(hub: LoopbackHub, tmp_path: Path) -> None:
    folder = adapter_folder(tmp_path / "adapter")
    push(sys.executable, "adapter", folder, "ana/mine", hub, tmp_path)
    done = handin(hub, tmp_path, "ana/mine", "--member", "Ada")
    assert done.returncode == 1, done.stderr
    then = ", amazon-titles push-adapter ana/mine ana/mine --before before.json --after after.json"
    assert done.stdout.count(then) == 2
    assert {path.name for path in (tmp_path / "work").iterdir()} == {
        "fine-tuning.md", "recipe.yml", "eval", "loss.png", "video.txt", "draft.pdf",
    }  # fmt: skip

    for name, report in (("before", BEFORE), ("after", AFTER)):
        (tmp_path / f"{name}.json").write_text(json.dumps(report))
    command = ["push-adapter", "ana/mine", "ana/mine", "--before", "before.json", "--after", "after.json"]
    pushed = subprocess.run(
        [sys.executable, "-m", "amazon_titles", *command],
        env=environment(hub, tmp_path), cwd=tmp_path, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert pushed.returncode == 0, pushed.stderr
    again = handin(hub, tmp_path, "ana/mine", "--member", "Ada")
    assert "o teste" not in again.stdout
    assert "a comparação" not in again.stdout
    assert (tmp_path / "work" / "eval" / "before_after.png").is_file()


def test_a_repository_that_there_is_not(hub: LoopbackHub, tmp_path: Path) -> None:
    done = handin(hub, tmp_path, "ana/nothing")
    assert done.returncode == 1
    assert "ana/nothing" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "work").exists()
