"""Yardsticks: what answers without any model score on the same questions, and what the index alone refuses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from amazon_titles.catalog import Product
from amazon_titles.evaluation.measures import worth
from amazon_titles.evaluation.report import Example, summary
from amazon_titles.evaluation.sets import Question
from amazon_titles.metrics import cites

SETS = ("seen", "unseen")
"""Where yardsticks stand: questions about one product, with no text in view."""

TITLE, OTHER, COPY = "the title echoed", "another product's text", "the record copied, no model"


class Found(Protocol):
    """What an index finds: `search.Hit` is one."""

    @property
    def product(self) -> Product:
        """As in the catalogue."""


class Index(Protocol):
    """What looks a question up: `CatalogIndex` is one."""

    def search(self, question: str, k: int = 3) -> Sequence[Found]:
        """The products that fit, best first; none where nothing does."""


def measure_baselines(questions: Sequence[Question], index: Index) -> tuple[dict[str, dict[str, Any]], list[bool]]:
    """What needs no model.

    Args:
        questions: Of every set.
        index: Of the catalogue.

    Returns:
        By yardstick, by set, a summary as in `EvalReport.scores`; and for each question whether the index refused it.
    """
    found = [next(iter(index.search(question.asked, 1)), None) for question in questions]
    result: dict[str, dict[str, Any]] = {}
    for name in SETS:
        rows = [(q, hit) for q, hit in zip(questions, found, strict=True) if q.set == name]
        if not rows:
            continue
        titles = [_example(question, question.title) for question, _ in rows]
        result.setdefault(TITLE, {})[name] = summary(titles)
        if len(rows) > 1:
            others = [_example(q, rows[place - 1][0].record.partition("\n")[2]) for place, (q, _) in enumerate(rows)]
            result.setdefault(OTHER, {})[name] = summary(others)
        copies = [_example(q, _copy(hit), source=True) for q, hit in rows]
        result.setdefault(COPY, {})[name] = summary(copies)
    return result, [hit is None for hit in found]


def _copy(hit: Found | None) -> str:
    return f"{hit.product.content} [{hit.product.uid}]" if hit else ""


def _example(question: Question, answer: str, *, source: bool = False) -> Example:
    scores = worth(question, answer)
    if source:
        scores["cited"] = float(cites(answer, question.uid))
    known = {measure: value for measure, value in scores.items() if value is not None}
    return Example(question.set, question.uid, question.text, question.reference, answer, known)
