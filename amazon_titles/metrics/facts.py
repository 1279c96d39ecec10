"""Facts: the numbers, measures and names of a description, which an answer has or has not."""

from __future__ import annotations

import re

# A number with its decimals, thousands or range: 12, 2.4, 1,200, 2-5, 10/2.
_NUMBER = re.compile(r"\d+(?:[.,/-]\d+)*")
# The comma of thousands: 1,200 and 1200 are one number.
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
# A capitalised word inside a sentence: not at the start of the text, nor after a full stop, colon, quote or bracket.
_NAME = re.compile(r"(?<=[a-z0-9,;'’&] )[A-ZÀ-Ý][\w'’-]+(?: [A-ZÀ-Ý][\w'’-]+)*|(?<=[a-z] )[A-Z]{2,}")
_WORD = re.compile(r"\w+")
CITATION = re.compile(r"\[([0-9A-Za-z]{1,40})\]")
"""A code in square brackets, such as `[0001360000]`."""

# Spellings of a unit, the first of which stands for all. "in" is left out: it is a preposition far more often.
_UNITS = (
    "kg kilo kilos kilogram kilograms", "g gram grams", "mg milligram milligrams", "lb lbs pound pounds",
    "oz ounce ounces", "l litre litres liter liters", "ml millilitre millilitres milliliter milliliters",
    "gallon gallons", "quart quarts qt", "mm millimetre millimetres millimeter millimeters",
    "cm centimetre centimetres centimeter centimeters", "m metre metres meter meters", "km kilometres kilometers",
    "inch inches", "ft foot feet", "yard yards", "mile miles", "w watt watts", "v volt volts", "mah", "kb", "mb", "gb",
    "tb", "hz", "khz", "mhz", "ghz", "mp megapixel megapixels", "page pages", "piece pieces", "pack packs", "%",
    "second seconds sec", "minute minutes min", "hour hours hr", "day days", "week weeks", "month months", "year years",
)  # fmt: skip
_UNIT = {spelling: line.split()[0] for line in _UNITS for spelling in line.split()}
_MEASURE = re.compile(
    rf"({_NUMBER.pattern})(?:[ -]?({'|'.join(sorted(map(re.escape, _UNIT), key=len, reverse=True))})(?!\w))?", re.I
)


def without_citations(text: str) -> str:
    """A text without its citations, which say where it is from and are no part of it."""
    return CITATION.sub("", text).strip() if "[" in text else text


def words(text: str) -> list[str]:
    """The words of a text, in lower case."""
    return _WORD.findall(text.lower())


def numbers(text: str) -> list[tuple[str, str]]:
    """Every number of a text with its unit ("" for none): `("2.4", "l")` of "2.4 litres"."""
    return [
        (_THOUSANDS.sub("", match.group(1)), _UNIT[match.group(2).lower()] if match.group(2) else "")
        for match in _MEASURE.finditer(text)
    ]


def stated(text: str) -> frozenset[str]:
    """All that a text says, to look a fact up in: words, numbers, and measures as `2.4 l`."""
    found = set(words(text))
    for number, unit in numbers(text):
        found |= {number, f"{number} {unit}"} if unit else {number}
    return frozenset(found)


def facts(text: str, *, title: str = "") -> frozenset[str]:
    """The facts of a description that an answer can be checked for: measures, other numbers and names, in lower case.

    A number with a unit is one fact, `2.4 l`: 2.4 of something else is another. What stands in the title is left out,
    because echoing the question recalls nothing.

    Args:
        text: A description, or an answer; citations such as `[0001360000]` are no facts.
        title: Of its product.
    """
    text = without_citations(text)
    known = stated(title)
    # Without the measures: the Pounds of "3 Pounds" are no name.
    names = (word for name in _NAME.findall(_MEASURE.sub("0", text)) for word in words(name))
    counted = (f"{number} {unit}" if unit else number for number, unit in numbers(text))
    return frozenset(fact for fact in (*counted, *names) if fact not in known)


def fact_recall(answer: str, reference: str, *, title: str = "") -> float | None:
    """The share of the true description's facts that stand in the answer, 0 to 1; None where it has no facts."""
    wanted = facts(reference, title=title)
    return len(wanted & stated(without_citations(answer))) / len(wanted) if wanted else None


def fact_precision(answer: str, reference: str, *, title: str = "") -> float | None:
    """The share of the facts that the answer states that are true, 0 to 1; None where it states none."""
    claimed = facts(answer, title=title)
    return len(claimed & stated(reference)) / len(claimed) if claimed else None
