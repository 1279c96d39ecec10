"""Every command of every document is one that the command line takes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from amazon_titles import resources
from amazon_titles.cards import dataset_card, model_card
from amazon_titles.cli import cli
from amazon_titles.dataset import build_dataset
from amazon_titles.quickstart import texts
from amazon_titles.sample import write_sample
from tests import blocks
from tests.loopback_hub.cards import problems
from tests.loopback_hub.folders import run_json

ROOT = Path(__file__).resolve().parents[2]
REAL_THING = texts.REAL_THING.read_text(encoding="utf-8")
RECIPE = (resources.folder("autotrain") / "quickstart.yml").read_text(encoding="utf-8")
# What a document may ask for besides: each is a program of its own.
OTHERS = {
    "hf", "huggingface-cli", "vllm", "llama-server", "ollama", "mlx_lm.generate", "curl", "pip", "gdown", "make", "git",
    "autotrain", "python",
}  # fmt: skip


@pytest.fixture(scope="module")
def documents(tmp_path_factory):
    folder = tmp_path_factory.mktemp("documents")
    write_sample(folder / "trn.json", 60)
    build_dataset(folder / "trn.json", folder / "out")
    report = json.loads((folder / "out" / "report.json").read_text())
    trial = run_json("/home/ada/base") | {"publishable": False}
    found = {
        "README": (ROOT / "README.md").read_text(encoding="utf-8"),
        "own-catalogue": (ROOT / "docs/own-catalogue.md").read_text(encoding="utf-8"),
        "scale": (ROOT / "docs/scale.md").read_text(encoding="utf-8"),
        "quickstart": f"```\n{REAL_THING}\n```\n",
    }
    for language in ("en", "pt"):
        found[f"dataset card, {language}"] = dataset_card(report, language=language)
        found[f"model card, {language}"] = model_card(run_json("ana/base"), RECIPE, language=language)
        found[f"trial's card, {language}"] = model_card(trial, RECIPE, language=language)
    return found


NAMES = [
    "README", "quickstart", "own-catalogue", "scale",
    *(f"{kind}, {language}" for kind in ("dataset card", "model card", "trial's card") for language in ("en", "pt")),
]  # fmt: skip


def parse(arguments: list[str]) -> None:
    """Parses a command as click does, without running it; click raises what it does not take."""
    command = cli.commands[arguments[0]]
    command.make_context(arguments[0], list(arguments[1:]))


@pytest.mark.parametrize("name", NAMES)
def test_every_command_is_taken_by_the_command_line(documents, name):
    found = [words for block in blocks.blocks(documents[name], "", "sh") for words in blocks.ours(block.text)]
    for arguments in found:
        parse(arguments)
    assert found or name.startswith("dataset card")
    for mentioned in re.findall(r"`amazon-titles ([a-z-]+)", documents[name]):
        assert mentioned in cli.commands


@pytest.mark.parametrize("name", [name for name in NAMES if "card" in name])
def test_a_shell_block_holds_commands_alone(documents, name):
    for block in blocks.blocks(documents[name], "sh"):
        for words in blocks.commands(block.text):
            assert words[0] in OTHERS | {"amazon-titles"}


@pytest.mark.parametrize("name", NAMES)
def test_python_compiles(documents, name):
    compile(blocks.python(documents[name]), name, "exec")


@pytest.mark.parametrize("name", [name for name in NAMES if "card" in name])
def test_metadata_passes_the_hubs_schema_and_classes(documents, name):
    from huggingface_hub import DatasetCard, ModelCard

    kind = "dataset" if name.startswith("dataset") else "model"
    assert problems(documents[name], kind) == []
    data = (DatasetCard if kind == "dataset" else ModelCard)(documents[name]).data.to_dict()
    assert data["tags"]
    assert "[More Information Needed]" not in documents[name]


@pytest.mark.parametrize("wrong", ["ask 'What?' --modle a", "merge adapter --into x", "ask What? -k none", "nothing"])
def test_a_wrong_command_would_be_found(wrong):
    import click

    with pytest.raises((click.ClickException, KeyError)):
        parse(next(blocks.ours(f"amazon-titles {wrong}")))


def test_the_command_reference_is_what_help_says():
    done = subprocess.run([sys.executable, ROOT / "docs" / "commands.py", "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def shape(markdown: str) -> dict[str, list[str]]:
    """What two languages of one document share: heading levels, commands, Python, tables but for their words, links."""
    prose = re.sub(r"^```.*?^```$", "", markdown, flags=re.M | re.S)
    rows = re.findall(r"^\|.*\|$", prose, flags=re.M)
    cells = [cell.strip() for row in rows for cell in row.split("|")]
    return {
        "headings": re.findall(r"^#+ ", prose, flags=re.M),
        "commands": [" ".join(w) for b in blocks.blocks(markdown, "") for w in blocks.commands(b.text)],
        "python": [block.text for block in blocks.blocks(markdown, "python")],
        "columns": [str(row.count("|")) for row in rows],
        "figures": [figure.replace(",", ".") for cell in cells for figure in re.findall(r"[+-]?\d+(?:[.,]\d+)?", cell)],
        "code": sorted(set(re.findall(r"`[^`\n]+`", prose))),
        "images": re.findall(r"!\[[^\]]*\]\(([^)]+)\)", prose),
    }


def test_both_languages_of_the_readme_say_the_same():
    english, portuguese = (
        shape((ROOT / name).read_text(encoding="utf-8")) for name in ("README.md", "README.pt-BR.md")
    )
    for what, there in english.items():
        assert portuguese[what] == there, what
    assert len(english["headings"]) > 8
    assert len(english["figures"]) > 8


@pytest.mark.parametrize(
    ("started", "program"),
    [(".venv/bin/amazon-titles", ".venv/bin/amazon-titles"), ("amazon_titles/__main__.py", "amazon-titles")],
)
def test_the_quickstart_names_commands_that_work_as_printed(monkeypatch, started, program):
    monkeypatch.setattr(sys, "argv", [started])
    said = texts.next_steps(Path("my shop"))
    ours = [words[1:] for words in blocks.commands(said) if words[0] == program]
    assert [words[0] for words in ours[:4]] == ["demo", "video", "handin", "download"]
    assert all("my shop/adapter" in words for words in ours[:3])
    for words in ours:
        parse(words)


@pytest.mark.parametrize("name", ["README.md", "README.pt-BR.md"])
def test_the_quickstart_ends_with_the_readmes_story(name):
    readme = (ROOT / name).read_text(encoding="utf-8")
    said = [words for block in blocks.blocks(readme, "") for words in blocks.commands(block.text)]
    story = list(blocks.commands(REAL_THING))
    first = said.index(story[0])
    assert said[first : first + len(story)] == story


def test_the_portuguese_tables_are_portuguese():
    """Commas in their figures, and the names that the model card gives to sets and measures."""
    tables = {}
    for name in ("README.md", "README.pt-BR.md"):
        readme = (ROOT / name).read_text(encoding="utf-8")
        tables[name] = [row.split("|")[1:-1] for row in re.findall(r"^\|.*\|$", readme, flags=re.M)]
    assert not [row for row in tables["README.pt-BR.md"] if re.search(r"\d\.\d", "|".join(row))]
    wording = yaml.safe_load((resources.folder("hub_cards") / "model_card.yml").read_text(encoding="utf-8"))
    named = {piece["en"]: piece["pt"] for name, piece in wording.items() if name.startswith(("set_name_", "measure_"))}
    pairs = [(english, portuguese) for english, portuguese in zip(*tables.values(), strict=True) if len(english) == 8]
    for english, portuguese in pairs[2:]:
        for place in (0, 2):
            assert named.get(english[place].strip(), english[place].strip()) == portuguese[place].strip()
    assert len(pairs) > 8
