"""`Comparison`: two reports on the same questions, with the change of every measure and how sure it is."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from math import exp
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Template

from amazon_titles.cards.rendering import environment
from amazon_titles.errors import InputError
from amazon_titles.evaluation.measures import MEASURES, better
from amazon_titles.evaluation.report import EvalReport, Example, column
from amazon_titles.evaluation.sets import SETS, bare_question
from amazon_titles.io import to_json, write_whole
from amazon_titles.metrics import mean, paired_change
from amazon_titles.names import name_of
from amazon_titles.plots import plot_before_after, plot_changes

# What an example is judged by, the first that it has in both reports.
_JUDGED_BY = ("correct", "property", "fact_recall", "rouge_l", "abstained")
_SHARES = ("rouge_l", "chrf", "fact_recall", "fact_precision", "grounded", "cited")
_SUMMARY = "Of {n} measures, {better} improved and {worse} got worse (p < 0.05)."
_SHOWN_CHARS = 600  # of an answer, on the page
# What two reports must agree in, and what to do where they do not.
_ALIKE = {"dataset": "datasets", "settings": "settings", "version": "versions"}
_ALIKE_HINT = (
    "Evaluate an adapter and its own base, both with the same options and version of this library: "
    "amazon-titles evaluate MODEL --dataset DIR --out FILE"
)


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
    def _pairs(self) -> dict[str, list[tuple[Example, Example]]]:
        """Both answers to every question, by set."""
        both = list(zip(self.before.examples, self.after.examples, strict=True))
        return {name: pairs for name in SETS if (pairs := [pair for pair in both if pair[0].set == name])}

    @cached_property
    def _rows(self) -> list[dict[str, Any]]:
        return [row for name, pairs in self._pairs.items() for key in MEASURES for row in _rows(name, key, pairs)]

    def rows(self) -> list[dict[str, Any]]:
        """`{"set", "n", "measure", "key", "headline", "before", "after"}` for each measure that both have.

        `headline` is whether the short table, as of a model card, has the row too.

        `n` counts the examples that have the measure in both; the means are of those. With two examples or more,
        `before_interval`, `after_interval`, `change_interval` (`[low, high]`, 95 %, the last of a paired bootstrap) and
        `p_value` (two-sided paired permutation test, not corrected for the number of rows) too. `better` is 1 where
        more is better, -1 where less is, 0 where neither. A loss stands only where both models cut the answers into
        the same tokens.
        """
        return self._rows

    def yardsticks(self) -> list[dict[str, Any]]:
        """Who answers how well on the products of `seen` and `unseen`: baselines without a model, then both models.

        `{"set", "by", "n", measures…}`; what is answered with product texts in view is of the set `grounded`, and
        stands beside `unseen`, since both are of the test split.
        """
        base, tuned = self.before.scores(), self.after.scores()
        answered = self.after.yardsticks | {
            "base, from memory": base, "base, texts in view": {"unseen": base.get("grounded")},
            "fine-tuned, from memory": tuned, "fine-tuned, texts in view": {"unseen": tuned.get("grounded")},
        }  # fmt: skip
        return [
            {"set": name, "by": by, "n": scores["n"], **_shares(scores), "intervals": _shares(scores["intervals"])}
            for name in ("seen", "unseen")
            for by, sets in answered.items()
            if (scores := sets.get(name))
        ]

    def refusals(self) -> list[dict[str, Any]]:
        """Who refuses how often: `{"set", "kind", "n", "index", "before", "after", "index_or_after"}`, shares.

        `index` is the search alone, before any model is asked; `after` the fine-tuned model alone; `index_or_after` the
        two in a row, as `ask` works. In `invented` to refuse is right; elsewhere it is wrong. The questions of
        `general` are about no product, so that what the index says there means nothing.
        """
        rows = []
        for name, pairs in self._pairs.items():
            here = [pair for pair in pairs if name != "general" and "index_refused" in pair[1].scores]
            kinds = sorted({before.kind for before, _ in here})
            for kind in ["", *kinds] if len(kinds) > 1 else kinds and [""]:
                chosen = [pair for pair in here if kind in ("", pair[0].kind)]
                index = [after.scores["index_refused"] for _, after in chosen]
                first, then = ([_refused(example) for example in side] for side in zip(*chosen, strict=True))
                shares = {"index": index, "before": first, "after": then, "index_or_after": [*map(max, index, then)]}
                means = {who: mean(values) for who, values in shares.items()}
                rows.append({"set": name, "kind": kind, "n": len(chosen), **means})
        return rows

    def examples(self, count: int = 1) -> dict[str, list[Pair]]:
        """`improved` and `damaged`: the examples whose answer gained and lost most, at most `count` of each a set.

        An example is judged by the first of right answer, property, fact recall, ROUGE-L and refusal that it has; in
        `unseen`, where no model can know the facts, an example counts as any other.
        """
        found: dict[str, list[Pair]] = {"improved": [], "damaged": []}
        for judged in map(self.judged, self._pairs):
            found["improved"] += [pair for pair in judged if pair.change > 0][:count]
            found["damaged"] += [pair for pair in reversed(judged) if pair.change < 0][:count]
        return found

    def judged(self, name: str) -> list[Pair]:
        """The examples of a set, the one whose answer gained most first."""
        judged = [
            Pair(before, after, measure, better(measure, name) * (after.scores[measure] - before.scores[measure]))
            for before, after in self._pairs.get(name, ())
            for measure in [key for key in _JUDGED_BY if key in before.scores and key in after.scores][:1]
        ]
        return sorted(judged, key=lambda pair: (-pair.change, pair.before.uid))

    def to_markdown(self, *, full: bool = True, language: str = "en") -> str:
        """The table of before and after.

        Args:
            full: Every measure; else the headlines of each set.
            language: `en` or `pt`.
        """
        rows = [row for row in self._rows if full or row["headline"]]
        return _template("comparison_table", language).render(rows=rows)

    def summary(self, *, language: str = "en") -> str:
        """The headlines in one sentence: how many of them got better or worse beyond chance."""
        rows = [row for row in self._rows if row["headline"] and row["better"]]
        changes = [row["better"] * (row["after"] - row["before"]) for row in rows if row.get("p_value", 1) < 0.05]
        better, worse = (sum(sign * change > 0 for change in changes) for sign in (1, -1))
        return name_of(_SUMMARY, language).format(n=len(rows), better=better, worse=worse)

    def to_json(self) -> str:
        """All tables as JSON, with what they were measured on."""
        before, after = self.before, self.after
        about = {"before": before.model, "after": after.model, "dataset": before.dataset, "settings": before.settings}
        made_with = {"before": before.made_with, "after": after.made_with}
        tables = {"rows": self._rows, "yardsticks": self.yardsticks(), "refusals": self.refusals()}
        return to_json({**about, "made_with": made_with, **tables})


def compare(before: EvalReport, after: EvalReport) -> Comparison:
    """Puts two reports side by side.

    Raises:
        InputError: They were not made on the same dataset, questions, prompts and settings, by the same measures.
    """
    asked = [[(e.set, e.uid, e.question, e.reference) for e in report.examples] for report in (before, after)]
    count, other = (Counter(question[0] for question in questions) for questions in asked)
    numbers = [f"{name} {count[name]} and {other[name]}" for name in SETS if count[name] != other[name]]
    found = [
        f"different {many}, {getattr(before, field)} and {getattr(after, field)}"
        for field, many in _ALIKE.items()
        if getattr(before, field) != getattr(after, field)
    ]
    found += [f"different numbers of questions: {', '.join(numbers)}"] if numbers else []
    pairs = (both for both in zip(*asked, strict=False) if both[0] != both[1])
    found += [f"different questions, such as {one[2][:80]!r} and {two[2][:80]!r}" for one, two in pairs]
    if before.prompts != after.prompts:
        found.append("different prompts: their chat templates differ")
    if found:
        raise InputError(f"The two reports have {found[0]}.", hint=_ALIKE_HINT)
    return Comparison(before, after)


def _rows(name: str, measure: str, pairs: Sequence[tuple[Example, Example]]) -> list[dict[str, Any]]:
    """A measure of a set, before and after, and beside a loss its perplexity; none where both lack it."""
    if measure == "index_refused":
        return []
    if measure == "loss" and any(before.loss_tokens != after.loss_tokens for before, after in pairs):
        return []  # other tokens: nats a token of two tokenizers do not compare
    (first, weights), (then, _) = (column(side, measure) for side in zip(*pairs, strict=True))
    if (change := paired_change(first, then, weights=weights)) is None:
        return []
    numbers = {key: value for key, value in change._asdict().items() if value is not None}
    row: dict[str, Any] = {"set": name, "n": change.n, "measure": MEASURES[measure].title, "key": measure}
    row |= {"better": better(measure, name), **numbers, "headline": name in MEASURES[measure].sets}
    return [row, _perplexity(row)] if measure == "loss" else [row]


def _perplexity(loss: dict[str, Any]) -> dict[str, Any]:
    """The row of the loss as perplexity; the test is the loss's, and its change is a factor, so it has no interval."""
    row = {key: value for key, value in loss.items() if key != "change_interval"}
    row |= {"measure": MEASURES["perplexity"].title, "key": "perplexity"}
    row |= {when: exp(loss[when]) for when in ("before", "after")}
    intervals = [key for key in ("before_interval", "after_interval") if key in loss]
    return row | {key: [round(exp(bound), 4) for bound in loss[key]] for key in intervals}


