"""Second pass: a shard's products are read back and become its Parquet files."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import accumulate
from operator import itemgetter
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import pyarrow as pa

from amazon_titles.catalog import Product, key_hash
from amazon_titles.conversations import Conversation, MixtureConfig, build_examples
from amazon_titles.dataset import tables
from amazon_titles.dataset.extract import from_record
from amazon_titles.dataset.plan import Shard
from amazon_titles.errors import InputError
from amazon_titles.templates import get_template

ROW_GROUP = 4096
"""Products of a row group, at least: some 12 MB of text, through which the Dataset Viewer pages by the index."""


@dataclass(frozen=True, slots=True)
class Job:
    """What every shard of a build has in common.

    Attributes:
        spool: Folder of the records.
        titles: File of all titles' hashes, sorted.
        out: The dataset folder.
        mix: Which rows products become.
        general: Rows that are of no product, and the window they go to: by shard (`Shard.part`), and by the window's
            first product.
        render: Chat templates of the `text-…` configs.
    """

    spool: Path
    titles: Path
    out: Path
    mix: MixtureConfig
    general: dict[int, dict[int, list[Conversation]]]
    render: tuple[str, ...]


_job: Job | None = None
_titles: Any = None


def setup(job: Job) -> None:
    """Opens what all shards need; called once in each process."""
    global _job, _titles
    _job, _titles = job, np.load(job.titles, mmap_mode="r")


def is_title(text: str) -> bool:
    """Whether some product of the source has this title."""
    value = np.uint64(key_hash(text))
    place = int(np.searchsorted(_titles, value))
    return place < len(_titles) and bool(_titles[place] == value)


def write_shard(shard: Shard) -> dict[str, int]:
    """Writes a shard's files of every config.

    Returns:
        Rows by task.
    """
    job = _job
    if job is None:
        raise RuntimeError("setup() comes first")
    products = _read(job.spool, shard)
    groups, recall = shard.group.tolist(), shard.recall.tolist()
    name = f"{shard.split}-{shard.number:05}-of-{shard.of:05}.parquet"
    templates = [get_template(template) for template in job.render]
    tasks: Counter[str] = Counter()
    general = job.general.get(shard.part, {})
    with ExitStack() as stack:
        catalog = _open(
            stack, job.out / "catalog" / f"train-{shard.part:05}-of-{shard.parts:05}.parquet", tables.CATALOG
        )
        chat = _open(stack, job.out / "chat" / name, tables.CHAT)
        texts = [_open(stack, job.out / f"text-{template.name}" / name, tables.TEXT) for template in templates]
        for windows in _row_groups(shard.windows):
            rows = [
                row
                for start, stop in windows
                for row in _mixed(
                    [*_rows(products, groups, recall, start, stop, job.mix), *enumerate(general.get(start, ()))],
                    job.mix.seed,
                )
            ]
            tasks.update(row.task for row in rows)
            catalog.write(tables.catalog(products[windows[0][0] : windows[-1][1]]))
            chat.write(tables.chat(rows))
            for template, writer in zip(templates, texts, strict=True):
                writer.write(tables.text(rows, template))
    return dict(tasks)


def _open(stack: ExitStack, path: Path, schema: pa.Schema) -> tables.Writer:
    return stack.enter_context(tables.Writer(path, schema))


def _row_groups(windows: Sequence[tuple[int, int]]) -> Iterator[list[tuple[int, int]]]:
    group: list[tuple[int, int]] = []
    for window in windows:
        group.append(window)
        if window[1] - group[0][0] >= ROW_GROUP:
            yield group
            group = []
    if group:
        yield group


def spread(rows: Sequence[Conversation], tasks: Sequence[Shard], seed: int) -> dict[int, dict[int, list[Conversation]]]:
    """Rows that are of no product, over the windows of the train split: which is decided by a hash of the row's name.

    Raises:
        InputError: No product is in the train split.
    """
    windows = [(shard.part, start, stop) for shard in tasks if shard.split == "train" for start, stop in shard.windows]
    if rows and not windows:
        raise InputError(
            "No product is left to train on.", hint="Take a larger catalogue, or less for validation and test."
        )
    ends = list(accumulate(stop - start for _, start, stop in windows))
    found: dict[int, dict[int, list[Conversation]]] = {}
    for row in rows:
        part, start, _ = windows[bisect_right(ends, crc32(f"{seed} {row.uid}".encode()) % ends[-1])]
        found.setdefault(part, {}).setdefault(start, []).append(row)
    return found


def _rows(
    products: Sequence[Product],
    groups: list[int],
    recall: list[bool],
    start: int,
    stop: int,
    mix: MixtureConfig,
) -> Iterator[tuple[int, Conversation]]:
    """The rows of a window's products, each with its number among those of its product."""
    silent = replace(mix, phrasings=0)
    for index in range(start, stop):
        own = mix if recall[index] else silent
        yield from enumerate(build_examples(products[index], _similar(products, groups, index), own, is_title))


def _mixed(numbered: Sequence[tuple[int, Conversation]], seed: int) -> list[Conversation]:
    """Rows in the order of a hash: the same row in the same place when others come or go."""
    rows = [(crc32(f"{seed} {number} {row.uid}".encode(errors="replace")), row) for number, row in numbered]
    rows.sort(key=itemgetter(0))
    return [row for _, row in rows]


def _similar(products: Sequence[Product], groups: list[int], index: int) -> list[Product]:
    """The four products that stand nearest to one, those of its own group first."""
    low, high = max(index - 2, 0), min(index + 3, len(products))
    own = groups[index]
    if groups[low] == own == groups[high - 1] and high - low == 5:
        return [products[low], products[low + 1], products[index + 1], products[index + 2]]
    near = [i for i in range(max(index - 4, 0), min(index + 5, len(products))) if i != index]
    near.sort(key=lambda i: (groups[i] != own, abs(i - index)))
    return [products[i] for i in near[:4]]


def _read(spool: Path, shard: Shard) -> list[Product]:
    products: list[Product] = []
    files: dict[int, int] = {}
    try:
        rows = zip(shard.file.tolist(), shard.offset.tolist(), shard.size.tolist(), strict=True)
        for file, offset, size in rows:
            if file not in files:
                files[file] = os.open(spool / str(file), os.O_RDONLY)
            products.append(from_record(os.pread(files[file], size, offset)))
    finally:
        for descriptor in files.values():
            os.close(descriptor)
    return products
