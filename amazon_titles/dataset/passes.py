"""The two passes of a build: products are cleaned and put aside on disk, and a shard of them becomes its Parquet files.

Each worker appends the products to a file of its own; one is found again by its file, offset and size. In memory stay
some numbers of each.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import accumulate
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

import msgspec
import numpy as np
import pyarrow as pa

from amazon_titles.catalog import Counts, Product, Reader, key_hash
from amazon_titles.catalog.filters import hash64
from amazon_titles.catalog.products import BadLine
from amazon_titles.conversations import Conversation, GeneralRow, MixtureConfig, build_examples
from amazon_titles.dataset.folder import CATALOG, CHAT, TEXT, open_parquet, table
from amazon_titles.errors import InputError
from amazon_titles.templates import get_template

Numbers = np.ndarray[Any, np.dtype[Any]]

NUMBERS = np.dtype([
    ("title", "u8"), ("content", "u8"), ("uid", "u8"), ("title_chars", "u2"), ("content_chars", "u4"), ("words", "u1"),
    ("file", "u4"), ("offset", "i8"), ("size", "u4"),
])  # fmt: skip
"""What is known of a product: 64-bit hashes of its texts, their characters, how many of `BlockStats.words` are its, and
where it was put aside: in the file of the worker with this process id, at so many bytes, and how many it takes."""

ROW_GROUP = 4096
"""Products of a row group, at least: some 12 MB of text, through which the Dataset Viewer pages by the index."""

_WORDS = 12
# Of UTF-8 every byte above ASCII is part of a word.
_NO_WORD = bytes(code if code > 127 or chr(code).isalnum() else 32 for code in range(256))


class BlockStats(NamedTuple):
    """What one block of lines gave.

    Attributes:
        counts: Where its rows went.
        bad: Its bad lines, numbered from 1 within the block.
        lines: Its lines.
        products: Their `NUMBERS`.
        words: CRC-32 of the distinct words of every title, one title after the other.
    """

    counts: Counts
    bad: list[BadLine]
    lines: int
    products: Numbers
    words: Numbers


class Extractor:
    """Reads blocks of lines, cleans their products, and puts them aside.

    Args:
        reader: How rows are read.
        scratch: Folder of what is put aside.
    """

    def __init__(self, reader: Reader, scratch: Path) -> None:
        self._reader = reader
        self._file = (scratch / str(os.getpid())).open("ab")

    def __call__(self, block: bytes) -> BlockStats:
        """What one block gave."""
        counts, numbers, words = Counts(), list[tuple[int, ...]](), list[int]()
        products, bad = self._reader.read(block, counts)
        offset, worker = self._file.tell(), os.getpid()
        for product in products:
            record, found = msgspec.msgpack.encode(product), _words(product.title)
            hashes = key_hash(product.title), key_hash(product.content), hash64(product.uid.encode())
            chars = len(product.title), len(product.content)
            numbers.append((*hashes, *chars, len(found), worker, offset, len(record)))
            words += found
            offset += self._file.write(record)
        self._file.flush()
        lines = block.count(b"\n") + (not block.endswith(b"\n"))
        return BlockStats(counts, bad, lines, np.array(numbers, NUMBERS), np.array(words, np.uint32))


def _words(title: str) -> list[int]:
    found = set(title.lower().encode().translate(_NO_WORD).split())
    return sorted(map(crc32, found))[:_WORDS] or [0]


@dataclass(slots=True)
class Shard:
    """Products that are written together, similar ones side by side.

    Attributes:
        split: `train`, `validation` or `test`.
        file: Name of the files of its rows, in every config.
        products: Their `NUMBERS`.
        group: A number that neighbours share if a rare word of their titles is the same.
        recall: Of each product: whether it becomes recall rows.
        windows: First product and the one after the last of those whose rows are mixed: equal ranges of the words'
            hash, so that a product that comes or goes moves no other from window to window.
        general: Rows that are of no product, by the first product of the window that they go to.
        catalog_file: Name of the file of its products.
    """

    split: str
    file: str
    products: Numbers
    group: Sequence[int]
    recall: Numbers
    windows: list[tuple[int, int]]
    general: dict[int, list[Conversation]] = field(default_factory=dict)
    catalog_file: str = ""


class ShardWriter:
    """Writes a shard's files of every config.

    Args:
        scratch: Folder of the products that were put aside.
        titles: All titles' hashes, sorted.
        out: The dataset folder.
        mix: Which rows products become.
        render: Chat templates of the `text-…` configs.
    """

    def __init__(self, scratch: Path, titles: Numbers, out: Path, mix: MixtureConfig, render: Sequence[str]) -> None:
        self._scratch, self._titles, self._out = scratch, titles, out
        self._mix, self._templates = mix, [get_template(name) for name in render]

    def __call__(self, shard: Shard) -> Counter[str]:
        """Writes one shard; gives its rows by task."""
        products, tasks, begin, rows = put_aside(self._scratch, shard.products), Counter[str](), 0, list[Conversation]()
        files = [("catalog", shard.catalog_file, CATALOG), ("chat", shard.file, CHAT)]
        files += [(f"text-{template.name}", shard.file, TEXT) for template in self._templates]
        with ExitStack() as stack:
            catalog, chat, *texts = [
                stack.enter_context(open_parquet(self._out / config / file, schema)) for config, file, schema in files
            ]
            for start, stop in shard.windows:
                rows += self._rows(products, shard, start, stop)
                if stop - begin < ROW_GROUP and stop < len(products):
                    continue
                tasks.update(row.task for row in rows)
                catalog.write_table(table(products[begin:stop], CATALOG))
                chat.write_table(table(rows, CHAT))
                for template, text in zip(self._templates, texts, strict=True):
                    rendered = [template.training_text(row.messages) for row in rows]
                    text.write_table(pa.table({"uid": [row.uid for row in rows], "text": rendered}, schema=TEXT))
                begin, rows = stop, []
        return tasks

    def _rows(self, products: Sequence[Product], shard: Shard, start: int, stop: int) -> list[Conversation]:
        """A window's rows in the order of a hash: the same row in the same place when others come or go."""
        numbered: list[tuple[int, Conversation]] = []
        for index in range(start, stop):
            recall, similar = shard.recall[index], _similar(products, shard.group, index)
            rows = build_examples(products[index], similar, self._mix, self._is_title)
            numbered += enumerate(rows if recall else (row for row in rows if row.task != "recall"))
        numbered += enumerate(shard.general.get(start, ()))
        # The hash of "SEED NUMBER UID": of its beginning, which few numbers have, and then of the rest.
        begun = {number: crc32(f"{self._mix.seed} {number} ".encode()) for number in dict(numbered)}
        hashed = [(crc32(row.uid.encode(), begun[number]), row) for number, row in numbered]
        hashed.sort(key=itemgetter(0))
        return [row for _, row in hashed]

    def _is_title(self, text: str) -> bool:
        """Whether some product of the source has this title."""
        value = np.uint64(key_hash(text))
        place = np.searchsorted(self._titles, value)
        return bool(place < len(self._titles) and self._titles[place] == value)


