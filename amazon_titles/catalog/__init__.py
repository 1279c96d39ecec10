"""Reads a product catalogue from every container, cleans a product, and counts every drop by its reason."""

from __future__ import annotations

from amazon_titles.catalog.download import download
from amazon_titles.catalog.filters import key_hash, text_key
from amazon_titles.catalog.origin import Origin, origin_of
from amazon_titles.catalog.products import Counts, Product, Reader
from amazon_titles.catalog.rows import BadLine
from amazon_titles.catalog.sources import Batch, Source, open_source

__all__ = [
    "BadLine", "Batch", "Counts", "Origin", "Product", "Reader", "Source", "download", "key_hash", "open_source",
    "origin_of", "text_key",
]  # fmt: skip
