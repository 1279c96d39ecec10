"""The full pipeline on this machine."""

from __future__ import annotations

from amazon_titles.quickstart.base import GENERAL, make_base, write_general_rows
from amazon_titles.quickstart.story import quickstart

__all__ = ["GENERAL", "make_base", "quickstart", "write_general_rows"]
