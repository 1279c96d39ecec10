"""What an answer is worth: overlap with the true description, facts recalled, and support by the sources."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from amazon_titles.errors import MissingExtraError

# A number with its decimals, thousands or range: 12, 2.4, 1,200, 2-5, 10/2.
_NUMBER = re.compile(r"\d+(?:[.,/-]\d+)*")
# A capitalised word inside a sentence: not at the start of the text, nor after a full stop, colon, quote or bracket.
_NAME = re.compile(r"(?<=[a-z0-9,;'’&] )[A-ZÀ-Ý][\w'’-]+(?: [A-ZÀ-Ý][\w'’-]+)*|(?<=[a-z] )[A-Z]{2,}")
_WORD = re.compile(r"\w+")
_CITATION = re.compile(r"\[[0-9A-Za-z]{1,40}\]")


def rouge_l(answer: str, reference: str) -> float:
    """ROUGE-L F1 of an answer against the true text, 0 to 1 (Lin 2004), by Google's `rouge-score` without stemming."""
    return float(_rouge_scorer().score(reference, answer)["rougeL"].fmeasure)


@lru_cache(maxsize=1)
def _rouge_scorer() -> Any:  # noqa: ANN401 - an untyped library's object
    try:
        from rouge_score.rouge_scorer import RougeScorer
    except ImportError as error:
        raise MissingExtraError("model", "rouge-score") from error
    return RougeScorer(["rougeL"], use_stemmer=False)


def facts(text: str, *, title: str = "") -> frozenset[str]:
    """The facts of a description that an answer can be checked for: numbers and names, in lower case.

    A measure counts by its number. What stands in the title is left out, because echoing the question recalls nothing.

    Args:
        text: A description.
        title: Of its product.
    """
    known = set(_words(title))
    names = (word for name in _NAME.findall(text) for word in _words(name))
    return frozenset(fact for fact in (*_NUMBER.findall(text), *names) if fact not in known)


def fact_recall(answer: str, reference: str, *, title: str = "") -> float | None:
    """The share of the true description's facts that stand in the answer; None where it has no facts."""
    wanted = facts(reference, title=title)
    if not wanted:
        return None
    present = {*_NUMBER.findall(answer), *_words(answer)}
    return len(wanted & present) / len(wanted)


def grounded_share(answer: str, sources: Sequence[str]) -> float:
    """How much of an answer its sources support, 0 to 1: the lower of two shares, its words and its facts.

    The facts count for themselves because two products of one kind share most of their words, and differ in numbers
    and names. Citations such as `[0001360000]` are not counted; an answer without words has 0.

    Args:
        answer: What the model said.
        sources: The texts (titles included) that the answer names as its sources.
    """
    said = _CITATION.sub(" ", answer)
    words = _words(said)
    if not words:
        return 0.0
    known = {word for source in sources for word in (*_words(source), *_NUMBER.findall(source))}
    stated = facts(said)
    by_word = sum(word in known for word in words) / len(words)
    return min(by_word, len(stated & known) / len(stated)) if stated else by_word


def mean(values: Sequence[float | None]) -> float | None:
    """The mean of the values that exist; None where none does: what cannot be computed is absent, never zero."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def bootstrap_interval(values: Sequence[float | None], *, resamples: int = 2000, seed: int = 0) -> list[float] | None:
    """The 95 % interval of a mean: percentile bootstrap over the examples (Efron 1979).

    Args:
        values: One an example; those that are None are left out.
        resamples: Draws with replacement.
        seed: Of the draws, so that the same values give the same interval.

    Returns:
        `[low, high]`; None with fewer than two values.
    """
    import numpy as np

    known = np.array([value for value in values if value is not None])
    if len(known) < 2:
        return None
    drawn = np.random.default_rng(seed).integers(len(known), size=(resamples, len(known)))
    low, high = np.percentile(known[drawn].mean(axis=1), [2.5, 97.5])
    return [round(float(low), 4), round(float(high), 4)]


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())
