"""A product becomes chat messages. The wording is here and nowhere else, in English and Portuguese.

Training rows and `CatalogModel.ask` call the same functions, so what training saw and what inference sends agree to the
letter. Titles and descriptions stay in the catalogue's own language; questions and refusals are in the one asked for.
"""

from __future__ import annotations

from amazon_titles.conversations.examples import Conversation, GeneralRow, MixtureConfig, build_examples, draws
from amazon_titles.conversations.properties import properties
from amazon_titles.conversations.wording import (
    PROPERTIES,
    ROW_CHARS,
    WORDING,
    abstention,
    grounded_question,
    is_abstention,
    passage_limit,
    question,
)

__all__ = [
    "PROPERTIES", "ROW_CHARS", "WORDING", "Conversation", "GeneralRow", "MixtureConfig", "abstention", "build_examples",
    "draws", "grounded_question", "is_abstention", "passage_limit", "properties", "question",
]  # fmt: skip
