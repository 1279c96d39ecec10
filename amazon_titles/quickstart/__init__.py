"""The full pipeline on this machine."""

from __future__ import annotations

from amazon_titles.quickstart.base import make_base
from amazon_titles.quickstart.story import QuickstartResult, quickstart

__all__ = ["QuickstartResult", "make_base", "quickstart"]
