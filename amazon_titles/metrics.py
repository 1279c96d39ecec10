"""What an answer is worth: overlap with the true text, facts, support by the sources, form; and how sure a mean is."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from amazon_titles.errors import require

Values = Sequence[float | None]
"""One value an example, None where it cannot be computed."""

# A number with its decimals, thousands or range: 12, 2.4, 1,200, 2-5, 10/2.
_NUMBER = r"\d+(?:[.,/-]\d+)*"
# The comma of thousands: 1,200 and 1200 are one number.
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
# A capitalised word inside a sentence: not at the start of the text, nor after a full stop, colon, quote or bracket.
_NAME = re.compile(r"(?<=[a-z0-9,;'’&] )[A-ZÀ-Ý][\w'’-]+(?: [A-ZÀ-Ý][\w'’-]+)*|(?<=[a-z] )[A-Z]{2,}")
_WORD = re.compile(r"\w+")
# A code in square brackets: [0001360000], or of a catalogue of one's own [SKU-12/B].
_CITATION = re.compile(r"\[[^\[\]\s]{1,100}\]")

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
    rf"({_NUMBER})(?:[ -]?({'|'.join(sorted(map(re.escape, _UNIT), key=len, reverse=True))})(?!\w))?", re.I
)

_RUN = 4  # words
_RESAMPLES = 2000
# Sign flips of a permutation test: all of them up to this many, else as many drawn ones.
_FLIPS = 2**13
# Numbers drawn at a time, so that a thousand examples cost megabytes and not gigabytes.
_AT_A_TIME = 2**20


def without_citations(text: str, *uids: str) -> str:
    """A text without its citations, which say where it is from and are no part of it.

    Args:
        text: An answer, or a description.
        *uids: That it may cite: a code with a blank in it is known by these alone.
    """
    for uid in uids:
        text = text.replace(f"[{uid}]", "")
    return _CITATION.sub("", text).strip() if "[" in text else text


def words(text: str) -> list[str]:
    """The words of a text, in lower case."""
    return _WORD.findall(text.lower())


def _numbers(text: str) -> list[tuple[str, str]]:
    """Every number of a text, alone and with its unit: `("2.4", "2.4 l")` of "2.4 litres"."""
    found = [(_THOUSANDS.sub("", number), _UNIT.get(unit.lower(), "")) for number, unit in _MEASURE.findall(text)]
    return [(number, f"{number} {unit}".rstrip()) for number, unit in found]


def stated(text: str) -> frozenset[str]:
    """All that a text says, to look a fact up in: words, numbers, and measures as `2.4 l`."""
    return frozenset([*words(text), *chain.from_iterable(_numbers(text))])


def facts(text: str, *, title: str = "") -> frozenset[str]:
    """The facts of a description that an answer can be checked for: measures, other numbers and names, in lower case.

    A number with a unit is one fact, `2.4 l`: 2.4 of something else is another. What stands in the title is left out,
    because echoing the question recalls nothing.

    Args:
        text: A description, or an answer; citations such as `[0001360000]` are no facts.
        title: Of its product.
    """
    text = without_citations(text)
    # Without the measures: the Pounds of "3 Pounds" are no name.
    names = words(" ".join(_NAME.findall(_MEASURE.sub("0", text))))
    return frozenset([*(fact for _, fact in _numbers(text)), *names]) - stated(title)


def fact_recall(answer: str, reference: str, *, title: str = "") -> float | None:
    """The share of the true description's facts that stand in the answer, 0 to 1; None where it has no facts."""
    return fact_precision(reference, without_citations(answer), title=title)


def fact_precision(answer: str, reference: str, *, title: str = "") -> float | None:
    """The share of the facts that the answer states that are true, 0 to 1; None where it states none."""
    claimed = facts(answer, title=title)
    return len(claimed & stated(reference)) / len(claimed) if claimed else None


def grounded_share(answer: str, sources: Sequence[str]) -> float:
    """How much of an answer its sources support, 0 to 1: the lower of two shares, its words and its facts.

    The facts count for themselves because two products of one kind share most of their words, and differ in numbers
    and names. Citations such as `[0001360000]` are not counted; an answer without words has 0.

    Args:
        answer: What the model said.
        sources: The texts (titles included) that the answer names as its sources.
    """
    said, claimed = words(without_citations(answer)), facts(answer)
    if not said:
        return 0.0
    known = frozenset[str]().union(*map(stated, sources))
    by_word = sum(word in known for word in said) / len(said)
    return min(by_word, len(claimed & known) / len(claimed)) if claimed else by_word


def cites(answer: str, uid: str) -> bool:
    """Whether an answer cites this product, `[uid]`, and no other."""
    return f"[{uid}]" in answer and not _CITATION.search(answer.replace(f"[{uid}]", ""))


def rouge_l(answer: str, reference: str) -> float:
    """ROUGE-L F1 of an answer against the true text, 0 to 1 (Lin 2004), by Google's `rouge-score` without stemming."""
    return float(_scorers()[0].score(reference, answer)["rougeL"].fmeasure)


def chrf(answer: str, reference: str) -> float:
    """chrF2 of an answer against the true text, 0 to 1 (Popović 2015), by `sacrebleu` (which counts to 100).

    Character n-grams of 1 to 6, recall weighing twice: unlike ROUGE-L it gives credit for inflected words.
    """
    return float(_scorers()[1].sentence_score(answer, [reference]).score) / 100


