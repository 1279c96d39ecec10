"""`Comparison`: two reports on the same questions, with the change of every measure and how sure it is."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import exp
from typing import Any, NamedTuple

from amazon_titles.errors import InputError
from amazon_titles.evaluation.measures import MEASURES, better
from amazon_titles.evaluation.report import EvalReport, Example, column
from amazon_titles.evaluation.sets import SETS
from amazon_titles.metrics import Change, bootstrap_interval, mean, paired_change

# What an example is judged by, the first that it has in both reports.
_JUDGED_BY = ("correct", "property", "fact_recall", "rouge_l", "abstained")
_SHARES = ("rouge_l", "chrf", "fact_recall", "fact_precision", "grounded", "cited")


class Pair(NamedTuple):
    """One question with both answers.

    Attributes:
        before: The base model's.
        after: The fine-tuned model's.
        measure: What the change is of, a key of `MEASURES`.
        change: After minus before, its sign turned where less is better.
    """

    before: Example
    after: Example
    measure: str
    change: float


@dataclass(frozen=True)
class Comparison:
    """Two reports on the same examples.

    Attributes:
        before: The base model's.
        after: The fine-tuned model's.
    """

    before: EvalReport
    after: EvalReport

    @cached_property
    def _rows(self) -> list[dict[str, Any]]:
        rows = []
        for name in SETS:
            pairs = [pair for pair in self._pairs() if pair[0].set == name]
            for measure in MEASURES:
                if change := _change(pairs, measure):
                    rows.append(_row(name, measure, pairs, change))
                    if measure == "loss":
                        rows.append(_perplexity(rows[-1]))
        return rows

    def rows(self) -> list[dict[str, Any]]:
        """`{"set", "n", "measure", "key", "headline", "before", "after"}` for each measure that both have.

        `headline` is whether the short table, as of a model card, has the row too.

        `n` counts the examples that have the measure in both; the means are of those. With two examples or more,
        `before_interval`, `after_interval`, `change_interval` (`[low, high]`, 95 %, the last of a paired bootstrap) and
        `p_value` (two-sided paired permutation test, not corrected for the number of rows) too. `better` is 1 where
        more is better, -1 where less is, 0 where neither. A loss stands only where both models cut the answers into
        the same tokens.
        """
        return [{**row, "headline": row["set"] in MEASURES[row["key"]].sets} for row in self._rows]

    def yardsticks(self) -> list[dict[str, Any]]:
        """Who answers how well on the products of `seen` and `unseen`: yardsticks without a model, then both models.

        `{"set", "by", "n", measures…}`; what is answered with product texts in view is of the set `grounded`, and
        stands beside `unseen`, since both are of the test split.
        """
        rows = []
        for name in ("seen", "unseen"):
            rows += [
                {"set": name, "by": by, **_shares(sets[name])}
                for by, sets in self.after.yardsticks.items()
                if name in sets
            ]
            for who, report in (("base", self.before), ("fine-tuned", self.after)):
                scores = report.scores()
                views = [(name, "from memory"), *([("grounded", "texts in view")] if name == "unseen" else [])]
                rows += [
                    {"set": name, "by": f"{who}, {how}", **_shares(scores[view])}
                    for view, how in views
                    if view in scores
                ]
        return rows

    def refusals(self) -> list[dict[str, Any]]:
        """Who refuses how often: `{"set", "kind", "n", "index", "before", "after", "index_or_after"}`, shares.

        `index` is the search alone, before any model is asked; `after` the fine-tuned model alone; `index_or_after` the
        two in a row, as `ask` works. In `invented` to refuse is right; elsewhere it is wrong.
        """
        rows = []
        for name in SETS:
            if name == "general":
                continue  # about no product: what the index says there means nothing
            here = [pair for pair in self._pairs() if pair[0].set == name and "index_refused" in pair[1].scores]
            kinds = sorted({pair[0].kind for pair in here if pair[0].kind})
            for kind in ["", *(kinds if len(kinds) > 1 else [])]:
                pairs = [pair for pair in here if kind in ("", pair[0].kind)]
                if pairs:
                    rows.append({"set": name, "kind": kind, "n": len(pairs), **_refusals(pairs)})
        return rows

    def examples(self, count: int = 1) -> dict[str, list[Pair]]:
        """`improved` and `damaged`: the examples whose answer gained and lost most, at most `count` of each a set.

        An example is judged by the first of right answer, property, fact recall, ROUGE-L and refusal that it has; in
        `unseen`, where no model can know the facts, an example counts as any other.
        """
        found: dict[str, list[Pair]] = {"improved": [], "damaged": []}
        for name in SETS:
            pairs = [pair for both in self._pairs() if both[0].set == name and (pair := _judged(*both))]
            ordered = sorted(pairs, key=lambda pair: (-pair.change, pair.before.uid))
            found["improved"] += [pair for pair in ordered if pair.change > 0][:count]
            found["damaged"] += [pair for pair in reversed(ordered) if pair.change < 0][:count]
        return found

    def to_markdown(self, *, full: bool = True) -> str:
        """The table of before and after.

        Args:
            full: Every measure; else the headlines of each set.
        """
        lines = ["| set | n | measure | before | after | change | 95 % | p |", "|---|---:|---|---:|---:|---:|---|---:|"]
        for row in self.rows():
            if full or row["headline"]:
                low, high = row.get("change_interval", (None, None))
                interval = "" if low is None else f"{round(low, 2) + 0.0:+.2f} to {round(high, 2) + 0.0:+.2f}"
                change = round(row["after"] - row["before"], 2) + 0.0  # no "-0.00"
                lines.append(
                    f"| {row['set']} | {row['n']} | {row['measure']} | {row['before']:.2f} | {row['after']:.2f} "
                    f"| {change:+.2f} | {interval} | {_p(row.get('p_value'))} |"
                )
        return "\n".join(lines) + "\n"

    def to_json(self) -> str:
        """All tables as JSON, with what they were measured on."""
        value = {
            "before": self.before.model,
            "after": self.after.model,
            "dataset": self.before.dataset,
            "settings": self.before.settings,
            "made_with": {"before": self.before.made_with, "after": self.after.made_with},
            "rows": self.rows(),
            "yardsticks": self.yardsticks(),
            "refusals": self.refusals(),
        }
        return json.dumps(value, indent=2, ensure_ascii=False) + "\n"

    def _pairs(self) -> list[tuple[Example, Example]]:
        return list(zip(self.before.examples, self.after.examples, strict=True))


def compare(before: EvalReport, after: EvalReport) -> Comparison:
    """Puts two reports side by side.

    Raises:
        InputError: They were not made on the same dataset, questions, prompts and settings, by the same measures.
    """
    if before.dataset != after.dataset:
        raise InputError(
            f"The two reports were made on different datasets (revisions {before.dataset[:12]} and "
            f"{after.dataset[:12]}).",
            hint="Evaluate both on the same one.",
        )
    if before.settings != after.settings:
        raise InputError(
            f"The two reports have different settings: {before.settings} and {after.settings}.",
            hint="Evaluate both with the same options.",
        )
    if before.version != after.version:
        raise InputError(
            f"The two reports have measures of different versions, {before.version} and {after.version}.",
            hint="Evaluate both with the same version of this library.",
        )
    counts = [{name: sum(e.set == name for e in r.examples) for name in SETS} for r in (before, after)]
    if different := [name for name in SETS if counts[0][name] != counts[1][name]]:
        said = ", ".join(f"{name} {counts[0][name]} and {counts[1][name]}" for name in different)
        raise InputError(
            f"The two reports hold different numbers of questions: {said}.", hint="Evaluate both on the same sets."
        )
    asked = [[(e.set, e.uid, e.question, e.reference) for e in r.examples] for r in (before, after)]
    for first, second in zip(*asked, strict=True):
        if first != second:
            raise InputError(
                f"The two reports hold different questions, such as {first[2][:80]!r} and {second[2][:80]!r}.",
                hint="Evaluate both on the same sets.",
            )
    if before.prompts != after.prompts:
        raise InputError(
            "The two models were asked by different prompts: their chat templates differ.",
            hint="Compare an adapter with its own base.",
        )
    return Comparison(before, after)


def _change(pairs: Sequence[tuple[Example, Example]], measure: str) -> Change | None:
    if measure == "index_refused" or not pairs:
        return None
    if measure == "loss" and any(before.loss_tokens != after.loss_tokens for before, after in pairs):
        return None  # other tokens: nats a token of two tokenizers do not compare
    (first, weights), (then, _) = (column(side, measure) for side in zip(*pairs, strict=True))
    return paired_change(first, then, weights=weights)


def _row(name: str, measure: str, pairs: Sequence[tuple[Example, Example]], change: Change) -> dict[str, Any]:
    row: dict[str, Any] = {"set": name, "n": change.n, "measure": MEASURES[measure].title, "key": measure}
    row |= {"better": better(measure, name), "before": change.before, "after": change.after}
    if change.interval is not None:
        both = [pair for pair in pairs if all(measure in example.scores for example in pair)]
        for when, side in zip(("before", "after"), zip(*both, strict=True), strict=True):
            values, weights = column(side, measure)
            row[f"{when}_interval"] = bootstrap_interval(values, weights=weights)
        row |= {"change_interval": change.interval, "p_value": change.p_value}
    return row


def _perplexity(loss: dict[str, Any]) -> dict[str, Any]:
    """The row of the loss as perplexity; the test is the loss's, and its change is a factor, so it has no interval."""
    row = loss | {"measure": MEASURES["perplexity"].title, "key": "perplexity"}
    row |= {when: exp(loss[when]) for when in ("before", "after")}
    for when in ("before_interval", "after_interval"):
        if when in loss:
            row[when] = [round(exp(bound), 4) for bound in loss[when]]
    row.pop("change_interval", None)
    return row


def _shares(scores: dict[str, Any]) -> dict[str, Any]:
    intervals = {key: scores["intervals"][key] for key in _SHARES if key in scores["intervals"]}
    return {"n": scores["n"], **{key: scores[key] for key in _SHARES if key in scores}, "intervals": intervals}


def _refused(example: Example) -> float:
    return max(example.scores.get("abstained", 0.0), example.scores.get("false_abstention", 0.0))


def _refusals(pairs: Sequence[tuple[Example, Example]]) -> dict[str, float | None]:
    index = [after.scores["index_refused"] for _, after in pairs]
    return {
        "index": mean(index),
        "before": mean([_refused(before) for before, _ in pairs]),
        "after": mean([_refused(after) for _, after in pairs]),
        "index_or_after": mean([max(i, _refused(after)) for i, (_, after) in zip(index, pairs, strict=True)]),
    }


def _judged(before: Example, after: Example) -> Pair | None:
    for measure in _JUDGED_BY:
        if measure in before.scores and measure in after.scores:
            sign = better(measure, before.set)
            return Pair(before, after, measure, sign * (after.scores[measure] - before.scores[measure]))
    return None


def _p(value: float | None) -> str:
    if value is None:
        return ""
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
