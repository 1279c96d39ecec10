"""Reads a product catalogue from every container, cleans a product, and counts every drop by its reason."""

from __future__ import annotations

from amazon_titles.catalog.download import download
from amazon_titles.catalog.filters import key_hash, text_key
from amazon_titles.catalog.products import Counts, Product, Reader
from amazon_titles.catalog.sources import Source, open_source

__all__ = ["Counts", "Product", "Reader", "Source", "download", "key_hash", "open_source", "text_key"]
