"""A question with product texts in view: the same for training rows and for inference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from amazon_titles.conversations.wording import wording
from amazon_titles.text import cut_text

ROW_CHARS = 2400
"""Characters of a grounded row, answer included: within 700 tokens while a token is at least 3.43 characters. Llama 3
spends one on 4 to 4.5 characters of English prose, and on fewer of a list of numbers."""

TITLE_CHARS = 160
"""Characters of a title in a passage; p95 of trn.json is 125."""


class Passage(Protocol):
    """What a passage shows: `Product` is one."""

    @property
    def uid(self) -> str:
        """The name that an answer cites."""

    @property
    def title(self) -> str:
        """The product's title."""

    @property
    def content(self) -> str:
        """The product's description."""


def passage_limit(question: str, passages: Sequence[Passage], *, language: str = "en") -> int:
    """Characters of description that each passage of a question shows, the same for all.

    What `ROW_CHARS` leaves after titles, codes, wording and the question is shared by the passages and the answer,
    which repeats one of them. Known before the answer is, so training and inference cut alike.
    """
    words = wording(language)
    fixed = len(words.context) + len(words.ask) + len(question) + 24
    for passage in passages:
        fixed += len(passage.uid) + min(len(passage.title), TITLE_CHARS) + 6
    return max((ROW_CHARS - fixed) // (len(passages) + 1), 80)


def grounded_question(question: str, passages: Sequence[Passage], *, language: str = "en", limit: int = 0) -> str:
    """The user message that shows passages and then asks: in training rows and at inference the same.

    A passage ends with its code, as the answer does: an answer with its citation is then a piece of the text in view,
    which a small model copies more surely than a code that stands before the title.

    Args:
        question: What is asked.
        passages: In the order shown; their texts are cut here, so that both sides cut alike.
        language: Of the words around them.
        limit: Their `passage_limit`, where that is known already; it is never 0.
    """
    words, limit = wording(language), limit or passage_limit(question, passages, language=language)
    texts = [
        f"{cut_text(passage.title, TITLE_CHARS)}\n{cut_text(passage.content, limit)} [{passage.uid}]\n\n"
        for passage in passages
    ]
    return f"{words.context}\n\n{''.join(texts)}{words.ask} {question}"
