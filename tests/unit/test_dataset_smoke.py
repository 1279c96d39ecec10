"""The whole stream on made-up rows."""

import json

import pytest

from amazon_titles import conversations
from amazon_titles.dataset import SPLITS, build_dataset, read_catalog, read_messages, sampling_rank, split_of
from amazon_titles.errors import InputError


@pytest.fixture
def catalogue(tmp_path):
    rows = [
        {
            "uid": f"B{n:09}",
            "title": f"Oak Shelf Number {n}",
            "content": f"A shelf of solid oak that carries {n} kilograms, sanded by hand.",
        }
        for n in range(400)
    ]
    path = tmp_path / "trn.json"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_a_catalogue_becomes_a_folder_that_reads_back(catalogue, tmp_path):
    report = build_dataset(catalogue, tmp_path / "out", limit=100, validation=0.1, test=0.1)
    assert report.kept == 100
    assert report.rows_read == report.kept + sum(report.dropped.values()) == 400
    products = {product.uid: product for product in read_catalog(tmp_path / "out")}
    assert len(products) == 100
    for split in SPLITS:
        rows = list(read_messages(tmp_path / "out", split))
        assert {row["task"] for row in rows} >= {"recall", "grounded"}
        assert all(split_of(products[row["uid"]].title, validation=0.1, test=0.1) == split for row in rows)


def test_a_larger_limit_only_adds(catalogue, tmp_path):
    build_dataset(catalogue, tmp_path / "small", limit=50)
    build_dataset(catalogue, tmp_path / "large", limit=90)
    small, large = ({p.uid for p in read_catalog(tmp_path / name)} for name in ("small", "large"))
    assert small < large
    assert sampling_rank("Oak Shelf", seed=1) == sampling_rank("OAK shelf!", seed=1) != sampling_rank("Oak", seed=1)


def test_another_folder_is_left_alone(catalogue, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_text("miaow")
    with pytest.raises(InputError, match="would be replaced"):
        build_dataset(catalogue, tmp_path / "photos")
    assert (tmp_path / "photos" / "cat.jpg").read_text() == "miaow"


@pytest.mark.parametrize("language", conversations.WORDING)
def test_an_abstention_is_recognised_and_an_answer_is_not(language):
    assert conversations.is_abstention(conversations.abstention("A Lamp", language=language))
    assert not conversations.is_abstention("A lamp of solid oak. [B000000001]")
