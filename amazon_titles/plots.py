"""Plots as PNG files: the lengths of a dataset's texts, by Pillow; a training and a comparison, by matplotlib.

Words and numbers are the language's, by `names`. The paper is white and opaque, so that a plot is read on a dark
page as on a light one.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from amazon_titles.errors import require
from amazon_titles.names import name_of, number

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 480, 320, 70, 20, 62, 58
_BAR, _INK, _PAPER, _GRID, _MEDIAN = (70, 110, 170), (40, 40, 40), (255, 255, 255), (225, 225, 225), (200, 60, 40)
_BEFORE = "#8b949e"
# What became of a measure, the colour of its bar, and a mark for who does not tell the colours apart.
_VERDICTS = {"better": ("#1a7f37", "▲"), "worse": ("#cf222e", "▼"), "no clear change": ("#1f6feb", "=")}


def plot_lengths(lengths: Mapping[str, Mapping[str, Any]], *, language: str = "en") -> bytes:
    """Draws a histogram a column, with its median marked: by Pillow, for a build has no plotting library.

    Args:
        lengths: `BuildReport.lengths`: the counts of 20 bins up to the 99th percentile, with their edges.
        language: `en` or `pt`.

    Returns:
        A PNG, the same bytes for the same numbers.
    """
    image = Image.new("RGB", (_WIDTH * len(lengths), _HEIGHT), _PAPER)
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(size=13)
    words, count_of = partial(name_of, language=language), partial(number, language=language, places=0)
    bottom, width, height = _HEIGHT - _BOTTOM, _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
    for panel, (name, numbers) in enumerate(lengths.items()):
        counts, edges, start = numbers["counts"], numbers["edges"], panel * _WIDTH + _LEFT
        bars, highest, middle = len(counts), max(*counts, 1), start + width // 2
        for value in dict.fromkeys((0, highest // 2, highest)):
            y = bottom - height * value // highest
            pen.line((start, y, start + width, y), fill=_GRID)
            pen.text((start - 8, y), count_of(value), fill=_INK, font=font, anchor="rm")
        for index, count in enumerate(counts):
            x, high = start + width * index // bars, height * count // highest
            pen.rectangle((x, bottom - high, x + width // bars - 2, bottom), fill=_BAR)
        pen.line((start, bottom, start + width, bottom), fill=_INK)
        for edge in (0, bars // 2, bars):
            place = start + width * edge // bars, bottom + 6
            pen.text(place, count_of(edges[edge]), fill=_INK, font=font, anchor="ma")
        x = start + width * min(numbers["p50"], edges[-1]) // max(edges[-1], 1)
        pen.line((x, _TOP - 4, x, bottom), fill=_MEDIAN, width=2)
        median = f"{words('median')}: {count_of(numbers['p50'])}"
        # Above all bars, whose highest ends at _TOP; never beyond the panel. Pillow's own font has no accents.
        x = min(max(x, start + 40), start + width - 40)
        pen.text((x, _TOP - 8), median, fill=_MEDIAN, font=font, anchor="mb")
        pen.text(
            (middle, 8), words(f"length of the field {name}"), fill=_INK, font=ImageFont.load_default(15), anchor="ma"
        )
        pen.text((middle, bottom + 30), words("characters"), fill=_INK, font=font, anchor="ma")
        pen.text((start - 8, _TOP - 8), words("products"), fill=_INK, font=font, anchor="rb")
    data = io.BytesIO()
    image.save(data, "PNG", optimize=False)
    return data.getvalue()


def plot_losses(
    losses: Sequence[Mapping[str, float]], *, valid: Sequence[Mapping[str, float]] = (), language: str = "en"
) -> bytes:
    """Draws the training loss (nats a token) over the epochs, its first and last value written, as a PNG.

    Args:
        losses: `{"epoch", "loss"}` a logged step.
        valid: The same of the validation split, where there is one.
        language: `en` or `pt`.
    """
    axes, words = _axes(4.5, language), partial(name_of, language=language)
    for name, points, style, color in (("train", losses, "-", "#1f6feb"), ("validation", valid, "o-", "#b0580c")):
        epochs, values = ([point[key] for point in points] for key in ("epoch", "loss"))
        axes.plot(epochs, values, style, color=color, label=words(name))
        for end, side in ((0, "left"), (-1, "right")) if values else ():
            text = {"color": color, "ha": side, "xytext": (0, 12), "textcoords": "offset points"}
            axes.annotate(_number(values[end], language), (epochs[end], values[end]), **text)
    if valid:
        axes.legend()
    axes.set(
        xlabel=words("epoch"), ylabel=words("loss (nats a token)"), title=words("Loss during training"), ylim=(0, None)
    )
    axes.grid(axis="y", color="#e1e4e8")
    return _png(axes)


def plot_before_after(rows: Sequence[Mapping[str, Any]], *, language: str = "en") -> bytes:
    """Draws pairs of bars, before and after, for each measure of each set, with their 95 % intervals, as a PNG.

    Each bar has its value; of the bar after, colour and mark say whether it is better, worse, or not clearly either.

    Args:
        rows: `{"set", "n", "measure", "before", "after"}`, and `before_interval`, `after_interval`, `change_interval`
            and `better` (1 where more is better, -1 where less is) where there are such; the values 0 to 1.
        language: `en` or `pt`.
    """
    axes, words = _axes(1.9 + 0.52 * len(rows), language), partial(name_of, language=language)
    verdicts = [_verdict(row) for row in rows]
    for when, offset in (("before", -0.2), ("after", 0.2)):
        colors = [_BEFORE if when == "before" else _VERDICTS[verdict][0] for verdict in verdicts]
        places = [place + offset for place in range(len(rows))]
        errors = {"xerr": _errors(rows, when), "ecolor": "#24292f", "capsize": 2}
        bars = axes.barh(places, [row[when] for row in rows], 0.38, color=colors, **errors)
        marks = [f" {_VERDICTS[verdict][1]}" if when == "after" else "" for verdict in verdicts]
        said = [_number(row[when], language) + mark for row, mark in zip(rows, marks, strict=True)]
        axes.bar_label(bars, said, padding=4, fontsize=9)
    labels = {words("before"): _BEFORE} | {
        f"{words('after')}: {words(verdict)} {mark}": color
        for verdict, (color, mark) in _VERDICTS.items()
        if verdict in verdicts
    }
    names = [f"{words(row['set'])} (n={row['n']})\n{words(row['measure'])}" for row in rows]
    axes.set(xlim=(0, 1.14), xticks=[0, 0.25, 0.5, 0.75, 1], xlabel=words("share, from 0 to 1"))
    return _compared(axes, words("Before and after the fine-tuning"), names, labels, words)


def plot_changes(rows: Sequence[Mapping[str, Any]], *, language: str = "en") -> bytes:
    """Draws the change of each measure of each set as a point with its 95 % interval and its value, as a PNG.

    Args:
        rows: As of `plot_before_after`.
        language: `en` or `pt`.
    """
    axes, words = _axes(2 + 0.26 * len(rows), language), partial(name_of, language=language)
    labels = {}
    for place, row in enumerate(rows):
        change, verdict = row["after"] - row["before"], _verdict(row)
        color, mark = _VERDICTS[verdict]
        labels[f"{words(verdict)} {mark}"] = color
        errors = _errors([{**row, "change": change}], "change")
        axes.errorbar([change], [place], xerr=errors, fmt="o", color=color, capsize=2, markersize=4)
        text = f"{_number(change, language, sign='+')} {mark}"
        axes.text(1.08, place, text, color=color, va="center", fontsize=8)
    axes.axvline(0, color="#57606a", linewidth=0.8)
    axes.tick_params("y", labelsize=8)
    names = [f"{words(row['set'])}: {words(row['measure'])} (n={row['n']})" for row in rows]
    axes.set(xlim=(-1.05, 1.32), xticks=[-1, -0.5, 0, 0.5, 1], xlabel=words("change of the share: after minus before"))
    return _compared(axes, words("Change by the fine-tuning, with 95 % intervals"), names, labels, words)


def _verdict(row: Mapping[str, Any]) -> str:
    """Whether a measure became better or worse; neither where its interval holds zero, or no direction is better."""
    change = row["after"] - row["before"]
    low, high = row.get("change_interval") or (change, change)
    if not row.get("better") or low <= 0 <= high:
        return "no clear change"
    return "better" if change * row["better"] > 0 else "worse"


def _number(value: float, language: str, *, sign: str = "") -> str:
    """As the plot's language writes it; a zero is "0", which is seen where a bar is not."""
    return number(value, language, places=2, sign=sign) if round(value, 2) else "0"


