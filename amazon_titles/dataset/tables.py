"""The Parquet of a dataset folder: schemas, and how it is written."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

_MESSAGE = pa.struct([("role", pa.string()), ("content", pa.string())])
CHAT = pa.schema(
    [("uid", pa.string()), ("task", pa.string()), ("language", pa.string()), ("messages", pa.list_(_MESSAGE))]
)
TEXT = pa.schema([("uid", pa.string()), ("text", pa.string())])
CATALOG = pa.schema(
    [("uid", pa.string()), ("title", pa.string()), ("content", pa.string()), ("related", pa.list_(pa.string()))]
)


def open_writer(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    """A writer of Parquet that datasets 3.2 and 5 load, the Dataset Viewer can page and the Hub deduplicates.

    Without the `huggingface` schema metadata, which datasets 3.2 cannot read when a later version wrote it. With a page
    index, so that the viewer reads a page and not a row group; chunked by content, so that a later version of the
    dataset uploads only what changed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    return pq.ParquetWriter(
        path, schema, compression="zstd", compression_level=1, write_page_index=True, use_content_defined_chunking=True
    )
