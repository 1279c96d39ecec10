"""A language model with a catalogue: it loads, generates, and answers with its sources."""

from __future__ import annotations

from amazon_titles.model.answer import Answer, Source
from amazon_titles.model.catalog_model import CatalogModel
from amazon_titles.model.general import make_general_rows
from amazon_titles.model.generation import Generation, Sampling

__all__ = ["Answer", "CatalogModel", "Generation", "Sampling", "Source", "make_general_rows"]
