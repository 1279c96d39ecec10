"""Questions to click on, chosen by a rule that the page states: nobody picked the ones that go well."""

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
"""A product that no catalogue has, for a dataset whose test split asks about none."""

# Chat rows looked at for a product: the first few hold one.
_ROWS = 200


def examples(dataset: Path | None) -> list[tuple[str, str]]:
    """Kind and title of each: the first two products of the training split, the first of the test split, an invention.

    The invention is the first that the test split asks about.

    Args:
        dataset: A dataset folder; without one there is only an invention of ours.

    Returns:
        The kinds are `trained`, `untrained` and `invented`.
    """
    found = {
        "trained": first_titles(dataset, "train")[:2],
        "untrained": first_titles(dataset, "test")[:1],
        "invented": [*first_titles(dataset, "test", task="abstain"), INVENTED][:1],
    }
    return [(kind, title) for kind, titles in found.items() for title in titles]


def example_questions(dataset: Path | None) -> dict[str, Sequence[str]]:
    """Language → the examples as questions in that language, each in another wording."""
    titles = [title for _, title in examples(dataset)]
    return {
        language: [question(title, language=language, phrasing=place) for place, title in enumerate(titles)]
        for language in LANGUAGES
    }


def first_titles(dataset: Path | None, split: str, *, task: str = "recall") -> list[str]:
    """Titles that the first questions of a split are about, in its order: questions hold them in double quotes.

    Args:
        dataset: A dataset folder, or None.
        split: Of the dataset.
        task: `recall` for products, `abstain` for inventions; questions that show product texts are left out.
    """
    asked: list[str] = []
    with suppress(InputError):  # a small build may have an empty split
        rows = islice(read_messages(dataset, split), _ROWS) if dataset else ()
        asked = [row["messages"][0]["content"] for row in rows if row["task"] == task]
    asked = [text for text in asked if "\n" not in text]
    return list(dict.fromkeys(text.split('"', 1)[1].rsplit('"', 1)[0] for text in asked if text.count('"') >= 2))
