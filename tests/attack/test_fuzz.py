"""Broken files of every kind that a command reads: each command says a sentence, or works, and leaves nothing half."""

from __future__ import annotations

import bz2
import copy
import csv
import gzip
import io
import json
import shutil
import struct
import zipfile
import zlib
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from amazon_titles.errors import AmazonTitlesError
from amazon_titles.evaluation.sets import questions
from amazon_titles.model.catalog import Catalog
from amazon_titles.model.loading import dataset_of, tell_of_another_catalogue
from amazon_titles.page.evidence import Evidence
from amazon_titles.page.examples import example_questions
from amazon_titles.page.texts import TEXTS
from amazon_titles.sample import sample_products
from tests.attack.conftest import bounded, run_in

ODD = [
    None, True, False, 0, -1, 10**30, 1.5, float("inf"), float("nan"), "", "x", "\ud800", "x\ny", "../..", "1e999",
    [], {}, [[]], [None], [1, "a"], {"": None}, {"a": {"b": []}}, "x" * 5000, "-2026-99-99", "ana/titles",
]  # fmt: skip


def holds(folder: Path, *arguments: str, writes: str = "") -> None:
    """Runs a command in a folder, where besides `writes` nothing may come into being; nor that, where it is refused."""
    before = names(folder) | {f"{writes}.rejected.jsonl"}
    code, told = run_in(folder, *arguments)
    new = names(folder) - before
    # The lines that a build drops are told beside its folder, also where there are too many of them.
    assert new - {f"{writes}.rejected.jsonl"} <= ({writes} if code != 2 else set()), f"{told}\n{new}"


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@st.composite
def broken_bytes(draw, data: bytes) -> bytes:
    """Cut off, with bytes changed, put in or left out, or something else."""
    at = draw(st.integers(0, len(data)))
    end = min(len(data), at + draw(st.integers(1, 40)))
    junk = draw(st.sampled_from([b"", b"\0", b"\xff\xfe", b"[" * 3000, b"\n", b'"', b"}", b"\x80" * 9, b"9" * 5000]))
    return draw(
        st.sampled_from([data[:at], data[:at] + junk + data[end:], data[:at] + junk + data[at:], junk, data[at:]])
    )


def places(value: object, path: tuple = ()):
    """Where something stands in nested lists and objects."""
    yield path
    if isinstance(value, (dict, list)):
        for key in list(value) if isinstance(value, dict) else range(min(len(value), 3)):
            yield from places(value[key], (*path, key))


@st.composite
def broken_value(draw, value: object) -> object:
    """With one to three parts that are something else, or are not there."""
    value = copy.deepcopy(value)
    for _ in range(draw(st.integers(1, 3))):
        if not (found := [path for path in places(value) if path]):
            return value
        *path, last = draw(st.sampled_from(found))
        part = value
        for key in path:
            part = part[key]
        if draw(st.booleans()) and draw(st.booleans()):
            del part[last]
        else:
            part[last] = draw(st.sampled_from(ODD))
    return value


@st.composite
def broken_table(draw, table: pa.Table) -> bytes:
    """With a column that is missing, empty or of another type."""
    number = draw(st.integers(0, table.num_columns - 1))
    name, rows = table.column_names[number], table.num_rows
    columns = [
        pa.nulls(rows), pa.array([1] * rows), pa.array([b"\xff"] * rows), pa.array([["x"]] * rows),
        pa.array([{"a": 1}] * rows), pa.array([None, *[""] * (rows - 1)]), pa.array([1.5] * rows, pa.float32()),
        pa.array(["x"] * rows).dictionary_encode(), pa.array([[{"role": None, "content": None}]] * rows),
        pa.array([[]] * rows, pa.list_(pa.string())), pa.array(["2026-01-01"] * rows).cast(pa.date32()),
    ]  # fmt: skip
    column = draw(st.sampled_from([*columns, None, ...]))
    if column is None:
        table = table.drop_columns([name])
    elif column is ...:
        table = table.slice(0, 0)
    else:
        table = table.set_column(number, name, column)
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


