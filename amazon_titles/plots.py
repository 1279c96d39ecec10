"""Plots as PNG files: the lengths of a dataset's texts, by Pillow; a training and a comparison, by matplotlib.

The words of a training's and of a comparison's plot pass `words`, which may translate them.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from amazon_titles.errors import MissingExtraError

_WIDTH, _HEIGHT, _MARGIN = 480, 300, 44
_BAR, _INK, _PAPER, _MEDIAN = (70, 110, 170), (40, 40, 40), (255, 255, 255), (200, 60, 40)


def plot_lengths(lengths: Mapping[str, Mapping[str, Any]], *, words: Callable[[str], str] = str) -> bytes:
    """Draws a histogram a column, with its median marked: by Pillow, for a build has no plotting library.

    Args:
        lengths: `BuildReport.lengths`: the counts of 20 bins up to the 99th percentile, with their edges.
        words: Gives each word of the plot as it is to stand there.

    Returns:
        A PNG, the same bytes for the same numbers.
    """
    image = Image.new("RGB", (_WIDTH * len(lengths), _HEIGHT), _PAPER)
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(size=13)
    top, bottom, width = _MARGIN, _HEIGHT - _MARGIN, _WIDTH - 2 * _MARGIN
    for panel, (name, numbers) in enumerate(lengths.items()):
        counts, edges, start = numbers["counts"], numbers["edges"], panel * _WIDTH + _MARGIN
        bars, highest = len(counts), max(*counts, 1)
        for index, count in enumerate(counts):
            x, high = start + width * index // bars, (bottom - top) * count // highest
            pen.rectangle((x, bottom - high, x + width // bars - 2, bottom), fill=_BAR)
        pen.line((start, bottom, start + width, bottom), fill=_INK)
        for edge in (0, bars // 2, bars):
            place = start + width * edge // bars, bottom + 6
            pen.text(place, f"{edges[edge]:,}", fill=_INK, font=font, anchor="ma")
        x = start + width * min(numbers["p50"], edges[-1]) // max(edges[-1], 1)
        pen.line((x, top - 4, x, bottom), fill=_MEDIAN, width=2)
        pen.text((x + 5, top - 6), f"p50 {numbers['p50']:,}", fill=_MEDIAN, font=font)
        title = f"{words(name)}: {words('characters')} ({highest:,} {words('at most in a bar')})"
        pen.text((panel * _WIDTH + _WIDTH // 2, 8), title, fill=_INK, font=font, anchor="ma")
    data = io.BytesIO()
    image.save(data, "PNG", optimize=False)
    return data.getvalue()


def plot_losses(
    losses: Sequence[Mapping[str, float]], *, title: str, valid: Sequence[Mapping[str, float]] = (),
    words: Callable[[str], str] = str,
) -> bytes:  # fmt: skip
    """Draws the training loss (nats a token) over the epochs, as a PNG.

    Args:
        losses: `{"epoch", "loss"}` a logged step.
        title: Above the plot.
        valid: The same of the validation split, where there is one.
        words: Gives each word of the plot as it is to stand there.
    """
    axes = _axes(height=4.5)
    for name, points, style, color in (("train", losses, "-", "#1f6feb"), ("validation", valid, "o-", "#b0580c")):
        epochs, values = ([point[key] for point in points] for key in ("epoch", "loss"))
        axes.plot(epochs, values, style, color=color, label=words(name))
    if valid:
        axes.legend()
    axes.set(xlabel=words("epoch"), ylabel=words("loss (nats a token)"), title=title, ylim=(0, None))
    return _png(axes)


def plot_before_after(rows: Sequence[Mapping[str, Any]], *, title: str, words: Callable[[str], str] = str) -> bytes:
    """Draws pairs of bars, before and after, for each measure of each set, with their 95 % intervals, as a PNG.

    Args:
        rows: `{"set", "n", "measure", "before", "after"}`, and `before_interval` and `after_interval` where there are
            such; the values 0 to 1.
        title: Above the plot.
        words: Gives each word of the plot as it is to stand there.
    """
    axes = _axes(height=1.5 + 0.45 * len(rows))
    for when, offset, color in (("before", -0.2, "#b0b8c4"), ("after", 0.2, "#1f6feb")):
        axes.barh(
            [place + offset for place in range(len(rows))], [row[when] for row in rows], 0.4, label=words(when),
            color=color, xerr=_errors(rows, when), ecolor="#57606a", capsize=2,
        )  # fmt: skip
    axes.set_yticks(range(len(rows)), [f"{words(row['set'])} (n={row['n']})\n{words(row['measure'])}" for row in rows])
    axes.invert_yaxis()
    axes.set(xlim=(0, 1), title=title)
    axes.legend(loc="best")
    return _png(axes)


def plot_changes(rows: Sequence[Mapping[str, Any]], *, title: str, words: Callable[[str], str] = str) -> bytes:
    """Draws the change of each measure of each set as a point with its 95 % interval, as a PNG.

    Green is for the better, red for the worse, grey for neither or where the interval holds zero.

    Args:
        rows: `{"set", "n", "measure", "better", "before", "after"}`, and `change_interval` where there is one.
        title: Above the plot.
        words: Gives each word of the plot as it is to stand there.
    """
    axes = _axes(height=1.2 + 0.24 * len(rows))
    for place, row in enumerate(rows):
        change = row["after"] - row["before"]
        low, high = row.get("change_interval") or (change, change)
        sure = (low > 0 or high < 0) and row["better"]
        color = "#8b949e" if not sure else "#1a7f37" if change * row["better"] > 0 else "#cf222e"
        errors = _errors([{**row, "change": change}], "change")
        axes.errorbar([change], [place], xerr=errors, fmt="o", color=color, capsize=2, markersize=4)
    axes.axvline(0, color="#57606a", linewidth=0.8)
    axes.set_yticks(
        range(len(rows)), [f"{words(row['set'])}: {words(row['measure'])} (n={row['n']})" for row in rows], fontsize=8
    )
    axes.invert_yaxis()
    axes.set(xlim=(-1.05, 1.05), xlabel=words("after - before"), title=title)
    return _png(axes)


def _errors(rows: Sequence[Mapping[str, Any]], key: str) -> list[list[float]]:
    """Distances of a value's interval below and above it, as matplotlib wants them; 0 where there is no interval."""
    spans = [(row[key], *(row.get(f"{key}_interval") or (row[key], row[key]))) for row in rows]
    return [[max(value - low, 0.0) for value, low, _ in spans], [max(high - value, 0.0) for value, _, high in spans]]


def _axes(*, height: float) -> Any:  # noqa: ANN401 - matplotlib's
    """The axes of a figure 8 inches wide and `height` inches high."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("model", "matplotlib") from error
    return Figure(figsize=(8, height), dpi=120, layout="constrained").add_subplot()


def _png(axes: Any) -> bytes:  # noqa: ANN401 - matplotlib's
    data = io.BytesIO()
    axes.figure.savefig(data, format="png")
    return data.getvalue()
