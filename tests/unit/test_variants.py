"""Products of one title that differ in a colour, a size or an edition."""

import json

import pytest

from amazon_titles.catalog.variants import told_apart
from amazon_titles.dataset import build_dataset, read_catalog, read_messages
from amazon_titles.search import CatalogIndex

LAMP = "The Umbra Desk Lamp in {} weighs 2.{} kg, with a switch at the base."


@pytest.mark.parametrize(
    ("contents", "labels"),
    [
        (["A lamp in red, with a black cable.", "A lamp in blue, with a black cable."], ["red", "blue"]),
        (["Camisa azul, tamanho M.", "Camisa azul, tamanho G.", "Camisa vermelha, tamanho M."],
         ["azul, tamanho M", "azul, tamanho G", "vermelha, tamanho M"]),
        (["Cor: Azul\nTamanho: Médio", "Cor: Azul\nTamanho: Grande"], ["Médio", "Grande"]),
        (["Of cotton, X-Large.", "Of cotton, Large."], ["X-Large", "Large"]),
        (["The 2nd edition, in paperback.", "The 3rd edition, in paperback."], ["2nd edition", "3rd edition"]),
        (["Paperback of 300 pages.", "Hardcover of 300 pages."], ["Paperback", "Hardcover"]),
        (["Liquidificador de 110 V.", "Liquidificador de 220V."], ["110 V", "220V"]),
        (["In red.", "In blue.", "Of no colour."], ["red", "blue", ""]),
        (["In red.", "A paperback."], ["", ""]),  # two kinds: nothing says that they are variants
        (["In red, blue or green.", "In pink."], ["", ""]),
        (["The same.", "The same, and more."], ["", ""]),
    ],
)  # fmt: skip
def test_what_tells_products_of_one_title_apart(contents, labels):
    assert told_apart(contents) == labels


def built(folder, contents, **options):
    """The report and the products of lamps with these descriptions, and of five products besides."""
    rows = [{"uid": f"L{n}", "title": "Umbra Desk Lamp", "content": content} for n, content in enumerate(contents)]
    others = [{"uid": f"K{n}", "title": f"Velmo Kettle {n}", "content": f"A kettle that holds {n} litres of water."}
              for n in range(5)]  # fmt: skip
    (folder / "shop.jsonl").write_text("".join(json.dumps(row) + "\n" for row in [*rows, *others]), encoding="utf-8")
    report = build_dataset(folder / "shop.jsonl", folder / "out", validation=0, test=0, min_content_chars=5, **options)
    return report, {one.uid: one.title for one in read_catalog(folder / "out")}


def test_a_build_keeps_variants_apart_and_a_question_finds_its_own(tmp_path):
    colours = ("red", "blue", "green", "black", "teal")
    report, titles = built(tmp_path, [LAMP.format(colour, n) for n, colour in enumerate(colours)], abstain=1.0)
    assert [titles[f"L{n}"] for n in range(5)] == [f"Umbra Desk Lamp ({colour})" for colour in colours]
    assert (report.kept, report.dropped, report.cleaned["variant"]) == (10, {}, 5)
    example = {"uid": "L0", "before": "Umbra Desk Lamp", "after": "Umbra Desk Lamp (red)"}
    assert report.examples["variant"] == example
    assert "colour, size or edition" in (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    index = CatalogIndex.build(tmp_path / "out")
    for n, colour in enumerate(colours):
        for asked in (
            f"the {colour} Umbra Desk Lamp",
            f'What is "Umbra Desk Lamp" in {colour}?',
            f'The {colour} "Umbra Desk Lamp"?',
        ):
            assert [(hit.product.uid, hit.tied) for hit in index.search(asked)] == [(f"L{n}", False)]
    assert [hit.product.uid for hit in index.search("luminária Umbra Desk Lamp azul")] == ["L1"]
    for asked in ("the purple Umbra Desk Lamp", 'What is "Umbra Desk Lamp" in purple?', 'the purple "Umbra Desk Lamp"'):
        assert index.search(asked) == []
    assert {hit.product.uid for hit in index.search("Umbra Desk Lamp", 9) if hit.tied} == {f"L{n}" for n in range(5)}


def test_what_nothing_tells_apart_is_dropped_and_counted(tmp_path):
    report, titles = built(tmp_path, [LAMP.format("red", 1), LAMP.format("red", 2) + " Of iron.",
                                      LAMP.format("blue", 3), "A lamp that stands on desks."])  # fmt: skip
    assert report.dropped == {"duplicate_title": 2}
    assert {uid: title for uid, title in titles.items() if uid[0] == "L"} == {
        "L1": "Umbra Desk Lamp (red)", "L2": "Umbra Desk Lamp (blue)",
    }  # fmt: skip
    assert "-2 duplicate_title" in report.to_text()


def test_of_a_title_of_trn_json_the_richest_stays_as_it_is(tmp_path):
    report, titles = built(tmp_path, [LAMP.format("red", 1), LAMP.format("blue", 2) + " Of iron."], rules="amazon")
    assert report.dropped == {"duplicate_title": 1}
    assert titles["L1"] == "Umbra Desk Lamp"


def test_the_title_that_variants_share_is_no_invention(tmp_path):
    built(tmp_path, [LAMP.format(colour, n) for n, colour in enumerate(("red", "blue"))], abstain=4.0)
    rows = read_messages(tmp_path / "out", "train")
    refused = [row["messages"][0]["content"] for row in rows if row["task"] == "abstain"]
    assert refused
    assert not [text for text in refused if '"Umbra Desk Lamp"' in text]
