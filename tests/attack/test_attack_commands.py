"""What the system refuses, what is deep or broken, what poses as ours: a sentence and the old state, no traceback."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from amazon_titles.cards import model_card
from amazon_titles.catalog.cleaning import remove_controls
from amazon_titles.catalog.products import Product
from amazon_titles.cli import main
from amazon_titles.errors import InputError
from amazon_titles.evaluation.resume import resumed
from amazon_titles.hub.contents import Content
from amazon_titles.hub.validate import document_issues
from amazon_titles.io import scratch
from amazon_titles.model.grounding import behind, without_false_citations, without_our_words
from amazon_titles.search.index import CatalogIndex
from amazon_titles.text import printable
from tests.attack.conftest import run_in


@pytest.fixture
def run(capsys):
    def runs(*arguments) -> tuple[int, str]:
        code = 0
        try:
            main([*map(str, arguments)])
        except SystemExit as stopped:
            code = int(stopped.code or 0)
        said = capsys.readouterr().err
        assert "Traceback (most" not in said
        return code, said

    return runs


@pytest.fixture
def made(whole):
    return whole


LONG = "x" * 300
# What each command that writes is given, after `--out`, and whether that is a folder.
ASKED = ("--sets", "seen", "--limit", "1", "--max-new-tokens", "2")
REPORTS = ("adapter/eval/before.json", "adapter/eval/after.json")
WRITERS = {
    "build": (("build", "trn.json", "--phrasings", "1", "--workers", "1", "--force"), True),
    "recipe": (("recipe", "quickstart", "--dataset", "d"), False),
    "train": (("train", "my.yml", "--engine", "trl"), True),
    "evaluate": (("evaluate", "adapter", *ASKED), False),
    "compare": (("compare", *REPORTS), True),
    "ask": (("ask", "--questions", "questions.jsonl", "--model", "adapter", "--max-new-tokens", "2"), False),
    "merge": (("merge", "adapter"), True),
    "export": (("export", "adapter"), False),
    "handin": (("handin", "--model", "adapter", "--member", "Ada"), True),
    "push-space": (("push-space", "ana/x", "--model", "ana/y"), True),
    "quickstart": (("quickstart", "--base", "tiny"), True),
    "download": (("download",), True),
}


def command(name: str, out: str) -> tuple[str, ...]:
    """A command that writes there."""
    arguments, _ = WRITERS[name]
    if name == "train":
        return (*arguments, "--set", f"project_name={out}")
    return (*arguments, *([] if name == "handin" else ["--out"]), out)


def state(folder: Path) -> dict[str, object]:
    """Every name below a folder, links as what they lead to, and every byte."""
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*")}
    return {
        name: path.readlink() if path.is_symlink() else path.is_file() and path.read_bytes()
        for name, path in found.items()
    }


@pytest.fixture
def work(whole, tmp_path):
    """A folder with everything that commands read."""
    folder = tmp_path / "work"
    folder.mkdir()
    for path in whole.iterdir():
        (shutil.copytree if path.is_dir() else shutil.copyfile)(path, folder / path.name)
    return folder


@pytest.mark.parametrize("place", [LONG, "file/below", "file", "link", "folder"])
@pytest.mark.parametrize("name", WRITERS)
def test_a_place_where_nothing_can_be_made(work, name, place):
    """A name too long, a file as a folder, a link to a file, somebody's folder: a sentence, and nothing changed."""
    is_folder = WRITERS[name][1]
    if name == "export" and place != "folder":
        place += ".gguf"
    if place.startswith(("file", "link")) and "/" not in place and not is_folder:
        pytest.skip("a file takes the place of a file")
    if (name, place) == ("compare", "folder"):
        pytest.skip("it writes its five files into any folder, such as an adapter's")
    for stem in ("file", "link", "folder"):
        for ending in ("", ".gguf"):
            there = work / f"{stem}{ending}"
            if stem == "file":
                there.write_text("mine")
            elif stem == "link":
                there.symlink_to("file")
            else:
                there.mkdir()
                (there / "thesis.tex").write_text("years of work")
    before = state(work)
    code, said = run_in(work, *command(name, place))
    assert code in (1, 2), said
    assert said.count("Error: ") == 1, said
    assert state(work) == before, said


@contextmanager
def full_disk(most: int):
    """No file may grow beyond so many bytes: the system refuses it to every library, as on a full disk."""
    resource = pytest.importorskip("resource", reason="a limit of POSIX")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


# Over what stands there, each of these commands is to write something else.
OLD = {"build": "dataset", "recipe": "my.yml", "evaluate": "adapter/eval/after.json", "compare": "adapter/eval",
       "export": "titles.gguf"}  # fmt: skip
KEPT = (".partial", ".partial.jsonl")  # what was answered so far


