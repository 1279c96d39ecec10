"""Second pass: a shard's products are read back and become its Parquet files."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from amazon_titles.catalog import Product, key_hash
from amazon_titles.conversations import Conversation, Mix, converse
from amazon_titles.dataset import tables
from amazon_titles.dataset.harvest import from_record
from amazon_titles.dataset.plan import Shard
from amazon_titles.templates import get_template

WINDOW = 1024
"""Products whose rows are mixed. Rows of one product, and rows that show it as a distractor, must not stand next to
each other: AutoTrain packs neighbours into one sequence, where each sees the ones before it."""

ROW_GROUP = 4
"""Windows of a row group: some 12 MB of text, which the Dataset Viewer pages through by the index within it."""


@dataclass(frozen=True, slots=True)
class Job:
    """What every shard of a build has in common.

    Attributes:
        spool: Folder of the records.
        titles: File of all titles' hashes, sorted.
        out: The dataset folder.
        mix: Which rows products become.
        render: Chat templates of the `text-…` configs.
    """

    spool: Path
    titles: Path
    out: Path
    mix: Mix
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
    name = f"{shard.split}-{shard.number:05}-of-{shard.of:05}.parquet"
    catalog = f"train-{shard.part:05}-of-{shard.parts:05}.parquet"
    with tables.Writer(job.out / "catalog" / catalog, tables.CATALOG) as writer:
        for start in range(0, len(products), 16 * WINDOW):
            writer.write(tables.catalog(products[start : start + 16 * WINDOW]))
    templates = [get_template(template) for template in job.render]
    chat = tables.Writer(job.out / "chat" / name, tables.CHAT)
    texts = [tables.Writer(job.out / f"text-{template.name}" / name, tables.TEXT) for template in templates]
    tasks: Counter[str] = Counter()
    groups = shard.group.tolist()
    with chat:
        for start in range(0, len(products), WINDOW * ROW_GROUP):
            rows: list[Conversation] = []
            for window in range(start, min(start + WINDOW * ROW_GROUP, len(products)), WINDOW):
                rows += _window(products, groups, window, shard, job.mix, is_title)
            tasks.update(row.task for row in rows)
            chat.write(tables.chat(rows))
            for template, writer in zip(templates, texts, strict=True):
                writer.write(tables.text(rows, template))
    for writer in texts:
        writer.close()
    return dict(tasks)


def _window(
    products: Sequence[Product], groups: list[int], start: int, shard: Shard, mix: Mix, known: Callable[[str], bool]
) -> list[Conversation]:
    rows = [
        row
        for index in range(start, min(start + WINDOW, len(products)))
        for row in converse(products[index], _similar(products, groups, index), mix, known)
    ]
    random.Random(f"{mix.seed} {shard.split} {shard.number} {start}").shuffle(rows)
    return rows


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
