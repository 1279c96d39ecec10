"""A comparison as files: a page for people, the same for programs, and plots."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from amazon_titles.errors import InputError
from amazon_titles.evaluation.comparison import Comparison, Pair
from amazon_titles.evaluation.measures import MEASURES
from amazon_titles.evaluation.sets import SETS, bare_question
from amazon_titles.io import write_whole
from amazon_titles.plots import plot_before_after, plot_changes

_SHOWN_CHARS = 600
_REFUSERS = {"index": "index", "before": "base", "after": "fine-tuned", "index_or_after": "index or fine-tuned"}


def save_comparison(comparison: Comparison, folder: str | Path) -> None:
    """Writes `comparison.md`, `comparison.json`, `before_after.png` and `changes.png`, all or none of them.

    Args:
        comparison: Of two reports.
        folder: Made if need be; what else stands in it stays.

    Raises:
        InputError: The folder is a file.
        MissingExtraError: matplotlib is not installed.
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file.", hint="Choose a folder: --out DIR")
    shares = [row for row in comparison.rows() if MEASURES[row["key"]].share]
    headlines = [row for row in shares if row["headline"]]
    before_after, changes = io.BytesIO(), io.BytesIO()
    plot_before_after(headlines, before_after, title="Before and after the fine-tuning")
    plot_changes(shares, changes, title="Change by the fine-tuning, with 95 % intervals")
    write_whole(
        {
            folder / "before_after.png": before_after.getvalue(),
            folder / "changes.png": changes.getvalue(),
            folder / "comparison.md": page(comparison),
            folder / "comparison.json": comparison.to_json(),
        }
    )


def page(comparison: Comparison) -> str:
    """The comparison in Markdown: the table, the baselines, the refusals, and examples side by side."""
    reports = (comparison.before, comparison.after)
    before, after = (f"`{report.model.replace('`', chr(39))}`" for report in reports)
    settings = ", ".join(f"{key} {value}" for key, value in reports[0].settings.items() if value is not None)
    # Versions and device, each once where both reports have the same.
    made_with = {
        name: " and ".join(dict.fromkeys(report.made_with[name] for report in reports if name in report.made_with))
        for name in dict.fromkeys(name for report in reports for name in report.made_with)
        if name != "weights"
    }
    asked = {example.set for example in reports[0].examples}
    parts = [
        "# Before and after",
        f"Before: {before}. After: {after}. Dataset {reports[0].dataset[:12]}, greedy, {settings}. Made with "
        f"{', '.join(map(' '.join, made_with.items()))}.",
        comparison.to_markdown().rstrip(),
        "95 %: interval of the change, by a paired bootstrap over the examples. p: two-sided paired permutation test, "
        "not corrected for the number of rows. n: examples that have the measure both times; what cannot be computed "
        "is absent.",
        "\n".join(f"- **{name}**: {about}" for name, (_, _, about) in SETS.items() if name in asked),
    ]
    if rows := comparison.yardsticks():
        measures = {key: measure.title for key, measure in MEASURES.items() if any(key in row for row in rows)}
        parts += ["## Beside yardsticks", _table(rows, {"set": "set", "by": "answered by", "n": "n"} | measures)]
    if refusals := comparison.refusals():
        named = [{**row, "set": ", ".join(filter(None, (row["set"], row["kind"])))} for row in refusals]
        parts += [
            "## Who refuses",
            _table(named, {"set": "set", "n": "n"} | _REFUSERS),
            "The index refuses before a model is asked. To refuse is right where the product is invented, and wrong "
            "elsewhere.",
        ]
    for kind, pairs in comparison.examples().items():
        if pairs:
            parts += [f"## Most {kind} of each set", *map(_side_by_side, pairs)]
    return "\n\n".join(parts) + "\n"


def _table(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str]) -> str:
    """A Markdown table of some keys of the rows, each with its title: words, counts, and shares with two decimals."""
    lines = [list(columns.values()), ["---" if key in ("set", "by") else "---:" for key in columns]]
    for row in rows:
        values = [row.get(key, "") for key in columns]
        lines.append([f"{value:.2f}" if isinstance(value, float) else str(value) for value in values])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _side_by_side(pair: Pair) -> str:
    first, then = pair.before, pair.after
    scores = f"{first.scores[pair.measure]:.2f} → {then.scores[pair.measure]:.2f}"
    texts = {"Question": bare_question(first.question), "Right answer": first.reference}
    texts |= {"Before": first.answer, "After": then.answer}
    parts = [f"{name}:\n\n{_fenced(text)}" for name, text in texts.items()]
    return "\n\n".join([f"**{first.set}**, {MEASURES[pair.measure].title} {scores}", *parts])


def _fenced(text: str) -> str:
    """A text as it is, whatever markup it holds: a fence that is longer than any run of backticks in it."""
    if not text.strip():
        return "(nothing)"
    text = text if len(text) <= _SHOWN_CHARS else text[:_SHOWN_CHARS] + "…"
    fence = "`" * (max([2, *map(len, re.findall("`+", text))]) + 1)
    return f"{fence}text\n{text}\n{fence}"
