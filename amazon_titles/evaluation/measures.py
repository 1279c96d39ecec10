"""The measures: what each is called, which way is better, and what one answer scores."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import isfinite
from typing import NamedTuple

from amazon_titles import metrics
from amazon_titles.evaluation.refusal import refuses
from amazon_titles.evaluation.sets import Question
from amazon_titles.metrics import facts, stated, without_citations, words
from amazon_titles.search.stopwords import STOP

VERSION = 4
"""Of the measures and the sets: reports of two versions do not compare."""

_MADE = {"made", "feito", "feita"}


class Measure(NamedTuple):
    """A measure.

    Attributes:
        title: For people.
        better: 1 where more is better, -1 where less is, 0 where neither.
        share: Whether it goes from 0 to 1.
        sets: Where it is a headline: shown also in the short table.
    """

    title: str
    better: int
    share: bool = True
    sets: tuple[str, ...] = ()


MEASURES = {
    "rouge_l": Measure("ROUGE-L F1", 1, sets=("seen", "unseen")),
    "chrf": Measure("chrF", 1),
    "fact_recall": Measure("fact recall", 1, sets=("seen", "unseen", "grounded")),
    "fact_precision": Measure("fact precision", 1, sets=("seen", "unseen")),
    "grounded": Measure("groundedness", 1, sets=("grounded",)),
    "cited": Measure("right source cited", 1, sets=("grounded",)),
    "property": Measure("property asked, and no other", 1, sets=("property",)),
    "correct": Measure("right answer", 1, sets=("general",)),
    "abstained": Measure("said it does not know", 0, sets=("unseen", "invented")),
    "false_abstention": Measure("false abstention", -1, sets=("seen",)),
    "loss": Measure("loss (nats a token)", -1, share=False),
    "perplexity": Measure("perplexity", -1, share=False),
    "ended": Measure("end reached", 1),
    "repetition": Measure("repetition", -1),
    "index_refused": Measure("refused by the index", 0),
}
"""Every measure by its key; the definitions are in `metrics`, and in `score`."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a model did with a question.

    Attributes:
        text: Its answer.
        finished: Whether it ended the answer itself; None where the model does not tell.
        tokens: Of the answer; None where the model does not tell.
        nll: Negative log-likelihood of the right answer, in nats, summed over its tokens; None where the model
            does not tell.
        nll_tokens: How many those are, the end-of-turn among them.
    """

    text: str
    finished: bool | None = None
    tokens: int | None = None
    nll: float | None = None
    nll_tokens: int = 0


def better(measure: str, group: str) -> int:
    """1 where more of a measure is better in a set, -1 where less is, 0 where neither: refusing what does not exist."""
    return 1 if (measure, group) == ("abstained", "invented") else MEASURES[measure].better


def score(question: Question, outcome: Outcome) -> dict[str, float]:
    """What an answer is worth, by measure; a measure that cannot be computed is absent.

    `grounded` asks whether the products in view support the answer, or, where none is in view, the record that it is
    about. An answer that refuses is judged by that alone: it states nothing that could be grounded or repeat.
    `property` is 1 where an answer holds the property that was asked, as the record has it, and states nothing else.
    """
    answer, refused = outcome.text, refuses(outcome.text)
    found: dict[str, float | None] = {
        "abstained" if question.set in ("unseen", "invented") else "false_abstention": refused,
        "ended": outcome.finished,
        "repetition": None if refused else metrics.repetition(answer),
    }
    if outcome.nll is not None and isfinite(outcome.nll) and outcome.nll_tokens:
        found["loss"] = outcome.nll / outcome.nll_tokens
    if question.set == "general":
        found["correct"] = any(re.search(rf"(?<!\w){re.escape(a)}(?!\w)", answer, re.I) for a in question.accepted)
    elif question.set != "invented":
        found |= worth(question, answer)
    if question.set == "property":
        found["property"] = _is_property(question, answer)
    return {measure: float(value) for measure, value in found.items() if value is not None}


def worth(question: Question, answer: str) -> dict[str, float]:
    """The measures of an answer about a product that need its text alone; as in `score`."""
    said, right = (without_citations(text, question.uid) for text in (answer, question.reference))
    found = {
        "rouge_l": metrics.rouge_l(said, right),
        "chrf": metrics.chrf(said, right),
        "fact_recall": metrics.fact_recall(said, right, title=question.title),
    }
    if not refuses(answer):
        found["fact_precision"] = metrics.fact_precision(said, question.record, title=question.title)
        found["grounded"] = metrics.grounded_share(said, question.shown or (question.record,))
    if question.shown:
        found["cited"] = float(metrics.cites(answer, question.uid))
    return {measure: value for measure, value in found.items() if value is not None}


def _is_property(question: Question, answer: str) -> bool:
    """Whether every fact of the right answer stands in an answer, and no other but what the title says."""
    said, right = (without_citations(text, question.uid) for text in (answer, question.reference))
    # "made of cast iron" has no fact: its words count, without those that every material has.
    wanted = (facts(span) or set(words(span)) - STOP - _MADE for span in right.split(", "))
    return all(each <= stated(said) for each in wanted) and facts(said, title=question.title) <= stated(right)
