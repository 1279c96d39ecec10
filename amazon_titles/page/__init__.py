"""The page that people see: one question, the answers before and after, their sources, and the evidence."""

from __future__ import annotations

from amazon_titles.page.server import require_gradio, serve

__all__ = ["require_gradio", "serve"]
