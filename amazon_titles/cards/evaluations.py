"""What a card takes from the comparison of two evaluations: three questions, and the results for the Hub."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from amazon_titles.evaluation.comparison import Comparison, Pair

# What the Hub calls a measure, where it is not its name.
_TYPES = {"ROUGE-L F1": "rouge", "said it does not know": "abstention_rate"}
# Sets whose questions are about a record of the catalogue that no model has in view: what the card says of them.
_FROM_MEMORY = ("seen", "unseen")
_RIGHT = 0.999  # of a score: all facts of the description stand in the answer


def shown(comparison: Comparison) -> dict[str, Pair]:
    """Three questions of one set: the `improved` most, the `median` one, and one that is still `wrong`.

    The set is one that is asked from memory; without any, there is none. They are chosen by the change in fact recall
    (ROUGE-L where no answer has facts), never by hand. A question stands once; where every answer is right, there is no
    third.
    """
    judged = next(filter(None, map(comparison.judged, _FROM_MEMORY)), [])
    measure = min((pair.measure for pair in judged), default="")  # fact_recall comes before rouge_l
    pairs = [pair for pair in judged if pair.measure == measure]
    found = {"improved": pairs.pop(0)} if pairs else {}
    if len(pairs) > 1:
        found["median"] = pairs.pop((len(pairs) - 1) // 2)
    worst = min(pairs, key=lambda pair: pair.after.scores[measure], default=None)
    if worst and worst.after.scores[measure] < _RIGHT:
        found["wrong"] = worst
    return found


def model_index(
    name: str, table: Sequence[Mapping[str, Any]], *, dataset: str, revision: str | None
) -> list[dict[str, Any]]:
    """`model-index` of the Hub's metadata: what the adapter scored, a result a set.

    Args:
        name: Of the model.
        table: As `Comparison.rows` gives it.
        dataset: Its id on the Hub.
        revision: Its commit.
    """
    from huggingface_hub.repocard_data import EvalResult, eval_results_to_model_index

    results = [
        EvalResult(
            task_type="text-generation", dataset_type=dataset, dataset_name=f"{dataset} ({row['set']})",
            dataset_split=row["set"], dataset_revision=revision, metric_name=row["measure"],
            metric_type=_TYPES.get(row["measure"]) or re.sub(r"[^a-z0-9]+", "_", row["measure"].lower()).strip("_"),
            metric_value=round(row["after"], 4),
        )
        for row in table
    ]  # fmt: skip
    return list(eval_results_to_model_index(name, results))
