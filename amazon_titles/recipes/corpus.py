"""What can be known of a dataset without loading it: its splits, its columns, its size and how its rows begin and end.

Works on a folder and on the Hub alike, through `fsspec`: Parquet, CSV and JSON lines, and a sample of the text column.
"""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amazon_titles.errors import InputError
from amazon_titles.io import is_local, read_object

# Rows whose text is read; what is measured on them is scaled to all rows.
_MEASURED_ROWS, _SAMPLE = 4_000, 200
_BLOCK = 1 << 26  # bytes of CSV or JSON that are parsed at once
TEXTS = ("string", "large_string")
"""Arrow's names of texts."""


@dataclass(frozen=True, slots=True)
class Corpus:
    """One split of one config of a dataset.

    Attributes:
        rows: How many rows it has.
        columns: Their names.
        kind: Arrow's type of the text column; "" where there is no such column.
        newer: Whether its Parquet carries schema metadata that AutoTrain's `datasets` 3.2 cannot read.
        size: UTF-8 bytes of the text column in all rows, estimated from the first ones.
        sample: The first texts; none where the column is no text.
        report: The dataset's `report.json`; empty where there is none.
    """

    rows: int
    columns: tuple[str, ...]
    kind: str
    newer: bool
    size: int
    sample: tuple[str, ...]
    report: Mapping[str, Any]


class CorpusError(InputError):
    """The dataset has no such config or split.

    Args:
        path: Its folder or Hub id.
        lacks: The end of the sentence.
    """

    def __init__(self, path: str, lacks: str) -> None:
        super().__init__(f"The dataset {path} {lacks}.", hint="See what it has: amazon-titles check RECIPE")
        self.lacks = lacks


def look(path: str, config: str, split: str, column: str) -> Corpus:
    """Looks at one split: its Parquet footers, or its lines, and the first of its texts.

    Args:
        path: A dataset folder, or a Hub id.
        config: The config, such as `text-llama3`; "" for none.
        split: `train`, `validation` or `test`.
        column: The text column.

    Raises:
        CorpusError: It is not there.
        Exception: It cannot be read: OSError and ValueError of a folder; the Hub's clients have no common class.
    """
    import pyarrow.compute as pc

    data = open_split(path, config, split)
    rows, size, sample = data.count_rows(), 0, []
    kind = str(data.schema.field(column).type) if column in data.schema.names else ""
    if kind in TEXTS:
        # One batch ahead: the rows may come from the Hub.
        read = data.head(_MEASURED_ROWS, columns=[column], batch_size=1_000, batch_readahead=1, fragment_readahead=1)
        texts = read[column].drop_null()
        size = round((pc.sum(pc.binary_length(texts)).as_py() or 0) / max(1, len(read)) * rows)
        sample = texts.slice(0, _SAMPLE).to_pylist()
    filesystem, root = _place(path)
    report = f"{root}/report.json"
    return Corpus(
        rows=rows,
        columns=tuple(data.schema.names),
        kind=kind,
        newer=b'"List"' in (data.schema.metadata or {}).get(b"huggingface", b""),
        size=size,
        sample=tuple(sample),
        report=read_object(filesystem.cat_file(report)) if filesystem.exists(report) else {},
    )


def open_split(path: str, config: str, split: str) -> Any:  # noqa: ANN401 - pyarrow has no types
    """The rows of one split, unread, as a `pyarrow.dataset.Dataset`.

    Of a config they are in `CONFIG/SPLIT-*.parquet`, as `build` and `push_to_hub` write them. Without one AutoTrain
    takes `SPLIT.csv`, else `SPLIT.jsonl`, else what `datasets` finds: files or a folder named after the split, and for
    `train` any.

    Args:
        path: A dataset folder, or a Hub id.
        config: The config; "" for none.
        split: The split.

    Raises:
        CorpusError: It is not there.
        Exception: As of `look`.
    """
    # pyarrow costs 0.1 s to import.
    import pyarrow.dataset as ds
    from pyarrow import csv, json

    filesystem, root = _place(path)
    # A row may be longer than a block, and a text may hold line breaks.
    parse, read = csv.ParseOptions(newlines_in_values=True), csv.ReadOptions(block_size=_BLOCK)
    formats = {
        "csv": ds.CsvFileFormat(parse, read_options=read),
        "jsonl": ds.JsonFileFormat(read_options=json.ReadOptions(block_size=_BLOCK)),
        "parquet": ds.ParquetFileFormat(),
    }
    stems = (split, f"*{split}*", f"data/*{split}*", f"{split}/*", *["*"] * (split == "train"))
    names = [f"{stem}.{ending}" for stem in stems for ending in formats]
    for name in [f"{config}/{split}-*.parquet"] if config else names:
        if files := sorted(filesystem.glob(f"{root}/{name}")):
            if name.endswith("jsonl") and filesystem.cat_file(files[0], end=3) == codecs.BOM_UTF8:
                raise ValueError(f"{files[0]} begins with a byte-order mark, on which AutoTrain's reader fails")
            # A folder by pyarrow itself: a thread that still reads ahead in Python when it ends aborts the process.
            system = None if is_local(path) else filesystem
            return ds.dataset(files, format=formats[name.rpartition(".")[2]], filesystem=system)
    configs = sorted({file.split("/")[-2] for file in filesystem.glob(f"{root}/*/*.parquet")})
    if config in configs:
        raise CorpusError(path, f"has no split {split} in {config}")
    missing = f"config {config}" if config else f"file {split}.csv, {split}.jsonl or {split}-*.parquet"
    raise CorpusError(
        path, f"has no {missing}; {'it has' if config else 'its configs:'} {', '.join(configs) or 'none'}"
    )


def _place(path: str) -> tuple[Any, str]:
    """The file system of a folder or a Hub id, and where it stands there. huggingface_hub costs 0.3 s to import."""
    if is_local(path):
        from fsspec.implementations.local import LocalFileSystem  # type: ignore[import-untyped]

        return LocalFileSystem(), Path(path).as_posix()
    from huggingface_hub import HfFileSystem

    return HfFileSystem(), f"datasets/{path}"
