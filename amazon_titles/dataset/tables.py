"""The Parquet of a dataset folder: schemas, rows as columns, and how it is written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from amazon_titles.catalog import Product
from amazon_titles.conversations import Conversation
from amazon_titles.templates import ChatTemplate

_MESSAGE = pa.struct([("role", pa.string()), ("content", pa.string())])
CHAT = pa.schema(
    [("uid", pa.string()), ("task", pa.string()), ("language", pa.string()), ("messages", pa.list_(_MESSAGE))]
)
TEXT = pa.schema([("uid", pa.string()), ("text", pa.string())])
CATALOG = pa.schema(
    [("uid", pa.string()), ("title", pa.string()), ("content", pa.string()), ("related", pa.list_(pa.string()))]
)


class Writer:
    """Writes Parquet that datasets 3.2 and 5 load, the Dataset Viewer can page and the Hub deduplicates.

    Without the `huggingface` schema metadata, which datasets 3.2 cannot read when a later version wrote it. With a page
    index, so that the viewer reads a page and not a row group; chunked by content, so that a later version of the
    dataset uploads only what changed. zstd's first level: the third takes twice as long for 7 % fewer bytes.
    """

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._writer = pq.ParquetWriter(
            path,
            schema,
            compression="zstd",
            compression_level=1,
            use_dictionary=["task", "language", "messages.list.element.role"],
            write_statistics=["uid", "task", "language"],
            write_page_index=True,
            use_content_defined_chunking={"min_chunk_size": 64 << 10, "max_chunk_size": 256 << 10},
        )

    def write(self, table: pa.Table) -> None:
        """Adds one row group."""
        self._writer.write_table(table, row_group_size=max(table.num_rows, 1))

    def close(self) -> None:
        """Writes the footer."""
        self._writer.close()

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def chat(rows: Sequence[Conversation]) -> pa.Table:
    """The rows of the config `chat`."""
    contents = [message["content"] for row in rows for message in row.messages]
    roles = [message["role"] for row in rows for message in row.messages]
    messages = pa.StructArray.from_arrays(
        [pa.array(roles, pa.string()), pa.array(contents, pa.string())], fields=list(_MESSAGE)
    )
    offsets = np.cumsum([0, *(len(row.messages) for row in rows)], dtype=np.int32)
    columns = [
        pa.array([row.uid for row in rows], pa.string()),
        pa.array([row.task for row in rows], pa.string()),
        pa.array([row.language for row in rows], pa.string()),
        pa.ListArray.from_arrays(pa.array(offsets), messages),
    ]
    return pa.Table.from_arrays(columns, schema=CHAT)


def text(rows: Sequence[Conversation], template: ChatTemplate) -> pa.Table:
    """The same rows rendered, for a config `text-…`."""
    rendered = [template.training_text(row.messages) for row in rows]
    return pa.Table.from_arrays(
        [pa.array([row.uid for row in rows], pa.string()), pa.array(rendered, pa.string())], schema=TEXT
    )


def catalog(products: Sequence[Product]) -> pa.Table:
    """The products themselves, for the config `catalog`."""
    columns = [
        pa.array([product.uid for product in products], pa.string()),
        pa.array([product.title for product in products], pa.string()),
        pa.array([product.content for product in products], pa.string()),
        pa.array([list(product.related) for product in products], pa.list_(pa.string())),
    ]
    return pa.Table.from_arrays(columns, schema=CATALOG)
