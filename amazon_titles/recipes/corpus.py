"""What can be known of a dataset without loading it: its splits, its columns, its size and how its rows begin and end.

Works on a folder and on the Hub alike, through `fsspec`: the Parquet footers, and a sample of the text column.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from amazon_titles.io import is_local, read_object

# Rows whose text is read; what is measured on them is scaled to all rows.
_MEASURED_ROWS, _SAMPLE = 4_000, 200


@dataclass(frozen=True, slots=True)
class Corpus:
    """One split of one config of a dataset.

    Attributes:
        rows: How many rows it has.
        columns: Their names.
        newer: Whether its Parquet carries schema metadata that AutoTrain's `datasets` 3.2 cannot read.
        size: UTF-8 bytes of the text column in all rows, estimated from the first ones.
        sample: The first texts; none where the column is no text.
        report: The dataset's `report.json`; empty where there is none.
    """

    rows: int
    columns: tuple[str, ...]
    newer: bool
    size: int
    sample: tuple[str, ...]
    report: Mapping[str, Any]


class CorpusError(Exception):
    """The dataset has no such config or split; the message is the end of a sentence."""


def look(path: str, config: str, split: str, column: str) -> Corpus:
    """Looks at one split, whose files are `CONFIG/SPLIT-*.parquet`, as `build` and `push_to_hub` write them.

    Args:
        path: A dataset folder, or a Hub id.
        config: The config, such as `text-llama3`.
        split: `train`, `validation` or `test`.
        column: The text column.

    Raises:
        CorpusError: It is not there.
        Exception: It cannot be read: OSError and ValueError of a folder; the Hub's clients have no common class.
    """
    # pyarrow costs 0.1 s to import, huggingface_hub 0.3 s; fsspec comes with the latter.
    import pyarrow.compute as pc
    import pyarrow.dataset as ds

    if is_local(path):
        from fsspec.implementations.local import LocalFileSystem as FileSystem  # type: ignore[import-untyped]
    else:
        from huggingface_hub import HfFileSystem as FileSystem

    filesystem, root = FileSystem(), path.rstrip("/") if is_local(path) else f"datasets/{path}"
    files = sorted(filesystem.glob(f"{root}/{config}/{split}-*.parquet"))
    if not files:
        configs = sorted({file.split("/")[-2] for file in filesystem.glob(f"{root}/*/*.parquet")})
        if config in configs:
            raise CorpusError(f"has no split {split} in {config}")
        raise CorpusError(f"has no config {config}; it has {', '.join(configs) or 'none'}")
    data = ds.dataset(files, format="parquet", filesystem=filesystem)
    rows, size, sample = data.count_rows(), 0, []
    if column in data.schema.names and str(data.schema.field(column).type) in ("string", "large_string"):
        # One batch ahead: the rows may come from the Hub.
        read = data.head(_MEASURED_ROWS, columns=[column], batch_size=1_000, batch_readahead=1, fragment_readahead=1)
        texts = read[column].drop_null()
        size = round((pc.sum(pc.binary_length(texts)).as_py() or 0) / max(1, len(read)) * rows)
        sample = texts.slice(0, _SAMPLE).to_pylist()
    report = f"{root}/report.json"
    return Corpus(
        rows=rows,
        columns=tuple(data.schema.names),
        newer=b'"List"' in (data.schema.metadata or {}).get(b"huggingface", b""),
        size=size,
        sample=tuple(sample),
        report=read_object(filesystem.cat_file(report)) if filesystem.exists(report) else {},
    )
