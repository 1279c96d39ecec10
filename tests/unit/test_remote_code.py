"""No code of a model runs: wherever the library loads one, transformers is told no, so that it never asks."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

import amazon_titles

ROOT = Path(amazon_titles.__file__).parent
MODULES = sorted(path for path in ROOT.rglob("*.py") if "_files" not in path.parts)
# What of transformers, peft, datasets and huggingface_hub loads a model, a tokenizer or data, and takes the option.
LOADERS = frozenset({"from_pretrained", "from_config", "load_dataset", "load_dataset_builder", "pipeline"})
OURS = frozenset({"CatalogModel", "Shape"})


def snippets(tree: ast.AST) -> list[ast.AST]:
    """The module, and the programs that it holds as texts: those run too."""
    found = [tree]
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and "from_pretrained(" in node.value:
            try:
                found.append(ast.parse(node.value))
            except SyntaxError:
                continue  # prose
    return found


def name_of(node: ast.AST) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def refuses(call: ast.Call) -> bool:
    told = [keyword.value for keyword in call.keywords if keyword.arg == "trust_remote_code"]
    return len(told) == 1 and isinstance(told[0], ast.Constant) and told[0].value is False


def careless(tree: ast.AST) -> list[int]:
    """Lines where a loader is called, or handed on under another name, without being told to run no code."""
    safe = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and refuses(node):
            safe |= {id(node.func), *map(id, node.args)}  # `partial(load, trust_remote_code=False)` is as good
    lines = []
    for node in ast.walk(tree):
        if not isinstance(node, (ast.Attribute, ast.Name)) or name_of(node) not in LOADERS or id(node) in safe:
            continue
        if isinstance(node, ast.Attribute) and name_of(node.value) in OURS:
            continue
        lines.append(node.lineno)
    return lines


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_whatever_is_loaded_brings_no_code(path):
    for tree in snippets(ast.parse(path.read_text(encoding="utf-8"))):
        assert careless(tree) == [], f"{path.name}: trust_remote_code=False is missing"


def test_nobody_says_yes():
    for path in MODULES:
        for tree in snippets(ast.parse(path.read_text(encoding="utf-8"))):
            for node in ast.walk(tree):
                if isinstance(node, ast.keyword) and node.arg == "trust_remote_code":
                    assert isinstance(node.value, ast.Constant), path
                    assert node.value.value is False, path


@pytest.mark.parametrize(
    ("code", "lines"),
    [
        ("AutoTokenizer.from_pretrained(x)", [1]),
        ("AutoTokenizer.from_pretrained(x, trust_remote_code=True)", [1]),
        ("AutoTokenizer.from_pretrained(x, trust_remote_code=False)", []),
        ("load = AutoModel.from_pretrained\nload(x)", [1]),
        ("load = partial(AutoModel.from_pretrained, trust_remote_code=False)", []),
        ("CatalogModel.from_pretrained(x)", []),
        ("load_dataset(x)", [1]),
    ],
)
def test_the_walk_finds_what_it_looks_for(code, lines):
    assert careless(ast.parse(code)) == lines


def test_the_programs_in_texts_are_walked():
    path = ROOT / "model" / "plainly.py"
    assert len(snippets(ast.parse(path.read_text(encoding="utf-8")))) == 2


CODE = """
from pathlib import Path
Path({ran!r}).touch()
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
class Config(LlamaConfig):
    model_type = "mine"
class Model(LlamaForCausalLM):
    config_class = Config
class Tokenizer(PreTrainedTokenizerFast):
    pass
def generate(model, **options):
    return None
"""


def with_code(folder: Path, *, kind: str) -> Path:
    """A tiny model that brings code: for its own architecture, or beside one that transformers knows."""
    from amazon_titles import tiny_llama

    folder.mkdir()
    tiny_llama.write_tokenizer(folder, ["a kettle of iron"], vocab_size=300)
    size = tiny_llama.vocabulary_size(folder)
    tiny_llama.write_model(folder, vocab_size=size, hidden_size=48, layers=1, heads=3)
    for name in ("mine.py", "custom_generate/generate.py"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(CODE.format(ran=str(folder / "RAN")))
    maps = {
        "config.json": {"AutoConfig": "mine.Config", "AutoModelForCausalLM": "mine.Model"},
        "tokenizer_config.json": {"AutoTokenizer": ["mine.Tokenizer", "mine.Tokenizer"]},
    }
    for name, auto_map in maps.items():
        told = json.loads((folder / name).read_text()) | {"auto_map": auto_map}
        told |= {"model_type": "mine", "architectures": ["Model"]} if kind == "own" and name == "config.json" else {}
        (folder / name).write_text(json.dumps(told))
    return folder


@pytest.fixture
def yes(monkeypatch, tmp_path):
    """Whoever asks is answered yes, and is remembered."""
    asked = []
    monkeypatch.setattr("builtins.input", lambda *words: asked.append(words) or "y")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_MODULES_CACHE", str(tmp_path / "modules"))
    return asked


@pytest.mark.parametrize("kind", ["own", "known"])
def test_a_model_that_brings_code_is_not_asked_about(tmp_path, yes, kind):
    pytest.importorskip("peft", reason="the extra `model` loads models")
    from amazon_titles.errors import InputError
    from amazon_titles.model.loading import load_local

    folder = with_code(tmp_path / "base", kind=kind)
    if kind == "known":
        assert load_local(folder, device="cpu").name == "base"
    else:
        with pytest.raises(
            InputError, match="needs its own code to load, and this library does not run code"
        ) as refused:
            load_local(folder, device="cpu")
        assert "trust_remote_code" not in str(refused.value)
    assert yes == []
    assert not (folder / "RAN").exists()
