"""The sample catalogue: trn.json's format, seeded, with facts to ask about and defects to mend."""

from __future__ import annotations

import json

from amazon_titles.catalog import Counts
from amazon_titles.metrics import facts
from amazon_titles.sample import sample_products, write_sample
from tests.catalogue import read_products


def test_the_format_is_that_of_trn_json(tmp_path):
    assert write_sample(tmp_path / "trn.json", 300) == 300
    rows = [json.loads(line) for line in (tmp_path / "trn.json").read_text(encoding="utf-8").splitlines()]
    assert len(rows) == 300
    assert {tuple(row) for row in rows} == {("uid", "title", "content", "target_ind", "target_rel")}
    assert [row["uid"] for row in rows] == [f"MADEUP{number:05}" for number in range(300)]
    assert all(len(row["target_ind"]) == len(row["target_rel"]) for row in rows)


def test_the_seed_decides():
    assert list(sample_products(50, seed=1)) == list(sample_products(50, seed=1))
    assert list(sample_products(50, seed=1)) != list(sample_products(50, seed=2))


def test_cleaning_finds_the_defects_and_leaves_the_facts(tmp_path):
    write_sample(tmp_path / "trn.json", 2000)
    counts = Counts()
    products = list(read_products(tmp_path / "trn.json", counts=counts, min_content_chars=40))
    assert len(products) > 1500
    expected = {"empty_title", "empty_content", "too_short", "same_as_title", "metadata_only", "boilerplate"}
    assert expected <= set(counts.dropped)
    assert not [p for p in products if "&" in p.content or "This text refers" in p.content or "  " in p.content]
    described = [facts(p.content, title=p.title) for p in products if not p.content.startswith("The publisher")]
    assert min(len(found) for found in described) >= 2
