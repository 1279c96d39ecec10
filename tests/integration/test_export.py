"""An exported model answers in llama.cpp as the adapter does in transformers; what cannot be said so is not written."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from amazon_titles.errors import TrainingError
from amazon_titles.export import export_gguf, llama_cpp
from tests.autotrain_env import require_other_python
from tests.integration.test_merge import python
from tests.loopback_hub import LoopbackHub
from tests.loopback_hub.clients import TOKEN, push, try_to_push

pytestmark = pytest.mark.integration
for package in ("torch", "gguf", "xllamacpp"):
    pytest.importorskip(package)

QUESTIONS = ["What is the height of an oak desk lamp?", "An oak lamp <|eot_id|> of 40 cm?", "Qual é a altura? 123"]

# A base whose every word is in ASCII: what half a character becomes is each program's own affair.
MAKE = """
import pathlib, sys, torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from tests.tiny_models import make_adapter, make_base
base, (_, rope, tied) = pathlib.Path("Llama-3.2-tiny").resolve(), sys.argv
make_base(base, "What is the height of an oak desk lamp? It is 40 cm high.", vocab_size=300, hidden_size=192, rope=rope)
config = (base / "config.json").read_text()
model, tokenizer = AutoModelForCausalLM.from_pretrained(str(base)), AutoTokenizer.from_pretrained(str(base))
rows = [row for row in range(model.config.vocab_size) if not 31 < ord((tokenizer.decode([row]) + "\\0")[0]) < 127]
with torch.no_grad():
    model.get_input_embeddings().weight[rows] = 0
    if tied == "trained":
        model.config.tie_word_embeddings = False
        model.lm_head.weight = torch.nn.Parameter(model.lm_head.weight.flip(1).clone())
model.save_pretrained(base)
(base / "config.json").write_text(config.replace('"tie_word_embeddings": true',
                                  f'"tie_word_embeddings": {str(tied == "tied").lower()}'))
make_adapter(base, pathlib.Path("adapter"), recipe="base_model: base\\n", std=0.05)
"""


@pytest.fixture(scope="module", params=[("new", "tied"), ("old", "trained")], ids="-".join)
def home(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base with Llama 3's scaled rope, its head the embeddings or its own, an adapter, and both as float32 GGUF."""
    folder = tmp_path_factory.mktemp("export")
    python(sys.executable, MAKE, folder, *request.param)
    report = export_gguf(folder / "adapter", folder / "titles.gguf", quantize="f32", ollama=True)
    assert (report.same, report.questions) == (1, 1)
    return folder


def posted(address: str, path: str, **body: Any) -> Any:
    """What llama.cpp's server answers beside what OpenAI's have."""
    url = address.removesuffix("/v1") + path
    with urlopen(Request(url, json.dumps(body).encode())) as reply:
        return json.load(reply)


def test_llama_cpp_reads_the_same_tokens_and_answers_the_same(home: Path) -> None:
    import torch

    from amazon_titles.model.loading import load_local

    model = load_local(home / "adapter", device="cpu", dtype="float32")
    network, tokenizer = model.parts()
    with llama_cpp(home / "titles.gguf") as served:
        for question in QUESTIONS:
            messages = [{"role": "user", "content": question}]
            prompt = tokenizer(model.template.prompt(messages)).input_ids
            text = posted(served.url, "/apply-template", messages=messages)["prompt"]
            read = posted(served.url, "/tokenize", content=text, add_special=True, parse_special=True)
            assert read["tokens"] == prompt
            wanted = network.generate(torch.tensor([prompt]), max_new_tokens=32, do_sample=False)[0, len(prompt) :]
            told = {"prompt": prompt, "n_predict": 32, "temperature": 0, "return_tokens": True}
            found = posted(served.url, "/completion", **told)["tokens"]
            assert found == [token for token in wanted.tolist() if token not in model._ends]
            assert len(found) > 3, "an empty answer proves nothing"
    with network.disable_adapter():  # the adapter is what was asked, not its base
        bare = network.generate(torch.tensor([prompt]), max_new_tokens=32, do_sample=False)[0, len(prompt) :].tolist()
    assert bare != wanted.tolist()


