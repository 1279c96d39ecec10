"""The adapter of somebody else: each of `tests/foreign_adapters.py` asked, merged and pushed, in both environments."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from amazon_titles.dataset import build_dataset
from amazon_titles.sample import sample_products
from tests.autotrain_env import ROOT, require_other_python
from tests.foreign_adapters import ANSWER, QUESTION
from tests.loopback_hub import LoopbackHub
from tests.loopback_hub.clients import TOKEN, run

pytestmark = pytest.mark.integration
pytest.importorskip("torch")

# One process for all, because torch and peft take seconds to load.
DRIVE = """
import contextlib, io, json, sys
from amazon_titles import merge
from amazon_titles.cli import main
from amazon_titles.hub import client
from amazon_titles.model import CatalogModel
client.FIRST_WAIT = 0.02
stack, question, answer, cases = *sys.argv[1:4], json.loads(sys.argv[4])
asked = [[{"role": "user", "content": question}, {"role": "assistant", "content": answer}]]
found, other = {}, merge._other_python()
def attempt(*command):
    out, err, code = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main(command)
        except SystemExit as stopped:
            code = stopped.code
    return {"code": code, "out": out.getvalue(), "err": err.getvalue()}
for name, *options in cases:
    told = found[" ".join([name, *options])] = {}
    merge._other_python = lambda: other if name in ELSEWHERE else None
    told["ask"] = attempt("ask", "What is it?", "--model", name, "--dataset", "dataset", *options)
    merged = f"{stack}-merged/{name}{'-based' * bool(options)}"
    told["merge"] = attempt("merge", name, "--out", merged, "--json", *options)
    told["push"] = attempt("push-adapter", name, f"ana/{stack}-{name}", "--json")
    if told["ask"]["code"] == 0:
        loaded = [CatalogModel.from_pretrained(name, base=options[1] if options else None)]
        loaded.append(CatalogModel.from_pretrained(merged))
        told["losses"] = [model.answer_losses(asked)[0][0] for model in loaded]
