"""Reads a product catalogue from every container, cleans a product, and counts every drop by its reason."""

from __future__ import annotations

from amazon_titles.catalog.cleaning import key_hash
from amazon_titles.catalog.products import Counts, Product, read_products

__all__ = ["Counts", "Product", "key_hash", "read_products"]
