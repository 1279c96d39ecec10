"""First pass: rows are read, cleaned and put aside on disk; in memory stay some numbers of each.

What is put aside is a record of a product's fields with a separator that cleaning has removed from them. Each worker
appends to a file of its own; a record is found again by its file, offset and size.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np

from amazon_titles.catalog import BadLine, Batch, Counts, Product, Reader, key_hash
from amazon_titles.catalog.filters import hash64

Numbers = np.ndarray[Any, np.dtype[Any]]

_SEPARATOR = "\x1f"
_WORDS = 12
# Of UTF-8 every byte above ASCII is part of a word.
_NO_WORD = bytes(code if code > 127 or chr(code).isalnum() else 32 for code in range(256))


@dataclass(slots=True)
class BlockStats:
    """What one block of lines gave.

    Attributes:
        counts: Where its rows went.
        bad: Its bad lines, numbered from 1 within the block.
        lines: Its lines.
        columns: By name, an array with a number a product: `title`, `content`, `uid` (64-bit hashes), `title_chars`,
            `content_chars`, `words` (how many of `BlockStats.words` are its), and where its record is: `file` (the id
            of the worker's process), `offset` and `size` in bytes.
        words: CRC-32 of the distinct words of every title, one title after the other.
    """

    counts: Counts
    bad: list[BadLine]
    lines: int
    columns: dict[str, Numbers]
    words: Numbers


class Extractor:
    """Reads blocks of lines, cleans their products, and puts them aside.

    Args:
        reader: How rows are read.
        scratch: Folder of the records.
    """

    def __init__(self, reader: Reader, scratch: Path) -> None:
        self._reader = reader
        self._file = (scratch / str(os.getpid())).open("ab")

    def __call__(self, batch: Batch) -> BlockStats:
        """What one block gave."""
        counts, products, lines = Counts(), list[Product](), 1
        if batch.too_long:
            counts.bad_lines["too_long"] += 1
            bad = [BadLine(1, "too_long", "longer than 16 MiB", batch.data.decode(errors="replace"))]
        else:
            products, bad = self._reader.read(batch.data, counts)
            lines = batch.data.count(b"\n")
        records = [to_record(product) for product in products]
        words = [_words(product.title) for product in products]
        size = np.array([len(record) for record in records], dtype=np.uint32)
        columns: dict[str, Numbers] = {
            "title": np.array([key_hash(product.title) for product in products], dtype=np.uint64),
            "content": np.array([key_hash(product.content) for product in products], dtype=np.uint64),
            "uid": np.array([hash64(product.uid.encode(errors="replace")) for product in products], dtype=np.uint64),
            "title_chars": np.array([len(product.title) for product in products], dtype=np.uint16),
            "content_chars": np.array([len(product.content) for product in products], dtype=np.uint32),
            "words": np.array([len(found) for found in words], dtype=np.uint8),
            "file": np.full(len(products), os.getpid(), dtype=np.uint32),
            "offset": self._file.tell() + np.cumsum(size, dtype=np.int64) - size,
            "size": size,
        }
        self._file.writelines(records)
        self._file.flush()
        flat = np.array([word for found in words for word in found], dtype=np.uint32)
        return BlockStats(counts, bad, lines, columns, flat)


def to_record(product: Product) -> bytes:
    """A product as it is put aside."""
    fields = (product.uid, product.title, product.content, " ".join(product.related))
    return _SEPARATOR.join(fields).encode(errors="replace")


def from_record(record: bytes) -> Product:
    """The product of a record."""
    uid, title, content, related = record.decode().split(_SEPARATOR)
    return Product(uid, title, content, tuple(related.split()))


def _words(title: str) -> list[int]:
    found = set(title.lower().encode(errors="replace").translate(_NO_WORD).split())
    return sorted(map(crc32, found))[:_WORDS] or [0]