sys.stdout.write(json.dumps(found))
"""

ELSEWHERE = ("no-tokenizer", "resized", "trained-head")
"""Those that the other environment is asked about, too: it takes seconds to load torch for each."""

NOT_HERE = r"The base model of '{}' is not here: {}\n +Name its Hub id or its folder: {}"
CHECKPOINT = r"'checkpoints' holds no model: .* A checkpoint inside does\.\n +Name that: checkpoints/checkpoint-1500\n"
NEWER_PEFT = r"newer-peft/adapter_config\.json uses use_wishes, which peft [\d.]+ does not know: peft 9\.1\.0 wrote it"
NEW = r"architecture of 'ana/new', 'llama9', is not known here: transformers 9\.0\.0 wrote its config\.json, and [\d.]+"
QUANTISED = r"'ana/{}' is quantised \({}\), and cannot be loaded here: .*\n +Take the same model unquantised: --base ID"
COARSE = r"base 'ana/{}' is quantised, and its weights are too coarse to merge into\.\n +Take the same .*: --base ID"
GATED = r"gated is gated, and .* the base of of-gated\.\n +Accept its conditions at http://\S+/meta/gated .* --base"
NOWHERE = r"no model ana/nowhere on the Hub, .* Wanted: ana/nowhere, the base of of-nowhere\.\n .* --base ID"
WIDE = (
    r"'of-wide' does not fit its base 'ana/wide': size mismatch for .*\n +Name the base that it was trained on: --base"
)
HOSTILE = r"The model in 'hostile' cannot be loaded: Weights only load failed"
SEQ_CLS = r"classifier/adapter_config\.json is of no language model: its task_type is 'SEQ_CLS'"
# What is asked, merged and pushed → what each says; "" where it works.
CASES: dict[str, tuple[str, str, str]] = {
    "plain": ("", "", ""),
    "trained-head": ("", "", ""),
    "resized": ("", "", ""),
    "no-tokenizer": ("", "", r"tokenizer\.json: no vocabulary was found: copy the base's tokenizer files"),
    "pickled": ("", "", r"adapter_model\.safetensors: it is missing"),
    "hostile": (HOSTILE, HOSTILE, r"adapter_model\.safetensors: it is missing"),
    "path --base ana/base": ("", "", r"its base is '/content/models/.*', a local folder: give its Hub id with --base"),
    "path": (*[NOT_HERE.format("path", "/content/models/Llama-3.2-1B-Instruct", "--base ID")] * 2, "with --base ID"),
    "windows": (*[NOT_HERE.format("windows", r"C:\\models\\llama", "--base ID")] * 2, "with --base ID"),
    "nameless": (*[r"nameless/adapter_config\.json names no base model\."] * 2, ""),
    "checkpoints": (CHECKPOINT, CHECKPOINT, r"It contains a checkpoint that has one: checkpoints/checkpoint-1500\n"),
    "newer-peft": (NEWER_PEFT, NEWER_PEFT, "it uses 'use_wishes', which peft 0.14 does not support"),
    "classifier": (SEQ_CLS, SEQ_CLS, "its task_type is 'SEQ_CLS'"),
    "of-new": (NEW, NEW, ""),
    "of-bnb": (QUANTISED.format("bnb", "bitsandbytes"), COARSE.format("bnb"), ""),
    "of-gptq": (QUANTISED.format("gptq", "gptq"), COARSE.format("gptq"), ""),
    "of-wide": (WIDE, WIDE, ""),
    "of-gated": (GATED, GATED, ""),
    "of-nowhere": (NOWHERE, NOWHERE, "There is no model ana/nowhere on the Hub"),
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The adapters, made by this environment, a dataset, and both environments side by side, as `make` lays them."""
    folder = tmp_path_factory.mktemp("foreign")
    (folder / ".venv").symlink_to(sys.prefix)
    (folder / ".venv-autotrain").symlink_to(require_other_python().parents[1])
    command = [sys.executable, "-W", "ignore", "-m", "tests.foreign_adapters", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (folder / "trn.json").write_text("".join(json.dumps(row) + "\n" for row in sample_products(40)))
    build_dataset(folder / "trn.json", folder / "dataset")
    return folder


@pytest.fixture(scope="module", params=["venv", "venv-autotrain"])
def found(request: pytest.FixtureRequest, home: Path) -> Iterator[dict[str, Any]]:
    """What one environment made of all of them, and the Hub that it pushed to."""
    with LoopbackHub() as hub:
        hub.state.add_account("ana", TOKEN)
        hub.put("dataset", "ana/titles", {"README.md": b"# Titles"})
        for base in (home / "bases").iterdir():
            hub.put("model", f"ana/{base.name}", {path.name: path.read_bytes() for path in base.iterdir()})
        hub.put("model", "meta/gated", {"config.json": b"{}"})
        hub.repo("meta/gated").gated = True
        stack = request.param
        code = f"ELSEWHERE = {ELSEWHERE}\n{DRIVE}"
        arguments = (stack, QUESTION, ANSWER, json.dumps([name.split() for name in CASES]))
        (home / f"{stack}-home").mkdir()
        where = {"HF_HOME": str(home / f"{stack}-home"), "PYTHONWARNINGS": "ignore"}
        done = run(home / f".{stack}" / "bin" / "python", code, hub, home, arguments=arguments, timeout=1800, **where)
        yield {"stack": stack, "hub": hub, **json.loads(done.stdout)}


@pytest.mark.parametrize("case", CASES)
def test_each_is_asked_merged_and_pushed_or_says_why_not(found: dict[str, Any], home: Path, case: str) -> None:
    told, name = found[case], case.split()[0]
    for what, said in zip(("ask", "merge", "push"), CASES[case], strict=True):
        code, out, err = told[what].values()
        if said:
            assert (code in (1, 2), out) == (True, ""), f"{what}: {err}"
            assert re.search(said, err), f"{what} says {err}"
        else:
            assert code == 0, f"{what}: {err}"
        assert "Traceback" not in err
        assert not (home / "RAN").exists(), "no code of a pickle runs"
        assert "did not foresee" not in err
    if CASES[case][0]:
        assert not (home / f"{found['stack']}-merged" / name).exists()
        return
    losses = json.loads((home / "losses.json").read_text())
    before = losses[name]
    assert abs(before - losses["base"]) > 1, "an adapter that changes nothing proves nothing"
    assert told["losses"] == pytest.approx([before, before], abs=1e-2), "loaded, and merged, it is what was saved"
    merge = json.loads(told["merge"]["out"])
    # Asked in the environment that merged, and by plain transformers in the other one.
    assert (merge["same"], merge["questions"], merge["dtype"]) == (1, 1, "float32")
    other = "transformers 5" if found["stack"] == "venv-autotrain" else "transformers 4.48"
    assert merge["elsewhere"].startswith(other if name in ELSEWHERE else "")


@pytest.mark.parametrize("name", ["trained-head", "resized", "plain"])
def test_the_config_of_a_merged_model_is_its_own(found: dict[str, Any], home: Path, name: str) -> None:
    merged = home / f"{found['stack']}-merged" / name
    config = json.loads((merged / "config.json").read_text())
    rows = json.loads((home / "bases" / "base" / "config.json").read_text())["vocab_size"]
    assert config["tie_word_embeddings"] is (name != "trained-head")
    assert config["vocab_size"] == rows + 2 * (name == "resized")
    tokenizer = json.loads((merged / "tokenizer_config.json").read_text())
    assert tokenizer["tokenizer_class"] == "PreTrainedTokenizerFast"


def test_a_tokenizer_that_transformers_5_saved_is_mended_on_the_way_to_the_hub(
    found: dict[str, Any], home: Path
) -> None:
    saved = json.loads((home / "resized" / "tokenizer_config.json").read_text())
    assert saved["tokenizer_class"] == "TokenizersBackend", "5 has saved it"
    pushed = json.loads(found["hub"].read(f"ana/{found['stack']}-resized", "tokenizer_config.json"))
    assert pushed["tokenizer_class"] == "PreTrainedTokenizerFast"