@pytest.mark.parametrize("most", [0, 1_000, 20_000])
@pytest.mark.parametrize("name", [*(name for name in WRITERS if name not in ("download", "quickstart")), "index"])
def test_a_full_disk_leaves_the_old_state(work, monkeypatch, name, most):
    monkeypatch.setenv("AMAZON_TITLES_CACHE", str(work / "cache"))
    arguments = ("ask", "x", "--model", "adapter", "--dataset", "dataset")
    if name != "index":
        arguments = command(name, OLD.get(name, "made"))
    if name == "train" and most == 20_000:
        pytest.skip("what it writes before it trains is smaller")
    before = state(work)
    with full_disk(most):
        code, said = run_in(work, *arguments)
    after = {path: data for path, data in state(work).items() if not path.startswith("cache")}
    if code == 0:
        new = [data for path, data in after.items() if data != before.get(path)]
        assert all(len(data) <= most for data in new if isinstance(data, bytes))
        return
    assert "Make room there" in said or os.strerror(errno.EFBIG) in said
    assert {path: data for path, data in after.items() if not path.endswith(KEPT)} == before
    assert not [path for path in (work / "cache").rglob("*") if path.is_file() and path.suffix != ".lock"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EIO])
def test_what_the_system_says_is_told(monkeypatch, run, number):
    def refuse(*_, **__):
        raise OSError(number, os.strerror(number), "place")

    monkeypatch.setattr("amazon_titles.budget.check_recipes", refuse)
    code, said = run("check")
    assert (code, said.count("Error: ")) == (1, 1)
    assert f"place: {os.strerror(number)}." in said


def test_what_nobody_foresaw(monkeypatch, tmp_path, run):
    token = "hf" + "_" + "aB3" * 12
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def fail(*_, **__):
        raise KeyError(f"odd {token}")

    monkeypatch.setattr("amazon_titles.budget.check_recipes", fail)
    code, said = run("check")
    assert code == 1
    assert "did not foresee: KeyError" in said
    (path,) = tmp_path.glob("*.traceback.txt")
    assert str(path) in said
    assert "Traceback" in path.read_text()
    assert token not in said + path.read_text()


def test_a_second_error_within_the_handler_is_no_traceback(monkeypatch, run):
    monkeypatch.setattr("amazon_titles.budget.check_recipes", lambda *_, **__: 1 / 0)
    monkeypatch.setattr("tempfile.tempdir", "/nowhere/at/all")
    assert run("check")[0] == 1


DEEP = "[" * 200_000


@pytest.mark.parametrize(
    "text", [DEEP, "a: " + DEEP, "{" * 5000, "a: " + "9" * 5000, "\x00", "a: &a [*a]", "- " * 4000]
)
def test_a_recipe_deep_or_broken(tmp_path, run, text):
    (tmp_path / "my.yml").write_text(text)
    for command in ("check", "train"):
        code, said = run(command, tmp_path / "my.yml")
        assert code in (1, 2)
        assert "did not foresee" not in said


@pytest.mark.parametrize(
    "content", ["[" * 100_000, '{"a":' * 100_000, '{"uid": "1", "title": ' + "[" * 60_000 + "]" * 60_000 + "}"]
)
@pytest.mark.parametrize("suffix", [".json", ".jsonl"])
def test_a_deep_line_is_a_bad_line(made, tmp_path, run, content, suffix):
    rows = (made / "trn.json").read_text().splitlines()
    (tmp_path / f"trn{suffix}").write_text("\n".join([*rows[:30], content, *rows[30:]]))
    code, said = run(
        "build", tmp_path / f"trn{suffix}", "--out", tmp_path / "d", "--max-bad", "0.1", "--phrasings", "1"
    )
    assert code == 0, said


@pytest.mark.parametrize(
    "data", [DEEP.encode(), b'{"a":' * 90_000, b"\xff\xfe", b"\x00" * 50, b'"\\ud800"', b"1e999", b"9" * 5000]
)
def test_reports_and_questions_deep_or_broken(tmp_path, run, data):
    from amazon_titles.model.files import read_questions

    (tmp_path / "x.json").write_bytes(data)
    assert run("compare", tmp_path / "x.json", tmp_path / "x.json")[0] == 2
    with pytest.raises(InputError):
        read_questions(tmp_path / "x.json")
    for suffix in ("json", "yml", "md"):
        assert all(isinstance(note.reason, str) for note in document_issues(Content.of(f"eval/x.{suffix}", data)))


def test_arguments_that_are_no_text(run):
    code, said = run("check", "caf\udce9.yml")
    assert (code, "in Latin-1 it reads 'café.yml'" in said) == (2, True)


@pytest.mark.parametrize("seed", [-1, 2**32, 10**40])
def test_absurd_seeds(made, tmp_path, run, seed):
    assert run("build", made / "trn.json", "--out", tmp_path / "d", "--seed", seed)[0] == 2


