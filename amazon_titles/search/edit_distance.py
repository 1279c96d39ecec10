"""How far one word is from another, in strokes of a keyboard, and whether that is a slip or another word."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

_DIGIT = re.compile(r"\d")

# How much of a word a mistyped one is worth.
_SLIP, _PLURAL, _TWO_SLIPS, _DOUBTFUL = 0.9, 0.97, 0.75, 0.66
# Up to so many letters a changed one makes another word as a rule: game and gate, folly and holly.
_SHORT = 5


def allowed_typos(word: str) -> int:
    """Strokes that may be wrong in a word: none in short ones and in numbers, where another stroke is another word."""
    if len(word) < 4 or has_digit(word):
        return 0
    return 1 if len(word) < 9 else 2


def has_digit(word: str) -> bool:
    """Whether a digit stands in a word."""
    return not word.isalpha() and _DIGIT.search(word) is not None


def distance(one: str, other: str, most: int) -> int:
    """Strokes between two words: letters added, left out, changed or swapped with the next (optimal string alignment).

    Args:
        one: A word.
        other: Another.
        most: What is asked; a greater distance is given as `most + 1`.
    """
    if one == other:
        return 0
    if abs(len(one) - len(other)) > most:
        return most + 1
    start = 0
    while start < len(one) and start < len(other) and one[start] == other[start]:
        start += 1
    end = 0
    while end < len(one) - start and end < len(other) - start and one[-1 - end] == other[-1 - end]:
        end += 1
    a, b = one[start : len(one) - end], other[start : len(other) - end]
    if (len(a) <= 1 and len(b) <= 1) or (len(a) == len(b) == 2 and a == b[::-1]):
        return 1
    if most < 2 or max(len(a), len(b)) > most + 4:
        return most + 1
    before: list[int] = []
    above = list(range(len(b) + 1))
    for i, left in enumerate(a):
        row = [i + 1]
        for j, right in enumerate(b):
            cost = min(row[j] + 1, above[j + 1] + 1, above[j] + (left != right))
            if i and j and left == b[j - 1] and a[i - 1] == right:
                cost = min(cost, before[j - 1] + 1)
            row.append(cost)
        before, above = above, row
    return min(above[-1], most + 1)


@lru_cache(maxsize=1 << 16)
def likeness(asked: str, word: str) -> float:
    """How much of a title's word a question's word is worth: 1 for the word itself, 0 for another word.

    A letter left out, doubled or swapped is a slip; a changed one is, too, unless the word is short. Few slip in the
    first letter. Numbers are never mistyped: another digit is another product.
    """
    if asked == word:
        return 1.0
    strokes = distance(asked, word, most := allowed_typos(asked))
    if strokes > most or has_digit(word):
        return 0.0
    if strokes == 2:
        return _TWO_SLIPS if asked[0] == word[0] else 0.0
    if asked + "s" == word or word + "s" == asked:
        return _PLURAL
    changed = len(asked) == len(word) and sorted(asked) != sorted(word)
    if asked[0] != word[0]:
        return 0.0 if len(word) <= _SHORT else _DOUBTFUL
    return _DOUBTFUL if changed and len(word) <= _SHORT else _SLIP


def likest(asked: str, words: Iterable[str]) -> tuple[float, str]:
    """The word that a mistyped one is most like, and how much it is worth; 0 and "" where it is like none."""
    most = allowed_typos(asked)
    best = (0.0, "")
    if not most:
        return best
    size, first, last = len(asked), asked[0], asked[-1]
    for word in words:
        # One stroke leaves the beginning or the end; two leave the beginning.
        if -most <= len(word) - size <= most and (word[0] == first or word[-1] == last):
            best = max(best, (likeness(asked, word), word))
    return best
