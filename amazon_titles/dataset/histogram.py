"""Draws the histogram of lengths that the card shows: Pillow, a few bars, no plotting library."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

from PIL import Image, ImageDraw, ImageFont

_WIDTH, _HEIGHT, _MARGIN = 480, 300, 44
_BAR, _INK, _PAPER = (70, 110, 170), (40, 40, 40), (255, 255, 255)


def draw(lengths: Mapping[str, Mapping[str, Any]]) -> bytes:
    """One panel a column, with its median marked.

    Args:
        lengths: `BuildReport.lengths`: the counts of 20 bins up to the 99th percentile, with their edges.

    Returns:
        A PNG, the same bytes for the same numbers.
    """
    image = Image.new("RGB", (_WIDTH * len(lengths), _HEIGHT), _PAPER)
    pen = ImageDraw.Draw(image)
    font = ImageFont.load_default(size=13)
    for panel, (name, numbers) in enumerate(lengths.items()):
        _panel(pen, font, panel * _WIDTH, name, numbers)
    data = io.BytesIO()
    image.save(data, "PNG", optimize=False)
    return data.getvalue()


def _panel(pen: ImageDraw.ImageDraw, font: Any, left: int, name: str, numbers: Mapping[str, Any]) -> None:  # noqa: ANN401
    counts, edges = numbers["counts"], numbers["edges"]
    top, bottom = _MARGIN, _HEIGHT - _MARGIN
    start, width = left + _MARGIN, _WIDTH - 2 * _MARGIN
    highest = max(max(counts), 1)
    for index, count in enumerate(counts):
        x = start + width * index // len(counts)
        pen.rectangle((x, bottom - (bottom - top) * count // highest, x + width // len(counts) - 2, bottom), fill=_BAR)
    pen.line((start, bottom, start + width, bottom), fill=_INK)
    for edge in (0, len(counts) // 2, len(counts)):
        x = start + width * edge // len(counts)
        pen.text((x, bottom + 6), f"{edges[edge]:,}", fill=_INK, font=font, anchor="ma")
    median = start + width * min(numbers["p50"], edges[-1]) // max(edges[-1], 1)
    pen.line((median, top - 4, median, bottom), fill=(200, 60, 40), width=2)
    pen.text((median + 5, top - 6), f"p50 {numbers['p50']:,}", fill=(200, 60, 40), font=font)
    pen.text(
        (left + _WIDTH // 2, 8), f"{name}: characters ({highest:,} at most in a bar)", fill=_INK, font=font, anchor="ma"
    )