def _errors(rows: Sequence[Mapping[str, Any]], key: str) -> list[list[float]]:
    """Distances of a value's interval below and above it, as matplotlib wants them; 0 where there is no interval."""
    spans = [(row[key], *(row.get(f"{key}_interval") or (row[key], row[key]))) for row in rows]
    return [[max(value - low, 0.0) for value, low, _ in spans], [max(high - value, 0.0) for value, _, high in spans]]


def _axes(height: float, language: str) -> Any:  # noqa: ANN401 - matplotlib's
    """The axes of a figure 8 inches wide and `height` inches high, with numbers as the plot's language writes them."""
    require("model", "matplotlib")
    from matplotlib.figure import Figure

    axes = Figure(figsize=(8, height), dpi=120, layout="constrained").add_subplot()
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda value, _: _number(value, language))
    axes.spines[["top", "right"]].set_visible(False)
    return axes


def _compared(axes: Any, title: str, names: Sequence[str], labels: Mapping[str, str], words: Any) -> bytes:  # noqa: ANN401
    """A plot of measures by their names, with a line below it, which hides no bar, that tells what each colour says."""
    from matplotlib.patches import Patch

    axes.set_yticks(range(len(names)), names)
    axes.set(title=title, ylabel=words("questions and measure"))
    axes.invert_yaxis()
    handles = [Patch(color=color, label=label) for label, color in labels.items()]
    axes.figure.legend(handles=handles, loc="outside lower center", ncols=2 if len(handles) > 3 else 3, frameon=False)
    return _png(axes)


def _png(axes: Any) -> bytes:  # noqa: ANN401 - matplotlib's
    data = io.BytesIO()
    axes.figure.savefig(data, format="png")
    return data.getvalue()
