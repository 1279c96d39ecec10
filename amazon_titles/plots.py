"""Plots of a training and of a comparison, as PNG files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from amazon_titles.errors import MissingExtraError


def plot_losses(
    losses: Sequence[Mapping[str, float]], path: Path, *, title: str, valid: Sequence[Mapping[str, float]] = ()
) -> None:
    """Draws the training loss (nats a token) over the epochs.

    Args:
        losses: `{"epoch", "loss"}` a logged step.
        path: The PNG to write.
        title: Above the plot.
        valid: The same of the validation split, where there is one.
    """
    figure, axes = _figure()
    axes.plot([point["epoch"] for point in losses], [point["loss"] for point in losses], color="#1f6feb", label="train")
    if valid:
        axes.plot(
            [point["epoch"] for point in valid], [point["loss"] for point in valid], "o-", color="#b0580c",
            label="validation",
        )  # fmt: skip
        axes.legend()
    axes.set(xlabel="epoch", ylabel="loss (nats a token)", title=title, ylim=(0, None))
    figure.savefig(path)


def plot_before_after(rows: Sequence[Mapping[str, Any]], path: Path, *, title: str) -> None:
    """Draws pairs of bars, before and after, for each measure of each set.

    Args:
        rows: `{"set", "n", "measure", "before", "after"}`; the values 0 to 1.
        path: The PNG to write.
        title: Above the plot.
    """
    figure, axes = _figure()
    places = range(len(rows))
    axes.barh([place - 0.2 for place in places], [row["before"] for row in rows], 0.4, label="before", color="#b0b8c4")
    axes.barh([place + 0.2 for place in places], [row["after"] for row in rows], 0.4, label="after", color="#1f6feb")
    axes.set_yticks(list(places), [f"{row['set']} (n={row['n']})\n{row['measure']}" for row in rows])
    axes.invert_yaxis()
    axes.set(xlim=(0, 1), title=title)
    axes.legend(loc="lower right")
    figure.savefig(path)


def _figure() -> tuple[Any, Any]:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("model", "matplotlib") from error
    figure = Figure(figsize=(8, 4.5), dpi=120, layout="constrained")
    return figure, figure.add_subplot()
