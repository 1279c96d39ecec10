"""The stream: a catalogue becomes splits, a Parquet folder, a card and a report."""

from __future__ import annotations

from amazon_titles.dataset.build import build_dataset
from amazon_titles.dataset.folder import BuildReport, read_catalog, read_messages
from amazon_titles.dataset.options import BuildOptions
from amazon_titles.dataset.plan import SPLITS, sampling_rank, split_of

__all__ = [
    "SPLITS", "BuildOptions", "BuildReport", "build_dataset", "read_catalog", "read_messages", "sampling_rank",
    "split_of",
]  # fmt: skip
