"""How well a title fits a question, word by word. Needs no index: only how common a word is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from amazon_titles.search.talk import COLOURS, LINKS, STOP
from amazon_titles.search.words import Word

Weigh = Callable[[str], float]
"""How much a word says, 0 to 1: 1 for one that no title has."""

# A mistyped word counts a little less than the word itself; two strokes wrong in a long word, less again.
_TYPO = (1.0, 0.9, 0.75)
# What speaks against a title weighs at least this much, however common the word is: another word is another product.
_LEAST = 0.75
# A number or a colour in the name that the title does not have: another product, whatever else fits.
_OTHER = 0.5


@dataclass(frozen=True, slots=True)
class Fit:
    """How well a title fits.

    Attributes:
        score: Share of what the question names that the title has, 0 to 1, weighted by rarity.
        coverage: Share of the title's words that the question has, 0 to 1, weighted likewise.
    """

    score: float
    coverage: float


def allowed_typos(word: str) -> int:
    """Strokes that may be wrong in a word: none in short ones and in numbers, where another stroke is another word."""
    if len(word) < 4 or any(character.isdigit() for character in word):
        return 0
    return 1 if len(word) < 9 else 2


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


def matches(question: Sequence[Word], title: Sequence[str], weigh: Weigh) -> tuple[dict[int, float], set[int]]:
    """Which words of a question stand in a title.

    Returns:
        By place in the question, how much it says for the title; and the places in the title that are met.
    """
    places: dict[str, int] = {}
    for place, word in enumerate(title):
        places.setdefault(word, place)
    found: dict[int, float] = {}
    met: set[int] = set()
    for place, asked in enumerate(question):
        if asked.text in places:
            found[place] = weigh(asked.text)
            met.add(places[asked.text])
    for place, asked in enumerate(question):
        if place in found or asked.stop:
            continue
        if (pair := _joined(place, question, title, found)) is not None:
            ours, theirs = pair
            found.update((at, sum(weigh(title[there]) for there in theirs) / len(ours)) for at in ours)
            met.update(theirs)
        elif not asked.talk and (most := allowed_typos(asked.text)):
            best = min(
                ((distance(asked.text, word, most), at) for at, word in enumerate(title) if at not in met),
                default=(most + 1, 0),
            )
            if best[0] <= most and _typo_of(title[best[1]], asked.text, best[0]):
                found[place] = _TYPO[best[0]] * weigh(title[best[1]])
                met.add(best[1])
    return found, met


def _typo_of(word: str, asked: str, strokes: int) -> bool:
    """Numbers are never mistyped words, and a word that is wrong twice is at least begun right."""
    return not any(character.isdigit() for character in word) and (strokes < 2 or word[0] == asked[0])


def _joined(
    place: int, question: Sequence[Word], title: Sequence[str], found: dict[int, float]
) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """Two words here that are one there ("head phones"), or the other way round."""
    text = question[place].text
    if place + 1 < len(question) and place + 1 not in found and (both := text + question[place + 1].text) in title:
        return (place, place + 1), (list(title).index(both),)
    if len(text) > 3:
        for at in range(len(title) - 1):
            if text.startswith(title[at]) and title[at] + title[at + 1] == text:
                return (place,), (at, at + 1)
    return None


def fit(question: Sequence[Word], title: Sequence[str], weigh: Weigh, *, quoted: bool) -> Fit:
    """How well a title fits a question.

    What fits is set against what does not: fully where it stands in the midst of the name or right beside it, little
    where it stands apart, since a question also says other things. Words of talk speak neither way unless they stand
    beside a word of the name and in the title.

    Args:
        question: Its words.
        title: The title's, folded.
        weigh: How much a word says.
        quoted: Whether the question is a quotation, in which every word is the name's.
    """
    found, met = matches(question, title, weigh)
    found = {place: says for place, says in found.items() if quoted or _counts(place, question, found)}
    if not found:
        return Fit(0.0, 0.0)
    title_weights = [0.1 if word in STOP else weigh(word) for word in title]
    coverage = sum(title_weights[at] for at in met) / (sum(title_weights) or 1.0)
    matched = sum(found.values())
    missed, other = _missed(question, found, [title[at] for at in range(len(title)) if at not in met], weigh, quoted)
    score = matched / (matched + missed) if matched else 0.0
    return Fit(min(score, _OTHER) if other else score, coverage)


def _counts(place: int, question: Sequence[Word], found: dict[int, float]) -> bool:
    """Whether a word that is in the title is there as part of the name: one of talk only beside another of the name."""
    if not question[place].talk:
        return True
    if all(question[at].talk for at in found):
        return not question[place].stop or all(question[at].stop for at in found)
    step = -1
    for step in (-1, 1):
        at = place + step
        while at in found and not (question[max(at, at - step)].breaks):
            if not question[at].talk:
                return True
            at += step
    return False


def _missed(
    question: Sequence[Word], found: dict[int, float], unmet: Sequence[str], weigh: Weigh, quoted: bool
) -> tuple[float, bool]:
    """What speaks against the title, and whether that makes it another product."""
    naming = [place for place in found if not question[place].talk] or list(found)
    first, last = min(naming), max(naming)
    named_by_case = any(question[place].capital for place in naming)
    complete = not any(word not in STOP for word in unmet)
    missed, other = 0.0, False
    for place, word in enumerate(question):
        if place in found:
            continue
        inside = first < place < last
        beside = inside or _beside(place, question, found)
        if word.talk and not quoted and not (beside and _like_a_name(word)):
            continue
        if word.number:
            other = other or beside or quoted
            missed += 1.0 if beside or quoted else 0.25
        elif quoted:
            missed += max(weigh(word.text), _LEAST)
        elif named_by_case and not word.capital:
            missed += (0.2 if beside else 0.1) * weigh(word.text)
        elif beside and (word.capital or not complete or inside):
            missed += max(weigh(word.text), _LEAST)
        else:
            missed += 0.6 * (weigh(word.text) if word.capital else weigh(word.text) ** 2) * (0.3 if complete else 1.0)
        if word.text in COLOURS and (beside or quoted) and any(word in COLOURS for word in unmet):
            other = True
    return missed, other


def _like_a_name(word: Word) -> bool:
    """Whether a word of talk is written as a name is: with a capital that no start of a sentence explains."""
    return word.capital and not word.stop and not word.breaks


def _beside(place: int, question: Sequence[Word], found: dict[int, float]) -> bool:
    """Whether only words that do not fit lie between this one and one that does, without a break or talk."""
    for step in (-1, 1):
        at = place
        while 0 <= at + step < len(question) and not question[max(at, at + step)].breaks:
            at += step
            if at in found:
                return True
            if question[at].talk and not _like_a_name(question[at]) and question[at].text not in LINKS:
                break
    return False
