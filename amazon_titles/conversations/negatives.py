"""Titles of products that do not exist: what a model must refuse to describe."""

from __future__ import annotations

import re
from collections.abc import Sequence

_NUMBER = re.compile(r"\d+")
# Makers are put together from syllables: with a short list, a model would learn the names and not the habit.
_FIRST = ("Brim", "Osk", "Tol", "Quell", "Fenn", "Drav", "Lumin", "Harrow", "Zent", "Mor", "Kest", "Vall", "Ard",
          "Pell")  # fmt: skip
_LAST = ("vale", "arin", "vander", "mar", "wick", "ona", "stead", "by", "aro", "ley", "ix", "ford", "ella", "more")
_KINDS = (
    "Travel Kettle", "Chess Set", "Bicycle Lamp", "Garden Trowel", "Wool Blanket", "Desk Organizer", "Wrist Watch",
    "Field Guide to Mosses", "Violin Strings", "Camping Stove", "Piano Sonatas", "Cookbook", "Phone Case", "Yoga Mat",
    "Running Shoes", "Board Game", "Coffee Grinder", "Wall Clock", "Puzzle", "A Novel", "Headphones", "Tool Box", "DVD",
)  # fmt: skip


def invented_title(title: str, other: str, draws: Sequence[int]) -> str:
    """A title that no product has, as far as this function can know: callers check it against the catalogue.

    A near miss two times of three (another number in the title, or half of one title and half of another), else one of
    a maker that does not exist.

    Args:
        title: A product's title.
        other: Another product's, a similar one.
        draws: Four numbers that decide.
    """
    kind, which, first, second = draws
    numbers = list(_NUMBER.finditer(title)) if kind % 3 == 0 else []
    if numbers:
        match = numbers[which % len(numbers)]
        changed = str(int(match.group()[:9]) + 1 + first % 9)
        return title[: match.start()] + changed + title[match.end() :]
    words, others = title.split(), other.split()
    if kind % 3 < 2 and len(words) > 1 and len(others) > 1:
        return " ".join(words[: (len(words) + 1) // 2] + others[len(others) // 2 :])
    maker = _FIRST[which % len(_FIRST)] + _LAST[which // 16 % len(_LAST)]
    if kind % 2 and len(words) > 1:
        return f"{maker} {' '.join(words[len(words) // 2 :])}"
    model = f" {'ABKMRTXZ'[second % 8]}{10 + second // 8 % 980}" if second % 3 else ""
    return f"{maker} {_KINDS[first % len(_KINDS)]}{model}"
