"""What a card takes from two evaluation reports: the table of before and after, and three questions with answers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from amazon_titles.errors import InputError

Report = Mapping[str, Any]
"""What `eval/before.json` or `eval/after.json` holds."""

# Measures by their key in a report's scores: the name in a comparison, and the metric's type for the Hub.
_MEASURES = {
    "rouge_l": ("ROUGE-L F1", "rouge"),
    "fact_recall": ("fact recall", "fact_recall"),
    "abstained": ("said it does not know", "abstention_rate"),
}
# What the questions are judged by, the first that one of them has.
_BY = ("fact_recall", "rouge_l", "abstained")
# Sets whose questions are about a record of the catalogue that no model has in view: what the card says of them.
_FROM_MEMORY = ("seen", "unseen")
_RIGHT = 0.999  # of a score: all facts of the description stand in the answer


class Shown(NamedTuple):
    """One question of the card with both answers.

    Attributes:
        kind: `improved`, `median` or `wrong`: why it was chosen.
        measure: What both are judged by, a key of `scores`.
        before: The example of the base's report.
        after: The adapter's, of the same question.
    """

    kind: str
    measure: str
    before: Mapping[str, Any]
    after: Mapping[str, Any]


def rows(before: Report, after: Report, comparison: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
    """The table of before and after from two reports, in the form of `eval/comparison.json`.

    A report that holds confidence intervals has them under `scores.SET.intervals.MEASURE` as `[low, high]`; they become
    `before_interval` and `after_interval`.

    Args:
        before: The base's report, `eval/before.json`.
        after: The adapter's, `eval/after.json`.
        comparison: `eval/comparison.json`. Its rows, which may tell more, are taken where they are of these reports.

    Raises:
        InputError: The reports do not hold the same questions of the same dataset.
    """
    asked = [[(row["set"], row["uid"], row["question"]) for row in report["examples"]] for report in (before, after)]
    differ = [what for what in ("dataset", "settings") if before.get(what) != after.get(what)]
    if differ or asked[0] != asked[1]:
        raise InputError(
            f"The evaluations before and after have another {' and other '.join(differ or ['list of questions'])}.",
            hint="Evaluate both with the same options: amazon-titles evaluate MODEL --dataset DIR --out FILE",
        )
    found = []
    for name in before["scores"]:
        scores = {when: report["scores"].get(name, {}) for when, report in (("before", before), ("after", after))}
        for measure, (title, _) in _MEASURES.items():
            # A description without numbers and names has no facts: n is of the examples that have the measure.
            n = sum(example["set"] == name and measure in example["scores"] for example in before["examples"])
            if n and all(measure in there for there in scores.values()):
                row = {"set": name, "n": n, "measure": title} | {when: scores[when][measure] for when in scores}
                intervals = {when: there.get("intervals", {}).get(measure) for when, there in scores.items()}
                found.append(row | {f"{when}_interval": bounds for when, bounds in intervals.items() if bounds})
    compared = compared_rows(comparison)
    # A comparison of older reports lacks a row of these, or has other numbers in it.
    return compared if _numbers(found) <= _numbers(compared) else found


def compared_rows(comparison: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """The rows of `eval/comparison.json` that a table can show: a number before and one after."""
    rows = [dict(row) for row in (comparison or {}).get("rows", [])]
    return [row for row in rows if all(isinstance(row.get(when), (int, float)) for when in ("before", "after"))]


def _numbers(rows: Sequence[Mapping[str, Any]]) -> set[tuple[Any, ...]]:
    """What rows tell; two ways to add up differ in the last digits."""
    return {(row["set"], row["measure"], row.get("n"), round(row["before"], 9), round(row["after"], 9)) for row in rows}


def shown(before: Report, after: Report) -> list[Shown]:
    """Three questions of one set: the one that improved most, the median one, and one that is still wrong.

    The set is one that is asked from memory; without any, there is none. They are chosen by the change in fact recall
    (ROUGE-L where no answer has facts), never by hand. A question stands once; where every answer is right, there is no
    third.
    """
    name = next((name for name in _FROM_MEMORY if name in before["scores"]), None)
    both = [pair for pair in zip(before["examples"], after["examples"], strict=True) if pair[0]["set"] == name]
    measure = next((key for key in _BY for pair in both if all(key in one["scores"] for one in pair)), "")

    def score(pair: Sequence[Mapping[str, Any]], side: int = 1) -> float:
        return float(pair[side]["scores"][measure])

    pairs = [pair for pair in both if all(measure in one["scores"] for one in pair)]
    pairs.sort(key=lambda pair: (score(pair) - score(pair, 0), score(pair)), reverse=True)
    best, rest = pairs[:1], pairs[1:]
    median = [rest.pop(len(pairs) // 2 - 1)] if len(rest) > 1 else []
    wrong = sorted((pair for pair in rest if score(pair) < _RIGHT), key=score)[:1]
    chosen = {"improved": best, "median": median, "wrong": wrong}
    return [Shown(kind, measure, *pair) for kind, named in chosen.items() for pair in named]


def model_index(
    name: str, table: Sequence[Mapping[str, Any]], *, dataset: str, revision: str | None
) -> list[dict[str, Any]]:
    """`model-index` of the Hub's metadata: what the adapter scored, a result a set.

    Args:
        name: Of the model.
        table: As `rows` gives it.
        dataset: Its id on the Hub.
        revision: Its commit.
    """
    types = dict(_MEASURES.values())
    results: dict[str, dict[str, Any]] = {}
    for row in table:
        where = {"type": dataset, "name": f"{dataset} ({row['set']})"} | ({"revision": revision} if revision else {})
        result = {"task": {"type": "text-generation"}, "dataset": where, "metrics": []}
        kind = types.get(row["measure"], re.sub(r"[^a-z0-9]+", "_", row["measure"].lower()).strip("_"))
        metric = {"type": kind, "value": round(row["after"], 4), "name": row["measure"]}
        results.setdefault(row["set"], result)["metrics"].append(metric)
    return [{"name": name, "results": list(results.values())}]
