"""A comparison as files: a page for people, the same for programs, and plots."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from amazon_titles.errors import InputError
from amazon_titles.evaluation.comparison import Comparison, Pair
from amazon_titles.evaluation.files import write_whole
from amazon_titles.evaluation.measures import MEASURES
from amazon_titles.evaluation.sets import SETS, bare_question
from amazon_titles.plots import plot_before_after, plot_changes

_SHOWN_CHARS = 600
_TITLES = {"improved": "Most improved of each set", "damaged": "Most damaged of each set"}


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
    headlines = [row for row in shares if row["set"] in MEASURES[row["key"]].sets]
    before_after, changes = io.BytesIO(), io.BytesIO()
    plot_before_after(headlines, before_after, title="Before and after the fine-tuning")
    plot_changes(shares, changes, title="Change by the fine-tuning, with 95 % intervals")
    write_whole(
        {
            folder / "before_after.png": before_after.getvalue(),
            folder / "changes.png": changes.getvalue(),
            folder / "comparison.md": page(comparison).encode(),
            folder / "comparison.json": comparison.to_json().encode(),
        }
    )


def page(comparison: Comparison) -> str:
    """The comparison in Markdown: the table, the yardsticks, the refusals, and examples side by side."""
    before, after = comparison.before, comparison.after
    settings = ", ".join(f"{key} {value}" for key, value in before.settings.items() if value is not None)
    parts = [
        "# Before and after",
        f"Before: {_inline(before.model)}. After: {_inline(after.model)}. Dataset {before.dataset[:12]}, greedy, "
        f"{settings}. Made with {_made_with(comparison)}.",
        comparison.to_markdown().rstrip(),
        "95 %: interval of the change, by a paired bootstrap over the examples. p: two-sided paired permutation test, "
        "not corrected for the number of rows. n: examples that have the measure both times; what cannot be computed "
        "is absent.",
        "\n".join(f"- **{name}**: {told}" for name, (_, _, told) in SETS.items() if _has(comparison, name)),
    ]
    if yardsticks := comparison.yardsticks():
        parts += ["## Beside yardsticks", _yardstick_table(yardsticks)]
    if refusals := comparison.refusals():
        parts += [
            "## Who refuses",
            _refusal_table(refusals),
            "The index refuses before a model is asked. To refuse is right where the product is invented, and wrong "
            "elsewhere.",
        ]
    for kind, pairs in comparison.examples().items():
        if pairs:
            parts += [f"## {_TITLES[kind]}", *(_side_by_side(pair) for pair in pairs)]
    return "\n\n".join(parts) + "\n"


def _made_with(comparison: Comparison) -> str:
    """Versions and device, each once where both reports have the same."""
    before, after = comparison.before.made_with, comparison.after.made_with
    names = [name for name in dict.fromkeys([*before, *after]) if name != "weights"]
    both = {name: dict.fromkeys(told[name] for told in (before, after) if name in told) for name in names}
    return ", ".join(f"{name} {' and '.join(told)}" for name, told in both.items())


def _has(comparison: Comparison, name: str) -> bool:
    return any(example.set == name for example in comparison.before.examples)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], *, words: int) -> str:
    """A Markdown table whose first `words` columns are words, the others figures."""
    lines = [head, ["---" if place < words else "---:" for place in range(len(head))], *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _yardstick_table(rows: Sequence[dict[str, Any]]) -> str:
    measures = [key for key in MEASURES if any(key in row for row in rows)]
    head = ["set", "answered by", "n", *(MEASURES[key].title for key in measures)]
    return _table(
        head,
        [[row["set"], row["by"], str(row["n"]), *(_number(row.get(key)) for key in measures)] for row in rows],
        words=2,
    )


def _refusal_table(rows: Sequence[dict[str, Any]]) -> str:
    keys = ("index", "before", "after", "index_or_after")
    head = ["set", "n", "index", "base", "fine-tuned", "index or fine-tuned"]
    return _table(
        head,
        [
            [
                row["set"] + (f", {row['kind']}" if row["kind"] else ""),
                str(row["n"]),
                *(_number(row[key]) for key in keys),
            ]
            for row in rows
        ],
        words=1,
    )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _side_by_side(pair: Pair) -> str:
    scores = [example.scores[pair.measure] for example in (pair.before, pair.after)]
    texts = (
        ("Question", bare_question(pair.before.question)),
        ("Right answer", pair.before.reference),
        ("Before", pair.before.answer),
        ("After", pair.after.answer),
    )
    title = f"**{pair.before.set}**, {MEASURES[pair.measure].title} {scores[0]:.2f} → {scores[1]:.2f}"
    return "\n\n".join([title, *(f"{name}:\n\n{_fenced(text)}" for name, text in texts)])


def _fenced(text: str) -> str:
    """A text as it is, whatever markup it holds: a fence that is longer than any run of backticks in it."""
    if not text.strip():
        return "(nothing)"
    text = text if len(text) <= _SHOWN_CHARS else text[:_SHOWN_CHARS] + "…"
    ticks = 3
    while "`" * ticks in text:
        ticks += 1
    return f"{'`' * ticks}text\n{text}\n{'`' * ticks}"


def _inline(text: str) -> str:
    return f"`{text.replace('`', chr(39))}`"
