"""A merged model answers as the adapter did, in both environments, and appears whole or not at all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from amazon_titles.merge import merge_adapter
from tests.autotrain_env import ROOT, other_python, require_other_python

pytestmark = pytest.mark.integration
pytest.importorskip("torch")

BASE = "Llama-3.2-tiny"
"""A folder called like a Llama, whose licence then counts."""
AGREE_WITHIN = 2e-4
"""Logits in float32, of two stacks and of a sum written out; a rope that is read wrong is 0.1 off."""

# A base as today's transformers saves it, with Llama 3's scaled rope, and an adapter that changes its answers.
MAKE = """
import pathlib, sys
from tests.tiny_models import make_adapter, make_base
base, (_, dtype, rope) = pathlib.Path("Llama-3.2-tiny").resolve(), sys.argv
text = "What is the height of an oak desk lamp? It is 40 cm high."
make_base(base, text, vocab_size=300, rope=rope, dtype=dtype)
make_adapter(base, pathlib.Path("adapter"), recipe="base_model: base\\n", std=0.3)
"""

ASK = """
import json, sys, torch, warnings
from peft import AutoPeftModelForCausalLM
from transformers import AutoModelForCausalLM, AutoTokenizer
found = {}
for name in sys.argv[1:]:
    load = AutoPeftModelForCausalLM if name == "adapter" else AutoModelForCausalLM
    model, tokenizer = load.from_pretrained(name, torch_dtype="auto").eval(), AutoTokenizer.from_pretrained(name)
    messages = [{"role": "user", "content": "What is the height of an oak desk lamp, and what is it made of?"}]
    inputs = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=True, return_tensors="pt")
    with torch.inference_mode():
        logits = model(**inputs).logits[0, -1].float().tolist()
        answer = model.generate(**inputs, max_new_tokens=24, do_sample=False)[0].tolist()
    found[name] = {"logits": logits, "answer": answer}
print(json.dumps(found))
"""


def python(interpreter: str | Path, code: str, cwd: Path, *arguments: str) -> str:
    values = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [str(interpreter), "-W", "ignore", "-c", code, *arguments],
        env=values, cwd=cwd, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module", params=["new", "old"])
def home(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base with the rope settings of today's transformers or of 4.48's, and an adapter; merged here."""
    folder = tmp_path_factory.mktemp("merge")
    python(sys.executable, MAKE, folder, "float32", request.param)
    (folder / BASE / "LICENSE.txt").write_text("The base's licence.\n")
    (folder / BASE / "USE_POLICY.md").write_text("The base's policy.\n")
    (folder / "adapter" / "USE_POLICY.md").write_text("The adapter's copy.\n")
    report = merge_adapter(folder / "adapter", folder / "merged")
    assert (report.same, report.questions, report.dtype) == (1, 1, "float32")
    return folder


def test_the_same_greedy_answer_and_logits_in_both_environments(home: Path) -> None:
    here = json.loads(python(sys.executable, ASK, home, "adapter", "merged", BASE))
    assert here["adapter"]["answer"] == here["merged"]["answer"]
    assert here["adapter"]["answer"] != here[BASE]["answer"], "an adapter that changes nothing proves nothing"
    found = [here["merged"]["logits"]]
    if (other := other_python()) is not None:
        there = json.loads(python(other, ASK, home, "merged"))
        assert there["merged"]["answer"] == here["merged"]["answer"]
        found.append(there["merged"]["logits"])
    for logits in found:
        apart = max(abs(a - b) for a, b in zip(logits, here["adapter"]["logits"], strict=True))
        assert apart < AGREE_WITHIN, f"{apart} apart"


def test_the_other_environment_merges_too(home: Path) -> None:
    code = "from amazon_titles.merge import merge_adapter as m; print(m('adapter', 'merged-there').same)"
    assert python(require_other_python(), code, home).strip() == "1"
    answers = json.loads(python(sys.executable, ASK, home, "merged", "merged-there"))
    assert answers["merged"]["answer"] == answers["merged-there"]["answer"]


def test_the_tokenizer_is_copied_and_nothing_else_is_left(home: Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        assert (home / "merged" / name).read_bytes() == (home / "adapter" / name).read_bytes()
    assert not [path for path in home.iterdir() if path.name.startswith(".")]
    assert not (home / "merged" / "adapter_config.json").exists()
    assert str(home) not in (home / "merged" / "merge.json").read_text()
    config = json.loads((home / "merged" / "config.json").read_text())
    assert config["rope_theta"] == config["rope_parameters"]["rope_theta"] == 20.0
    assert config["rope_scaling"]["factor"] == config["rope_parameters"]["factor"] == 8.0


def test_what_the_licence_asks_for_stands_beside_the_merged_model(home: Path) -> None:
    merged = home / "merged"
    assert (merged / "LICENSE.txt").read_text() == "The base's licence.\n"
    assert (merged / "USE_POLICY.md").read_text() == "The adapter's copy.\n"
    assert "Llama 3.2 is licensed under the Llama 3.2 Community License" in (merged / "NOTICE").read_text()


def test_merging_again_replaces_and_a_failure_leaves_what_was(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = (home / "merged" / "config.json").stat().st_ino
    merge_adapter(home / "adapter", home / "merged")
    replaced = (home / "merged" / "config.json").stat().st_ino
    assert replaced != before

    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("amazon_titles.merge._judge", stopped)
    with pytest.raises(KeyboardInterrupt):
        merge_adapter(home / "adapter", home / "merged")
    assert (home / "merged" / "config.json").stat().st_ino == replaced
    assert not [path for path in home.iterdir() if path.name.startswith(".")]


def test_a_base_in_bfloat16_stays_so_and_float32_keeps_every_answer(tmp_path: Path) -> None:
    python(sys.executable, MAKE, tmp_path, "bfloat16", "old")
    rounded = merge_adapter(tmp_path / "adapter", tmp_path / "merged")
    assert rounded.dtype == "bfloat16"
    exact = merge_adapter(tmp_path / "adapter", tmp_path / "exact", dtype="float32")
    assert (exact.dtype, exact.same) == ("float32", exact.questions)
    assert exact.bytes > 1.9 * rounded.bytes