def broken(draw: st.DataObject, path: Path) -> None:
    """Breaks a file of a known kind where it stands."""
    data = path.read_bytes()
    kinds = [broken_bytes(data)]
    with suppress(Exception):  # it may have been broken before
        if path.suffix == ".json":
            kinds += [broken_value(json.loads(data)).map(lambda value: json.dumps(value).encode())] * 3
        elif path.suffix == ".yml":
            kinds += [broken_value(yaml.safe_load(data)).map(lambda value: yaml.safe_dump(value).encode())] * 3
        elif path.suffix == ".parquet":
            kinds += [broken_table(pq.read_table(path))] * 3
    path.unlink()  # what is mapped stays whole
    path.write_bytes(draw.draw(st.one_of(kinds)))


@contextmanager
def copied(*sources: Path):
    """A folder of its own with copies of these."""
    with TemporaryDirectory() as place:
        folder = Path(place) / "work"
        folder.mkdir()
        for source in sources:
            (shutil.copytree if source.is_dir() else shutil.copyfile)(source, folder / source.name)
        yield folder


def examples(count: int):
    # What is broken once is rarely broken in a smaller way that tells more, and each try is a command.
    phases = (Phase.explicit, Phase.generate)
    return settings(max_examples=count, phases=phases, suppress_health_check=list(HealthCheck), print_blob=True)


# ── catalogues ───────────────────────────────────────────────────────────────────────────────────────────────────────


def rows(count: int = 30) -> list[dict]:
    return [{name: row[name] for name in ("uid", "title", "content")} for row in sample_products(count)]


def parquet(table: list[dict]) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(table), sink)
    return sink.getvalue()


def excel(table: list[dict]) -> bytes:
    import openpyxl

    book = openpyxl.Workbook()
    for row in [list(table[0]), *(list(row.values()) for row in table)]:
        book.active.append(row)
    sink = io.BytesIO()
    book.save(sink)
    return sink.getvalue()


def packed(**members: bytes) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name.replace("__", "."), data)
    return sink.getvalue()


def separated(table: list[dict], by: str) -> bytes:
    sink = io.StringIO()
    csv.writer(sink, delimiter=by).writerows([table[0], *(row.values() for row in table)])
    return sink.getvalue().encode()


LINES = "\n".join(map(json.dumps, rows())).encode()
FORMS = {
    "jsonl": LINES,
    "json": json.dumps(rows(), indent=1).encode(),
    "csv": separated(rows(), ","),
    "tsv": separated(rows(), "\t"),
    "parquet": parquet(rows()),
    "xlsx": excel(rows()),
    "zip": packed(trn__json=LINES),
    "zip of xlsx": packed(trn__xlsx=excel(rows())),
    "zip of parquet": packed(trn__parquet=parquet(rows())),
    "gz": gzip.compress(LINES, mtime=0),
    "zst": pa.compress(LINES, "zstd", asbytes=True),
    "bz2": bz2.compress(LINES),
    "utf-16": LINES.decode().encode("utf-16"),
}
BUILD = ("--out", "d", "--phrasings", "1", "--workers", "1", "--max-bad", "0.5")


@pytest.mark.parametrize("form", FORMS)
def test_each_form_is_read_whole(form, tmp_path):
    (tmp_path / "catalogue").write_bytes(FORMS[form])
    holds(tmp_path, "build", "catalogue", *BUILD, writes="d")
    assert json.loads((tmp_path / "d/report.json").read_text())["rows_read"] == 30


@pytest.mark.parametrize("form", FORMS)
@examples(12)
@given(draw=st.data())
def test_broken_catalogues(form, draw):
    with TemporaryDirectory() as place:
        folder = Path(place) / "work"
        folder.mkdir()
        (folder / "catalogue").write_bytes(draw.draw(broken_bytes(FORMS[form])))
        holds(folder, "build", "catalogue", *BUILD, writes="d")
        assert not (folder / "d").exists() or (folder / "d/report.json").is_file()


@examples(40)
@given(draw=st.data())
def test_catalogues_of_odd_values(draw):
    table = draw.draw(broken_value(rows(12)))
    data = "\n".join(map(json.dumps, table)) if draw.draw(st.booleans()) else json.dumps(table)
    with TemporaryDirectory() as place:
        folder = Path(place) / "work"
        folder.mkdir()
        (folder / "catalogue").write_text(data)
        holds(folder, "build", "catalogue", *BUILD, writes="d")


