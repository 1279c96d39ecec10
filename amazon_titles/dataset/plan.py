"""Which products stay, in which split each stands, and which stand side by side: decided on numbers alone."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from amazon_titles.catalog import key_hash
from amazon_titles.dataset.extract import BlockStats

Numbers = np.ndarray[Any, np.dtype[Any]]

SPLITS = ("train", "validation", "test")

SHARD = 32_768
"""Products of a shard, about: some 100 MB of rows, which a worker holds and one Parquet file takes."""

WINDOW = 1024
"""Products whose rows are mixed, about. Rows of one product, and rows that show it as a distractor, must not stand
next to each other: AutoTrain packs neighbours into one sequence, where each sees the ones before it."""

_MASK = (1 << 64) - 1
_BUCKETS = 1 << 22
_SHARED_BY = 5
_GOLDEN, _FIRST, _SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


def mix(value: int) -> int:
    """SplitMix64's step (Steele, Lea, Flood 2014): 64 bits in, 64 unrelated bits out."""
    value = (value + _GOLDEN) & _MASK
    value = ((value ^ (value >> 30)) * _FIRST) & _MASK
    value = ((value ^ (value >> 27)) * _SECOND) & _MASK
    return value ^ (value >> 31)


def _mix_all(values: Numbers) -> Numbers:
    values = values + np.uint64(_GOLDEN)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(_FIRST)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(_SECOND)
    mixed: Numbers = values ^ (values >> np.uint64(31))
    return mixed


def split_of(title: str, *, validation: float, test: float) -> str:
    """The split of a product: decided by its normalised title alone, so it stays when others come or go.

    Args:
        title: Clean title.
        validation: Share of the products, 0 to 1.
        test: Likewise.

    Returns:
        `train`, `validation` or `test`.
    """
    place = key_hash(title) / 2**64
    if place < test:
        return "test"
    return "validation" if place < test + validation else "train"


def sampling_rank(title: str, *, seed: int) -> int:
    """Where a product stands in the queue for a limited dataset: the `limit` lowest ranks are kept.

    Spread evenly over the file and over the splits, and nested: a larger limit adds products and drops none.

    Returns:
        0 to 2^64 - 1.
    """
    return mix(key_hash(title) ^ mix(seed & _MASK))


@dataclass(frozen=True, slots=True)
class Shard:
    """Products that are written together, similar ones side by side.

    Attributes:
        split: `train`, `validation` or `test`.
        number: Of the shard in its split.
        of: Shards of the split.
        part: Of the shard among all.
        parts: Shards of all splits.
        file: Of each product: the file that holds its record.
        offset: Where in it.
        size: Bytes.
        group: A number that neighbours share if a rare word of their titles is the same.
        recall: Of each product: whether it becomes recall rows.
        windows: First product and the one after the last of those whose rows are mixed: equal ranges of the words'
            hash, so that a product that comes or goes moves no other from window to window.
    """

    split: str
    number: int
    of: int
    part: int
    parts: int
    file: Numbers
    offset: Numbers
    size: Numbers
    group: Numbers
    recall: Numbers
    windows: list[tuple[int, int]]


