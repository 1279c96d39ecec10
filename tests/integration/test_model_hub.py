"""`ask` with an adapter of the Hub: its base, its dataset and that dataset's revision are found by its own papers."""

from __future__ import annotations

import json
import shutil

import pytest

from amazon_titles import tiny_llama
from amazon_titles.conversations import question
from amazon_titles.dataset import build_dataset, read_catalog
from amazon_titles.sample import sample_products
from tests.loopback_hub.clients import run

pytestmark = pytest.mark.integration
pytest.importorskip("torch")

# One process for all, because torch and peft take seconds to load.
ASK = """
import json, sys
from amazon_titles.cli import main
for model in json.loads(sys.argv[2]):
    try:
        main(["ask", sys.argv[1], "--model", model, "--json", "--max-new-tokens", "8"])
    except SystemExit as stopped:
        print(stopped.code)
"""


def contents(folder):
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def tiny_base(folder):
    folder.mkdir()
    tiny_llama.write_tokenizer(folder, ["A kettle of iron, 12 cm high."], vocab_size=300)
    size = tiny_llama.vocabulary_size(folder)
    return tiny_llama.write_model(folder, vocab_size=size, hidden_size=24, layers=1, heads=3)


def test_an_adapters_papers_lead_to_base_and_dataset(hub, client_python, tmp_path):
    from peft import LoraConfig, get_peft_model

    rows = "".join(json.dumps(row) + "\n" for row in sample_products(40))
    (tmp_path / "trn.json").write_text(rows)
    build_dataset(tmp_path / "trn.json", tmp_path / "dataset")
    product = next(read_catalog(tmp_path / "dataset"))
    lora = LoraConfig(r=2, target_modules=["q_proj"], task_type="CAUSAL_LM", base_model_name_or_path="ana/base")
    model = get_peft_model(tiny_base(tmp_path / "base"), lora)
    model.save_pretrained(tmp_path / "adapter")
    config = json.loads((tmp_path / "adapter" / "adapter_config.json").read_text())
    known = ("peft_type", "task_type", "r", "lora_alpha", "target_modules")  # of every peft
    config = {"base_model_name_or_path": "ana/base", **{name: config[name] for name in known}}
    (tmp_path / "adapter" / "adapter_config.json").write_text(json.dumps(config))
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        shutil.copyfile(tmp_path / "base" / name, tmp_path / "adapter" / name)

    hub.put("model", "ana/base", contents(tmp_path / "base"))
    commit = hub.put("dataset", "ana/titles", contents(tmp_path / "dataset"))
    hub.put("dataset", "ana/titles", {"report.json": b"a later revision"})
    papers = {"run.json": json.dumps({"dataset": {"path": "ana/titles", "revision": commit}}).encode()}
    hub.put("model", "ana/adapter", contents(tmp_path / "adapter") | papers)

    home = tmp_path / "home"
    home.mkdir()
    models = ["ana/adapter", "ana/nothing", "ana/titles"]
    done = run(client_python, ASK, hub, home, arguments=(question(product.title), json.dumps(models)))
    answer, *codes = done.stdout.splitlines()
    (source,) = json.loads(answer)["sources"]
    assert source["uid"] == product.uid
    assert (source["dataset"], source["revision"]) == ("ana/titles", commit)
    assert codes == ["1", "1"]
    for wrong in models[1:]:  # one is nowhere, the other is no model
        assert f"Error: There is no model {wrong} on the Hub" in done.stderr
    assert "Traceback" not in done.stderr
