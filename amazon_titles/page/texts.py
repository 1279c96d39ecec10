"""Everything that the page says of its own, from `texts.yml`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from operator import itemgetter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import yaml

# A language without its country, and how much it is wanted, from 0 to 1.
_ACCEPTED = re.compile(r"([a-z]+)(?:-[\w-]+)?\s*(?:;\s*q=([01](?:\.\d+)?))?\s*(?:,|$)")

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

TEXTS = in_each_language(_OWN["texts"])
"""Every language by its code."""


def preferred(accepted: str, default: str) -> str:
    """The language of `LANGUAGES` that a browser likes best, by its `Accept-Language`.

    Args:
        accepted: The header, such as `pt-BR,pt;q=0.9,en;q=0.8` (RFC 9110, 12.5.4).
        default: Where it names none of ours.
    """
    named = _ACCEPTED.findall(accepted.lower())
    wanted: list[tuple[float, str]] = [(float(quality or 1), code) for code, quality in named if code in LANGUAGES]
    return max([(0.0, default), *wanted], key=itemgetter(0))[1]