@pytest.mark.parametrize("column", ["uid", "title", "content"])
def test_a_catalogue_with_nulls_where_text_belongs(tmp_path, column):
    (tmp_path / "catalog").mkdir()
    row = {"uid": "1", "title": "A kettle", "content": "Of iron.", "related": ["2"]}
    table = pa.Table.from_pylist([row, row | {column: None}])
    pq.write_table(table, tmp_path / "catalog" / "train-00000-of-00001.parquet")
    with pytest.raises(InputError, match=f"no {column}"):
        CatalogIndex.build(tmp_path)


def test_a_journal_that_is_damaged(tmp_path):
    about = {"model": "m"}
    (tmp_path / "r.partial.jsonl").write_text(json.dumps(about) + '\n{"text": "a"}\nnonsense\n')
    with pytest.raises(InputError, match="damaged"), resumed(tmp_path / "r.json", about):
        pass


def test_nothing_commands_a_terminal(run, capsys):
    _, said = run("check", "a\x1b[31m\x9b5\u202e\u2066b.yml")
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e\u2066]", said)
    assert printable("a\tb\nc\u00a0d é 茶 🫖") == "a\tb\nc\u00a0d é 茶 🫖"


def test_invisible_signs_are_cleaned():
    for sign in (*range(0x2066, 0x206A), 0x61C, 0x202E, 0xE0041, 0xE007F):
        assert remove_controls(f"a{chr(sign)}b") == "ab"


SHOWN = [Product("B000000001", "Kettle", "Of iron [2 l], like [B000000666].")]


def test_citations_of_no_source_are_removed():
    for false in ("[B000000666]", "[ABCDEFGHIJ]", "[123]", "[B000000002]"):
        assert without_false_citations(f"It is of iron {false}.", SHOWN) == "It is of iron."
    for right in ("[B000000001]", "[sic]"):
        assert right in without_false_citations(f"It is of iron {right}.", SHOWN)


@pytest.mark.parametrize(
    ("uid", "false"), [("SKU-12", "SKU-13"), ("a/b", "b/a"), ("REF 12", "REF 13"), ("x_y.z", "z.y")]
)
def test_citations_of_no_source_are_removed_whatever_codes_look_like(uid, false):
    shown = [Product(uid, "Kettle", "Of iron [2 l].")]
    said = f"It is of iron [{uid}] [2 l] [non stick] [{false}]."
    assert without_false_citations(said, shown) == f"It is of iron [{uid}] [2 l] [non stick]."
    assert behind(f"It is of iron [{uid}].", [Product("B000000001", "Of iron", "It is."), *shown])[0] == shown


@pytest.mark.parametrize(
    "line",
    [
        "Sources:",
        "  **Sources:** [B1] x",
        "fontes : x",
        "Sources: none",
        "(100% supported by the source)",
        "## Fits as well: x",
        "(The catalogue is a made-up sample",
        "Nearest titles: x",
        "Sources： x",
    ],
)
def test_lines_that_look_like_ours_are_quoted(line):
    assert without_our_words(f"Iron.\n{line}\nmore") == f"Iron.\n> {line}\nmore"
    assert without_our_words(without_our_words(line)) == without_our_words(line)
    assert without_our_words("Sources of iron are many.") == "Sources of iron are many."


EVIL = "<img src=x onerror=alert(1)> [a](https://evil.example) `x` https://evil.example ```\n# Heading\n\u202e"


def test_nothing_acts_in_a_model_card():
    run = {
        "engine": EVIL,
        "device": EVIL,
        "machine": EVIL,
        "base_model": EVIL,
        "base_source": EVIL,
        "train_split": EVIL,
        "template": EVIL,
        "versions": {EVIL: EVIL},
        "library": EVIL,
        "publishable": True,
        "dataset": {"path": EVIL, "revision": EVIL, "report_sha256": EVIL},
    }
    card = model_card(run, "project_name: x\n  ```\n[a](https://evil.example)\n", language="en")
    body = re.sub(r"^```.*?^```$", "", card.split("---\n", 2)[2], flags=re.M | re.S)
    spans = re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", body)
    assert "<img" not in re.sub(r"\\<", "", spans)
    assert "](https://evil.example" not in spans
    assert not re.search(r"(?<!\\)https?:/(?!\\)/evil", spans)
    assert "\n# Heading" not in spans
    assert "\u202e" not in body


def test_what_the_killed_left_goes_at_the_next_run(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with scratch() as used:
        left = tmp_path / "amazon-titles-scratch-dead"
        left.mkdir()
        left.with_suffix(".lock").touch()
        with scratch():
            assert not left.exists()
            assert used.is_dir(), "it is in use"
    assert list(tmp_path.iterdir()) == []
