"""First pass: rows are read, cleaned and put aside on disk; in memory stay some numbers of each.

What is put aside is a record of a product's fields with a separator that cleaning has removed from them. Each worker
appends to a file of its own; a record is found again by its file, offset and size.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np

from amazon_titles.catalog import BadLine, Batch, Counts, Product, Reader, key_hash

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
        file: Number of the file that holds its records: the worker's process id.
        offset: Where they start in it.
        columns: By name, an array with a number a product: `title`, `content`, `uid` (64-bit hashes), `title_chars`,
            `content_chars`, `size` (bytes of the record), `words` (how many of `Sheaf.words` are its).
        words: CRC-32 of the distinct words of every title, one title after the other.
    """

    counts: Counts
    bad: list[BadLine]
    lines: int
    file: int
    offset: int
    columns: dict[str, Numbers]
    words: Numbers


class _Worker:
    def __init__(self, reader: Reader, spool: Path, labels: Path | None) -> None:
        self.reader = reader if labels is None else _with_labels(reader, labels)
        self.number = os.getpid()
        self.file = (spool / str(self.number)).open("ab")


_worker: _Worker | None = None


def setup(reader: Reader, spool: Path, labels: Path | None) -> None:
    """Opens this process's file; called once in each."""
    global _worker
    _worker = _Worker(reader, spool, labels)


def _with_labels(reader: Reader, labels: Path) -> Reader:
    from dataclasses import replace

    # Mapped, so that all processes share the one copy.
    return replace(reader, labels=np.load(labels, mmap_mode="r"))


def extract(batch: Batch) -> BlockStats:
    """Reads a block of lines, cleans its products, and puts them aside."""
    worker = _worker
    if worker is None:
        raise RuntimeError("setup() comes first")
    counts = Counts()
    if batch.too_long:
        counts.bad_lines["too_long"] += 1
        text = batch.data.decode(errors="replace")
        return _bind(worker, counts, [BadLine(1, "too_long", "longer than 16 MiB", text)], 1, [])
    data = batch.load()
    products, bad = worker.reader.read(data, 1, counts)
    return _bind(worker, counts, bad, data.count(b"\n"), products)


def _bind(worker: _Worker, counts: Counts, bad: list[BadLine], lines: int, products: list[Product]) -> BlockStats:
    records = [to_record(product) for product in products]
    words = [_words(product.title) for product in products]
    columns: dict[str, Numbers] = {
        "title": np.array([key_hash(product.title) for product in products], dtype=np.uint64),
        "content": np.array([key_hash(product.content) for product in products], dtype=np.uint64),
        "uid": np.array([_uid_hash(product.uid) for product in products], dtype=np.uint64),
        "title_chars": np.array([len(product.title) for product in products], dtype=np.uint16),
        "content_chars": np.array([len(product.content) for product in products], dtype=np.uint32),
        "size": np.array([len(record) for record in records], dtype=np.uint32),
        "words": np.array([len(found) for found in words], dtype=np.uint8),
    }
    offset = worker.file.tell()
    worker.file.write(b"".join(records))
    worker.file.flush()
    flat = np.array([word for found in words for word in found], dtype=np.uint32)
    return BlockStats(counts, bad, lines, worker.number, offset, columns, flat)


def to_record(product: Product) -> bytes:
    """A product as it is put aside."""
    return _SEPARATOR.join((product.uid, product.title, product.content, " ".join(product.related))).encode(
        errors="replace"
    )


def from_record(record: bytes) -> Product:
    """The product of a record."""
    uid, title, content, related = record.decode().split(_SEPARATOR)
    return Product(uid, title, content, tuple(related.split()))


def _words(title: str) -> list[int]:
    found = set(title.lower().encode(errors="replace").translate(_NO_WORD).split())
    return sorted(map(crc32, found))[:_WORDS] or [0]


def _uid_hash(uid: str) -> int:
    return int.from_bytes(blake2b(uid.encode(errors="replace"), digest_size=8).digest(), "little")
