"""An OpenAI-compatible address in front of a model, whose answers come with their sources."""

from __future__ import annotations

from amazon_titles.api.server import serve

__all__ = ["serve"]
