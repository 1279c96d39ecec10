"""Which products stay, in which split each stands, and which stand side by side.

Decided on numbers alone, but for products that share a title: what tells them apart stands in their texts.
"""

from __future__ import annotations

from array import array
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import msgspec
import numpy as np

from amazon_titles.catalog import Counts, key_hash
from amazon_titles.catalog.variants import told_apart
from amazon_titles.dataset.options import BuildOptions
from amazon_titles.dataset.passes import BlockStats, Numbers, Shard, put_aside

SPLITS = ("train", "validation", "test")

SHARD = 32_768
"""Products of a shard, about: some 100 MB of rows, which a worker holds and one Parquet file takes."""

WINDOW = 1024
"""Products whose rows are mixed, about. Rows of one product, and rows that show it as a distractor, must not stand
next to each other: AutoTrain packs neighbours into one sequence, where each sees the ones before it."""

_MASK = (1 << 64) - 1
_BUCKETS = 1 << 22
_SHARED_BY = 5


def _mix(values: Numbers) -> Numbers:
    """SplitMix64's step (Steele, Lea, Flood 2014) of every value: 64 bits in, 64 unrelated bits out."""
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: Numbers = values ^ (values >> np.uint64(31))
    return mixed


def split_of(title: str, *, validation: float, test: float) -> str:
    """The split of a product: decided by its normalised title alone, so it stays when others come or go.

    Args:
        title: Clean title.
        validation: Share of the products, 0 to 1.
        test: Share of the products, 0 to 1.

    Returns:
        `train`, `validation` or `test`.
    """
    return SPLITS[int(_splits(np.array([key_hash(title)], dtype=np.uint64), validation, test)[0])]


def _splits(titles: Numbers, validation: float, test: float) -> Numbers:
    """The index in `SPLITS` of each title, by its hash."""
    place = titles / 2.0**64
    return np.where(place < test, 2, np.where(place < test + validation, 1, 0)).astype(np.uint8)


def sampling_rank(title: str, *, seed: int) -> int:
    """Where a product stands in the queue for a limited dataset: the `limit` lowest ranks are kept.

    Spread evenly over the file and over the splits, and nested: a larger limit adds products and drops none.

    Returns:
        0 to 2^64 - 1.
    """
    return int(_ranks(np.array([key_hash(title)], dtype=np.uint64), seed)[0])


def _ranks(titles: Numbers, seed: int) -> Numbers:
    return _mix(titles ^ _mix(np.array([seed & _MASK], dtype=np.uint64)))


