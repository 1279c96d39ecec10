"""The named sets: which questions are asked, and what is known of each."""

from __future__ import annotations

import heapq
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from amazon_titles.catalog import Product, key_hash
from amazon_titles.conversations import WORDING, Conversation, MixtureConfig, build_examples, draws, properties
from amazon_titles.dataset import read_catalog, read_messages
from amazon_titles.evaluation.general import QUESTIONS
from amazon_titles.metrics.facts import words

SETS = {
    "seen": ("train", "recall", "products that the model was trained on"),
    "unseen": ("test", "recall", "products that it never saw"),
    "grounded": ("test", "grounded", "the same with product texts in view, the right one and others"),
    "property": ("test", "property", "one property of a product with product texts in view"),
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
# Rows that are made of one product until one is as wanted.
_TRIES = 8


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
        return replace(question, kind="near miss" if _is_near(reference, product.title) else "made up")
    return question


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
    about = read_messages(dataset, split)
    if task == "property":
        able = _with_property(dataset, {row["uid"] for row in read_messages(dataset, split)})
        about = (row for row in about if row["uid"] in able)
    chosen = [row["uid"] for row in drawn(about, limit)]
    rows: dict[str, dict[str, Any]] = {}
    for row in read_messages(dataset, split):
        if row["task"] == task and row["uid"] in chosen:
            rows.setdefault(row["uid"], row)
    missing = [uid for uid in chosen if task == "abstain" or uid not in rows]
    if missing:
        rows |= {row["uid"]: row for row in _made(dataset, name, missing)}
    return [rows[uid] for uid in chosen if uid in rows]


def _with_property(dataset: str | Path, uids: set[str]) -> set[str]:
    return {product.uid for product in read_catalog(dataset) if product.uid in uids and properties(product.content)}


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


def _made(dataset: str | Path, name: str, uids: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Rows of some products, among others of their split; the dataset's languages in turn."""
    split, task, _ = SETS[name]
    others = {row["uid"] for row in drawn(read_messages(dataset, split), _POOL)}
    wanted = set(uids)
    pool: list[Product] = []
    products: list[Product] = []
    titles = set()
    for product in read_catalog(dataset):
        titles.add(key_hash(product.title))
        if product.uid in others:
            pool.append(product)
        if product.uid in wanted and len(products) < _POOL:
            products.append(product)
    languages, near = _languages(dataset), 0
    alone = MixtureConfig(
        phrasings=0, grounded=task == "grounded", abstain=task == "abstain", property=task == "property"
    )
    for number, product in enumerate(products):
        mix = replace(alone, languages=(languages[number % len(languages)],))
        found = list(_tries(product, _similar(product, pool), mix, lambda title: key_hash(title) in titles))
        if task == "abstain" and 2 * near <= number:
            # A made-up one would leave fewer than half near misses.
            found.sort(key=lambda row: not _is_near(row.messages[1]["content"], product.title))
        if found:
            near += task == "abstain" and _is_near(found[0].messages[1]["content"], product.title)
            yield found[0]._asdict()


def _tries(
    product: Product, others: Sequence[Product], mix: MixtureConfig, is_title: Callable[[str], bool]
) -> Iterator[Conversation]:
    """A product's row as several seeds make it: of a refusal some are near misses, and of a property one is in view."""
    for seed in range(mix.seed, mix.seed + _TRIES):
        yield from build_examples(product, others, replace(mix, seed=seed), is_title)


def _languages(dataset: str | Path) -> list[str]:
    """The languages that a dataset was built in."""
    report = json.loads((Path(dataset) / "report.json").read_text(encoding="utf-8"))
    return list(report["options"]["languages"])


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
        yield Question("general", f"general{number:03}", question, question, accepted[0], accepted=accepted)
