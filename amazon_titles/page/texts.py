"""Everything that the page says of its own, from `texts.yml`, and the names of sets and measures, from the card's."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import yaml

from amazon_titles import resources

LANGUAGES = {"en": "English", "pt": "Português"}
"""Code → its name in itself, as the switch shows it."""

Texts = SimpleNamespace
"""What is said in one language, each by its name; a text with braces is filled in by `str.format`."""


def read_yaml(path: Path) -> Any:  # noqa: ANN401 - what the file holds
    """The content of a shipped YAML file."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def in_each_language(said: Mapping[str, Mapping[str, str]]) -> dict[str, Texts]:
    """The texts of every language by its code.

    Args:
        said: Name → code of a language → what is said.
    """
    return {code: Texts(**{name: text[code] for name, text in said.items()}) for code in LANGUAGES}


_OWN = read_yaml(Path(__file__).with_name("texts.yml"))
_CARD = read_yaml(resources.folder("hub_cards") / "model_card.yml")

TEXTS = in_each_language(_OWN["texts"])
"""Every language by its code."""

_CARD_NAMES = [name for key, name in _CARD.items() if key.startswith(("set_name_", "measure_"))]
NAMES: dict[str, dict[str, str]] = {"pt": {name["en"]: name["pt"] for name in _CARD_NAMES} | _OWN["names"]}
"""Names of sets, measures and settings, and the words of plots, where they are not said as the reports spell them."""


def name_of(term: str, language: str) -> str:
    """A name of `NAMES` in a language; as it is where there is no other."""
    return NAMES.get(language, {}).get(term, term)


def preferred(accepted: str, default: str) -> str:
    """The language of `LANGUAGES` that a browser likes best, by its `Accept-Language`.

    Args:
        accepted: The header, such as `pt-BR,pt;q=0.9,en;q=0.8` (RFC 9110, 12.5.4).
        default: Where it names none of ours.
    """
    wanted: dict[str, float] = {}
    for part in accepted.split(","):
        name, _, quality = part.partition(";q=")
        code = name.strip().split("-")[0].lower()
        with suppress(ValueError):
            if code in LANGUAGES and (weight := float(quality or 1)) > 0:
                wanted[code] = max(weight, wanted.get(code, 0.0))
    return max(wanted, key=wanted.__getitem__, default=default)
