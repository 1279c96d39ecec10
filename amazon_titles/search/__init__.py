"""Which products is this question about? A full-text index over a dataset's `catalog` config."""

from __future__ import annotations

from amazon_titles.search.index import CatalogIndex, Hit

__all__ = ["CatalogIndex", "Hit"]