@cache
def _scorers() -> tuple[Any, Any]:
    require("model", "rouge_score", "sacrebleu")
    from rouge_score.rouge_scorer import RougeScorer
    from sacrebleu.metrics import CHRF

    return RougeScorer(["rougeL"], use_stemmer=False), CHRF()


def repetition(answer: str) -> float | None:
    """The share of an answer's runs of four words that were there before, 0 to 1; None with fewer than four words.

    seq-rep-4 of Welleck et al. 2019, "Neural Text Generation with Unlikelihood Training".
    """
    said = words(answer)
    runs = [tuple(said[start : start + _RUN]) for start in range(len(said) - _RUN + 1)]
    return 1 - len(set(runs)) / len(runs) if runs else None


Array = npt.NDArray[np.float64]


def _known(*columns: Values, weights: Sequence[float] | None) -> Array:
    """The examples that have every value: a row a column, and their weights as the last one."""
    examples = zip(*columns, weights or [1.0] * len(columns[0]), strict=True)
    known = [example for example in examples if None not in example]
    return np.array(known, dtype=float).reshape(-1, len(columns) + 1).T


def mean(values: Values, weights: Sequence[float] | None = None) -> float | None:
    """The mean of the values that exist; None where none does: what cannot be computed is absent, never zero.

    Args:
        values: One an example.
        weights: As many; by default each counts the same.
    """
    value, weight = _known(values, weights=weights)
    return float(np.average(value, weights=weight)) if weight.sum() else None


def bootstrap_interval(values: Values, *, weights: Sequence[float] | None = None) -> list[float] | None:
    """The 95 % interval of a mean: percentile bootstrap over the examples (Efron 1979), with a fixed seed.

    Args:
        values: One an example; those that are None are left out.
        weights: As for `mean`; drawn together with their values.

    Returns:
        `[low, high]`; None with fewer than two values.
    """
    value, weight = _known(values, weights=weights)
    return _intervals(value[None], weight)[0] if len(value) > 1 else None


def _intervals(columns: Array, weight: Array) -> list[list[float]]:
    """The interval of each row's mean, all of the same draws."""
    random, totals, means, n = np.random.default_rng(0), columns * weight, [], len(weight)
    for count in _portions(n, _RESAMPLES):
        drawn = random.integers(n, size=(count, n))
        means.append(totals[:, drawn].sum(axis=-1) / weight[drawn].sum(axis=-1))
    bounds = np.percentile(np.concatenate(means, axis=1), [2.5, 97.5], axis=1).T
    return [[round(float(bound), 4) for bound in both] for both in bounds]


class Change(NamedTuple):
    """What changed between two measurements of the same examples; a single one has no intervals and no test.

    Attributes:
        n: Examples that have a value in both.
        before: Mean of those.
        after: Mean of those.
        before_interval: 95 % of `before`: bootstrap, `[low, high]`.
        after_interval: 95 % of `after`.
        change_interval: 95 % of `after - before`: paired bootstrap.
        p_value: Two-sided, of a paired permutation test.
    """

    n: int
    before: float
    after: float
    before_interval: list[float] | None = None
    after_interval: list[float] | None = None
    change_interval: list[float] | None = None
    p_value: float | None = None


def paired_change(before: Values, after: Values, *, weights: Sequence[float] | None = None) -> Change | None:
    """What changed, over the examples that have a value both times; None where there is none.

    The test flips the sign of each example's difference: were the training without effect, either order of the two
    would be as likely (Fisher's randomisation test). Up to thirteen examples all flips are counted; with more, drawn
    ones, and then the measured one counts among them, so that p is never 0 (Phipson and Smyth 2010).

    Args:
        before: One value an example.
        after: In the same order.
        weights: As for `mean`, the same both times.
    """
    first, then, weight = _known(before, after, weights=weights)
    if not weight.sum():
        return None
    was, now = (float(np.average(column, weights=weight)) for column in (first, then))
    if len(weight) < 2:
        return Change(1, was, now)
    of_first, of_then, of_change = _intervals(np.stack([first, then, then - first]), weight)
    return Change(len(weight), was, now, of_first, of_then, of_change, _permutation_p((then - first) * weight))


def _permutation_p(differences: Array) -> float:
    n = len(differences)
    least = abs(differences.sum()) * (1 - 1e-9)  # sums in another order differ in their last digits
    if 2**n <= _FLIPS:
        bits = np.arange(2**n)[:, None] >> np.arange(n) & 1
        return float((np.abs((1 - 2 * bits) @ differences) >= least).mean())
    random, extreme = np.random.default_rng(0), 0
    for count in _portions(n, _FLIPS - 1):
        signs = random.integers(0, 2, size=(count, n), dtype=np.int8) * 2 - 1
        extreme += int((np.abs(signs @ differences) >= least).sum())
    return (1 + extreme) / _FLIPS


def _portions(n: int, draws: int) -> list[int]:
    """Splits `draws` draws of `n` numbers into portions that fit the memory."""
    most = max(1, _AT_A_TIME // n)
    return [min(most, draws - start) for start in range(0, draws, most)]
