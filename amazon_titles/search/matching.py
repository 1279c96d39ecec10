"""How well a title fits a question, word by word. Needs no index: only how common a word is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from amazon_titles.search.edit_distance import likest
from amazon_titles.search.stopwords import LABELS, LINKS, OF, STOP, VARIANTS
from amazon_titles.search.words import Word

Weigh = Callable[[str], float]
"""How much a word says, 0 to 1: 1 for one that no title has."""

# A word of the name that the title lacks weighs at least this much, however common it is: another word, another
# product. More where the title has a word of its own in its stead.
_LEAST = 0.75
_REPLACED = 2.0
# At most this score where a number or a colour in the name is not the title's, whatever else fits.
_OTHER = 0.5
# Where names are written with capitals, other words weigh no more than this in all, and one that goes on a name more.
_LOWER = 0.25
_NOUN = 0.4
# Words so near to each other keep company.
_COMPANY = 2
# Where a name is complete, what else a question says speaks against it so much less.
_COMPLETE = 0.3


@dataclass(frozen=True, slots=True)
class MatchScore:
    """How well a title fits.

    Attributes:
        score: Share of what the question names that the title has, 0 to 1, weighted by rarity.
        evidence: The weight of the question's words that the title has.
        coverage: Share of the title's words that the question has, 0 to 1, weighted likewise.
    """

    score: float
    evidence: float
    coverage: float


NONE = MatchScore(0.0, 0.0, 0.0)


@dataclass(slots=True)
class _Match:
    """Which words of a question stand in a title.

    Attributes:
        found: By place in the question, how much of the title's word it is, 0 to 1.
        met: The words of the title that are met, by place in the question; two where two were written as one.
        idle: Places in the question of words of talk that the title has, too, but that are no part of the name.
    """

    found: dict[int, float] = field(default_factory=dict)
    met: dict[int, tuple[str, ...]] = field(default_factory=dict)
    idle: set[int] = field(default_factory=set)


def fit(question: Sequence[Word], title: Sequence[str], weigh: Weigh, *, quoted: bool) -> MatchScore:
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
    match = _match(question, title)
    if not quoted:
        for place in [place for place in match.found if not _counts(place, question, match.found)]:
            match.idle.add(place)
            del match.found[place], match.met[place]
    if not match.found:
        return NONE
    met = {word for words in match.met.values() for word in words}
    weights = {word: 0.1 if word in STOP else weigh(word) for word in title}
    coverage = sum(weights[word] for word in met) / (sum(weights.values()) or 1.0)
    whole = {place: sum(weigh(word) for word in words) / _shared(match, place) for place, words in match.met.items()}
    evidence = sum(match.found[place] * weight for place, weight in whole.items())
    missed, other = _missed(question, match, title, weigh, quoted)
    other = other or _numbered_otherwise(question, title)
    missed += sum((1 - match.found[place]) * weight for place, weight in whole.items())
    score = evidence / (evidence + missed) if evidence else 0.0
    return MatchScore(min(score, _OTHER) if other else score, evidence, coverage)


def _shared(match: _Match, place: int) -> int:
    """Words of the question that were written apart share the one word that they are."""
    return sum(words == match.met[place] for words in match.met.values()) if len(match.met[place]) == 1 else 1


def _match(question: Sequence[Word], title: Sequence[str]) -> _Match:
    have = set(title)
    pairs = {one + other: (one, other) for one, other in pairwise(title)}
    match = _Match()
    exact = [place for place, asked in enumerate(question) if asked.text in have]
    for place in exact:
        if _among(place, exact, question):
            match.found[place], match.met[place] = 1.0, (question[place].text,)
        else:
            match.idle.add(place)
    for place, asked in enumerate(question):
        if place in match.found or place in match.idle or asked.stop:
            continue
        following = question[place + 1].text if place + 1 < len(question) else ""
        if following and asked.text + following in have:
            for at in (place, place + 1):
                match.found[at], match.met[at] = 1.0, (asked.text + following,)
        elif asked.text in pairs:
            match.found[place], match.met[place] = 1.0, pairs[asked.text]
        elif not asked.talk or _like_a_name(asked):
            worth, word = likest(asked.text, have)
            if worth:
                match.found[place], match.met[place] = worth, (word,)
    return match


def _among(place: int, exact: Sequence[int], question: Sequence[Word]) -> bool:
    """Whether a word that a question says several times stands, here, nearest to other words of the title."""

    def company(at: int) -> int:
        return sum(abs(other - at) <= _COMPANY and question[other].text != question[at].text for other in exact)

    same = [at for at in exact if question[at].text == question[place].text]
    return len(same) == 1 or place == max(same, key=company)


def _counts(place: int, question: Sequence[Word], found: dict[int, float]) -> bool:
    """Whether a word that is in the title is there as part of the name: one of talk only beside another of the name."""
    if not question[place].talk or any(question[place].text in variants for variants in VARIANTS):
        return True
    if all(question[at].talk for at in found):
        return not question[place].stop or all(question[at].stop for at in found)
    for step in (-1, 1):
        at = place + step
        while at in found and not question[max(at, at - step)].breaks:
            if not question[at].talk:
                return True
            at += step
    return False


def _missed(
    question: Sequence[Word], match: _Match, title: Sequence[str], weigh: Weigh, quoted: bool
) -> tuple[float, bool]:
    """What speaks against the title, and whether that makes it another product."""
    unmet = set(title).difference(*match.met.values())
    naming = [place for place in match.found if not question[place].talk] or list(match.found)
    by_case = any(question[place].capital for place in naming)
    ends = {place for place, words in match.met.items() if title[-1] in words}
    replaced = bool(unmet - STOP)
    goes_on = replaced and len(naming) > 1  # otherwise than the question
    missed, lower, other = 0.0, 0.0, False
    for place, word in enumerate(question):
        if place in match.found or place in match.idle:
            continue
        near = "beside" if quoted else _near(place, question, match.found, ends)
        if near == "beside" and any(word.text in variants and variants.intersection(title) for variants in VARIANTS):
            other = True
        if word.number and (near == "beside" or _labelled(place, question)):
            other = True
        if word.talk and not quoted and (word.stop or near == "apart" or not _like_a_name(word)):
            continue
        weight = weigh(word.text)
        if not by_case or word.capital or word.number or quoted:
            missed += _against(word, near, weight, quoted=quoted, replaced=replaced)
        elif near == "beside" and goes_on and (place - 1 in match.found or lower >= _NOUN):
            lower += _NOUN * weight  # "Velmo Tarkin toaster"
        else:
            lower = max(lower, min(lower + 0.12 * weight, _LOWER))
    return missed + min(lower, 2 * _NOUN), other


def _against(word: Word, near: str, weight: float, *, quoted: bool, replaced: bool) -> float:
    """How much a word that the title lacks speaks against it.

    Args:
        word: The word.
        near: Where it stands, as `_near` says.
        weight: How much it says.
        quoted: Whether the question is a quotation.
        replaced: Whether the title has words that the question lacks.
    """
    if word.number:
        return 1.0 if near == "beside" else 0.25
    if near == "beside" and (quoted or word.capital or replaced):
        return max(weight, _LEAST) * (_REPLACED if replaced else 1.0)
    if near == "of" and replaced:
        return max(weight, _LEAST)
    if not word.capital:
        weight *= weight  # a rare word is a name more likely than a common one
    if near == "linked" and word.capital:
        return max(weight, _LEAST) if replaced else 0.5 * weight
    apart = 0.6 if word.capital else 0.3
    return (apart if near == "apart" else 0.5) * weight * (1.0 if replaced else _COMPLETE)


def _labelled(place: int, question: Sequence[Word]) -> bool:
    """Whether a number stands beside a word such as "volume"."""
    return any(0 <= at < len(question) and question[at].text in LABELS for at in (place - 1, place + 1))


def _numbered_otherwise(question: Sequence[Word], title: Sequence[str]) -> bool:
    """Whether the question says "volume 3" where the title says "volume 4"; a 3 elsewhere in it does not help."""
    numbers: dict[str, set[str]] = {}
    for label, number in pairwise(title):
        if label in LABELS and number[0].isdigit():
            numbers.setdefault(label, set()).add(number)
    return any(
        second.text[0].isdigit() and second.text not in numbers.get(first.text, {second.text})
        for first, second in pairwise(question)
    )


def _like_a_name(word: Word) -> bool:
    """Whether a word is written as a name is: with a capital that no start of a sentence explains."""
    return word.capital and not word.breaks


def _near(place: int, question: Sequence[Word], found: dict[int, float], ends: set[int]) -> str:
    """Where a word stands to those that fit.

    Args:
        place: The word's.
        question: All words.
        found: The places of those that fit.
        ends: The places of the title's last word: what follows it without a capital is no part of the name.

    Returns:
        `beside` one, with only others between that do not fit, or between two; joined to one by `of`, or `linked` by
        another function word; or `apart`.
    """
    nearest, sides = "apart", 0
    names = question[place].capital or question[place].number
    for step in (-1, 1):
        at, link, met = place, "", False
        while 0 <= at + step < len(question) and not question[max(at, at + step)].breaks:
            at += step
            word = question[at]
            if at in found and not word.stop:
                sides += 1
                over = at in ends and step < 0 and not names and link != "of"
                if met or over:
                    break
                if not link:
                    return "beside"
                nearest = "of" if nearest == "of" else link
                break
            if word.text in LINKS:
                link = "of" if word.text in OF and link != "linked" else "linked"
            elif word.talk and not _like_a_name(word):
                met = True
    return "beside" if sides == 2 else nearest
