"""A product becomes chat messages. The wording lives here and nowhere else, in English and Portuguese.

Training rows and `CatalogModel.ask` call the same functions, so what training saw and what inference sends agree to the
letter. Titles and descriptions stay in the catalogue's own language; questions and refusals are in the one asked for.
"""

from __future__ import annotations

from amazon_titles.conversations.examples import (
    Conversation,
    GeneralRow,
    MixtureConfig,
    build_examples,
    draws,
    general_rows,
)
from amazon_titles.conversations.negatives import invented_title
from amazon_titles.conversations.passages import ROW_CHARS, Passage, grounded_question, passage_limit
from amazon_titles.conversations.properties import properties
from amazon_titles.conversations.property_wording import PROPERTIES, property_answer, property_question
from amazon_titles.conversations.wording import WORDING, abstention, is_abstention, question, wording

__all__ = [
    "PROPERTIES",
    "ROW_CHARS",
    "WORDING",
    "Conversation",
    "GeneralRow",
    "MixtureConfig",
    "Passage",
    "abstention",
    "build_examples",
    "draws",
    "general_rows",
    "grounded_question",
    "invented_title",
    "is_abstention",
    "passage_limit",
    "properties",
    "property_answer",
    "property_question",
    "question",
    "wording",
]
