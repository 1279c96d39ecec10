"""Draws the histogram of lengths that the card shows: Pillow, a few bars, no plotting library."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

from PIL import Image, ImageDraw, ImageFont

_WIDTH, _HEIGHT, _MARGIN = 480, 300, 44
_BAR, _INK, _PAPER, _MEDIAN = (70, 110, 170), (40, 40, 40), (255, 255, 255), (200, 60, 40)


def draw(lengths: Mapping[str, Mapping[str, Any]]) -> bytes:
    """One panel a column, with its median marked.

    Args:
        lengths: `BuildReport.lengths`: the counts of 20 bins up to the 99th percentile, with their edges.

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
        title = f"{name}: characters ({highest:,} at most in a bar)"
        pen.text((panel * _WIDTH + _WIDTH // 2, 8), title, fill=_INK, font=font, anchor="ma")
    data = io.BytesIO()
    image.save(data, "PNG", optimize=False)
    return data.getvalue()
