"""Which products is this question about? A full-text index over a dataset's `catalog` config."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from math import log
from pathlib import Path
from typing import Any

import tantivy

from amazon_titles.catalog import Product
from amazon_titles.dataset import read_catalog
from amazon_titles.errors import InputError

_WORD = re.compile(r"\w+")
_QUOTED = re.compile(r'["“”«»](.+)["“”«»]')

# What a question is made of, in the two languages of the wording: never evidence for a product.
_STOP_WORDS = frozenset(
    word
    for line in (
        "a an and are about be can catalog catalogue could describe description do does find for from give have hello",
        "hi how i in information is it know like made me more much of on please product products say see show some",
        "tell that the there this to us what whats which who with would you your",
        "as ao com como conhece da das de descreva descreve diga do dos e em esse este existe fala fale gostaria",
        "isso mais me na no o os para por pode produto produtos qual quais que quero saber sabe sobre tem um uma você",
    )
    for word in line.split()
)

# How many documents the index ranks for one question before titles are compared word by word.
_CANDIDATES = 50


@dataclass(frozen=True, slots=True)
class Hit:
    """A product that fits a question.

    Attributes:
        product: As in the dataset's `catalog` config.
        score: Share of the question's weighted words that stand in the product's title, 0 to 1. Rare words weigh more.
        tied: Whether it fits the question as well as the best one: another colour, edition or size.
    """

    product: Product
    score: float
    tied: bool = False


class CatalogIndex:
    """An index of a catalogue's products, in memory.

    Args:
        products: What can be found.
    """

    # Below this share of matched words there is "no such product".
    THRESHOLD = 0.7

    def __init__(self, products: Iterable[Product]) -> None:
        builder = tantivy.SchemaBuilder()
        builder.add_integer_field("row", stored=True, indexed=False)
        builder.add_text_field("title", stored=False, tokenizer_name="default")
        self._index: Any = tantivy.Index(builder.build())
        self._products: list[Product] = []
        self._frequency: dict[str, int] = {}
        writer = self._index.writer(heap_size=50_000_000, num_threads=1)
        for row, product in enumerate(products):
            self._products.append(product)
            for word in set(_words(product.title)):
                self._frequency[word] = self._frequency.get(word, 0) + 1
            writer.add_document(tantivy.Document(row=row, title=product.title))
        writer.commit()
        writer.wait_merging_threads()
        self._index.reload()

    def __len__(self) -> int:
        return len(self._products)

    @classmethod
    def build(cls, dataset: str | Path) -> CatalogIndex:
        """Indexes the `catalog` config of a dataset folder.

        Raises:
            InputError: The folder holds no catalogue, or an empty one.
        """
        index = cls(read_catalog(Path(dataset)))
        if not len(index):
            raise InputError(
                f"The catalogue of {dataset} is empty.", hint="Build it again: amazon-titles build SOURCE --out DIR"
            )
        return index

    def search(self, question: str, k: int = 3) -> list[Hit]:
        """The products that `question` fits, best first; none where nothing fits.

        Args:
            question: Free text. Where it holds a quotation, the quotation is what is looked for.
            k: At most this many.
        """
        return [hit for hit in self._ranked(question) if hit.score >= self.THRESHOLD][:k]

    def nearest(self, question: str, k: int = 3) -> list[Product]:
        """The titles nearest to a question, best first, also where none of them fits; for "did you mean"."""
        return [hit.product for hit in self._ranked(question)][:k]

    def _ranked(self, question: str) -> list[Hit]:
        weights = self._weights(question)
        if not weights:
            return []
        terms = [
            (tantivy.Occur.Should, tantivy.Query.term_query(self._index.schema, "title", word)) for word in weights
        ]
        searcher = self._index.searcher()
        found = searcher.search(tantivy.Query.boolean_query(terms), _CANDIDATES).hits
        products = [self._products[searcher.doc(address).get_first("row")] for _, address in found]
        total = sum(weights.values()) or 1.0
        hits = [
            Hit(product, sum(weights.get(word, 0.0) for word in set(_words(product.title))) / total)
            for product in products
        ]
        return sorted(hits, key=lambda hit: (-hit.score, len(hit.product.title)))

    def _weights(self, question: str) -> dict[str, float]:
        """Inverse document frequency of each word of the question that can name a product.

        A word that no title has weighs as much as the rarest: it speaks for another product, one that is not here.
        Outside a quotation that holds for names and numbers alone; other words are talk ("is it heavy?").
        """
        return {
            word.lower(): log(1 + len(self._products) / (0.5 + self._frequency.get(word.lower(), 0)))
            for word in self._naming(question)
        }

    def named(self, question: str) -> str:
        """What a question seems to name: the quotation in it, else its words that can name a product."""
        quoted = _QUOTED.search(question)
        return quoted.group(1) if quoted else " ".join(self._naming(question)) or question.strip()

    def _naming(self, question: str) -> list[str]:
        quoted = _QUOTED.search(question)
        if quoted:
            words = _WORD.findall(quoted.group(1))
            return [word for word in words if word.lower() not in _STOP_WORDS] or words
        naming = []
        for found in _WORD.finditer(question):
            word = found.group()
            opens = not question[: found.start()].strip() or question[: found.start()].rstrip()[-1] in ".!?:"
            # A capital inside a sentence makes a name; one at its start does not.
            is_name = not word.islower() and not (opens and word.istitle())
            if word.lower() not in _STOP_WORDS and (word.lower() in self._frequency or is_name):
                naming.append(word)
        return naming


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())
