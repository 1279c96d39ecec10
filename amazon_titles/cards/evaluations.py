"""What a card takes from two evaluation reports: the table of before and after, and three questions with answers."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from amazon_titles.errors import InputError

Report = Mapping[str, Any]
"""What `eval/before.json` or `eval/after.json` holds."""

# Measures by their key in a report's scores: the name in a comparison, and the metric's type for the Hub.
_MEASURES = {
    "rouge_l": ("ROUGE-L F1", "rouge"),
    "fact_recall": ("fact recall", "fact_recall"),
    "abstained": ("said it does not know", "abstention_rate"),
}
# What a question is judged by, the first that it has.
_BY = ("fact_recall", "rouge_l", "abstained")
# Sets whose questions are about a record of the catalogue that no model has in view: what the card says of them.
_FROM_MEMORY = ("seen", "unseen")
_RIGHT = 0.999  # of a score: all facts of the description stand in the answer


@dataclass(frozen=True, slots=True)
class Shown:
    """One question of the card with both answers.

    Attributes:
        kind: `improved`, `median` or `wrong`: why it was chosen.
        set: The evaluation's set.
        uid: The product.
        question: As sent.
        reference: What the record says.
        before: The base's answer.
        after: The adapter's answer.
        measure: What both scores are of.
        score_before: 0 to 1.
        score_after: 0 to 1.
    """

    kind: str
    set: str
    uid: str
    question: str
    reference: str
    before: str
    after: str
    measure: str
    score_before: float
    score_after: float


def rows(before: Report, after: Report, comparison: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
    """The table of before and after from two reports, in the form of `eval/comparison.json`.

    A report that holds confidence intervals has them under `scores.SET.intervals.MEASURE` as `[low, high]`; they become
    `before_interval` and `after_interval`.

    Args:
        before: The base's report.
        after: The adapter's.
        comparison: `eval/comparison.json`. Its rows, which may tell more, are taken where they are of these reports.

    Raises:
        InputError: The reports do not hold the same questions of the same dataset.
    """
    _require_same(before, after)
    found = []
    for name, scores in before["scores"].items():
        later = after["scores"].get(name, {})
        for measure, (title, _) in _MEASURES.items():
            if measure in scores and measure in later:
                row = {"set": name, "n": _count(before, after, name, measure) or scores["n"], "measure": title}
                row |= {"before": scores[measure], "after": later[measure]}
                for when, there in (("before", scores), ("after", later)):
                    if measure in there.get("intervals", {}):
                        row[f"{when}_interval"] = there["intervals"][measure]
                found.append(row)
    compared = compared_rows(comparison)
    return compared if _agree(found, compared) else found


def _count(before: Report, after: Report, name: str, measure: str) -> int:
    """How many examples of a set have a measure both times: a description without numbers and names has no facts."""
    pairs = zip(before["examples"], after["examples"], strict=True)
    return sum(pair[0]["set"] == name and all(measure in one["scores"] for one in pair) for pair in pairs)


def compared_rows(comparison: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """The rows of `eval/comparison.json` that a table can show: a number before and one after."""
    told = [dict(row) for row in (comparison or {}).get("rows", [])]
    return [row for row in told if all(isinstance(row.get(when), (int, float)) for when in ("before", "after"))]


def _agree(found: Sequence[Mapping[str, Any]], compared: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a comparison has every row of the reports with its numbers: an older one has others."""
    told = {(row["set"], row["measure"]): row for row in compared}

    def same(row: Mapping[str, Any]) -> bool:
        other = told.get((row["set"], row["measure"]))
        if other is None or row["n"] != other["n"]:
            return False
        return all(math.isclose(row[when], other[when], abs_tol=1e-4) for when in ("before", "after"))

    return all(map(same, found))


def _require_same(before: Report, after: Report) -> None:
    for what in ("dataset", "settings"):
        if before.get(what) != after.get(what):
            raise InputError(
                f"The evaluations before and after have another {what}: {before.get(what)!r} and {after.get(what)!r}.",
                hint="Evaluate both with the same options: amazon-titles evaluate MODEL --dataset DIR --out FILE",
            )
    asked = [[(row["set"], row["uid"], row["question"]) for row in report["examples"]] for report in (before, after)]
    if asked[0] != asked[1]:
        raise InputError(
            "The evaluations before and after hold different questions.", hint="Evaluate both on the same sets."
        )


def shown(before: Report, after: Report) -> list[Shown]:
    """Three questions of one set: the one that improved most, the median one, and one that is still wrong.

    The set is one that is asked from memory; without any, there is none. They are chosen by the change in fact recall
    (ROUGE-L where no answer has facts), never by hand. A question stands once; where every answer is right, there is no
    third.
    """
    pairs = [_pair(*both) for both in zip(before["examples"], after["examples"], strict=True)]
    sets = [name for name in before["scores"] if name in _FROM_MEMORY]
    pairs = [pair for pair in pairs if sets and pair.set == sets[0] and pair.measure]
    if any(pair.measure == "fact_recall" for pair in pairs):
        pairs = [pair for pair in pairs if pair.measure == "fact_recall"]
    ordered = sorted(pairs, key=lambda pair: (pair.score_after - pair.score_before, pair.score_after), reverse=True)
    if not ordered:
        return []
    chosen = [("improved", ordered[0])]
    if len(ordered) > 2:
        chosen.append(("median", ordered[len(ordered) // 2]))
    wrong = [pair for pair in ordered if pair.score_after < _RIGHT and all(pair is not used for _, used in chosen)]
    if wrong:
        chosen.append(("wrong", min(wrong, key=lambda pair: pair.score_after)))
    return [_named(kind, pair) for kind, pair in chosen]


def _pair(before: Mapping[str, Any], after: Mapping[str, Any]) -> Shown:
    measure = next((name for name in _BY if name in before["scores"] and name in after["scores"]), "")
    return Shown(
        "", before["set"], before["uid"], before["question"], before["reference"], before["answer"], after["answer"],
        measure, before["scores"].get(measure, 0.0), after["scores"].get(measure, 0.0),
    )  # fmt: skip


def _named(kind: str, pair: Shown) -> Shown:
    from dataclasses import replace

    return replace(pair, kind=kind, measure=_MEASURES[pair.measure][0])


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
    results = []
    for group in dict.fromkeys(row["set"] for row in table):
        where = {"type": dataset, "name": f"{dataset} ({group})"} | ({"revision": revision} if revision else {})
        metrics = [
            {"type": types.get(row["measure"], _slug(row["measure"])), "value": round(row["after"], 4)}
            | {"name": row["measure"]}
            for row in table
            if row["set"] == group
        ]
        results.append({"task": {"type": "text-generation"}, "dataset": where, "metrics": metrics})
    return [{"name": name, "results": results}]


def _slug(measure: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", measure.lower()).strip("_")
