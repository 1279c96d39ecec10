"""The video: the real page in a real browser, driven by a script of captions."""

from __future__ import annotations

from amazon_titles.video.browser import browser
from amazon_titles.video.film import Film, make_video, read_questions

__all__ = ["Film", "browser", "make_video", "read_questions"]
