"""A dataset folder: who may write where, the schemas of its Parquet, and writing and reading it with pyarrow alone."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from operator import attrgetter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from amazon_titles.catalog import Product
from amazon_titles.errors import InputError
from amazon_titles.io import FolderKind, read_object, shards

DATASET = FolderKind(
    command="build",
    doing="building",
    files=re.compile(
        r"README\.md|report\.json|lengths\.png"
        r"|(?:catalog|chat|text-[\w-]+)/(?:train|validation|test)-\d{5}-of-\d{5}\.parquet"
    ),
    marks=("report.json",),
    hint="Choose another --out, or move what is there away.",
)
"""A dataset folder, which the next build into it replaces."""

_TEXT = pa.string()
_MESSAGES = pa.list_(pa.struct({"role": _TEXT, "content": _TEXT}))
CHAT = pa.schema({"uid": _TEXT, "task": _TEXT, "language": _TEXT, "messages": _MESSAGES})
TEXT = pa.schema({"uid": _TEXT, "text": _TEXT})
CATALOG = pa.schema({"uid": _TEXT, "title": _TEXT, "content": _TEXT, "related": pa.list_(_TEXT)})


def require_apart(target: Path, *read: str | Path | None) -> None:
    """Refuses to replace what the build itself reads.

    Args:
        target: The folder to make.
        read: Files, or addresses of such.

    Raises:
        InputError: One of them lies in the folder, or is the list of refused lines beside it.
    """
    for path in (Path(given).resolve() for given in read if given is not None):
        within = target.exists() and any(folder.exists() and folder.samefile(target) for folder in path.parents)
        if within or path == rejected(target).resolve():
            raise InputError(
                f"{path.name} is to be read, and {target} is where it lies and would be replaced.",
                hint="Choose another --out, or move the file away.",
            )


def rejected(target: Path) -> Path:
    """Where the lines are listed that hold no product: beside the folder."""
    return target.parent / f"{target.name}.rejected.jsonl"


def require_same_source(target: Path, name: str, **known: object) -> None:
    """Refuses to replace a dataset that was made from something else: of another name, and with other bytes.

    A catalogue that was mended or has grown keeps its name, and one that was moved or renamed its bytes.

    Args:
        target: The folder to make.
        name: Of the source.
        **known: Its `bytes` or its `sha256`, as a report has them; None where that is not known yet.

    Raises:
        InputError: The dataset that stands there has another source.
    """
    report = target / "report.json"
    if not report.is_file():
        return
    source = read_object(report).get("source") or {}
    other = any(value is not None and source.get(key) != value for key, value in known.items())
    if other and (source.get("name") != name or name == "stdin"):  # what comes through a pipe has no name
        made = f"something else, {source['name']}" if source else "nobody knows what: its report is damaged"
        raise InputError(
            f"{target} is a dataset that was made from {made}.", hint="Choose another --out, or replace it: --force"
        )


def table(rows: Sequence[Any], schema: pa.Schema) -> pa.Table:
    """Products or conversations as a table: its columns are their attributes of the same names."""
    return pa.table({name: list(map(attrgetter(name), rows)) for name in schema.names}, schema=schema)


def open_parquet(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    """Writes Parquet that datasets 3.2 and 5 load, the Dataset Viewer can page and the Hub deduplicates.

    Without the `huggingface` schema metadata, which datasets 3.2 cannot read when a later version wrote it. With a page
    index, so that the viewer reads a page and not a row group; chunked by content, so that a later version of the
    dataset uploads only what changed. zstd's first level: the third takes twice as long for 7 % fewer bytes.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    return pq.ParquetWriter(
        path, schema, compression="zstd", compression_level=1,
        use_dictionary=["task", "language", "messages.list.element.role"],
        write_statistics=["uid", "task", "language"], write_page_index=True,
        use_content_defined_chunking={"min_chunk_size": 64 << 10, "max_chunk_size": 256 << 10},
    )  # fmt: skip


def _rows(folder: str | Path, config: str, split: str) -> Iterator[dict[str, Any]]:
    files = shards(folder, config, split)
    if not files:
        raise InputError(
            f"{folder} holds no {config}/{split}-*.parquet.",
            hint="Make a dataset with: amazon-titles build SOURCE --out DIR",
        )
    for path in files:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=1024):
                yield from batch.to_pylist()


def read_catalog(folder: str | Path) -> Iterator[Product]:
    """Yields the products of a dataset folder, of every split.

    Raises:
        InputError: It is not a dataset folder.
    """
    for row in _rows(folder, "catalog", "train"):
        yield Product(row["uid"], row["title"], row["content"], tuple(row["related"]))


def read_messages(folder: str | Path, split: str) -> Iterator[dict[str, Any]]:
    """Yields the chat rows of a split: `uid`, `task`, `language`, `messages`.

    Raises:
        InputError: It is not a dataset folder, or has no such split.
    """
    yield from _rows(folder, "chat", split)
