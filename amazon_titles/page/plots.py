"""A model's plots in the page's language: their files are in English, so others are drawn from the same figures."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import IO, Any

from amazon_titles.errors import MissingExtraError
from amazon_titles.evaluation.measures import MEASURES
from amazon_titles.page.texts import Texts, name_of
from amazon_titles.plots import plot_before_after, plot_losses


def before_after(rows: Sequence[Mapping[str, Any]], texts: Texts, language: str) -> str | None:
    """The bars of a comparison's headlines, as `evaluation.save_comparison` draws them.

    Args:
        rows: Of a `comparison.json`.
        texts: Of the language.
        language: Its code.

    Returns:
        The PNG in base64; None where there is nothing to draw, or nothing to draw with.
    """
    bars = [row for row in rows if row.get("headline") and row.get("key") in MEASURES and MEASURES[row["key"]].share]
    words = partial(name_of, language=language)
    return _drawn(bars, partial(plot_before_after, title=texts.plot_before_after, words=words))


def losses(run: Mapping[str, Any], texts: Texts, language: str) -> str | None:
    """The curve of the loss in a `run.json`; else as `before_after`."""
    words, valid = partial(name_of, language=language), run.get("valid_losses") or ()
    return _drawn(run.get("losses") or [], partial(plot_losses, title=texts.plot_loss, valid=valid, words=words))


def _drawn(
    figures: Sequence[Mapping[str, Any]], draw: Callable[[Sequence[Mapping[str, Any]], IO[bytes]], None]
) -> str | None:
    if not figures:
        return None
    png = io.BytesIO()
    try:
        draw(figures, png)
    except (MissingExtraError, ValueError, RuntimeError):
        return None  # the two others are what matplotlib says of names that it cannot set, or of too many bars
    return base64.b64encode(png.getvalue()).decode()
