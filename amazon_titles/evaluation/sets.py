"""The named sets: which questions are asked, and what is known of each."""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from amazon_titles.catalog import Product, key_hash
from amazon_titles.conversations import WORDING, Mix, converse, draws
from amazon_titles.dataset import read_catalog, read_messages
from amazon_titles.evaluation.general import QUESTIONS
from amazon_titles.metrics.facts import words

SETS = {
    "seen": ("train", "recall", "products that the model was trained on"),
    "unseen": ("test", "recall", "products that it never saw"),
    "grounded": ("test", "grounded", "the same with product texts in view, the right one and others"),
    "invented": ("test", "abstain", "products that do not exist"),
    "general": ("", "", "general knowledge, which a training may make forget"),
}
"""Each set: the split and the task of the chat rows that it is made from, and what it holds."""

# A passage ends with its product's code in square brackets.
_SHOWN = re.compile(r" \[([^\]\s]{1,40})\]$", re.MULTILINE)
_QUOTED = re.compile(r'"(.+)"', re.DOTALL)
# An invented title that shares this part of its words with a real one is a near miss of it.
_NEAR = 1 / 3
_DISTRACTORS = 4
# Products of a split that rows are made of here, at most, and that stand beside them: each is compared with all.
_POOL = 500


@dataclass(frozen=True, slots=True)
class Question:
    """One question of a set.

    Attributes:
        set: Of `SETS`.
        uid: The product that it was made from.
        text: As sent.
        asked: The bare question, without the products in view.
        reference: The right answer; of a grounded question with its citation.
        kind: Of an invented product `near miss` or `made up`; "" elsewhere.
        title: Of the product; "" in `general`.
        record: The product's title and description; "" in `general`.
        shown: Title and description of the products in view.
        accepted: In `general`, what makes an answer right.
    """

    set: str
    uid: str
    text: str
    asked: str
    reference: str
    kind: str = ""
    title: str = ""
    record: str = ""
    shown: tuple[str, ...] = ()
    accepted: tuple[str, ...] = field(default=())


def questions(dataset: str | Path, sets: Sequence[str], *, limit: int | None = None) -> list[Question]:
    """The questions of some sets, in a fixed order.

    A product without a grounded row or without a refusal, as most are where a build was asked for few, has one made
    here by the code that makes them in a build. So every set of a split asks about the same products.

    Args:
        dataset: A dataset folder.
        sets: Of `SETS`.
        limit: At most this many products a set, drawn by their uid.

    Raises:
        InputError: It is no dataset folder.
    """
    rows: list[tuple[str, dict[str, Any]]] = []
    for name in sets:
        if name != "general":
            rows += [(name, row) for row in _rows(dataset, name, limit)]
    wanted = {uid for _, row in rows for uid in (row["uid"], *_SHOWN.findall(row["messages"][0]["content"]))}
    products = {product.uid: product for product in read_catalog(dataset) if product.uid in wanted}
    found = [_question(name, row, products) for name, row in rows]
    return found + (list(_general(limit)) if "general" in sets else [])


def _question(name: str, row: dict[str, Any], products: dict[str, Product]) -> Question:
    text, reference = (message["content"] for message in row["messages"])
    product = products[row["uid"]]
    shown = [products[uid] for uid in _SHOWN.findall(text) if uid in products] if "\n" in text else []
    question = Question(
        name, product.uid, text, bare_question(text), reference, title=product.title, record=_record(product),
        shown=tuple(_record(product) for product in shown),
    )  # fmt: skip
    if name == "invented":
        match = _QUOTED.search(reference)
        said = set(words(match.group(1) if match else question.asked))
        near = len(said & set(words(product.title))) >= _NEAR * len(said)
        return replace(question, kind="near miss" if near else "made up")
    return question


def _record(product: Product) -> str:
    return f"{product.title}\n{product.content}"


def bare_question(text: str) -> str:
    """The question alone, of a message that shows products first."""
    last = text.rpartition("\n")[2]
    for language in WORDING.values():
        if "\n" in text and last.startswith(language.ask):
            return last.removeprefix(language.ask).strip()
    return text


def _rows(dataset: str | Path, name: str, limit: int | None) -> list[dict[str, Any]]:
    """One row a product, in the dataset's order: its first of the set's task, or one that is made."""
    split, task, _ = SETS[name]
    if task == "recall":
        # A row with passages has more than the question in its message.
        asked = (row for row in read_messages(dataset, split) if row["task"] == task)
        return drawn((row for row in asked if "\n" not in row["messages"][0]["content"]), limit)
    chosen = {row["uid"]: row for row in drawn(read_messages(dataset, split), limit)}
    rows: dict[str, dict[str, Any]] = {}
    for row in read_messages(dataset, split):
        if row["task"] == task and row["uid"] in chosen:
            rows.setdefault(row["uid"], row)
    missing = {uid: row["language"] for uid, row in chosen.items() if uid not in rows}
    if missing:
        rows |= {row["uid"]: row for row in _made(dataset, name, missing)}
    return [rows[uid] for uid in chosen if uid in rows]


def drawn(rows: Iterable[dict[str, Any]], limit: int | None) -> list[dict[str, Any]]:
    """The first row of each product, of at most `limit` products; no more than that many rows are ever held."""
    kept: dict[str, tuple[int, dict[str, Any]]] = {}
    worst: list[tuple[int, str]] = []
    for place, row in enumerate(rows):
        uid = row["uid"]
        if uid in kept:
            continue
        rank = -draws(uid, 0)[0]
        if limit is None or len(kept) < limit:
            heapq.heappush(worst, (rank, uid))
        elif (rank, uid) > worst[0]:
            del kept[heapq.heappushpop(worst, (rank, uid))[1]]
        else:
            continue
        kept[uid] = (place, row)
    return [row for _, row in sorted(kept.values(), key=lambda both: both[0])]


def _made(dataset: str | Path, name: str, languages: dict[str, str]) -> Iterator[dict[str, Any]]:
    """Rows that the dataset was built without, of some products (uid → language), among others of their split."""
    split, task, _ = SETS[name]
    others = {row["uid"] for row in drawn(read_messages(dataset, split), _POOL)}
    pool: list[Product] = []
    products: list[Product] = []
    titles = set()
    for product in read_catalog(dataset):
        titles.add(key_hash(product.title))
        if product.uid in others:
            pool.append(product)
        if product.uid in languages and len(products) < _POOL:
            products.append(product)
    for product in products:
        mix = Mix((languages[product.uid],), phrasings=0, grounded=task == "grounded", abstain=task == "abstain")
        for row in converse(product, _similar(product, pool), mix, lambda title: key_hash(title) in titles):
            yield row._asdict()


def _similar(product: Product, pool: Sequence[Product]) -> list[Product]:
    """Others of the pool, those first that it names as related, then by how many words their titles share."""
    related, own = set(product.related), set(words(product.title))
    others = (other for other in pool if other.uid != product.uid)
    return heapq.nsmallest(
        _DISTRACTORS,
        others,
        key=lambda other: (other.uid not in related, -len(own & set(words(other.title))), other.uid),
    )


def _general(limit: int | None) -> Iterator[Question]:
    for number, (question, accepted) in enumerate(QUESTIONS[:limit], start=1):
        yield Question("general", f"general{number:02}", question, question, accepted[0], accepted=accepted)
