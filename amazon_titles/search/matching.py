"""How well a title fits a question, word by word. Needs no index: only how common a word is."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, takewhile

from amazon_titles.catalog.variants import COLOURS, LABELS, MORE, VARIANTS
from amazon_titles.search.stopwords import IN, LINKS, OF, STOP
from amazon_titles.search.words import Word, closest

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
# After these a size is asked for.
_HOW = {"how", "quao"}
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
        other: Whether the question names another product that this one is near to: the score is low then.
        slips: The title's words that the question has with a slip.
        colours: The colours that the question names as the product's where the title has none.
    """

    score: float
    evidence: float
    coverage: float
    other: bool = False
    slips: frozenset[str] = frozenset()
    colours: frozenset[str] = frozenset()


Met = dict[int, tuple[float, tuple[str, ...]]]
"""By its place, how much a word of the question is worth, 0 to 1, and the title's word that it is, or its two."""


def match_score(question: Sequence[Word], title: Sequence[str], weigh: Weigh) -> MatchScore:
    """How well a title fits a question.

    What fits is set against what does not: fully where it stands in the midst of the name or right beside it, little
    where it stands apart, since a question also says other things. Filler words speak neither way unless they stand
    beside a word of the name and in the title.

    Args:
        question: Its words.
        title: The title's, folded.
        weigh: How much a word says.
    """
    met, idle = _met(question, title, weigh)
    if not met:
        return MatchScore(0.0, 0.0, 0.0)
    evidence = lost = 0.0
    every = [words for _, words in met.values()]
    for worth, words in met.values():
        # Words of the question that were written apart share the one word that they are.
        weight = sum(map(weigh, words)) / every.count(words)
        evidence += worth * weight
        lost += (1 - worth) * weight
    weights = {word: 0.1 if word in STOP else weigh(word) for word in title}
    covered = set().union(*every)
    coverage = sum(weight for word, weight in weights.items() if word in covered) / (sum(weights.values()) or 1.0)
    missed, other = _penalties(question, met, idle, title, weigh)
    score = evidence / (evidence + (missed + lost)) if evidence else 0.0
    colours, own = _colours(question, title, met), {COLOURS[word] for word in title if word in COLOURS}
    other = other or _numbered_otherwise(question, title) or bool(own and colours and not own & colours)
    other = other or _replaced(question, title, met) or _sized_otherwise(question, title)
    slips = frozenset(word for worth, words in met.values() if worth < 1 for word in words)
    score = min(score, _OTHER) if other else score
    return MatchScore(score, evidence, coverage, other, slips, frozenset() if own else frozenset(colours))


def _colours(question: Sequence[Word], title: Sequence[str], met: Met) -> set[str]:
    """The colours that a question names as the product's: beside a word of its name, or joined to one by "in"."""
    found, have = set(), set(title).difference(STOP)
    for place, word in enumerate(question):
        if word.text not in COLOURS:
            continue
        for step, end in ((-1, title[-1]), (1, title[0])):
            at = place
            for at in _outward(place, step, question):
                if question[at].text not in IN and question[at].text not in COLOURS:
                    break
            if {place, at} & met.keys() or question[at].text in have or (at != place and question[at].text == end):
                found.add(COLOURS[word.text])
    return found


def _outward(place: int, step: int, question: Sequence[Word]) -> Iterator[int]:
    """The places from a word's on, away from it, up to where a sentence, or a part of one, ends."""
    while 0 <= place + step < len(question) and not question[max(place, place + step)].breaks:
        place += step
        yield place


