"""The video: the real page in a real browser, driven by a script of captions."""

from __future__ import annotations

from amazon_titles.video.browser import browser, find_browser

__all__ = ["browser", "find_browser"]