def xlsx_with(name: str, data: bytes) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(FORMS["xlsx"])) as whole, zipfile.ZipFile(sink, "w") as archive:
        for member in whole.namelist():
            archive.writestr(member, data if member == name else whole.read(member))
    return sink.getvalue()


LAUGHS = b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a "ha">' + b"".join(
    f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">'.encode() for n in range(9)
) + b"]><worksheet><sheetData><row><c><v>&j;</v></c></row></sheetData></worksheet>"  # fmt: skip
ENCRYPTED = bytearray(FORMS["zip"])
for mark, flag in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
    ENCRYPTED[ENCRYPTED.find(mark) + flag] |= 1
CORPUS = {
    "empty": b"",
    "blank": b" \n\n\t\n",
    "mark alone": b"\xff\xfe",
    "zeros": bytes(5000),
    "xml": b"<?xml version='1.0'?><rss><item>x</item></rss>",
    "html": b"<!DOCTYPE html><html>not found</html>",
    "pdf": b"%PDF-1.7 x",
    "header alone": b"uid,title,content\n",
    "no separator": b"hello\nworld\n",
    "many columns": b",".join(b"c%d" % n for n in range(50_000)) + b"\n" + b"x," * 49_999 + b"x\n",
    "one name twice": b"uid,title,title,content\n1,a,b,c\n",
    "open quote": b'uid,title,content\n1,"a,b\n' * 50,
    "deep": b"[" * 100_000,
    "no numbers": b'{"uid": 1e999, "title": NaN, "content": -Infinity}\n' * 30,
    "long number": b'{"uid": ' + b"9" * 10_000 + b', "title": "a", "content": "b"}\n',
    "half a character": b'{"uid": "\\ud800", "title": "\\udc00", "content": "\\ud83d"}\n' * 30,
    "keys that are long": json.dumps({"k" * 100_000: 1, "title": "x"}).encode(),
    "gzip, cut": FORMS["gz"][:-9],
    "gzip, junk behind": FORMS["gz"] + b"junk",
    "gzip of nothing": gzip.compress(b""),
    "gzip in gzip": gzip.compress(FORMS["gz"]),
    "zstd, cut": FORMS["zst"][:-5],
    "zip, cut": FORMS["zip"][:-30],
    "zip of nothing": packed(),
    "zip of a folder": packed(**{"trn__json/": b""}),
    "zip of two": packed(a__json=LINES, b__json=LINES),
    "zip of itself": packed(trn__json=FORMS["zip"]),
    "zip with a password": bytes(ENCRYPTED),
    "zip with a wrong sum": FORMS["zip"].replace(struct.pack("<L", zlib.crc32(LINES)), b"abcd"),
    "zip of a path upwards": packed(**{"../../trn__json": LINES}),
    "parquet without rows": parquet(rows(1)).replace(b"PAR1", b"PAR2", 1),
    "parquet, its end alone": parquet(rows())[-200:],
    "parquet with a long footer": parquet(rows())[:-8] + struct.pack("<L", 2**31 - 1) + b"PAR1",
    "excel without a sheet": xlsx_with("xl/worksheets/sheet1.xml", b""),
    "excel of a million laughs": xlsx_with("xl/worksheets/sheet1.xml", LAUGHS),
    "excel with a broken book": xlsx_with("xl/workbook.xml", b"<workbook/>"),
    "excel with odd cells": xlsx_with("xl/worksheets/sheet1.xml", (
        b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData><row r="x"><c r="A1"'
        b' t="s"><v>999</v></c><c r="ZZZZZZ9" t="d"><v>x</v></c></row></sheetData></worksheet>')),
}  # fmt: skip


@pytest.mark.parametrize("name", CORPUS)
def test_catalogues_that_are_none(name, tmp_path):
    (tmp_path / "catalogue").write_bytes(CORPUS[name])
    holds(tmp_path, "build", "catalogue", *BUILD, writes="d")


# ── what commands read besides ──────────────────────────────────────────────────────────────────────────────────────