class SplitPlan:
    """Everything that is decided between the two passes.

    Args:
        stats: What the first pass gave, in the order of the source.
        options: Of the build.
        scratch: Folder of the products that were put aside.

    Attributes:
        counts: Products that leave, by reason, and those whose titles were told apart.
        kept: Index of every product that stays, in the order of the source.
        titles: Hashes of all titles that were read, sorted: an invention must not be among them.
        splits: Index of every product of each split.
        products: `passes.NUMBERS` of every product that was put aside.
    """

    def __init__(self, stats: list[BlockStats], options: BuildOptions, scratch: Path) -> None:
        self.products = np.concatenate([block.products for block in stats])
        self._words = np.concatenate([block.words for block in stats])
        self._title, self._seed, self.counts = self.products["title"], options.seed, Counts()
        self.titles = np.unique(self._title)
        # trn.json's rows of one title are editions of one text as a rule: the richest stays.
        distinct = self._distinct(scratch if options.rules != "amazon" else None)
        self.kept = self._drop("not_sampled", distinct, self._beyond(distinct, options.limit))
        split = _splits(self._title[self.kept], options.validation, options.test)
        self.splits = {name: self.kept[split == number] for number, name in enumerate(SPLITS)}
        self._recall = np.ones(len(self._title), dtype=bool)
        train = self.splits["train"]
        self._recall[train[self._beyond(train, options.recall_products)]] = False

    def _distinct(self, scratch: Path | None) -> Numbers:
        title, content = self._title, self.products["content"]
        stays = self._drop("duplicate", np.arange(len(title)), _repeated(self.products["uid"]))
        stays = self._drop("duplicate", stays, _repeated(_mix(title[stays]) ^ content[stays]))
        # What is left of a description's products has as many titles as rows.
        _, which, count = np.unique(content[stays], return_inverse=True, return_counts=True)
        stays = self._drop("shared_blurb", stays, count[which] > 1)
        stays = self._tell_apart(stays, scratch) if scratch else stays
        # The richest first, then the first in the source.
        richest = np.argsort(-self.products["content_chars"][stays].astype(np.int64), kind="stable")
        poorer = np.zeros(len(stays), dtype=bool)
        poorer[richest] = _repeated(title[stays][richest])
        return self._drop("duplicate_title", stays, poorer)

    def _tell_apart(self, stays: Numbers, scratch: Path) -> Numbers:
        """Products of one title get one of their own where their descriptions tell them apart: "Desk Lamp (red)"."""
        _, which, count = np.unique(self._title[stays], return_inverse=True, return_counts=True)
        shared, leaves = np.flatnonzero(count[which] > 1), np.zeros(len(stays), dtype=bool)
        shared = shared[np.argsort(which[shared], kind="stable")]
        with (scratch / "0").open("wb") as file:  # no worker has this number
            for places in np.split(shared, np.flatnonzero(np.diff(which[shared])) + 1):
                products = put_aside(scratch, self.products[stays[places]])
                labels = told_apart([product.content for product in products])
                for place, product, label in zip(places, products, labels, strict=True):
                    leaves[place], row = any(labels) and not label, stays[place]
                    if label:
                        named = replace(product, title=f"{product.title} ({label})")
                        record = msgspec.msgpack.encode(named)
                        told = key_hash(named.title), len(named.title), 0, file.tell(), len(record)
                        self.products[["title", "title_chars", "file", "offset", "size"]][row] = told
                        file.write(record)
                        self.counts.cleaned["variant"] += 1
                        example = {"uid": product.uid, "before": product.title, "after": named.title}
                        self.counts.examples.setdefault("variant", example)
        self.titles = np.union1d(self.titles, self._title[stays])
        return self._drop("duplicate_title", stays, leaves)

    def _beyond(self, products: Numbers, limit: int | None) -> Numbers:
        """Which products are not among the `limit` first by `sampling_rank`."""
        beyond = np.zeros(len(products), dtype=bool)
        if limit is not None and limit < len(products):
            beyond[np.argpartition(_ranks(self._title[products], self._seed), limit - 1)[limit:]] = True
        return beyond

    def _drop(self, reason: str, stays: Numbers, leaves: Numbers) -> Numbers:
        if leaves.any():
            self.counts.dropped[reason] += int(leaves.sum())
        return stays[~leaves]

    def shards(self) -> list[Shard]:
        """All shards, similar products side by side.

        A product stands beside those that share the rarest word of its title that five or more of its split have: for
        millions of titles two sorts find that, where a search index would take minutes. The words come in the order
        of their hash and shards are equal ranges of it, so most of a shard's bytes stay when products come or go.
        """
        planned: list[Shard] = []
        for split, members in self.splits.items():
            if not len(members):
                continue
            first, second = self._rare_words(members)
            order = np.lexsort((self._title[members], second, first))
            members, first = members[order], first[order]
            edges = _edges(first, SHARD, len(members))
            for shard, (rows, words) in enumerate(zip(np.split(members, edges), np.split(first, edges), strict=True)):
                ends = [0, *_edges(words, WINDOW, len(members)).tolist(), len(words)]
                windows = [(start, stop) for start, stop in pairwise(ends) if stop > start]
                file = f"{split}-{shard:05}-of-{len(edges) + 1:05}.parquet"
                group = array("Q", words.tobytes())  # one by one, its numbers are read faster than numpy's
                planned.append(Shard(split, file, self.products[rows], group, self._recall[rows], windows))
        for part, made in enumerate(planned):
            made.catalog_file = f"train-{part:05}-of-{len(planned):05}.parquet"
        return planned

    def _rare_words(self, members: Numbers) -> tuple[Numbers, Numbers]:
        """Of each product the rarest word of its title that others share, and the one after it."""
        lengths = self.products["words"].astype(np.int64)
        firsts = (np.cumsum(lengths) - lengths)[members]
        lengths = lengths[members]
        starts = np.cumsum(lengths) - lengths
        words = self._words[np.arange(lengths.sum()) + np.repeat(firsts - starts, lengths)]
        bucket = words & np.uint32(_BUCKETS - 1)
        frequency = np.bincount(bucket, minlength=_BUCKETS).astype(np.uint32)[bucket]
        # Shared by enough, the rarer the better; else the commoner the better.
        rarity = np.where(frequency >= _SHARED_BY, frequency, (1 << 31) - frequency.astype(np.int64)).astype(np.uint64)
        score = rarity << np.uint64(32) | words
        first = np.minimum.reduceat(score, starts)
        score[score == np.repeat(first, lengths)] = np.iinfo(np.uint64).max
        low = np.uint64(0xFFFFFFFF)
        return first & low, np.minimum.reduceat(score, starts) & low


def _edges(sorted_words: Numbers, size: int, products: int) -> Numbers:
    """Where the equal ranges of the words' 32-bit hash begin that have about `size` products; not where the first."""
    bits = max(round(np.log2(products / size)), 0)
    return np.searchsorted(sorted_words, np.arange(1, 1 << bits, dtype=np.uint64) << np.uint64(32 - bits))


def _repeated(values: Numbers) -> Numbers:
    """Marks every row whose value stood in an earlier row."""
    marked = np.ones(len(values), dtype=bool)
    marked[np.unique(values, return_index=True)[1]] = False
    return marked
