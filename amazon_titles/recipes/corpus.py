"""What can be known of a dataset without loading it: its splits, its columns, its size and how its rows begin and end.

Works on a folder and on the Hub alike, through `fsspec`: the README's `configs`, the Parquet footers, and a sample of
the text column.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

# Rows whose text is read; what is measured on them is scaled to all rows.
_SAMPLE_ROWS = 4_000


@dataclass(frozen=True, slots=True)
class Corpus:
    """One split of one config of a dataset.

    Attributes:
        rows: How many rows it has.
        columns: Arrow types by name, as texts.
        newer: Whether its Parquet carries schema metadata that AutoTrain's `datasets` 3.2 cannot read.
        bytes_per_row: UTF-8 bytes of the text column, mean over the sample; 0 where that is no text column.
        sample: The first texts.
        report: The dataset's `report.json`; empty where there is none.
    """

    rows: int
    columns: Mapping[str, str]
    newer: bool
    bytes_per_row: float
    sample: tuple[str, ...]
    report: Mapping[str, Any]

    @property
    def size(self) -> int:
        """UTF-8 bytes of text in all rows, as estimated from the sample (exact where the sample is everything)."""
        return round(self.rows * self.bytes_per_row)


class CorpusError(Exception):
    """The dataset has no such config, split or file; the message is the end of a sentence."""


def look(path: str | Path, config: str | None, split: str, column: str, *, filesystem: Any = None) -> Corpus:  # noqa: ANN401
    """Looks at one split.

    Args:
        path: A dataset folder; with a `HfFileSystem`, `datasets/USER/NAME`.
        config: The config, such as `text-llama3`; None for the default one.
        split: `train`, `validation` or `test`.
        column: The text column.
        filesystem: An `fsspec` file system; this machine's by default.

    Raises:
        CorpusError: It is not there.
        OSError: It cannot be read.
    """
    if filesystem is None:
        # fsspec comes with huggingface_hub.
        from fsspec.implementations.local import LocalFileSystem  # type: ignore[import-untyped]

        filesystem = LocalFileSystem()
    root = str(path).rstrip("/")
    files = _files(filesystem, root, config, split)
    return _measure(filesystem, files, column, _report(filesystem, root))


def _report(filesystem: Any, root: str) -> Mapping[str, Any]:  # noqa: ANN401
    try:
        report = json.loads(filesystem.cat_file(f"{root}/report.json"))
    except (OSError, ValueError):
        return {}
    return report if isinstance(report, dict) else {}


def _files(filesystem: Any, root: str, config: str | None, split: str) -> list[str]:  # noqa: ANN401
    """The Parquet files of the split, as the README's `configs` name them."""
    try:
        card = filesystem.cat_file(f"{root}/README.md").decode("utf-8", "replace")
        meta = yaml.safe_load(card.split("---", 2)[1]) if card.startswith("---") else {}
    except (OSError, yaml.YAMLError):
        meta = {}
    configs = [entry for entry in (meta or {}).get("configs") or [] if isinstance(entry, dict)]
    if config is None and not configs:
        # Two levels, not `**`: a path such as `/` is somebody's slip.
        found = [*filesystem.glob(f"{root}/{split}*.parquet"), *filesystem.glob(f"{root}/*/{split}*.parquet")]
        if not found:
            raise CorpusError(f"has no Parquet file of the split {split}")
        return sorted(found)
    names = [str(entry.get("config_name")) for entry in configs]
    chosen = next(
        (e for e in configs if (e.get("default") if config is None else e.get("config_name") == config)), None
    )
    if chosen is None:
        raise CorpusError(f"has no config {config or 'by default'}; it has {', '.join(names) or 'none'}")
    splits = {
        str(entry.get("split")): entry.get("path")
        for entry in chosen.get("data_files") or []
        if isinstance(entry, dict)
    }
    if split not in splits:
        raise CorpusError(f"has no split {split} in {chosen.get('config_name')}; it has {', '.join(splits) or 'none'}")
    named = splits[split]
    patterns = [str(pattern) for pattern in named] if isinstance(named, list) else [str(named)]
    files = sorted(found for pattern in patterns for found in filesystem.glob(f"{root}/{pattern}"))
    if not files:
        raise CorpusError(f"has no file {', '.join(patterns)}")
    return [file for file in files if file.endswith(".parquet")]


def _measure(filesystem: Any, files: list[str], column: str, report: Mapping[str, Any]) -> Corpus:  # noqa: ANN401
    # pyarrow costs 0.1 s to import.
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows, taken, size = 0, 0, 0
    columns: dict[str, str] = {}
    newer = False
    sample: list[str] = []
    for file in files:
        with filesystem.open(file, "rb") as stream, pq.ParquetFile(stream) as table:
            rows += table.metadata.num_rows
            schema = table.schema_arrow
            columns = columns or {field.name: str(field.type) for field in schema}
            newer = newer or b'"List"' in (schema.metadata or {}).get(b"huggingface", b"")
            if columns.get(column) not in ("string", "large_string"):
                continue
            for batch in table.iter_batches(batch_size=1_000, columns=[column]) if taken < _SAMPLE_ROWS else ():
                texts = batch.column(0).drop_null()
                size += sum(len(text) for text in texts.cast(pa.large_binary()).to_pylist())
                sample += texts.slice(0, 200 - len(sample)).to_pylist() if len(sample) < 200 else []
                taken += len(batch)
                if taken >= _SAMPLE_ROWS:
                    break
    return Corpus(rows, columns, newer, size / taken if taken else 0.0, tuple(sample), report)
