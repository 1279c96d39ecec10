"""Jinja as every card uses it: Markdown out, numbers as the card's language writes them, text that stays text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from copy import copy
from typing import Any

import jinja2
import yaml

from amazon_titles import resources
from amazon_titles.names import number
from amazon_titles.text import printable

# What Markdown or HTML could read as more than text; a backslash before each is CommonMark's own way out.
_ACTIVE = re.compile(r"([\\`*_{}\[\]<>()#+!|&~$@-]|(?<=:)/(?=/)|(?<=www)\.)", re.IGNORECASE)
# What others wrote of a run or a catalogue, and a card says in passing.
_TOLD = ("run", "catalogue", "options", "base", "dataset", "name", "eval_settings", "eval_dataset")
_HARMLESS = re.compile(r"(?!.*(?::/|www\.))[\w .,:;/()@+%×=-]*", re.IGNORECASE)


def environment() -> jinja2.Environment:
    """Jinja over `hub_cards/`, which is Markdown, not HTML, with the filters `code`, `plain`, `name` and `number`."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(resources.folder("hub_cards")),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"code": _code, "plain": _plain, "number": _number, "name": _name}
    return environment


def wording(card: str, language: str) -> dict[str, str]:
    """What `hub_cards/CARD.yml` says in a language, by name."""
    said = yaml.safe_load((resources.folder("hub_cards") / f"{card}.yml").read_text(encoding="utf-8"))
    return {name: text[language] for name, text in said.items()}


def render(card: str, context: Mapping[str, Any]) -> str:
    """Fills in `hub_cards/CARD.md.jinja`, with the wording of `hub_cards/CARD.yml` in the context's `card_language`."""
    jinja = environment()
    context = {key: _tamed(value) if key in _TOLD else value for key, value in context.items()}
    # The wording holds numbers of the report, so each piece is a small template itself.
    pieces = wording(card, context["card_language"]).items()
    say = {key: jinja.from_string(text).render(context).strip() for key, text in pieces}
    return jinja.get_template(f"{card}.md.jinja").render(context, say=say)


def _code(text: object) -> str:
    """Text as a code span of a table's cell: no entity, no tag and no bar of it acts."""
    shown = printable(str(text)).replace("`", "'").replace("\n", " ").replace("|", "\\|")
    return f"`{shown}`" if shown.strip() else "—"


def _plain(text: object) -> str:
    """Text as running text on one line: no markup of it acts."""
    return _ACTIVE.sub(r"\\\1", " ".join(printable(str(text)).split())) or "—"


def _name(text: object) -> str:
    """A name as it is, where nothing of it could act; else as `_plain`."""
    return str(text) if _HARMLESS.fullmatch(str(text)) else _plain(text)


def _tamed(value: Any) -> Any:  # noqa: ANN401 - whatever JSON holds
    """Texts on one line that stay in a code span: none of them ends it."""
    if isinstance(value, str):
        return " ".join(printable(value).replace("`", "'").split())
    if isinstance(value, dict):
        tame = copy(value)  # of a `defaultdict` its default stays
        tame.update({key: _tamed(held) for key, held in value.items()})
        return tame
    return [*map(_tamed, value)] if isinstance(value, list) else value


@jinja2.pass_context
def _number(context: jinja2.runtime.Context, value: float, places: int | None = None, sign: bool = False) -> str:
    """As the card's language writes it, with so many decimals and its sign if asked."""
    return number(value, str(context.get("card_language")), places=places, sign="+" if sign else "")
