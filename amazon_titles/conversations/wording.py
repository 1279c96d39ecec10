"""Everything that is said, in every language: the words are in `wording.yml`, and nowhere else.

A question with product texts in view is put together here for training rows and for inference, so both are the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from amazon_titles.catalog import Product
from amazon_titles.errors import InputError
from amazon_titles.text import cut_text

ROW_CHARS = 2400
"""Characters of a grounded row, answer included: within 700 tokens while a token is at least 3.43 characters. Llama 3
spends one on 4 to 4.5 characters of English prose, and on fewer of a list of numbers."""

TITLE_CHARS = 160
"""Characters of a title in a passage; p95 of trn.json is 125."""


@dataclass(frozen=True, slots=True)
class Wording:
    """Everything that is said in one language.

    Attributes:
        questions: With `{title}`, which stands in straight double quotes.
        context: Before the passages of a grounded question.
        ask: Between the passages and the question.
        abstention: With `{title}`, which stands in straight double quotes.
        also: Between two questions that become one.
    """

    questions: tuple[str, ...]
    context: str
    ask: str
    abstention: str
    also: str


class _File(msgspec.Struct):
    languages: dict[str, Wording]
    properties: dict[str, dict[str, tuple[str, str, str]]]
    invented: dict[str, list[str]]


_WORDS = msgspec.yaml.decode(Path(__file__).with_suffix(".yml").read_bytes(), type=_File)

WORDING = _WORDS.languages
"""Every language by its code."""

PROPERTIES = _WORDS.properties
"""Every kind of property, with how it is asked for in each language: in two questions, and after another question."""

INVENTED = _WORDS.invented
"""Of invented products: `first` and `last` syllables of makers, and `kinds`."""


def wording(language: str) -> Wording:
    """The wording of a language.

    Raises:
        InputError: Nothing is written in it.
    """
    if found := WORDING.get(language):
        return found
    raise InputError(f"No wording in the language {language!r}.", hint=f"Choose of: {', '.join(WORDING)}.")


def question(title: str, *, language: str = "en", phrasing: int = 0) -> str:
    """A question about a title.

    Args:
        title: As in the catalogue; it stands in straight double quotes.
        language: `en` or `pt`.
        phrasing: Which wording; counted round, so any integer is right.
    """
    questions = wording(language).questions
    return questions[phrasing % len(questions)].replace("{title}", title)


def abstention(title: str, *, language: str = "en") -> str:
    """The answer about a product that is not in the catalogue."""
    return wording(language).abstention.replace("{title}", title)


def is_abstention(text: str) -> bool:
    """Whether an answer is a refusal in our words, of any language."""
    folded = text.casefold()
    # What stands before the title, and in no other answer.
    return any(words.abstention.partition(' "')[0].casefold() in folded for words in WORDING.values())


def property_question(kinds: Sequence[str], title: str, *, language: str = "en", phrasing: int = 0) -> str:
    """A question about one property of a product, or about two at once.

    Args:
        kinds: One of `PROPERTIES`, or two.
        title: As in the catalogue; it stands in straight double quotes.
        language: `en` or `pt`.
        phrasing: Which wording of the first; counted round.
    """
    asked = PROPERTIES[kinds[0]][language][phrasing % 2]
    if len(kinds) > 1:
        asked = f"{asked[:-1]}, {wording(language).also} {PROPERTIES[kinds[1]][language][2]}?"
    return asked.replace("{title}", title)


def passage_limit(question: str, passages: Sequence[Product], *, language: str = "en") -> int:
    """Characters of description that each passage of a question shows, the same for all.

    What `ROW_CHARS` leaves after titles, codes, wording and the question is shared by the passages and the answer,
    which repeats one of them. Known before the answer is, so training and inference cut alike.
    """
    words = wording(language)
    fixed = len(words.context) + len(words.ask) + len(question) + 24
    for passage in passages:
        fixed += len(passage.uid) + min(len(passage.title), TITLE_CHARS) + 6
    return max((ROW_CHARS - fixed) // (len(passages) + 1), 80)


def grounded_question(question: str, passages: Sequence[Product], *, language: str = "en", limit: int = 0) -> str:
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
