"""Plots of a training and of a comparison, as PNG files; their words pass `words`, which may translate them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from amazon_titles.errors import MissingExtraError


def plot_losses(
    losses: Sequence[Mapping[str, float]],
    path: Path | IO[bytes],
    *,
    title: str,
    valid: Sequence[Mapping[str, float]] = (),
    words: Callable[[str], str] = str,
) -> None:
    """Draws the training loss (nats a token) over the epochs.

    Args:
        losses: `{"epoch", "loss"}` a logged step.
        path: The PNG to write.
        title: Above the plot.
        valid: The same of the validation split, where there is one.
        words: Gives each word of the plot as it is to stand there.
    """
    figure, axes = _figure()
    for name, points, style, color in (("train", losses, "-", "#1f6feb"), ("validation", valid, "o-", "#b0580c")):
        epochs, values = ([point[key] for point in points] for key in ("epoch", "loss"))
        axes.plot(epochs, values, style, color=color, label=words(name))
    if valid:
        axes.legend()
    axes.set(xlabel=words("epoch"), ylabel=words("loss (nats a token)"), title=title, ylim=(0, None))
    figure.savefig(path, format="png")


def plot_before_after(
    rows: Sequence[Mapping[str, Any]], path: Path | IO[bytes], *, title: str, words: Callable[[str], str] = str
) -> None:
    """Draws pairs of bars, before and after, for each measure of each set, with their 95 % intervals.

    Args:
        rows: `{"set", "n", "measure", "before", "after"}`, and `before_interval` and `after_interval` where there are
            such; the values 0 to 1.
        path: The PNG to write.
        title: Above the plot.
        words: Gives each word of the plot as it is to stand there.
    """
    figure, axes = _figure(height=1.5 + 0.45 * len(rows))
    places = range(len(rows))
    for when, offset, color in (("before", -0.2, "#b0b8c4"), ("after", 0.2, "#1f6feb")):
        values = [row[when] for row in rows]
        axes.barh(
            [place + offset for place in places], values, 0.4, label=words(when), color=color,
            xerr=_errors(values, [row.get(f"{when}_interval") for row in rows]), ecolor="#57606a", capsize=2,
        )  # fmt: skip
    axes.set_yticks(list(places), [f"{words(row['set'])} (n={row['n']})\n{words(row['measure'])}" for row in rows])
    axes.invert_yaxis()
    axes.set(xlim=(0, 1), title=title)
    axes.legend(loc="best")
    figure.savefig(path, format="png")


def plot_changes(rows: Sequence[Mapping[str, Any]], path: Path | IO[bytes], *, title: str) -> None:
    """Draws the change of each measure of each set as a point with its 95 % interval.

    Green is for the better, red for the worse, grey for neither or where the interval holds zero.

    Args:
        rows: `{"set", "n", "measure", "better", "before", "after"}`, and `change_interval` where there is one.
        path: The PNG to write.
        title: Above the plot.
    """
    figure, axes = _figure(height=1.2 + 0.24 * len(rows))
    for place, row in enumerate(rows):
        change = row["after"] - row["before"]
        low, high = row.get("change_interval") or (change, change)
        sure = (low > 0 or high < 0) and row["better"]
        color = "#8b949e" if not sure else "#1a7f37" if change * row["better"] > 0 else "#cf222e"
        axes.errorbar(
            [change], [place], xerr=_errors([change], [(low, high)]), fmt="o", color=color, capsize=2, markersize=4
        )
    axes.axvline(0, color="#57606a", linewidth=0.8)
    axes.set_yticks(range(len(rows)), [f"{row['set']}: {row['measure']} (n={row['n']})" for row in rows], fontsize=8)
    axes.invert_yaxis()
    axes.set(xlim=(-1.05, 1.05), xlabel="after - before", title=title)
    figure.savefig(path, format="png")


def _errors(values: Sequence[float], intervals: Sequence[Sequence[float] | None]) -> list[list[float]]:
    """Distances below and above each value, as matplotlib wants them; 0 where there is no interval."""
    spans = [(value, *(interval or (value, value))) for value, interval in zip(values, intervals, strict=True)]
    return [[max(value - low, 0.0) for value, low, _ in spans], [max(high - value, 0.0) for value, _, high in spans]]


def _figure(*, height: float = 4.5) -> tuple[Any, Any]:
    """A figure 8 inches wide and `height` inches high."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("model", "matplotlib") from error
    figure = Figure(figsize=(8, height), dpi=120, layout="constrained")
    return figure, figure.add_subplot()
