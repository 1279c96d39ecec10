"""The named sets: which questions are asked, and what is known of each."""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from operator import itemgetter
from pathlib import Path
from typing import Any

from amazon_titles.catalog import Product, key_hash
from amazon_titles.conversations import WORDING, MixtureConfig, build_examples, draws, properties
from amazon_titles.dataset import read_catalog, read_messages
from amazon_titles.errors import InputError
from amazon_titles.evaluation.general import QUESTIONS
from amazon_titles.io import read_object
from amazon_titles.metrics import words

SETS = {
    "seen": ("train", "recall", "products that the model was trained on"),
    "unseen": ("test", "recall", "products that the model never saw"),
    "grounded": ("test", "grounded", "the same, with product texts in the question, the right one and others"),
    "property": ("test", "property", "one property of a product, with product texts in the question"),
    "invented": ("test", "abstain", "products that do not exist"),
    "general": ("", "", "general knowledge, which training may make the model forget"),
}
"""Each set: the split and the task of the chat rows that it is made from, and what it holds."""

# A passage ends with its product's code in square brackets.
_SHOWN = re.compile(r" \[([^\[\]\n]{1,200})\]$", re.MULTILINE)
_QUOTED = re.compile(r'"(.+)"', re.DOTALL)
# An invented title that shares this part of its words with a real one is a near miss of it.
_NEAR = 1 / 3
_DISTRACTORS = 4
# Products of a split that rows are made of here, at most, and that stand beside them: each is compared with all.
_POOL = 500
# Seeds that rows of one product are made with, until one is as wanted.
_TRIES = range(8)


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
    accepted: tuple[str, ...] = ()


def questions(dataset: str | Path, sets: Sequence[str], *, limit: int | None = None) -> list[Question]:
    """The questions of some sets, in a fixed order.

    A product without a grounded or a property row, as most are where a build was asked for few, has one made here by
    the code that makes them in a build. So every set of a split asks about the same products; `property` about those
    whose description tells one. The refusals are all made here, so that at least half are near misses and the languages
    of the dataset take turns.

    Args:
        dataset: A dataset folder.
        sets: Of `SETS`.
        limit: At most this many products a set, drawn by their uid.

    Raises:
        InputError: It is no dataset folder.
    """
    rows = [(name, row) for name in sets if name != "general" for row in _rows(dataset, name, limit)]
    wanted = {uid for _, row in rows for uid in (row["uid"], *_SHOWN.findall(row["messages"][0]["content"]))}
    products = {product.uid: product for product in read_catalog(dataset) if product.uid in wanted}
    if lost := next((row["uid"] for _, row in rows if row["uid"] not in products), None):
        hint = "Build the dataset again: amazon-titles build SOURCE --out DIR"
        raise InputError(f"{dataset} asks about {lost}, which its catalogue does not hold.", hint=hint)
    general = enumerate(QUESTIONS[:limit] if "general" in sets else (), start=1)
    return [_question(name, row, products) for name, row in rows] + [
        Question("general", f"general{number:03}", asked, asked, accepted[0], accepted=accepted)
        for number, (asked, accepted) in general
    ]


def _question(name: str, row: Mapping[str, Any], products: Mapping[str, Product]) -> Question:
    text, reference = (message["content"] for message in row["messages"])
    shown = [uid for uid in _SHOWN.findall(text) if uid in products] if "\n" in text else []
    product, *passages = (products[uid] for uid in (row["uid"], *shown))
    kind = ("near miss" if _is_near(reference, product.title) else "made up") if name == "invented" else ""
    return Question(
        name, product.uid, text, bare_question(text), reference, kind, title=product.title, record=_record(product),
        shown=tuple(map(_record, passages)),
    )  # fmt: skip


def _is_near(refusal: str, title: str) -> bool:
    """Whether the invented title of a refusal, which quotes it, is a near miss of a real one."""
    match = _QUOTED.search(refusal)
    said = set(words(match.group(1) if match else refusal))
    return len(said & set(words(title))) >= _NEAR * len(said)


def _record(product: Product) -> str:
    return f"{product.title}\n{product.content}"


