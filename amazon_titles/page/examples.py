"""Questions to click on: trained products, one that no model saw, and one that does not exist."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path

from amazon_titles.conversations import question
from amazon_titles.dataset import read_messages
from amazon_titles.errors import InputError
from amazon_titles.page.texts import LANGUAGES

INVENTED = "Zorvex Quillomar Teapot 3000"
"""A product that no catalogue has."""

# Chat rows looked at for a product: the first few hold one.
_ROWS = 200


def example_questions(dataset: Path | None) -> dict[str, Sequence[str]]:
    """Language → two trained products, one of the test split and one invented, as questions in that language.

    Args:
        dataset: A dataset folder; without one only the invented product is asked about.
    """
    titles = [*first_titles(dataset, "train")[:2], *first_titles(dataset, "test")[:1], INVENTED]
    return {
        language: [question(title, language=language, phrasing=place) for place, title in enumerate(titles)]
        for language in LANGUAGES
    }


def first_titles(dataset: Path | None, split: str) -> list[str]:
    """Titles of the first products that a split asks about, in its order: questions hold them in double quotes."""
    asked: list[str] = []
    with suppress(InputError):  # a small build may have an empty split
        rows = islice(read_messages(dataset, split), _ROWS) if dataset else ()
        asked = [row["messages"][0]["content"] for row in rows if row["task"] == "recall"]
    return list(dict.fromkeys(text.split('"', 1)[1].rsplit('"', 1)[0] for text in asked if text.count('"') >= 2))