class Plan:
    """Everything that is decided between the two passes.

    Args:
        sheaves: What the first pass gave, in the order of the source.
        limit: Products to keep; None for all.
        seed: Of the sample.
        validation: Share of the products.
        test: Likewise.
        recall_products: Products of the train split that become recall rows, the first of the sample; None for all.

    Attributes:
        dropped: Products that leave, by reason.
        kept: Index of every product that stays, in the order of the source.
        titles: Hashes of all titles that were read, sorted: an invention must not be among them.
        columns: What is known of every product that was put aside.
    """

    def __init__(
        self,
        sheaves: list[BlockStats],
        *,
        limit: int | None,
        seed: int,
        validation: float,
        test: float,
        recall_products: int | None = None,
    ) -> None:
        names = sheaves[0].columns if sheaves else ()
        self.columns: dict[str, Numbers] = {
            name: np.concatenate([sheaf.columns[name] for sheaf in sheaves]) for name in names
        }
        self.columns["file"] = np.concatenate([np.full(len(s.columns["size"]), s.file, np.uint32) for s in sheaves])
        self.columns["offset"] = np.concatenate(
            [s.offset + np.cumsum(s.columns["size"], dtype=np.int64) - s.columns["size"] for s in sheaves]
        )
        self._words = np.concatenate([sheaf.words for sheaf in sheaves])
        self.dropped: Counter[str] = Counter()
        self.kept = self._sample(self._distinct(), limit, seed)
        self.titles = np.unique(self.columns["title"])
        place = self.columns["title"][self.kept].astype(np.float64) / 2**64
        self._split = np.where(place < test, 2, np.where(place < test + validation, 1, 0)).astype(np.uint8)
        self._recall = np.ones(len(self.columns["title"]), dtype=bool)
        train = self.kept[self._split == 0]
        self._recall[train[self._beyond(train, recall_products, seed)]] = False

    def _distinct(self) -> Numbers:
        title, content, chars = (self.columns[name] for name in ("title", "content", "content_chars"))
        stays = np.arange(len(title))
        stays = self._drop("duplicate", stays, _repeated(self.columns["uid"]))
        stays = self._drop("duplicate", stays, _repeated(title[stays], content[stays]))
        # What is left of a description's products has as many titles as rows.
        order = np.argsort(content[stays], kind="stable")
        same = content[stays][order][1:] == content[stays][order][:-1]
        shared = np.zeros(len(stays), dtype=bool)
        shared[order[1:]] |= same
        shared[order[:-1]] |= same
        stays = self._drop("shared_blurb", stays, shared)
        # The richest first, then the first in the source.
        richest = np.lexsort((stays, -chars[stays].astype(np.int64)))
        poorer = np.zeros(len(stays), dtype=bool)
        poorer[richest] = _repeated(title[stays][richest])
        return self._drop("duplicate_title", stays, poorer)

    def _sample(self, stays: Numbers, limit: int | None, seed: int) -> Numbers:
        return self._drop("not_sampled", stays, self._beyond(stays, limit, seed))

    def _beyond(self, products: Numbers, limit: int | None, seed: int) -> Numbers:
        """Which products are not among the `limit` first by `sampling_rank`."""
        if limit is None or len(products) <= limit:
            return np.zeros(len(products), dtype=bool)
        rank = _mix_all(self.columns["title"][products] ^ np.uint64(mix(seed & _MASK)))
        beyond = np.ones(len(products), dtype=bool)
        beyond[np.argpartition(rank, limit - 1)[:limit]] = False
        return beyond

    def _drop(self, reason: str, stays: Numbers, leaves: Numbers) -> Numbers:
        if leaves.any():
            self.dropped[reason] += int(leaves.sum())
        return stays[~leaves]

    def count(self, split: str) -> int:
        """Products of a split."""
        return int((self._split == SPLITS.index(split)).sum())

    def shards(self) -> list[Shard]:
        """All shards, similar products side by side.

        A product stands beside those that share the rarest word of its title that five or more of its split have: for
        millions of titles two sorts find that, where a search index would take minutes. The words come in the order
        of their hash and shards are equal ranges of it, so most of a shard's bytes stay when products come or go.
        """
        ends = np.cumsum(self.columns["words"].astype(np.int64))
        planned: list[tuple[str, int, int, Numbers, Numbers, list[tuple[int, int]]]] = []
        for number, split in enumerate(SPLITS):
            members = self.kept[self._split == number]
            if not len(members):
                continue
            first, second = self._rare_words(members, ends)
            order = np.lexsort((self.columns["title"][members], second, first))
            members, group = members[order], first[order]
            bits = max(round(np.log2(len(members) / SHARD)), 0)
            edges = _edges(group, bits)
            pieces = zip(np.split(members, edges), np.split(group, edges), strict=True)
            finer = max(round(np.log2(len(members) / WINDOW)), 0)
            planned += [
                (split, shard, 1 << bits, rows, words, _windows(words, finer))
                for shard, (rows, words) in enumerate(pieces)
            ]
        return [
            Shard(
                split, number, of, part, len(planned),
                self.columns["file"][rows], self.columns["offset"][rows], self.columns["size"][rows], group,
                self._recall[rows], windows,
            )
            for part, (split, number, of, rows, group, windows) in enumerate(planned)
        ]  # fmt: skip

    def _rare_words(self, members: Numbers, ends: Numbers) -> tuple[Numbers, Numbers]:
        lengths = self.columns["words"][members].astype(np.int64)
        starts = np.cumsum(lengths) - lengths
        places = np.arange(lengths.sum()) + np.repeat(ends[members] - lengths - starts, lengths)
        words = self._words[places]
        bucket = words & np.uint32(_BUCKETS - 1)
        frequency = np.bincount(bucket, minlength=_BUCKETS).astype(np.uint32)[bucket]
        # Shared by enough, the rarer the better; else the commoner the better.
        rarity = np.where(frequency >= _SHARED_BY, frequency, (1 << 31) - frequency.astype(np.int64)).astype(np.uint64)
        score = rarity << np.uint64(32) | words
        first = np.minimum.reduceat(score, starts)
        score[score == np.repeat(first, lengths)] = np.iinfo(np.uint64).max
        second = np.minimum.reduceat(score, starts)
        low = np.uint64(0xFFFFFFFF)
        return first & low, second & low


def _edges(sorted_words: Numbers, bits: int) -> Numbers:
    """Where the equal ranges of the words' 32-bit hash begin, the first one left out."""
    return np.searchsorted(sorted_words, np.arange(1, 1 << bits, dtype=np.uint64) << np.uint64(32 - bits))


def _windows(sorted_words: Numbers, bits: int) -> list[tuple[int, int]]:
    ends = [0, *_edges(sorted_words, bits).tolist(), len(sorted_words)]
    return [(start, stop) for start, stop in pairwise(ends) if stop > start]


def _repeated(*columns: Numbers) -> Numbers:
    """Marks every row whose values stood in an earlier row."""
    order = np.lexsort((np.arange(len(columns[0])), *columns))
    same = np.ones(max(len(order) - 1, 0), dtype=bool)
    for column in columns:
        same &= column[order][1:] == column[order][:-1]
    marked = np.zeros(len(order), dtype=bool)
    marked[order[1:]] = same
    return marked
