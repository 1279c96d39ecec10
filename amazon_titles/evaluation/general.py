"""General knowledge: questions that have nothing to do with a catalogue, to see what a training made forget."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from amazon_titles.search.stopwords import STOP
from amazon_titles.text import words_of


class GeneralQuestion(NamedTuple):
    """A question that any Instruct model should answer.

    Attributes:
        question: As sent.
        accepted: Any of these in the answer, as whole words, makes it right. The first is the one whose loss is taken.
    """

    question: str
    accepted: tuple[str, ...]


_TEXT = Path(__file__).with_name("general.txt").read_text(encoding="utf-8")
QUESTIONS = tuple(
    GeneralQuestion(question, tuple(accepted))
    for question, *accepted in (line.split(" | ") for line in _TEXT.splitlines())
)
"""Written for this library; every third in Portuguese, so that a third of the first few is too."""

_OVERLAP = 0.6
_NUMERALS = (
    "zero one two three four five six seven eight nine ten eleven twelve",
    "zero um dois tres quatro cinco seis sete oito nove dez onze doze",
)
_DIGITS = {name: str(value) for names in _NUMERALS for value, name in enumerate(names.split())}


def asks_same(text: str) -> bool:
    """Whether a text asks one of these questions, in the same words or in others: no row to train on should.

    Words are compared without accents, by their first five letters and without those that every question has. A text is
    taken for a question that shares two such words or more with it, and three fifths of those of the shorter of both,
    and for one whose accepted answer stands in it beside half of the question's words ("Paris is the capital of …?").
    Strict on purpose: of rows to train on there are enough. A translation into another language is no paraphrase.
    """
    return any(_same(text, asked, accepted) for asked, accepted in QUESTIONS)


def _same(text: str, asked: str, accepted: tuple[str, ...]) -> bool:
    said, wanted = _words(text), _words(asked)
    common = said & wanted
    if said == wanted or (len(common) > 1 and len(common) >= _OVERLAP * min(len(said), len(wanted))):
        return True
    whole = set(words_of(text))
    return 2 * len(common) >= len(wanted) and any(whole.issuperset(words_of(answer)) for answer in accepted)


@lru_cache(1024)
def _words(text: str) -> frozenset[str]:
    words = (_DIGITS.get(word, word) for word in words_of(text))
    return frozenset(word.removesuffix("s")[:5] for word in words if word not in STOP)
