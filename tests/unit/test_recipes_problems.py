"""One broken recipe a trap, each caught by its own message and by no other; and no false alarm on ours."""

from __future__ import annotations

import json
import os
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from amazon_titles import resources
from amazon_titles.jobs import preflight
from amazon_titles.recipes import environment_checks, gpus, load_recipe, require_sound
from amazon_titles.recipes import problems as catalogue
from amazon_titles.recipes.environment_checks import plain_run_advice

BROKEN = sorted((Path(__file__).parent / "broken_recipes").glob("*.yml"))
# What a typo also leaves undone is told too: without `params` every default of AutoTrain's stands.
ALSO = {
    "misspelt-section": {"params.peft", "params.block_size", "params.disable_gradient_checkpointing"},
    "setting-in-the-wrong-place": {"params.lr"},
}


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch, tmp_path):
    """A machine without a GPU, in an empty folder."""
    monkeypatch.setattr(environment_checks, "has_cuda", lambda: False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a-local-base").mkdir()


@pytest.mark.parametrize("path", BROKEN, ids=lambda path: path.stem)
def test_each_trap_is_caught_by_its_own_message(path):
    recipe = load_recipe(path)
    severity, key, fragment = recipe.text.splitlines()[0].removeprefix("# ").split(": ", 2)
    caught = [p for p in recipe.problems() if p.key == key and fragment in f"{p.reason} {p.mend}"]
    assert len(caught) == 1
    problem = caught[0]
    assert problem.severity == severity
    assert problem.mend.endswith((".", "?")) or "amazon-titles " in problem.mend
    others = {p.key for p in recipe.problems() if p is not problem and p != problem}
    assert others == ALSO.get(path.stem, set())


@pytest.mark.parametrize("path", BROKEN, ids=lambda path: path.stem)
def test_the_line_is_the_one_of_the_key(path):
    recipe = load_recipe(path)
    lines = recipe.text.splitlines()
    for problem in recipe.problems():
        if problem.line is None:
            # Nothing to point at: not even the section stands in the file.
            assert not recipe.section(*problem.key.split(".")[:-1])
            continue
        *above, last = problem.key.split(".")
        standing = lines[problem.line - 1].split(":")[0].strip()
        assert standing == last or standing in above


@pytest.mark.parametrize("name", resources.recipes())
@pytest.mark.parametrize("cuda", [False, True])
def test_no_false_alarm_on_ours(name, cuda, monkeypatch):
    monkeypatch.setattr(environment_checks, "has_cuda", lambda: cuda)
    # What this machine's AutoTrain lacks for a GPU is no fault of a recipe.
    monkeypatch.setattr(environment_checks, "site_packages", lambda: None)
    monkeypatch.setattr(environment_checks, "gpus", lambda: ())
    assert load_recipe(resources.recipes()[name]).problems() == []


def test_every_rule_that_is_told_of_has_a_condition():
    """The other way round, a condition without its sentences fails whenever it is asked."""
    checks = [*Path(catalogue.__file__).parent.glob("*.py"), Path(preflight.__file__)]
    conditions = "".join(path.read_text() for path in checks)
    rules = msgspec.yaml.decode(Path(catalogue.__file__).with_name("problems.yml").read_bytes())
    assert [name for name, rule in rules.items() if "when" not in rule and f'"{name}"' not in conditions] == []


def test_all_problems_come_at_once(tmp_path):
    path = tmp_path / "bad.yml"
    path.write_text("task: llm\nbackend: nowhere\ndata: {valid_split: x}\nparams: {lr: fast, epoch: 3}\n")
    keys = {problem.key for problem in load_recipe(path).problems()}
    assert {"task", "backend", "base_model", "data.path", "data.valid_split", "params.lr", "params.epoch"} <= keys


@pytest.fixture
def filled(tmp_path):
    """A recipe of ours with a dataset folder and a base folder that are as they should be."""
    texts = [
        f"<|start_header_id|>user<|end_header_id|>\n\nProduct {n}? " + "It is made of oak. " * 9 for n in range(20)
    ]
    write_split(tmp_path / "dataset", pa.table({"uid": [str(n) for n in range(20)], "text": texts}))
    base = tmp_path / "base"
    base.mkdir()
    (base / "config.json").write_text('{"model_type": "llama", "rope_theta": 500000.0}')
    (base / "tokenizer_config.json").write_text(
        '{"eos_token": "<|eot_id|>", "pad_token": "p", "chat_template": "{{ messages }}"}'
    )
    return load_recipe(resources.recipes()["quickstart-tiny"]).with_settings(
        {"base_model": str(base), "data.path": str(tmp_path / "dataset")}
    )


def write_split(folder, table, config="text-llama3"):
    (folder / config).mkdir(parents=True, exist_ok=True)
    pq.write_table(table, folder / config / "train-00000-of-00001.parquet")
    files = f"[{{split: train, path: {config}/train-*.parquet}}]"
    (folder / "README.md").write_text(f"---\nconfigs:\n- config_name: {config}\n  data_files: {files}\n---\n")


def only(recipe, **how):
    problems = recipe.problems(**how)
    assert len(problems) == 1, problems
    return problems[0]


def test_a_filled_recipe_is_fine(filled):
    assert filled.problems() == []
    assert filled.problems(run_here=True) == []


def test_config_split_or_column_that_is_not_there(filled):
    assert (
        "has no config text-chatml; it has text-llama3"
        in only(filled.with_settings({"train_split": "text-chatml:train", "base_model": "somebody/a-model"})).reason
    )
    assert "has no split test" in only(filled.with_settings({"train_split": "text-llama3:test"})).reason
    assert "lacks; it has uid, text" in only(filled.with_settings({"text_column": "content"})).reason


def test_a_set_too_small_to_pack(filled):
    assert "packs none and fails" in only(filled.with_settings({"model_max_length": 9000, "block_size": 9000})).reason


def test_a_set_that_is_probably_too_small(filled, tmp_path):
    write_split(tmp_path / "dataset", pa.table({"text": ["word " * 100]}))
    problem = only(filled)
    assert problem.severity == "warning"
    assert "may pack none" in problem.reason
    write_split(tmp_path / "dataset", pa.table({"text": pa.array([], pa.string())}))
    assert "has no rows" in only(filled).reason


def test_a_variable_that_is_not_set(monkeypatch):
    recipe = load_recipe(resources.recipes()["llama-3.2-1b-lora-space"]).with_settings({"data.path": "me/data"})
    monkeypatch.setenv("HF_USERNAME", "me")
    monkeypatch.delenv("HF_TOKEN", raising=False)
    [problem] = [problem for problem in recipe.problems(run_here=True) if problem.key == "hub.token"]
    assert problem.reason == "is ${HF_TOKEN}, which is not set."
    monkeypatch.setenv("HF_TOKEN", "set")
    assert only(recipe, run_here=True).key == "backend"


def test_a_space_is_not_trained_by_this_library():
    """AutoTrain would make the Space and return, which looked like a training that left no adapter."""
    recipe = load_recipe(resources.recipes()["llama-3.2-1b-lora-space"])
    assert not any(problem.key == "backend" for problem in recipe.problems())
    [problem] = [problem for problem in recipe.problems(run_here=True) if problem.key == "backend"]
    assert "plain autotrain --config" in problem.mend


def test_parquet_that_autotrain_cannot_read(filled, tmp_path):
    newer = {"info": {"features": {"text": {"_type": "List"}}}}
    table = pa.table({"text": ["a" * 4000]}).replace_schema_metadata({"huggingface": json.dumps(newer)})
    write_split(tmp_path / "dataset", table)
    assert "datasets 3.2 cannot read" in only(filled).reason


@pytest.mark.parametrize("text", ["<|begin_of_text|>" + "a" * 4000, "a" * 4000 + "<|eot_id|>"])
def test_rows_with_bos_or_eot_of_their_own(filled, tmp_path, text):
    write_split(tmp_path / "dataset", pa.table({"text": [text]}))
    assert "which AutoTrain adds once more" in only(filled).reason


@pytest.mark.parametrize(
    ("file", "content", "fragment"),
    [
        ("config.json", {"model_type": "llama", "rope_parameters": {"rope_theta": 5e5}}, "another rope_theta"),
        ("config.json", {"model_type": "llama", "auto_map": {"AutoModel": "x.Y"}}, "brings code of its own"),
        ("config.json", {"model_type": "gpt2"}, "is a gpt2"),
        (
            "tokenizer_config.json",
            {"eos_token": "<|eot_id|>", "pad_token": "p", "chat_template": "x", "model_max_length": 128},
            "silently cuts to the base's own model_max_length, 128",
        ),
        (
            "tokenizer_config.json",
            {"eos_token": "<|end_of_text|>", "pad_token": "p", "chat_template": "x"},
            "has the EOS <|end_of_text|>",
        ),
        ("tokenizer_config.json", {"eos_token": "<|eot_id|>", "pad_token": "p"}, "has no chat template"),
        (
            "tokenizer_config.json",
            {"eos_token": "<|eot_id|>", "pad_token": "p", "chat_template": "x", "tokenizer_class": "TokenizersBackend"},
            "cannot load",
        ),
    ],
)
def test_a_base_that_autotrain_reads_wrongly(filled, file, content, fragment):
    (Path(filled.base_model) / file).write_text(json.dumps(content))
    assert fragment in only(filled).reason


@pytest.mark.parametrize(("embeddings", "told"), [(3, False), (8, True), (2, True)])
def test_a_base_whose_embeddings_are_not_its_tokens(filled, embeddings, told):
    """AutoTrain resizes, peft saves the resized embeddings, and the adapter loads on nothing: seen in a run."""
    base = Path(filled.base_model)
    (base / "config.json").write_text(json.dumps({"model_type": "llama", "rope_theta": 5e5, "vocab_size": embeddings}))
    tokens = {"model": {"vocab": {"a": 0, "b": 1}}, "added_tokens": [{"content": "b"}, {"content": "<|eot_id|>"}]}
    (base / "tokenizer.json").write_text(json.dumps(tokens))
    assert bool(filled.problems()) is told
    if told:
        assert "fits no base" in only(filled).reason


@pytest.mark.parametrize(("capability", "told"), [(7.5, True), (8.9, False)])
def test_bf16_wants_ampere(monkeypatch, capability, told):
    monkeypatch.setattr(environment_checks, "has_cuda", lambda: True)
    monkeypatch.setattr(environment_checks, "gpus", lambda: (gpus.Gpu("Tesla T4", 16.1, capability),))
    recipe = load_recipe(resources.recipes()["llama-3.2-1b-lora"])
    assert bool(recipe.problems(run_here=True)) is told
    if told:
        assert "which Tesla T4 does not compute in" in only(recipe, run_here=True).reason


def test_the_driver_is_asked_for_its_gpus(monkeypatch, tmp_path):
    program = tmp_path / "nvidia-smi"
    program.write_text('#!/bin/sh\nprintf "NVIDIA L4, 23034, 8.9\\nTesla T4, 15360, 7.5\\n"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    gpus.gpus.cache_clear()
    first, second = gpus.gpus()
    assert (first.name, second.capability) == ("NVIDIA L4", 7.5)
    assert 24 < first.memory_gb < 24.3
    program.write_text("#!/bin/sh\nexit 9\n")
    gpus.gpus.cache_clear()
    assert gpus.gpus() == ()
    gpus.gpus.cache_clear()


def test_missing_folders_are_told_before_a_run(filled, monkeypatch, tmp_path):
    quickstart = load_recipe(resources.recipes()["quickstart-tiny"])
    assert quickstart.problems() == []
    monkeypatch.chdir(tmp_path / "a-local-base")
    assert {problem.key for problem in quickstart.problems(run_here=True)} == {"base_model", "data.path"}
    assert only(filled.with_settings({"data.path": "./nowhere"})).key == "data.path"


def test_a_gpu_recipe_is_stopped_only_where_it_would_run():
    recipe = load_recipe(resources.recipes()["llama-3.2-1b-lora"])
    assert recipe.problems() == []
    assert only(recipe, run_here=True).key == "amazon_titles.needs"


@pytest.mark.parametrize(
    ("cuda", "library", "fragment"),
    [
        ("'13.0'", "libbitsandbytes_cuda126.so", "torch is built for CUDA 13.0"),
        ("None", "libbitsandbytes_cuda126.so", "a torch built for CUDA"),
        ("'12.6'", None, "environment lacks"),
        ("'12.6'", "libbitsandbytes_cuda126.so", None),
    ],
)
def test_bitsandbytes_against_the_torch_in_use(filled, tmp_path, monkeypatch, cuda, library, fragment):
    site = tmp_path / "site"
    (site / "torch").mkdir(parents=True)
    (site / "bitsandbytes").mkdir()
    (site / "torch/version.py").write_text(f"__version__ = '2.13.0'\ncuda: Optional[str] = {cuda}\n")
    if library:
        (site / "bitsandbytes" / library).touch()
    monkeypatch.setattr(environment_checks, "has_cuda", lambda: True)
    monkeypatch.setattr(environment_checks, "site_packages", lambda: site)
    quantized = filled.with_settings({"quantization": "int4"})
    if fragment is None:
        assert quantized.problems(run_here=True) == []
    else:
        assert fragment in only(quantized, run_here=True).reason
        assert only(quantized).severity == "warning"


def test_a_folder_that_hides_autotrain(filled, tmp_path):
    (tmp_path / "autotrain").mkdir()
    assert filled.problems() == []
    (tmp_path / "autotrain/__init__.py").touch()
    assert "hides AutoTrain" in only(filled).reason


def test_advice_for_a_plain_run():
    advice = plain_run_advice({})
    assert [line.split("=")[0] for line in advice] == ["ALLOW_REMOTE_CODE", "OMP_NUM_THREADS", "HF_DATASETS_CACHE"]
    assert plain_run_advice({"ALLOW_REMOTE_CODE": "False", "OMP_NUM_THREADS": "2", "HF_DATASETS_CACHE": "x"}) == []


OF_THE_TRL_ENGINE = {
    "valid_split": "validation",
    "checkpoint_dir": "checkpoints",
    "checkpoint_steps": 7,
    "keep": "best",
}


def test_what_one_engine_does_not_obey_is_told_when_it_starts():
    recipe = load_recipe(resources.recipes()["llama-3.2-1b-lora"]).with_settings(
        {f"amazon_titles.{name}": value for name, value in OF_THE_TRL_ENGINE.items()} | {"distributed_backend": "ddp"}
    )
    assert recipe.problems() == []
    told = {p.key: p for p in recipe.problems(run_here=True) if "trl engine alone" in p.reason}
    assert set(told) == {f"amazon_titles.{name}" for name in OF_THE_TRL_ENGINE}
    assert {p.severity for p in told.values()} == {"warning"}
    [problem] = [p for p in recipe.problems(run_here=True, engine="trl") if p.severity == "warning"]
    assert (problem.key, problem.mend) == ("params.distributed_backend", "Use: --devices N")


def test_autotrains_own_weaknesses_are_no_problem_of_the_other_engine(tmp_path):
    recipe = load_recipe(resources.recipes()["llama-3.2-1b-lora"]).with_settings({"seed": 7, "model_max_length": 512})
    assert {p.key for p in recipe.problems()} == {"params.seed", "params.block_size"}
    assert recipe.problems(engine="trl") == []


LINES = [{"text": f"Product {n}? " + "It is made of oak. " * 9} for n in range(20)]


def write_lines(folder, name, rows):
    """Rows in a form that AutoTrain's documentation asks for."""
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    columns = pa.Table.from_pylist(rows)
    if name.endswith(".csv"):
        pa.csv.write_csv(columns, folder / name)
    elif name.endswith(".jsonl"):
        (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    else:
        pq.write_table(columns, folder / name)
    return folder


FORMS = (
    "train.csv",
    "train.jsonl",
    "train.parquet",
    "data/train-00000-of-00001.parquet",
    "train/part.jsonl",
    "all.jsonl",
)


@pytest.mark.parametrize("name", FORMS)
def test_a_folder_as_autotrain_has_it_is_trained_on(filled, tmp_path, name):
    plain = filled.with_settings(
        {"data.path": str(write_lines(tmp_path / "plain", name, LINES)), "data.train_split": "train"}
    )
    warned = only(plain, run_here=True)
    assert (warned.severity, warned.key) == ("warning", "data.train_split")
    require_sound(plain, [warned])
    lacking = plain.with_settings({"data.path": str(write_lines(tmp_path / "other", name, [{"a": "x", "b, c": "y"}]))})
    told = next(p for p in lacking.problems() if p.key == "data.column_mapping.text_column")
    assert (told.severity, told.line) == ("error", 22)
    assert "is text, which the dataset lacks; it has a, b, c." in told.reason


def test_what_a_plain_folder_lacks_is_told(filled, tmp_path):
    plain = filled.with_settings({"data.path": str(tmp_path / "plain"), "data.train_split": "train"})
    (tmp_path / "plain").mkdir()
    told = [p for p in plain.problems() if p.severity == "error"]
    assert [p.key for p in told] == ["data.train_split"]
    assert "no file train.csv, train.jsonl" in told[0].reason
    write_lines(tmp_path / "plain", "train.jsonl", [{"text": [{"role": "user", "content": "x"}]}])
    assert any("is text, which holds list<" in p.reason for p in plain.problems())
    for encoding in ("utf-16", "utf-8-sig"):  # as PowerShell writes
        (tmp_path / "plain" / "train.jsonl").write_text('{"text": "x"}\n', encoding=encoding)
        assert any("cannot be read" in p.reason and "UTF-8" in p.mend for p in plain.problems())
    # Answers are found by a template, and nobody knows of one.
    assert any("no rendered text" in p.reason and p.severity == "error" for p in plain.problems(engine="trl"))


def test_a_folder_of_windows_that_is_missing_is_told(filled):
    for path in ("C:\\data\\titles", "..\\titles"):
        problem = only(filled.with_settings({"data.path": path}))
        assert "no such folder is here" in problem.reason