# The command, what is there, the file that is broken, and what may come into being; quick ones are tried more often.
COMMANDS = {
    "check": (("check", "my.yml"), ("base", "dataset", "my.yml"), "my.yml", "", 60),
    "train": (("train", "my.yml", "--engine", "trl", "--set", "base_model=nowhere"), ("my.yml",), "my.yml", "", 20),
    "check of a dataset": (("check", "my.yml"), ("base", "dataset", "my.yml"), "dataset", "", 20),
    "check of a base": (("check", "my.yml"), ("base", "dataset", "my.yml"), "base", "", 20),
    "build over a dataset": (("build", "trn.json", "--out", "dataset", *BUILD[2:]), ("trn.json", "dataset"),
                             "dataset/report.json", "", 20),
    "video": (("video", "--questions", "questions.jsonl", "--model", "nowhere"), ("questions.jsonl",),
              "questions.jsonl", "", 10),
    "compare": (("compare", "before.json", "after.json", "--out", "c"), ("adapter/eval/before.json",
                "adapter/eval/after.json"), "after.json", "c", 60),
    "ask": (("ask", "--questions", "questions.jsonl", "--out", "a.jsonl", "--model", "nowhere"), ("questions.jsonl",),
            "questions.jsonl", "", 20),
    "push-dataset": (("push-dataset", "dataset", "ana/x", "--dry-run"), ("dataset",), "dataset", "", 60),
    "push-adapter": (("push-adapter", "adapter", "ana/x", "--dry-run", "--base", "ana/b"), ("adapter",), "adapter", "",
                     60),
    "push-adapter --gguf": (("push-adapter", "adapter", "ana/x", "--dry-run", "--gguf", "titles.gguf"),
                            ("adapter", "titles.gguf"), "titles.gguf", "", 40),
    "handin": (("handin", "h", "--model", "adapter", "--dataset", "dataset", "--member", "Ada"),
               ("adapter", "dataset"), "adapter", "h", 8),
    "merge": (("merge", "adapter", "--out", "m"), ("base", "adapter"), "adapter", "m", 8),
    "export": (("export", "base", "--out", "t.gguf"), ("base",), "base", "t.gguf", 10),
}  # fmt: skip


@pytest.mark.parametrize("name", COMMANDS)
def test_broken_files_of_a_command(name, whole):
    arguments, there, target, writes, count = COMMANDS[name]

    @examples(count)
    @given(draw=st.data())
    def breaks(draw):
        with copied(*(whole / one for one in there)) as folder:
            place = folder / target
            files = [place] if place.is_file() else sorted(path for path in place.rglob("*") if path.is_file())
            for _ in range(draw.draw(st.integers(1, 2))):
                broken(draw, draw.draw(st.sampled_from(files)))
            holds(folder, *arguments, writes=writes)

    breaks()


@examples(40)
@given(draw=st.data())
def test_broken_datasets_and_indexes(draw, whole):
    """Of a dataset, or of its index, in which questions are looked up."""
    with copied(whole / "dataset") as folder, pytest.MonkeyPatch.context() as patch, bounded():
        patch.setenv("AMAZON_TITLES_CACHE", str(folder / "cache"))
        dataset = folder / "dataset"
        if indexed := draw.draw(st.booleans()):
            Catalog.open(dataset)
        files = sorted(path for path in (folder / "cache" if indexed else dataset).rglob("*") if path.is_file())
        if indexed:  # whose files have other names and sizes each time
            path = files[draw.draw(st.integers(0, 999)) % len(files)]
            data, at = path.read_bytes(), draw.draw(st.integers(0, 999))
            cut = len(data) * at // 1000
            path.unlink()  # another file in its place: threads of the index that was closed may still have it mapped
            path.write_bytes(data[:cut] + draw.draw(st.sampled_from([b"", b"\0", b"[" * 3000])))
        else:
            broken(draw, draw.draw(st.sampled_from(files)))
        for read in (Catalog.open, example_questions, lambda place: list(questions(place, ["seen", "property"]))):
            try:
                read(dataset)
            except AmazonTitlesError:
                assert not indexed, "an index that is damaged is built anew"


@examples(40)
@given(draw=st.data())
def test_what_lies_beside_a_model_is_not_trusted(draw, whole):
    with copied(whole / "adapter") as folder, bounded():
        adapter = folder / "adapter"
        broken(draw, adapter / draw.draw(st.sampled_from(["run.json", "recipe.yml", "eval/comparison.json"])))
        shown = Evidence.of(adapter)
        shown.to_html(TEXTS["en"], "en")
        shown.settings(TEXTS["pt"])
        tell_of_another_catalogue(adapter, "sha256:abc")
        with suppress(AmazonTitlesError):
            dataset_of(adapter)
