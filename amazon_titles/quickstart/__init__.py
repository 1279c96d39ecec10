"""The whole story on a laptop, offline."""

from __future__ import annotations

from amazon_titles.quickstart.base import make_base
from amazon_titles.quickstart.story import PRODUCTS, QuickstartResult, quickstart

__all__ = ["PRODUCTS", "QuickstartResult", "make_base", "quickstart"]
