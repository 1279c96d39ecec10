"""First pass: rows are read, cleaned and put aside on disk; in memory stay some numbers of each.

Each worker appends the products to a file of its own; one is found again by its file, offset and size.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

import msgspec
import numpy as np

from amazon_titles.catalog import Counts, Reader, key_hash
from amazon_titles.catalog.filters import hash64
from amazon_titles.catalog.products import BadLine

Numbers = np.ndarray[Any, np.dtype[Any]]

NUMBERS = np.dtype([
    ("title", "u8"), ("content", "u8"), ("uid", "u8"), ("title_chars", "u2"), ("content_chars", "u4"), ("words", "u1"),
    ("file", "u4"), ("offset", "i8"), ("size", "u4"),
])  # fmt: skip
"""What is known of a product: 64-bit hashes of its texts, their characters, how many of `BlockStats.words` are its, and
where it was put aside: in the file of the worker with this process id, at so many bytes, and how many it takes."""

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
        for product in products:
            record, found = msgspec.msgpack.encode(product), _words(product.title)
            hashes = key_hash(product.title), key_hash(product.content), hash64(product.uid.encode())
            chars = len(product.title), len(product.content)
            numbers.append((*hashes, *chars, len(found), os.getpid(), self._file.tell(), len(record)))
            words += found
            self._file.write(record)
        self._file.flush()
        lines = block.count(b"\n") + (not block.endswith(b"\n"))
        return BlockStats(counts, bad, lines, np.array(numbers, NUMBERS), np.array(words, np.uint32))


def _words(title: str) -> list[int]:
    found = set(title.lower().encode().translate(_NO_WORD).split())
    return sorted(map(crc32, found))[:_WORDS] or [0]