def bare_question(text: str) -> str:
    """The question alone, of a message that shows products first."""
    last = text.rpartition("\n")[2]
    asks = (language.ask for language in WORDING.values() if "\n" in text and last.startswith(language.ask))
    return next((last.removeprefix(ask).strip() for ask in asks), text)


def _rows(dataset: str | Path, name: str, limit: int | None) -> list[dict[str, Any]]:
    """One row a product, in the dataset's order: its first of the set's task, or one that is made."""
    split, task, _ = SETS[name]
    of_task = (row for row in read_messages(dataset, split) if row["task"] == task)
    if task == "recall":
        return drawn(of_task, limit)
    about = read_messages(dataset, split)
    if task == "property":
        uids = {row["uid"] for row in read_messages(dataset, split)}
        able = {product.uid for product in read_catalog(dataset) if product.uid in uids and properties(product.content)}
        about = (row for row in about if row["uid"] in able)
    chosen = dict.fromkeys(row["uid"] for row in drawn(about, limit))
    ready = () if task == "abstain" else drawn((row for row in of_task if row["uid"] in chosen), None)
    rows = {row["uid"]: row for row in ready}
    if missing := chosen.keys() - rows.keys():
        rows |= {row["uid"]: row for row in _made(dataset, name, missing)}
    return [rows[uid] for uid in chosen if uid in rows]


def drawn(rows: Iterable[dict[str, Any]], limit: int | None) -> list[dict[str, Any]]:
    """The first row of each product, of at most `limit` products; no more than twice as many rows are ever held."""
    kept: dict[str, tuple[int, int, dict[str, Any]]] = {}
    for place, row in enumerate(rows):
        if row["uid"] not in kept:
            kept[row["uid"]] = (draws(row["uid"], 0)[0], place, row)
        if limit is not None and len(kept) >= 2 * limit:
            kept = dict(sorted(kept.items(), key=itemgetter(1))[:limit])  # met again, a product is among the last again
    chosen = sorted(kept.values())[:limit]
    return [row for _, _, row in sorted(chosen, key=itemgetter(1))]


def _made(dataset: str | Path, name: str, uids: Set[str]) -> Iterator[dict[str, Any]]:
    """Rows of some products, among others of their split; the dataset's languages in turn."""
    split, task, _ = SETS[name]
    others = {row["uid"] for row in drawn(read_messages(dataset, split), _POOL)}
    pool, products, titles = list[Product](), list[Product](), set[int]()
    for product in read_catalog(dataset):
        titles.add(key_hash(product.title))
        if product.uid in others:
            pool.append(product)
        if product.uid in uids and len(products) < _POOL:
            products.append(product)
    told = read_object(Path(dataset) / "report.json").get("options")
    named = told.get("languages") if isinstance(told, dict) else None
    languages = [one for one in named if one in [*WORDING]] if isinstance(named, list) else []
    languages = languages or [*WORDING]
    alone = replace(MixtureConfig(phrasings=0, grounded=0, abstain=0, property=0), **dict[str, Any]({task: 1}))
    near = 0
    for number, product in enumerate(products):
        language, similar = languages[number % len(languages)], _similar(product, pool)
        found = [
            (task == "abstain" and _is_near(row.answer, product.title), row)
            # Several seeds, for of a refusal some are near misses, and a property may not be in view.
            for mix in (replace(alone, languages=(language,), seed=alone.seed + n) for n in _TRIES)
            for row in build_examples(product, similar, mix, lambda title: key_hash(title) in titles)
        ]
        if 2 * near <= number:
            found.sort(key=lambda judged: not judged[0])  # a made-up one would leave fewer than half near misses
        for is_near, row in found[:1]:
            near += is_near
            yield {"uid": row.uid, "task": row.task, "language": row.language, "messages": row.messages}


def _similar(product: Product, pool: Sequence[Product]) -> list[Product]:
    """Others of the pool, those first that it names as related, then by how many words their titles share."""
    own = set(words(product.title))
    others = (other for other in pool if other.uid != product.uid)
    return heapq.nsmallest(
        _DISTRACTORS,
        others,
        key=lambda other: (other.uid not in product.related, -len(own & set(words(other.title))), other.uid),
    )
