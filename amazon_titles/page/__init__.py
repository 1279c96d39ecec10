"""The page that people see: one question, the answers before and after, their sources, and the evidence."""

from __future__ import annotations

from amazon_titles.page.server import DEFAULT_MODEL, require_gradio, serve

__all__ = ["DEFAULT_MODEL", "require_gradio", "serve"]
