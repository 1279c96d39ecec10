"""The command that a newcomer runs, all nine steps, with the tiny base: `test_real_base` has the real one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.autotrain_env import autotrain_env

pytestmark = pytest.mark.integration


def quickstart(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    pytest.importorskip("trl", reason="the quickstart runs in today's environment")
    command = [sys.executable, "-m", "amazon_titles", "quickstart", "--out", folder / "out", *options]
    done = subprocess.run(
        [*map(str, command), "--autotrain-env", autotrain_env()], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done


def table(folder: Path) -> dict[tuple[str, str], tuple[float, float]]:
    rows = json.loads((folder / "out" / "adapter" / "eval" / "comparison.json").read_text())["rows"]
    return {(row["set"], row["measure"]): (row["before"], row["after"]) for row in rows}


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    folder = tmp_path_factory.mktemp("quickstart")
    return folder, quickstart(folder, "--base", "tiny", "--products", "24")


def test_the_fine_tuning_teaches_the_facts(sample):
    folder, _ = sample
    scores = table(folder)
    before, after = scores["seen", "fact recall"]
    assert before <= 0.25
    assert after >= 0.80
    before, after = scores["seen", "ROUGE-L F1"]
    assert after - before >= 0.30
    report = json.loads((folder / "out" / "adapter" / "eval" / "after.json").read_text())
    assert report["scores"]["seen"]["n"] == 24, "all products that were trained are asked"


def test_every_step_says_when_it_starts_and_when_it_is_done(sample):
    _, done = sample
    for number in range(1, 10):
        assert f"[{number}/9] " in done.stderr
        assert f"[{number}/9] done in " in done.stderr
    assert done.stdout.startswith("| set | n | measure |")


def test_answers_name_their_source_and_the_invented_product_is_unknown(sample):
    _, done = sample
    asked = done.stderr.split("Ask three questions")[1].split("[8/9] done")[0]
    first, second, invented = asked.split("\n  > ")[1:]
    for answer in (first, second):
        assert "Sources:" in answer
        assert "[MADEUP" in answer
        assert "made-up sample" in answer
    assert "amazon.com" not in asked
    assert "no product called" in invented
    assert "Sources: none" in invented


def test_the_adapter_folder_is_that_of_the_design(sample):
    folder, _ = sample
    adapter = folder / "out" / "adapter"
    files = {str(path.relative_to(adapter)) for path in adapter.rglob("*") if path.is_file()}
    assert files == {
        "README.md", "adapter_config.json", "adapter_model.safetensors", "loss.png", "recipe.yml", "run.json",
        "special_tokens_map.json", "tokenizer.json", "tokenizer_config.json", "eval/before.json", "eval/after.json",
        "eval/comparison.json", "eval/comparison.md", "eval/before_after.png",
        "eval/changes.png", "chat_template.jinja",
    }  # fmt: skip
    assert json.loads((adapter / "run.json").read_text())["publishable"] is False
    assert "| seen | 24 | fact recall |" in (adapter / "README.md").read_text()
    for plot in ("loss.png", "eval/before_after.png", "eval/changes.png"):
        assert (adapter / plot).read_bytes().startswith(b"\x89PNG")
