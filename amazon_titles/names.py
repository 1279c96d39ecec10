"""How a language says numbers, and names of sets, measures and settings, and the words of plots."""

from __future__ import annotations

from functools import cache

import yaml

from amazon_titles import resources


@cache
def portuguese() -> dict[str, str]:
    """Every such name in Portuguese, by its English: the cards' own, and those of `hub_cards/names.yml`."""
    folder = resources.folder("hub_cards")
    cards, names = (yaml.safe_load((folder / name).read_bytes()) for name in ("model_card.yml", "names.yml"))
    said = [name for key, name in cards.items() if key.startswith(("set_name_", "measure_"))]
    return {name["en"]: name["pt"] for name in said} | dict(names)


def name_of(term: str, language: str) -> str:
    """A name in a language; as it is where there is no other."""
    return portuguese().get(term, term) if language == "pt" else term


def number(value: float, language: str, *, places: int | None = None, sign: str = "") -> str:
    """A number with its thousands apart: 1,234.5; in Portuguese 1.234,5.

    Args:
        value: To show.
        language: `en` or `pt`.
        places: Decimals; None for as many as it has.
        sign: `+` shows the sign of a positive one too. Zero is never negative.
    """
    shown = f"{value:{sign},}" if places is None else f"{round(value, places) + 0.0:{sign},.{places}f}"
    return shown.translate(str.maketrans(",.", ".,")) if language == "pt" else shown
