"""Overlap of an answer with the true text, and with itself."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from amazon_titles.errors import MissingExtraError
from amazon_titles.metrics.facts import words

_RUN = 4


def rouge_l(answer: str, reference: str) -> float:
    """ROUGE-L F1 of an answer against the true text, 0 to 1 (Lin 2004), by Google's `rouge-score` without stemming."""
    return float(_rouge_scorer().score(reference, answer)["rougeL"].fmeasure)


def chrf(answer: str, reference: str) -> float:
    """chrF2 of an answer against the true text, 0 to 1 (Popović 2015), by `sacrebleu` (which counts to 100).

    Character n-grams of 1 to 6, recall weighing twice: unlike ROUGE-L it gives credit for inflected words.
    """
    return float(_chrf_scorer().sentence_score(answer, [reference]).score) / 100


def repetition(answer: str) -> float | None:
    """The share of an answer's runs of four words that were there before, 0 to 1; None with fewer than four words.

    seq-rep-4 of Welleck et al. 2019, "Neural Text Generation with Unlikelihood Training".
    """
    said = words(answer)
    runs = [tuple(said[start : start + _RUN]) for start in range(len(said) - _RUN + 1)]
    return 1 - len(set(runs)) / len(runs) if runs else None


@lru_cache(maxsize=1)
def _rouge_scorer() -> Any:  # noqa: ANN401 - an untyped library's object
    try:
        from rouge_score.rouge_scorer import RougeScorer
    except ImportError as error:
        raise MissingExtraError("model", "rouge-score") from error
    return RougeScorer(["rougeL"], use_stemmer=False)


@lru_cache(maxsize=1)
def _chrf_scorer() -> Any:  # noqa: ANN401
    try:
        from sacrebleu.metrics import CHRF
    except ImportError as error:
        raise MissingExtraError("model", "sacrebleu") from error
    return CHRF()
