"""A comparison as files: a page for people, the same for programs, and plots."""

from __future__ import annotations

import io
import re
from pathlib import Path

from amazon_titles.cards.rendering import environment
from amazon_titles.errors import InputError
from amazon_titles.evaluation.comparison import Comparison
from amazon_titles.evaluation.measures import MEASURES
from amazon_titles.evaluation.sets import SETS, bare_question
from amazon_titles.io import write_whole
from amazon_titles.plots import plot_before_after, plot_changes

_SHOWN_CHARS = 600


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
    reports, rows = (comparison.before, comparison.after), comparison.yardsticks()
    # Versions and device, each once where both reports have the same.
    names = dict.fromkeys(name for report in reports for name in report.made_with if name != "weights")
    versions = [dict.fromkeys(r.made_with[name] for r in reports if name in r.made_with) for name in names]
    context = {
        "before": reports[0], "after": reports[1], "table": comparison.to_markdown(), "measures": MEASURES,
        "settings": ", ".join(f"{key} {value}" for key, value in reports[0].settings.items() if value is not None),
        "made_with": ", ".join(f"{name} {' and '.join(both)}" for name, both in zip(names, versions, strict=True)),
        "sets": SETS, "asked": {example.set for example in reports[0].examples}, "examples": comparison.examples(),
        "yardsticks": rows, "refusals": comparison.refusals(),
        "shares": {key: measure.title for key, measure in MEASURES.items() if any(key in row for row in rows)},
    }  # fmt: skip
    jinja = environment()
    jinja.filters |= {"fenced": _fenced, "bare": bare_question}
    return jinja.get_template("comparison.md.jinja").render(context)


def _fenced(text: str) -> str:
    """A text as it is, whatever markup it holds: a fence that is longer than any run of backticks in it."""
    if not text.strip():
        return "(nothing)"
    text = text if len(text) <= _SHOWN_CHARS else text[:_SHOWN_CHARS] + "…"
    fence = "`" * (max([2, *map(len, re.findall("`+", text))]) + 1)
    return f"{fence}text\n{text}\n{fence}"