def put_aside(scratch: Path, numbers: Numbers) -> list[Product]:
    """The products that were put aside in a folder, by their `NUMBERS`."""
    places = numbers[["file", "offset", "size"]].tolist()
    files = {name: np.memmap(scratch / str(name), np.uint8, "r").data for name in np.unique(numbers["file"]).tolist()}
    decode = msgspec.msgpack.Decoder(Product).decode
    return [decode(files[file][offset : offset + size]) for file, offset, size in places]


def spread(rows: Sequence[GeneralRow], shards: Sequence[Shard], seed: int) -> None:
    """Gives rows that are of no product to windows of the train split, named by their place: `general-00001`.

    A hash of the name decides to which window.

    Raises:
        InputError: No product is in the train split.
    """
    windows = [(shard, start, stop) for shard in shards if shard.split == "train" for start, stop in shard.windows]
    if rows and not windows:
        raise InputError("No product is left to train on.", hint="Lower validation and test, or take more products.")
    ends = list(accumulate(stop - start for _, start, stop in windows))
    for number, row in enumerate(rows, start=1):
        made = Conversation(f"general-{number:05}", "general", row.language, row.question, row.answer)
        shard, start, _ = windows[bisect_right(ends, crc32(f"{seed} {made.uid}".encode()) % ends[-1])]
        shard.general.setdefault(start, []).append(made)


def _similar(products: Sequence[Product], groups: Sequence[int], index: int) -> list[Product]:
    """The four products that stand nearest to one, those of its own group first."""
    low, high = max(index - 2, 0), min(index + 3, len(products))
    own = groups[index]
    if groups[low] == own == groups[high - 1] and high - low == 5:
        return [products[low], products[low + 1], products[index + 1], products[index + 2]]
    near = [i for i in range(max(index - 4, 0), min(index + 5, len(products))) if i != index]
    near.sort(key=lambda i: (groups[i] != own, abs(i - index)))
    return [products[i] for i in near[:4]]
