"""An index of a dataset that lives on the Hub: fetched once, kept by revision; refusals of the Hub are plain words."""

from __future__ import annotations

import io

import pyarrow.parquet as pq
import pytest

from amazon_titles.catalog import Product
from amazon_titles.dataset.folder import CATALOG, table
from tests.loopback_hub import LoopbackHub
from tests.loopback_hub.clients import run

pytestmark = pytest.mark.integration

ASK = """
import sys
from amazon_titles.errors import AmazonTitlesError
from amazon_titles.search import CatalogIndex
for dataset in sys.argv[1:]:
    try:
        print([hit.product.title for hit in CatalogIndex.build(dataset).search("the puzzle of Grinax", 1)])
    except AmazonTitlesError as error:
        print(error.message)
"""


def files(*titles: str) -> dict[str, bytes]:
    sink = io.BytesIO()
    products = [Product(f"B{n:09d}", title, "Some text.") for n, title in enumerate(titles)]
    pq.write_table(table(products, CATALOG), sink)
    return {"catalog/train-00000-of-00001.parquet": sink.getvalue(), "report.json": b"{}", "README.md": b"# Titles\n"}


def test_an_index_of_a_dataset_on_the_hub(hub: LoopbackHub, client_python: str, tmp_path) -> None:
    first = hub.put("dataset", "ana/titles", files("Grinax Puzzle 300"), private=True)
    hub.put("dataset", "ana/titles", files("Velmo Kettle", "Grinax Puzzle 900"), private=True)
    cache = {"AMAZON_TITLES_CACHE": str(tmp_path / "indexes")}
    said = run(client_python, ASK, hub, tmp_path, arguments=("ana/titles", f"ana/titles@{first}", "ana/none"), **cache)
    now, then, none = said.stdout.splitlines()
    assert (now, then) == ("['Grinax Puzzle 900']", "['Grinax Puzzle 300']")
    assert none.startswith("There is no dataset ana/none on the Hub")
    assert "Traceback" not in said.stderr
    again = run(client_python, ASK, hub, tmp_path, arguments=("ana/titles",), **cache)
    assert again.stdout.splitlines() == [now]
