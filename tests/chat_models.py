"""Models that say what a test wants, for tests of the page: a catalogue is real, the words are not a network's."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Event

import pyarrow as pa
import pyarrow.parquet as pq

from amazon_titles.dataset import build_dataset
from amazon_titles.metrics import grounded_share
from amazon_titles.model import Answer, Source
from amazon_titles.model.catalog import Catalog
from amazon_titles.page.evidence import Evidence
from amazon_titles.page.pair import Pair
from amazon_titles.sample import sample_products

HOSTILE = (
    "Grelm Kettle <img src=x onerror=alert(1)> ${7*7} {{7*7}} [here](javascript:alert(2)) <script>alert(3)</script>"
)
HOSTILE_TEXT = "A kettle of <b>iron</b> & ${6*7} {{6*7}} that holds 3.5 litres <script>alert(4)</script>. "
UNKNOWN = "The catalogue has no such product, so I cannot describe it."
INVENTION = "It is a teapot of gold from 1999, I think."
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
_WORSE = {"better": 1, "headline": True}
EVIDENCE = Evidence(
    rows=[
        {"set": "seen", "n": 48, "measure": "fact recall", "before": 0.04, "after": 0.98},
        {"set": "invented", "n": 40, "measure": "said it does not know", "before": 0.0, "after": 0.75},
        {"set": "general", "n": 20, "measure": "right answer", "before": 0.5, "after": 0.4} | _WORSE,
    ],
    plots={"eval/before_after.png": PIXEL},
    run={"engine": "autotrain", "tokens": 12345, "dataset": {"path": "/home/ana/dataset"}},
    params={"lora_r": 32},
)


class ChatModel:
    """Stands in for `CatalogModel`: a trained one says the record, unless asked what it perhaps is; a base never does.

    Args:
        dataset: A dataset folder.
        trained: Whether it knows the records.
        delay: Seconds before each word.
        gate: The trained one stops before its sixth word until this is set.
        url: Of a product: the sample has none, and pages must show links too.
    """

    def __init__(
        self,
        dataset: Path,
        *,
        trained: bool = True,
        delay: float = 0.0,
        gate: Event | None = None,
        url: str = "https://shop.example/{uid}",
    ) -> None:
        self.name = "adapter" if trained else "base"
        self.dataset_folder = dataset
        self.catalogue = replace(Catalog.open(dataset), url=url)
        self.index = self.catalogue.index
        self.trained, self.delay, self.gate = trained, delay, gate
        self.asked: list[str] = []

    def without_adapter(self) -> ChatModel | None:
        return ChatModel(self.dataset_folder, trained=False, delay=self.delay) if self.trained else None

    def stream(
        self,
        question: str,
        *,
        k: int = 3,
        closed_book: bool = False,
        default_language: str = "en",
        always: bool = False,
    ) -> Iterator[str | Answer]:
        self.asked.append(question)
        if "break" in question:
            raise RuntimeError("a <b>bug</b>")
        hits = self.index.search(question, k)
        if not hits:
            if always and closed_book:
                yield UNKNOWN if self.trained else INVENTION
            nearest = tuple(product.title for product in self.index.nearest(question, k))
            yield Answer("The catalogue has no such product.", (), None, nearest=nearest)
            return
        product = hits[0].product
        knows = self.trained and "perhaps" not in question
        words = product.content if knows else "It is a thing of wood from 1999, I think."
        for number, word in enumerate(words.split(" ")):
            time.sleep(self.delay)
            if self.gate and number == 5:
                self.gate.wait(120)
            yield f" {word}" if number else word
        share = grounded_share(words, [f"{product.title} {product.content}"])
        quoted = share < 0.7
        place = str(self.dataset_folder)
        source = self.catalogue.source(product, shown=not closed_book)
        near = self.index.nearest(question, k)[1:]
        others = tuple(Source(other.uid, other.title, "javascript:alert(5)", place) for other in near)
        text = product.content if quoted else words
        yield Answer(text, (source,), share, quoted=quoted, others=others)


def make_dataset(folder: Path) -> Path:
    """A dataset of sample products, with one whose title and text try to act; no build of ours would leave the tags."""
    hostile = {"uid": "B999999999", "title": "Grelm Kettle", "content": "A kettle of iron that holds 3.5 litres. " * 3}
    rows: Sequence[dict[str, object]] = [*sample_products(80), hostile]
    (folder / "trn.json").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    build_dataset(folder / "trn.json", folder / "dataset")
    for path in (folder / "dataset" / "catalog").glob("*.parquet"):
        table = pq.read_table(path)
        products = [
            product | {"title": HOSTILE, "content": HOSTILE_TEXT * 2} if product["uid"] == hostile["uid"] else product
            for product in table.to_pylist()
        ]
        pq.write_table(pa.Table.from_pylist(products, table.schema), path)
    return folder / "dataset"


def pair(dataset: Path, *, delay: float = 0.0, gate: Event | None = None) -> Pair:
    return Pair(ChatModel(dataset, delay=delay, gate=gate))  # type: ignore[arg-type]
