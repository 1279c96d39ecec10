"""Reads the Parquet files of a dataset folder."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from amazon_titles.errors import InputError

# Rows read at once, to be cut into batches: 256 at once, reading a catalogue takes several times as long.
_AT_ONCE = 1 << 14


def read_shards(files: Iterable[Path], schema: pa.Schema, size: int) -> Iterator[pa.RecordBatch]:
    """The rows of a dataset's Parquet files in batches, with these columns, of which `related` alone may lack a value.

    Raises:
        InputError: A file is damaged, or is none of a dataset.
    """
    for path in files:
        try:
            with pq.ParquetFile(path) as file:
                for batch in file.iter_batches(_AT_ONCE // size * size, columns=schema.names):
                    if empty := [name for name in schema.names if name != "related" and batch[name].null_count]:
                        raise KeyError(f"a row has no {empty[0]}")
                    rows = batch.select(schema.names).cast(schema)
                    yield from (rows.slice(start, size) for start in range(0, rows.num_rows, size))
        except (pa.ArrowException, KeyError, OSError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            said = f"{path} is no Parquet file of a dataset, or a damaged one: {reason}"
            raise InputError(said, hint="Build the dataset again: amazon-titles build SOURCE --out DIR") from None
