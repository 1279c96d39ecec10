"""Scores as the Hub's own `EvalResult`s, for a model card's metadata."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from amazon_titles.evaluation.sets import SETS

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

# Names that the Hub knows a metric by; others go by their key.
_TYPES = {"rouge_l": "rouge", "chrf": "chrf", "correct": "accuracy", "perplexity": "perplexity"}


def eval_results(rows: Sequence[Mapping[str, Any]], *, dataset: str, revision: str | None = None) -> list[EvalResult]:
    """What the fine-tuned model scored, a result a set and measure.

    Args:
        rows: As `Comparison.rows` gives them, or read from `comparison.json`.
        dataset: Its id on the Hub.
        revision: Its commit.

    Returns:
        For `ModelCardData(model_name=…, eval_results=…)`, in both generations of huggingface_hub; without `general`,
        whose questions are not of the dataset.
    """
    from huggingface_hub import EvalResult

    return [
        EvalResult(
            task_type="text-generation",
            dataset_type=dataset,
            dataset_name=f"{dataset} ({row['set']}: {SETS[row['set']][2]})",
            # The class groups by configuration and split: without this, sets of one split would become one.
            dataset_config=row["set"],
            dataset_split=SETS[row["set"]][0],
            dataset_revision=revision,
            dataset_args={"n": row["n"]},
            metric_type=_TYPES.get(row["key"], row["key"]),
            metric_name=row["measure"],
            metric_value=round(row["after"], 4),
            metric_args={"interval_95": row["after_interval"]} if "after_interval" in row else None,
        )
        for row in rows
        if row["set"] != "general"
    ]
