"""Baselines: what answers without any model score on the same questions, and what the index alone refuses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from amazon_titles.evaluation.measures import worth
from amazon_titles.evaluation.report import Example, summary
from amazon_titles.evaluation.sets import Question
from amazon_titles.search import CatalogIndex


def measure_baselines(
    questions: Sequence[Question], dataset: str | Path
) -> tuple[dict[str, dict[str, Any]], list[bool]]:
    """What needs no model.

    Args:
        questions: Of every set.
        dataset: The dataset folder, whose catalogue is searched.

    Returns:
        By baseline, by set, a summary as in `EvalReport.scores`; and for each question whether the index refused it.
    """
    index = CatalogIndex.build(dataset)
    found = [next(iter(index.search(question.asked, 1)), None) for question in questions]
    result: dict[str, dict[str, Any]] = {}
    for name in ("seen", "unseen"):  # questions about one product, with no text in view
        here = [(question, hit) for question, hit in zip(questions, found, strict=True) if question.set == name]
        asked = [question for question, _ in here]
        # In the place of the right text that of the product before.
        others = [question.record.partition("\n")[2] for question in asked[-1:] + asked[:-1]]
        in_view = [replace(question, shown=(question.record,)) for question in asked]
        copies = [f"{hit.product.content} [{hit.product.uid}]" if hit else "" for _, hit in here]
        answered = {
            "the title echoed": zip(asked, (question.title for question in asked), strict=True),
            "another product's text": zip(asked, others, strict=True) if len(asked) > 1 else (),
            "the record copied, no model": zip(in_view, copies, strict=True),
        }
        for by, pairs in answered.items():
            if examples := [Example(q.set, q.uid, q.text, q.reference, said, worth(q, said)) for q, said in pairs]:
                result.setdefault(by, {})[name] = summary(examples)
    return result, [hit is None for hit in found]
