"""Whose catalogue it is: Amazon's name, links, licence, counts and warnings are trn.json's alone."""

from __future__ import annotations

import gzip
import io
import json
import re
import sys
import zipfile

import pytest
import yaml

from amazon_titles.cards import dataset_card
from amazon_titles.dataset import build_dataset, read_catalog
from amazon_titles.dataset.build import FIRST_ROWS
from amazon_titles.errors import InputError
from amazon_titles.sample import sample_products

# Nothing of Amazon's but the library's own name.
AMAZONS = re.compile(
    r"amazon\.com|AmazonTitles|Extreme Classification|2[.,]248[.,]619|mirrors|espelhos|advertising|publicidade|"
    r"Accents|acentos|0001360000"
)


def shop_row(n, **changes):
    content = f"A coffee maker of steel from workshop {n} that holds {n + 2} cups and was made in the year {1900 + n}."
    return {"uid": f"A{n:03}", "title": f"Orsk Coffee Maker {n}", "content": content, **changes}


def trn_row(n, **changes):
    return shop_row(n) | {"uid": f"{n:09}X", "target_ind": [n], "target_rel": [1.0]} | changes


def lines(rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


def built(tmp_path, rows, file="catalogue.jsonl", **options):
    (tmp_path / file).write_text(lines(rows), encoding="utf-8")
    return build_dataset(tmp_path / file, tmp_path / "out", **options)


def cards_of(folder):
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    return [dataset_card(report, language=language) for language in ("en", "pt")]


@pytest.mark.parametrize("name", ["coffee.jsonl", "trn.json"])
def test_a_shops_catalogue_is_not_amazons(tmp_path, name):
    report = built(tmp_path, [shop_row(n) for n in range(60)], name)
    assert report.catalogue == {
        "name": name.partition(".")[0], "license": None, "url": None, "rules": "generic", "fields": {},
        "language": "en",
    }  # fmt: skip
    for card in cards_of(tmp_path / "out"):
        assert AMAZONS.findall(card) == []
        head = yaml.safe_load(card.split("---\n")[1])
        assert "license" not in head
        assert "unknown" not in card
        assert "None" not in card


def test_what_is_given_of_a_shop_is_said(tmp_path):
    given = {"name": "Ada's shop", "license": "cc-by-4.0", "url": "https://shop.example/{uid}"}
    report = built(tmp_path, [shop_row(n) for n in range(60)], **given)
    assert report.catalogue == {**given, "rules": "generic", "fields": {}, "language": "en"}
    for card in cards_of(tmp_path / "out"):
        assert AMAZONS.findall(card) == []
        assert yaml.safe_load(card.split("---\n")[1])["license"] == "cc-by-4.0"
        assert "https://shop.example/{uid}" in card


AMAZON = {
    "name": "AmazonTitles-1.3MM", "license": "unknown", "url": "https://www.amazon.com/dp/{uid}", "rules": "amazon",
    "fields": {},
}  # fmt: skip


def test_all_fields_of_trn_json_with_asins_are_amazons(tmp_path):
    report = built(tmp_path, [trn_row(n) for n in range(60)], "rows.jsonl")
    assert report.catalogue == AMAZON
    for card in cards_of(tmp_path / "out"):
        assert len(set(AMAZONS.findall(card))) >= 5


def test_the_rules_that_are_given_are_taken(tmp_path):
    rows = [shop_row(n) for n in range(60)]
    assert built(tmp_path, rows, rules="amazon").catalogue == AMAZON
    assert built(tmp_path, [trn_row(n) for n in range(60)], rules="generic").catalogue["url"] is None


@pytest.mark.parametrize(
    "row",
    [
        trn_row(7, uid="A007"),
        trn_row(7, uid="000000000007"),
        trn_row(7, uid="b000000007"),
        {name: value for name, value in trn_row(7).items() if name != "target_rel"},
    ],
    ids=["short uid", "long uid", "small letters", "a field less"],
)
def test_one_row_of_the_first_that_is_not_trn_jsons_is_enough(tmp_path, row):
    rows = [trn_row(n) for n in range(60)]
    assert built(tmp_path, [*rows[:7], row, *rows[8:]]).catalogue["rules"] == "generic"


def test_a_bad_line_among_the_first_decides_nothing(tmp_path):
    (tmp_path / "rows.jsonl").write_text('{"uid": "0\n\n' + lines(trn_row(n) for n in range(60)))
    assert build_dataset(tmp_path / "rows.jsonl", tmp_path / "out", max_bad=0.5).catalogue == AMAZON


def archive(path, member):
    with zipfile.ZipFile(path, "w") as file:
        packed = io.BytesIO()
        with gzip.GzipFile(fileobj=packed, mode="w", mtime=0) as gz:
            gz.write(lines(shop_row(n) for n in range(60)).encode())
        file.writestr(member, packed.getvalue())
    return path


@pytest.mark.parametrize(
    ("name", "member", "rules"),
    [
        ("LF-Amazon-1.3M.raw.zip", "trn.json.gz", "amazon"),
        ("mirror.zip", "LF-Amazon-1.3M/trn.json.gz", "amazon"),
        ("shop.zip", "shop/trn.json.gz", "generic"),
    ],
)
def test_the_archive_is_known_as_it_is(tmp_path, name, member, rules):
    assert build_dataset(archive(tmp_path / name, member), tmp_path / "out").catalogue["rules"] == rules


def test_the_first_rows_decide_for_any_number_of_workers(tmp_path, monkeypatch):
    from amazon_titles.dataset import build

    monkeypatch.setattr(build, "SMALL", 0)
    made = []
    for number, workers in enumerate((1, 2)):
        rows = [*(trn_row(n) for n in range(FIRST_ROWS)), *(shop_row(n) for n in range(FIRST_ROWS, 300))]
        (tmp_path / str(number)).mkdir()
        made.append(built(tmp_path / str(number), rows, workers=workers))
    assert made[0] == made[1]
    assert made[0].catalogue == AMAZON
    assert made[0].kept == 300


def test_from_stdin_no_row_is_lost(tmp_path, monkeypatch):
    for row, rules in ((trn_row, "amazon"), (shop_row, "generic")):
        data = lines(row(n) for n in range(60)).encode()
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        report = build_dataset("-", tmp_path / rules)
        assert (report.rows_read, report.kept, report.catalogue["rules"]) == (60, 60, rules)
    assert report.catalogue["name"] == "stdin"


def test_uids_that_are_numbers_may_have_lost_their_zeros(tmp_path, capsys):
    report = built(tmp_path, [shop_row(n, uid=31000 + n) for n in range(60)])
    assert report.kept == 60
    said = capsys.readouterr().err
    assert "31000" in said
    assert "leading zeros" in said
    built(tmp_path, [shop_row(n) for n in range(60)])
    assert "leading zeros" not in capsys.readouterr().err


# The made-up sample.


@pytest.mark.parametrize("options", [{}, {"rules": "amazon"}, {"rules": "generic"}, {"name": "Mine"}])
def test_the_sample_says_that_it_is_made_up(tmp_path, options):
    report = built(tmp_path, sample_products(80), "trn.json", **options)
    assert report.catalogue["made_up"] is True
    assert (report.catalogue["url"], report.catalogue["license"]) == (None, None)
    assert report.catalogue["name"] == options.get("name", "Made-up sample")
    english, portuguese = cards_of(tmp_path / "out")
    assert "None of them exists" in english
    assert "Nenhum deles existe" in portuguese
    for card in (english, portuguese):
        assert AMAZONS.findall(card) == []
        assert "synthetic" in yaml.safe_load(card.split("---\n")[1])["tags"]


def test_the_sample_is_cleaned_as_trn_json_whose_defects_it_has(tmp_path):
    report = built(tmp_path, sample_products(200))
    assert {"edition_notes", "copyright"} <= set(report.cleaned)


def test_the_sample_is_known_by_other_names_too(tmp_path):
    rows = [{"sku": row["uid"], "name": row["title"], "text": row["content"]} for row in sample_products(80)]
    report = built(tmp_path, rows, fields={"uid": "sku", "title": "name", "content": "text"})
    assert report.catalogue["made_up"] is True


def test_among_real_products_the_sample_is_still_made_up(tmp_path):
    assert built(tmp_path, [trn_row(1), *sample_products(40), trn_row(2)]).catalogue["made_up"] is True


def test_the_sample_has_no_links(tmp_path):
    with pytest.raises(InputError, match="made up"):
        built(tmp_path, sample_products(80), url="https://shop.example/{uid}")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["catalogue.jsonl"]


def test_no_uid_of_the_sample_is_an_asin(tmp_path):
    uids = [row["uid"] for row in sample_products(300)]
    assert all(re.fullmatch(r"MADEUP[0-9]{5}", uid) for uid in uids)
    built(tmp_path, sample_products(80))
    assert {product.uid for product in read_catalog(tmp_path / "out")} <= set(uids)
