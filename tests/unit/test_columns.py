"""Which columns are a product's fields: as given, guessed, joined, nested, or made."""

from __future__ import annotations

import json

import pytest

from amazon_titles.catalog.columns import find_columns, text_of
from amazon_titles.dataset import build_dataset, read_catalog
from amazon_titles.errors import InputError

TEXT = "A lamp of brass that burns for {} hours at a time, and longer."


def built(tmp_path, rows, **options):
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (tmp_path / "shop.jsonl").write_text(text, encoding="utf-8")
    report = build_dataset(tmp_path / "shop.jsonl", tmp_path / "out", validation=0, test=0, workers=1, **options)
    return report, sorted(read_catalog(tmp_path / "out"), key=lambda product: product.title)


@pytest.mark.parametrize(
    "names",
    [
        ("uid", "title", "content"), ("id", "name", "description"), ("sku", "product_name", "text"),
        ("parent_asin", "title", "description"), ("codigo", "nome_produto", "descricao"),
        ("Código", "Nome do Produto", "Descrição"), ("UID ", " Title", "CONTENT"), ("asin", "titulo", "descricao"),
    ],
)  # fmt: skip
def test_usual_names_are_found_and_said_in_one_line(tmp_path, capsys, names):
    rows = [dict(zip(names, (f"00{n}", f"Lamp {n}", TEXT.format(n)), strict=True), price=n) for n in range(5)]
    report, products = built(tmp_path, rows)
    assert [(one.uid, one.title, one.content) for one in products] == [tuple(row.values())[:3] for row in rows]
    usual = names == ("uid", "title", "content")
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("Fields:")]
    assert said == ([] if usual else ['Fields: uid is "{}", title is "{}", content is "{}".'.format(*names)])
    assert set(report.catalogue["fields"].values()) == ({*names} - {"uid", "title", "content"})


def test_fields_of_amazons_metadata_of_2023(tmp_path):
    rows = [
        {"parent_asin": "B1", "title": "Lamp 1", "features": ["of brass", "2 years"], "description": []},
        {"parent_asin": "B2", "title": "Lamp 2", "description": ["", TEXT.format(2)], "details": {"Brand": "X"}},
        {"parent_asin": "B3", "title": "Lamp 3", "description": [TEXT.format(3), "More."], "details": {"Size": 3}},
    ]
    report, products = built(tmp_path, rows, fields={"uid": "parent_asin", "content": "description"})
    assert report.dropped == {"empty_content": 1}
    assert [one.content for one in products] == [TEXT.format(2), f"{TEXT.format(3)} More."]
    joined = ["description", "details.Brand", "features", "details"]
    report, products = built(tmp_path, rows, fields={"content": joined}, min_content_chars=9)
    assert [one.content for one in products] == [
        "features: of brass 2 years",
        f"description: {TEXT.format(2)}\nBrand: X\ndetails: Brand: X",
        f"description: {TEXT.format(3)} More.\ndetails: Size: 3",
    ]
    assert report.catalogue["fields"] == {"uid": "parent_asin", "content": joined}


def test_ids_are_made_from_titles_and_from_the_content_where_one_repeats(tmp_path, capsys):
    rows = [{"title": f"Lamp {n % 3}", "content": TEXT.format(n)} for n in range(4)]
    _, first = built(tmp_path, [rows[1], rows[2]])
    _, later = built(tmp_path, [rows[0], rows[1], {"title": "Lamp 2", "content": TEXT.format(99)}])
    assert {one.title: one.uid for one in first}.items() <= {one.title: one.uid for one in later}.items()
    assert "ids are made from the title, and from the content too" in capsys.readouterr().err
    report, _ = built(tmp_path, rows)
    assert report.dropped == {"duplicate_title": 1}, "not taken for the same product"


def test_the_students_cut_file(tmp_path):
    report, products = built(tmp_path, [{"title": f"Lamp {n}", "content": TEXT.format(n)} for n in range(9)],
                             rules="amazon")  # fmt: skip
    assert (report.kept, report.catalogue["rules"]) == (9, "amazon")
    assert len({one.uid for one in products}) == 9


def test_null_and_nan_are_empty(tmp_path):
    rows = [{"uid": str(n), "title": f"Lamp {n}", "content": TEXT.format(n)} for n in range(3)]
    report, products = built(tmp_path, [*rows, {**rows[0], "uid": "7", "content": float("nan")}, {"uid": "8"},
                                        {**rows[0], "title": None}, {**rows[0], "uid": None}])  # fmt: skip
    assert len(products) == 3
    assert report.bad_lines == {}
    assert report.dropped == {"empty_content": 1, "empty_title": 2, "empty_uid": 1}


@pytest.mark.parametrize("uid", [31909, 31909.0])
def test_numbers_as_ids(tmp_path, capsys, uid):
    rows = [{"uid": uid + n, "title": f"Lamp {n}", "content": TEXT.format(n)} for n in range(3)]
    _, products = built(tmp_path, rows)
    assert [one.uid for one in products] == ["31909", "31910", "31911"]
    assert "dtype=False" in capsys.readouterr().err
    nested = [{"codes": {"sku": row["uid"]}, "name": row["title"], "text": row["content"]} for row in rows]
    _, products = built(tmp_path, nested, fields={"uid": "codes.sku"})
    assert [one.uid for one in products] == ["31909", "31910", "31911"]
    assert "dtype=False" in capsys.readouterr().err
    trn = [row | {"target_ind": [], "target_rel": []} for row in rows]
    for catalogue, options in ((rows, {"rules": "amazon"}), (trn, {}), (trn, {"rules": "generic"})):
        with pytest.raises(InputError, match=r"(?s)leading zeros.*dtype=False"):
            built(tmp_path, catalogue, **options)


def test_one_number_among_texts_is_bad_alone(tmp_path):
    rows = [{"uid": f"0{n}", "title": f"Lamp {n}", "content": TEXT.format(n)} for n in range(5)]
    report, products = built(tmp_path, [*rows, {**rows[0], "uid": 7, "title": "Lamp 7"}])
    assert report.bad_lines == {"wrong_type": 1}
    assert len(products) == 5


ROW = {"title ": "x", "Texto longo": "y", "details": {"Brand": "z"}, "more": "w" * 400}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, r'(?s)"title ", "Texto longo", "details", "details\.Brand", "more".*usual for content.*--field content='),
        ({"content": "Description"}, r"""no field 'Description', but "title ", "Texto longo", "details","""),
        ({"content": "Texto longo", "title": "Texto longo"}, "content and title are both said to be 'Texto longo'"),
        ({"content": ["more", "more"], "title": "texto-longo", "colour": "x"}, "no field 'colour'"),
    ],
)
def test_an_error_lists_the_fields_in_quotes(fields, message):
    with pytest.raises(InputError, match=message):
        find_columns([ROW], fields, "shop.json")


def test_names_may_differ_in_case_and_blanks():
    columns = find_columns([ROW], {"content": ["texto-LONGO", "details.brand"]}, "shop.json")
    assert columns.of == {"uid": (), "title": ("title ",), "content": ("Texto longo", "details.Brand")}


def test_any_value_as_text():
    assert text_of(["a", None, 1.5, ["b", float("nan")]]) == "a 1.5 b"
    assert text_of({"a": [], "b": True}) == "b: True"