def _replaced(question: Sequence[Word], title: Sequence[str], met: Met) -> bool:
    """Whether the question has another word in the place of a title's: between the same two, or at the same end."""
    spelt = [met[place][1] if place in met else (word.text,) for place, word in enumerate(question)]
    have = [word for words in spelt for word in words]
    by_case = any(question[place].capital for place in met)
    own = set(title)
    unknown = [(n, word) for n, word in enumerate(question) if not word.stop and own.isdisjoint(spelt[n])]
    missing = [at for at, word in enumerate(title) if word not in STOP and have.count(word) < title.count(word)]
    for at in missing:
        for place, asked in unknown:
            before = _goes_on(spelt, place, title, at, -1)
            if at and not before:
                continue
            after = _goes_on(spelt, place, title, at, 1)
            names = asked.quoted or asked.number or asked.capital or not (asked.filler or by_case)
            last = before == "name" and (asked.number or not asked.breaks) and at + 1 == len(title)
            between = before and after and "name" in (before, after)
            if between or (names and (last or (at == 0 and after == "name"))):
                return True
    return False


def _goes_on(spelt: Sequence[tuple[str, ...]], place: int, title: Sequence[str], at: int, step: int) -> str:
    """Whether question and title go on alike from a place: "" if not, "name" if that has a word of the name."""
    found = ""
    while 0 <= place + step < len(spelt) and 0 <= at + step < len(title):
        place, at = place + step, at + step
        if spelt[place][-1 if step < 0 else 0] != title[at]:
            break
        if title[at] not in STOP:
            return "name"
        found = "link"
    return found


def _met(question: Sequence[Word], title: Sequence[str], weigh: Weigh) -> tuple[Met, set[int]]:
    """The words that the title has, too, and the places of those of them that are no part of the name."""
    have = set(title)
    pairs = {one + other: (one, other) for one, other in pairwise(title)}
    colours = {COLOURS[word]: word for word in title if word in COLOURS}
    exact = [place for place, asked in enumerate(question) if asked.text in have]
    met: Met = {place: (1.0, (question[place].text,)) for place in exact if _among(place, exact, question)}
    idle = set(exact) - met.keys()
    for place, asked in enumerate(question):
        if place in met or place in idle:
            continue
        together = asked.text + question[place + 1].text if place + 1 < len(question) else ""
        if together in pairs or (together in have and not asked.stop):
            # A blank that should not be, or stands a letter off: "Trai nSet".
            met[place] = met[place + 1] = 1.0, pairs.get(together, (together,))
        elif asked.stop:
            continue
        elif asked.text in pairs:
            met[place] = 1.0, pairs[asked.text]
        elif (colour := colours.get(COLOURS.get(asked.text, ""))) is not None:
            met[place] = 1.0, (colour,)
        elif not asked.filler or _looks_like_name(asked):
            worth, word = closest(asked.text, have, known=weigh(asked.text) < 1)
            if worth:
                met[place] = worth, (word,)
    fillers = {place for place in met if not _in_name(place, question, met)}
    return {place: what for place, what in met.items() if place not in fillers}, idle | fillers


def _among(place: int, exact: Sequence[int], question: Sequence[Word]) -> bool:
    """Whether a word that a question says several times stands, here, nearest to other words of the title."""

    def company(at: int) -> int:
        return sum(abs(other - at) <= _COMPANY and question[other].text != question[at].text for other in exact)

    same = [at for at in exact if question[at].text == question[place].text]
    return len(same) == 1 or place == max(same, key=company)


def _in_name(place: int, question: Sequence[Word], met: Met) -> bool:
    """Whether a word that the title has is part of the name: a filler word only beside another word of the name."""
    if not question[place].filler or any(question[place].text in variants for variants in VARIANTS):
        return True
    if all(question[at].filler for at in met):
        return not question[place].stop or all(question[at].stop for at in met)
    beside = (at for step in (-1, 1) for at in takewhile(met.__contains__, _outward(place, step, question)))
    return any(not question[at].filler for at in beside)


