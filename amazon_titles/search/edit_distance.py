"""How far one word is from another, in strokes of a keyboard, and whether that is a slip or another word."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from rapidfuzz.distance import OSA

# How much of a word a mistyped one is worth.
_SLIP, _PLURAL, _TWO_SLIPS, _DOUBTFUL = 0.9, 0.97, 0.75, 0.66
# Up to so many letters a changed one makes another word as a rule: game and gate, folly and holly.
_SHORT = 5


def has_digit(word: str) -> bool:
    """Whether a digit stands in a word."""
    return not word.isalpha() and any(map(str.isdecimal, word))


def allowed_typos(word: str) -> int:
    """Strokes that may be wrong in a word: none in short ones and in numbers, where another stroke is another word."""
    if len(word) < 4 or has_digit(word):
        return 0
    return 1 if len(word) < 9 else 2


@lru_cache(maxsize=1 << 16)
def similarity(asked: str, word: str) -> float:
    """How much of a title's word a question's word is worth: 1 for the word itself, 0 for another word.

    A letter left out, doubled or swapped is a slip; a changed one is, too, unless the word is short. Few slip in the
    first letter. Numbers are never mistyped: another digit is another product.
    """
    # Optimal string alignment: letters added, left out, changed or swapped with the next.
    strokes = OSA.distance(asked, word, score_cutoff=(most := allowed_typos(asked)))
    if strokes == 0:
        return 1.0
    if strokes > most or has_digit(word):
        return 0.0
    if strokes == 2:
        return _TWO_SLIPS if asked[0] == word[0] else 0.0
    if asked + "s" == word or word + "s" == asked:
        return _PLURAL
    short = len(word) <= _SHORT
    if asked[0] != word[0]:
        return 0.0 if short else _DOUBTFUL
    changed = len(asked) == len(word) and sorted(asked) != sorted(word)
    return _DOUBTFUL if changed and short else _SLIP


def closest(asked: str, words: Iterable[str]) -> tuple[float, str]:
    """The word that a mistyped one is most like, and how much of it that is worth; 0 where it is like none."""
    most, size, first, last = allowed_typos(asked), len(asked), asked[0], asked[-1]
    if not most:
        return 0.0, ""
    # One stroke leaves the beginning or the end; two leave the beginning.
    near = [word for word in words if abs(len(word) - size) <= most and (word[0] == first or word[-1] == last)]
    return max(((similarity(asked, word), word) for word in near), default=(0.0, ""))