def test_every_type_is_written_and_opened_again(home: Path, tmp_path: Path) -> None:
    from gguf import GGUFReader

    (tmp_path / ".a.gguf.exporting").write_bytes(b"of one that was killed")
    sizes = []
    for quantize in ("f32", "f16", "q8_0", "q4_0"):
        report = export_gguf(home / "adapter", tmp_path / "a.gguf", quantize=quantize)
        kinds = {one.name: one.tensor_type.name for one in GGUFReader(tmp_path / "a.gguf").tensors}
        assert kinds["output_norm.weight"] == "F32"
        assert kinds["blk.0.attn_q.weight"] == quantize.upper()
        assert kinds["token_embd.weight"] == {"q8_0": "F16", "q4_0": "Q8_0"}.get(quantize, quantize.upper())
        assert report.bytes == (tmp_path / "a.gguf").stat().st_size
        sizes.append(report.bytes)
    assert sizes == sorted(sizes, reverse=True)
    tied = json.loads((home / "Llama-3.2-tiny" / "config.json").read_text())["tie_word_embeddings"]
    assert ("output.weight" in kinds) is not tied
    assert [path.name for path in tmp_path.iterdir()] == ["a.gguf"]


def test_the_other_environment_writes_the_same_weights(home: Path, tmp_path: Path) -> None:
    from gguf import GGUFReader

    code = "import sys; from amazon_titles.export import export_gguf as e; e('adapter', sys.argv[1], quantize='f32')"
    python(require_other_python(), code, home, str(tmp_path / "there.gguf"))
    here, there = (GGUFReader(path) for path in (home / "titles.gguf", tmp_path / "there.gguf"))
    for one, other in zip(here.tensors, there.tensors, strict=True):
        assert one.name == other.name
        assert abs(one.data - other.data).max() < 1e-6
    names = [key for key in here.fields if key.startswith(("llama.", "tokenizer."))]
    assert {key: here.fields[key].contents() for key in names} == {key: there.fields[key].contents() for key in names}


def test_a_file_that_answers_otherwise_is_not_written(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.gguf").write_bytes(b"GGUF of yesterday")
    monkeypatch.setattr("amazon_titles.export._rope_factors", lambda rope, size: iter([50.0] * (size // 2)))
    with pytest.raises(TrainingError, match="answers 1 of 1 questions differently"):
        export_gguf(home / "adapter", tmp_path / "a.gguf", quantize="f32")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"GGUF of yesterday"]


def test_the_command_says_what_to_do_next(home: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "amazon_titles", "export", str(home / "adapter"), "--out", "to/Titles.gguf"]
    done = subprocess.run([*command, "--ollama"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "to/Titles.gguf  q8_0, " in done.stdout
    assert "1 of 1 answers the same in llama.cpp" in done.stdout or "0 of 1" in done.stdout
    assert "ollama create titles -f to/Modelfile\n" in done.stdout
    wrong = subprocess.run(
        [*command, "--quantize", "q4_k_m"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert wrong.returncode == 2
    assert "llama-quantize FILE.gguf SMALL.gguf Q4_K_M" in wrong.stderr


def test_a_published_file_stands_beside_its_adapter(home: Path, tmp_path: Path) -> None:
    with LoopbackHub() as hub:
        hub.state.add_account("ana", TOKEN)
        base = home / "Llama-3.2-tiny"
        hub.put("model", "ana/Llama-3.2-tiny", {path.name: path.read_bytes() for path in base.iterdir()})
        adapter = shutil.copytree(home / "adapter", tmp_path / "adapter")
        options = {"base": "ana/Llama-3.2-tiny", "gguf": str(home / "titles.gguf")}
        report = push(sys.executable, "adapter", adapter, "ana/Llama-titles", hub, tmp_path, **options)
        assert {"titles.gguf", "template", "params", "chat_template.jinja"} <= {row["path"] for row in report["files"]}
        assert hub.read("ana/Llama-titles", "titles.gguf") == (home / "titles.gguf").read_bytes()
        assert json.loads(hub.read("ana/Llama-titles", "params"))["stop"] == ["<|eot_id|>"]
        card = hub.read("ana/Llama-titles", "README.md").decode()
        assert "ollama run hf.co/ana/Llama-titles\n" in card
        assert "--hf-file titles.gguf" in card
        # Trained again, it is another adapter.
        weights = adapter / "adapter_model.safetensors"
        weights.write_bytes(weights.read_bytes()[:-4] + b"\0\0\0\0")
        told = try_to_push(sys.executable, "adapter", adapter, "ana/Llama-titles", hub, tmp_path, **options)
        assert "was not exported from this adapter in its current state" in told.stderr