def _penalties(
    question: Sequence[Word], met: Met, idle: set[int], title: Sequence[str], weigh: Weigh
) -> tuple[float, bool]:
    """What speaks against the title, and whether that makes it another product."""
    naming = [place for place in met if not question[place].filler] or list(met)
    by_case = any(question[place].capital for place in naming)
    ends = {place for place, (_, words) in met.items() if title[-1] in words}
    replaced = bool(set(title).difference(STOP, *(words for _, words in met.values())))
    goes_on = replaced and len(naming) > 1  # otherwise than the question
    missed, lower, other = 0.0, 0.0, False
    for place, word in enumerate(question):
        if place in met or place in idle or word.stop:
            continue
        near = _position(place, question, met, ends)
        if near == "beside" and any(word.text in variants and variants.intersection(title) for variants in VARIANTS):
            other = True
        if word.number:
            around = question[max(place - 1, 0) : place + 2]
            other = other or near == "beside" or any(one.text in LABELS for one in around)
        if word.filler and (near == "apart" or not _looks_like_name(word)):
            continue
        weight = weigh(word.text)
        if not by_case or word.capital or word.number or word.quoted:
            missed += _penalty(word, near, weight, replaced=replaced)
        elif near == "beside" and goes_on and (place - 1 in met or lower >= _NOUN):
            lower += _NOUN * weight  # "Velmo Tarkin toaster"
        else:
            lower = max(lower, min(lower + 0.12 * weight, _LOWER))
    return missed + min(lower, 2 * _NOUN), other


def _penalty(word: Word, near: str, weight: float, *, replaced: bool) -> float:
    """How much a word that the title lacks speaks against it.

    Args:
        word: The word.
        near: Where it stands, as `_position` says.
        weight: How much it says.
        replaced: Whether the title has words that the question lacks.
    """
    if near == "beside" and (word.number or word.quoted or word.capital or replaced):
        return max(weight, _LEAST) * (_REPLACED if replaced else 1.0)
    if near == "linked" and replaced:
        return max(weight, _LEAST)
    apart = 0.6 if word.capital else 0.3
    return (apart if near == "apart" else 0.5) * weight * (1.0 if replaced else _COMPLETE)


def _numbered_otherwise(question: Sequence[Word], title: Sequence[str]) -> bool:
    """Whether the question says "volume 3" where the title says "volume 4"; a 3 elsewhere in it does not help."""
    told = {(label, number) for label, number in pairwise(title) if label in LABELS and number[0].isdigit()}
    asked = ((first.text, second.text) for first, second in pairwise(question) if second.text[0].isdigit())
    return any(label in dict(told) and (label, number) not in told for label, number in asked)


def _sized_otherwise(question: Sequence[Word], title: Sequence[str]) -> bool:
    """Whether the question has "large", but for "how large", where the title has "X-Large"."""
    if MORE.isdisjoint(title):
        return False
    asked = {word.text for at, word in enumerate(question) if not at or question[at - 1].text not in _HOW}
    return any(more in MORE and size in asked and more not in asked for more, size in pairwise(title))


def _looks_like_name(word: Word) -> bool:
    """Whether a word is written as a name is: with a capital that no start of a sentence explains."""
    return word.capital and not word.breaks


def _position(place: int, question: Sequence[Word], met: Container[int], ends: set[int]) -> str:
    """Where a word stands to those that fit.

    Args:
        place: The word's.
        question: All words.
        met: The places of those that fit.
        ends: The places of the title's last word: what follows it without a capital is no part of the name.

    Returns:
        `beside` one, with only others between that do not fit, or between two, or in a quotation; `linked` to one by
        function words; or `apart`.
    """
    if question[place].quoted:
        return "beside"
    nearest, sides = "apart", 0
    names = question[place].capital or question[place].number
    for step in (-1, 1):
        link, filler = "", False
        for at in _outward(place, step, question):
            word = question[at]
            if at in met and not word.stop:
                sides += 1
                over = at in ends and step < 0 and not names and link != "of"
                if not (filler or over or link):
                    return "beside"
                if not (filler or over):
                    nearest = "linked"
                break
            if word.text in LINKS:
                link = "of" if word.text in OF and link != "linked" else "linked"
            elif word.filler and not _looks_like_name(word):
                filler = True
    return "beside" if sides == 2 else nearest
