"""Every form and encoding that people bring a catalogue in, and what is said of those that are not read."""

from __future__ import annotations

import csv
import gzip
import io
import json
import sys
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from amazon_titles.catalog import open_source
from amazon_titles.dataset import build_dataset, read_catalog
from amazon_titles.errors import AmazonTitlesError, InputError, MissingExtraError

ROWS = [
    {
        "id": f"{31000 + n:010}",
        "title": f"Luminária Kestrel {n}",
        "content": f'Feita de aço; pesa {n},5 kg, "ótima".\nGarantia de {n + 2} meses pela fábrica.',
    }
    for n in range(40)
]


def lines(rows=ROWS):
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def pretty(rows=ROWS):
    return "\n".join(json.dumps(row, ensure_ascii=False, indent=2) for row in rows)


def table(separator, rows=ROWS, **how):
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0], delimiter=separator, **how)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def parquet(rows=ROWS):
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), file)
    return file.getvalue()


def zipped(**members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name.replace("__", "/", 1) if name.startswith("x__") else name, data)
    return file.getvalue()


def zstd(data):
    return pa.Codec("zstd").compress(data, asbytes=True)


FORMS = {
    "lines": lines().encode(),
    "crlf": lines().replace("\n", "\r\n").encode(),
    "bom": lines().encode("utf-8-sig"),
    "utf-16": lines().encode("utf-16"),
    "utf-16-be": b"\xfe\xff" + lines().encode("utf-16-be"),
    "array": json.dumps(ROWS).encode(),
    "array-indented": json.dumps(ROWS, indent=2, ensure_ascii=False).encode("utf-8-sig"),
    "array-utf-16": json.dumps(ROWS, indent=2, ensure_ascii=False).encode("utf-16"),
    "pretty": pretty().encode(),
    "csv": table(",").encode(),
    "csv-semicolons-bom": table(";").encode("utf-8-sig"),
    "csv-pipe-quoted": table("|", quoting=csv.QUOTE_ALL).encode(),
    "csv-quoted": table(";", quoting=csv.QUOTE_ALL).encode(),
    "csv-single-quotes": table(";", quoting=csv.QUOTE_ALL, quotechar="'").encode(),
    "csv-blanks": table(",", quoting=csv.QUOTE_ALL).replace('","', '", "').encode(),
    "tsv-commas": table("\t")
    .replace("title\t", "title\tsize, long\t")
    .replace("\tLum", "\t\tLum")
    .replace("\ttitle\tsize, long\t", "\tsize, long\ttitle\t")
    .encode(),
    "csv-quoted-commas": table(";")
    .replace("id;title;", '"id";"price, old, new";title;')
    .replace(";Lum", ";;Lum")
    .encode(),
    "csv-sep": b"sep=;\r\n" + table(";").encode(),
    "csv-utf-16": table("\t").encode("utf-16"),
    "tsv": table("\t").encode(),
    "parquet": parquet(),
    "csv.gz": gzip.compress(table(";").encode()),
    "parquet.zst": zstd(parquet()),
    "csv.zip": zipped(**{"__MACOSX/a.csv": b"\0\1", "a.csv": table(";"), "leia-me.pdf": b"%PDF"}),
    "jsonl.gz.zip": zipped(**{"dados/loja.jsonl.gz": gzip.compress(lines().encode())}),
    "parquet.zip": zipped(**{"a/": "", "a/shop.parquet": parquet()}),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("size", [None, 300])
def test_every_form_gives_the_same_products(tmp_path, monkeypatch, form, size):
    if size:
        monkeypatch.setattr(sys.modules["amazon_titles.catalog.sources"], "BLOCK", size)
    path = tmp_path / f"shop.{form}"
    path.write_bytes(FORMS[form])
    report = build_dataset(path, tmp_path / "out", validation=0, test=0, workers=1)
    assert (report.rows_read, report.kept, report.bad_lines) == (40, 40, {})
    assert report.source["bytes"] == len(FORMS[form])
    assert report.source["name"] == path.name
    found = {product.uid: (product.title, product.content.split()) for product in read_catalog(tmp_path / "out")}
    assert found == {row["id"]: (row["title"], row["content"].split()) for row in ROWS}


@pytest.mark.parametrize("form", ["array", "csv-semicolons-bom", "parquet", "csv.zip", "csv.gz", "utf-16"])
def test_every_form_comes_through_a_pipe(tmp_path, monkeypatch, form):
    monkeypatch.setattr(sys, "stdin", type("Stdin", (), {"buffer": io.BytesIO(FORMS[form])}))
    assert build_dataset("-", tmp_path / "out", workers=1).kept == 40


@pytest.mark.parametrize("form", ["csv.gz", "parquet.zst", "jsonl.gz.zip", "csv.zip"])
def test_what_is_packed_is_the_same_source_through_a_pipe(tmp_path, monkeypatch, form):
    (tmp_path / "shop").write_bytes(FORMS[form])
    file = build_dataset(tmp_path / "shop", tmp_path / "file", workers=1).source
    monkeypatch.setattr(sys, "stdin", type("Stdin", (), {"buffer": io.BytesIO(FORMS[form])}))
    assert build_dataset("-", tmp_path / "pipe", workers=1).source == {**file, "name": "stdin"}


def test_large_objects_over_several_lines(tmp_path):
    rows = [dict(row, id=f"{n}-{row['id']}") for n in range(400) for row in ROWS]
    (tmp_path / "shop.json").write_text(pretty(rows), encoding="utf-8")
    with open_source(tmp_path / "shop.json") as source:
        assert sum(block.count(b"\n") for block in source.blocks()) == 16_000


@pytest.mark.parametrize("form", ["array", "pretty", "csv"])
def test_bad_rows_are_counted_alone(tmp_path, form):
    rows = [*ROWS[:10], *ROWS[11:]]
    data = {
        "array": json.dumps(rows).replace('"id": "0000031004"', '"id": oops'),
        "pretty": pretty(rows).replace('"id": "0000031004"', '"id": 31004').replace('"0000031007"', '"000003"1007"'),
        "csv": table(",", rows).replace("\n0000031004,", "\n0000031004,one,too many,").replace("\n0000031007,", "\n"),
    }[form]
    (tmp_path / "shop").write_text(data, encoding="utf-8")
    report = build_dataset(tmp_path / "shop", tmp_path / "out", max_bad=0.1, workers=1)
    bad = {"array": {"not_json": 1}, "pretty": {"wrong_type": 1, "not_json": 1}, "csv": {"wrong_cells": 2}}[form]
    assert report.bad_lines == bad
    assert report.kept == 39 - sum(bad.values())


def test_a_quotation_mark_without_end_costs_no_other_row(tmp_path):
    rows = [dict(row, content=f"Uma luminária de latão que pesa {n},5 kg e mais.") for n, row in enumerate(ROWS)]
    for separator in ";\t":
        text = table(separator, rows).replace(f"{separator}Luminária Kestrel 3\r", f"{separator}Luminária Kestrel 3")
        for place in (3, 17, 39):
            text = text.replace(f"{separator}Luminária Kestrel {place}{separator}", f'{separator}"Luminária{separator}')
        (tmp_path / "shop").write_text(text, encoding="utf-8")
        report = build_dataset(tmp_path / "shop", tmp_path / "out", workers=1, force=True)
        assert (report.rows_read, report.bad_lines) == (40, {})


@pytest.mark.parametrize("data", [table(";").encode("latin-1"), lines().encode("latin-1"), pretty().encode("cp1252")])
def test_latin1_is_named_with_the_option_that_reads_it(tmp_path, data):
    (tmp_path / "shop").write_bytes(data)
    with pytest.raises(InputError, match=r"(?s)not in UTF-8; in Latin-1 it reads '.*Luminária.*--encoding latin-1"):
        build_dataset(tmp_path / "shop", tmp_path / "out", workers=1)
    report = build_dataset(tmp_path / "shop", tmp_path / "out", encoding="latin-1", workers=1)
    assert report.kept == 40
    assert report.catalogue["encoding"] == "latin-1"
    assert "Luminária Kestrel 3" in {product.title for product in read_catalog(tmp_path / "out")}


def test_latin1_in_later_rows_is_named_too(tmp_path):
    plain = [dict(row, title=f"Lamp {n}", content="A lamp of brass, which burns long " + "x" * n) for n, row in
             enumerate(ROWS)]  # fmt: skip
    (tmp_path / "shop.csv").write_bytes(table(";", plain + ROWS).encode("latin-1"))
    with pytest.raises(InputError, match=r"(?s)40 of 80 lines .*: 40 bad_utf8.*--encoding latin-1"):
        build_dataset(tmp_path / "shop.csv", tmp_path / "out", workers=1)
    (tmp_path / "head.csv").write_bytes("código;title;descrição\n1;a;b\n".encode("latin-1"))
    with pytest.raises(InputError, match="not in UTF-8; in Latin-1 it reads 'código;title;"):
        build_dataset(tmp_path / "head.csv", tmp_path / "out", workers=1)
    with pytest.raises(InputError, match="no encoding 'latin-99'"):
        build_dataset(tmp_path / "head.csv", tmp_path / "out", encoding="latin-99", workers=1)


def test_doubly_encoded_texts_are_counted_and_mended_on_demand(tmp_path, capsys):
    (tmp_path / "shop").write_bytes(lines().encode().decode("cp1252").encode())
    report = build_dataset(tmp_path / "shop", tmp_path / "out", workers=1)
    assert report.catalogue["double_encoded"] == report.kept == 40
    assert "40 products contain UTF-8 read as Latin-1" in capsys.readouterr().err
    card = " ".join((tmp_path / "out" / "README.md").read_text("utf-8").split())
    assert "40 products contain UTF-8 that was decoded as Latin-1" in card
    assert "build with `--fix-encoding` to repair them" in card
    report = build_dataset(tmp_path / "shop", tmp_path / "out", fix_encoding=True, card_language="pt", workers=1)
    assert (report.cleaned["encoding"], report.catalogue["fix_encoding"]) == (40, True)
    assert "double_encoded" not in report.catalogue
    assert "Latin-1" not in capsys.readouterr().err
    assert {product.title for product in read_catalog(tmp_path / "out")} <= {row["title"] for row in ROWS}
    card = (tmp_path / "out" / "README.md").read_text("utf-8")
    assert "UTF-8 lido como Latin-1 corrigido (`encoding`) | 40" in card
    assert "produtos contêm UTF-8" not in card


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"%PDF-1.7\n", "is a PDF"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", r"(?s)\.xls.*Save it as \.xlsx"),
        (b"\xfd7zXZ\0\0", "(?s)packed with xz.*Unpack"),
        (b"SQLite format 3\0", "(?s)SQLite.*sqlite3 -header -csv"),
        (b"ARROW1\0\0", "(?s)Arrow.*to_parquet"),
        (b"<!DOCTYPE html>\n<p>quota", "(?s)HTML or XML.*Fetch"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (lines().encode("utf-16-le"), "(?s)value 0.*--encoding utf-16-le"),
        (b"just some words\nand more of them\n", "no separator"),
        (b"\0" * 257 + b"ustar", "(?s)tar archive.*Unpack"),
        (json.dumps({"produtos": ROWS}).encode(), r"(?s)products in \"produtos\".*jq \.produtos"),
        (json.dumps({k: {"0": "x", "1": "y"} for k in ROWS[0]}).encode(), "(?s)a column after the other.*orient="),
        (gzip.compress(gzip.compress(lines().encode())), "(?s)packed twice.*Unpack it once"),
        (b'{"a":' * 100_000, "not_json"),
        (parquet([dict(row, id=None) for row in ROWS]), "(?s)40 empty_uid.*--field uid=NAME"),
        (b"PAR1 and no more", "ends too early or is damaged"),
        (zipped(**{"a.csv": "x", "b.csv": "y"}), r"(?s)a\.csv, b\.csv.*zip with one catalogue"),
        (zipped(**{"word/document.xml": "x", "b.xml": "y"}), r"word/document\.xml"),
    ],
)
def test_what_is_not_read_is_named_with_its_remedy(tmp_path, data, message):
    (tmp_path / "shop").write_bytes(data)
    with pytest.raises(InputError, match=message):
        build_dataset(tmp_path / "shop", tmp_path / "out", workers=1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["shop"]


def test_a_workbook_asks_for_the_extra(tmp_path, monkeypatch):
    (tmp_path / "shop.xlsx").write_bytes(zipped(**{"xl/workbook.xml": "<x/>", "[Content_Types].xml": "<x/>"}))
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(MissingExtraError, match=r"amazon-titles\[excel\]"):
        build_dataset(tmp_path / "shop.xlsx", tmp_path / "out", workers=1)


def workbook(rows, **sheets):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for name, held in {"Folha1": rows, **sheets}.items():
        sheet = book.create_sheet(name)
        sheet.append(list(held[0]))
        for row in held:
            sheet.append(list(row.values()))
    del book["Sheet"]
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def test_a_workbook(tmp_path, capsys):
    numbers = [{"código": n, "título": row["title"], "descrição": row["content"], "preço": 1.5} for n, row in
               enumerate(ROWS)]  # fmt: skip
    (tmp_path / "shop.xlsx").write_bytes(workbook(ROWS, Outra=numbers[:30]))
    report = build_dataset(tmp_path / "shop.xlsx", tmp_path / "out", workers=1)
    assert report.kept == 40
    assert {product.uid for product in read_catalog(tmp_path / "out")} <= {row["id"] for row in ROWS}
    assert "leading zeros" not in capsys.readouterr().err
    report = build_dataset(tmp_path / "shop.xlsx", tmp_path / "out", sheet="Outra", workers=1)
    assert (report.kept, report.catalogue["sheet"]) == (30, "Outra")
    assert "leading zeros" in capsys.readouterr().err
    with pytest.raises(InputError, match=r"(?s)no sheet 'Plan1'.*Folha1.*Outra"):
        build_dataset(tmp_path / "shop.xlsx", tmp_path / "out", sheet="Plan1", workers=1)
    (tmp_path / "shop.xlsx").write_bytes(zipped(**{"xl/workbook.xml": "<x/>", "[Content_Types].xml": "<x/>"}))
    with pytest.raises(InputError, match="damaged"):
        build_dataset(tmp_path / "shop.xlsx", tmp_path / "out", workers=1)


CELLS = st.text(max_size=60) | st.none() | st.integers() | st.floats() | st.lists(st.text(max_size=9), max_size=2)
NAMES = st.sampled_from(["id", "title", "content", "name", "a.b", "título", " ", ""]) | st.text(max_size=6)
PRODUCTS = st.lists(st.dictionaries(NAMES, CELLS | st.dictionaries(NAMES, CELLS, max_size=2), max_size=4), max_size=5)
ENCODINGS = st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "latin-1", "cp1252"])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=PRODUCTS, encoding=ENCODINGS, form=st.sampled_from(["lines", "array", "pretty", "csv", "cut"]),
    packed=st.booleans(), junk=st.binary(max_size=9), known=st.booleans(),
    fields=st.dictionaries(st.sampled_from(["uid", "title", "content"]), st.lists(NAMES, min_size=1, max_size=2)),
)  # fmt: skip
def test_no_catalogue_ends_in_a_traceback(tmp_path, rows, encoding, form, packed, junk, known, fields):
    if form == "csv":
        text = table(";", [dict.fromkeys(rows[0], "x"), *rows], extrasaction="ignore") if rows and rows[0] else ""
    else:
        text = {"lines": lines, "array": json.dumps, "pretty": pretty, "cut": lines}[form](rows)
    told = []
    data = text.encode(encoding, "replace" if encoding.startswith("utf") else "ignore")
    data = data[: len(data) * 2 // 3] + junk if form == "cut" else data
    (tmp_path / "shop").write_bytes(gzip.compress(data) if packed else data)
    options = {
        "fields": fields,
        "encoding": None if known else encoding,
        "max_bad": 1,
        "min_content_chars": 0,
        "force": True,
        "workers": 1,
    }
    try:
        report = build_dataset(tmp_path / "shop", tmp_path / "out", **options)
    except AmazonTitlesError as refused:
        told.append(refused.hint)
    else:
        assert report.rows_read == report.kept + sum(report.dropped.values())
    assert all(told)