def _shares(scores: dict[str, Any]) -> dict[str, Any]:
    return {key: scores[key] for key in _SHARES if key in scores}


def _refused(example: Example) -> float:
    return max(example.scores.get("abstained", 0.0), example.scores.get("false_abstention", 0.0))


def save_comparison(comparison: Comparison, folder: str | Path, *, language: str = "en") -> None:
    """Writes `comparison.md`, `comparison.json`, `before_after.png` and `changes.png`, all or none of them.

    Args:
        comparison: Of two reports.
        folder: Made if need be; what else stands in it stays.
        language: Of texts and plots, `en` or `pt`, as the model card's; the JSON is the same in both.

    Raises:
        InputError: The folder is a file.
        MissingExtraError: matplotlib is not installed.
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file.", hint="Choose a folder: --out DIR")
    write_whole({folder / name: data for name, data in comparison_files(comparison, language).items()})


def comparison_files(comparison: Comparison, language: str) -> dict[str, bytes]:
    """What `save_comparison` writes, by name; the plots are of the headlines before and after, and of every change."""
    shares = [row for row in comparison.rows() if MEASURES[row["key"]].share]
    headlines = [row for row in shares if row["headline"]]
    return {
        "before_after.png": plot_before_after(headlines, language=language),
        "changes.png": plot_changes(shares, language=language),
        "comparison.md": page(comparison, language=language).encode(),
        "comparison.json": comparison.to_json().encode(),
    }


def page(comparison: Comparison, *, language: str = "en") -> str:
    """The comparison in Markdown, `en` or `pt`: the table, the baselines, the refusals, and examples side by side."""
    yardsticks = comparison.yardsticks()
    shares = {key: MEASURES[key].title for key in _SHARES if any(key in row for row in yardsticks)}
    return _template("comparison", language).render(
        comparison=comparison, yardsticks=yardsticks, shares=shares, sets=SETS, measures=MEASURES
    )


def _template(name: str, language: str) -> Template:
    jinja = environment()
    jinja.filters |= {"say": partial(name_of, language=language), "fenced": _fenced, "bare": bare_question}
    return jinja.get_template(f"{name}.md.jinja", globals={"card_language": language})


def _fenced(text: str, language: str = "en") -> str:
    """A text as it is, whatever markup it holds: a fence that is longer than any run of backticks in it."""
    if not text.strip():
        return name_of("(nothing)", language)
    text = text if len(text) <= _SHOWN_CHARS else text[:_SHOWN_CHARS] + "…"
    fence = "`" * (max([2, *map(len, re.findall("`+", text))]) + 1)
    return f"{fence}text\n{text}\n{fence}"
