"""What can be known of a dataset without loading it: its splits, its columns, its size and how its rows begin and end.

Works on a folder and on the Hub alike, through `fsspec`: the README's `configs`, the Parquet footers, and a sample of
the text column.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from amazon_titles.io import is_local, read_object

# Rows whose text is read; what is measured on them is scaled to all rows.
_MEASURED_ROWS, _SAMPLE = 4_000, 200


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


def look(path: str, config: str | None, split: str, column: str) -> Corpus:
    """Looks at one split.

    Args:
        path: A dataset folder, or a Hub id.
        config: The config, such as `text-llama3`; None for the default one.
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
    data = ds.dataset(_files(filesystem, root, config, split), format="parquet", filesystem=filesystem)
    columns = {field.name: str(field.type) for field in data.schema}
    size, sample, taken = 0, [], 0
    if columns.get(column) in ("string", "large_string"):
        # One batch ahead: the rows may come from the Hub.
        rows = data.head(_MEASURED_ROWS, columns=[column], batch_size=1_000, batch_readahead=1, fragment_readahead=1)
        texts, taken = rows[column].drop_null(), len(rows)
        size, sample = pc.sum(pc.binary_length(texts)).as_py() or 0, texts.slice(0, _SAMPLE).to_pylist()
    return Corpus(
        rows=data.count_rows(),
        columns=columns,
        newer=b'"List"' in (data.schema.metadata or {}).get(b"huggingface", b""),
        bytes_per_row=size / taken if taken else 0.0,
        sample=tuple(sample),
        report=read_object(_read(filesystem, f"{root}/report.json")),
    )


def _read(filesystem: Any, path: str) -> bytes:  # noqa: ANN401
    """A file; nothing where it is not there."""
    try:
        return bytes(filesystem.cat_file(path))
    except OSError:
        return b""


def _files(filesystem: Any, root: str, config: str | None, split: str) -> list[str]:  # noqa: ANN401
    """The Parquet files of the split, as the README's `configs` name them."""
    card = _read(filesystem, f"{root}/README.md").decode("utf-8", "replace")
    try:
        meta = yaml.safe_load(card.split("---", 2)[1]) if card.startswith("---") else {}
    except yaml.YAMLError:
        meta = {}
    listed = meta.get("configs") if isinstance(meta, dict) else None
    configs = {str(entry.get("config_name")): entry for entry in listed or [] if isinstance(entry, dict)}
    if config is None and not configs:
        # Two levels, not `**`: a path such as `/` is somebody's slip.
        patterns, missing = [f"{split}*.parquet", f"*/{split}*.parquet"], f"Parquet file of the split {split}"
    else:
        name = config or next((name for name, entry in configs.items() if entry.get("default")), "")
        if name not in configs:
            raise CorpusError(f"has no config {config or 'by default'}; it has {', '.join(configs) or 'none'}")
        files = configs[name].get("data_files") or []
        splits = {str(entry.get("split")): entry.get("path") for entry in files if isinstance(entry, dict)}
        if split not in splits:
            raise CorpusError(f"has no split {split} in {name}; it has {', '.join(splits) or 'none'}")
        named = splits[split]
        patterns = [str(pattern) for pattern in (named if isinstance(named, list) else [named])]
        missing = f"file {', '.join(patterns)}"
    found = sorted(found for pattern in patterns for found in filesystem.glob(f"{root}/{pattern}"))
    if not any(file.endswith(".parquet") for file in found):
        raise CorpusError(f"has no {missing}")
    return [file for file in found if file.endswith(".parquet")]
