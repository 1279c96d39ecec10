"""All problems of a recipe at once, each with its line, its reason and its mend.

AutoTrain stops at the first wrong value, only warns of an unknown key (so a typo trains with a default), and exits 0
when training failed. What it would do is known beforehand from its source, so it is said beforehand.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from amazon_titles.recipes import source
from amazon_titles.recipes.fields import KEYS, SECTIONS, nearest

if TYPE_CHECKING:
    from amazon_titles.recipes.recipe import Recipe

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a recipe.

    Attributes:
        line: Where, counted from 1; None where a key is missing.
        key: The dotted key.
        reason: What is wrong and what would come of it.
        mend: What to write instead.
        severity: An `error` stops a training; a `warning` is said.
    """

    line: int | None
    key: str
    reason: str
    mend: str
    severity: Severity = "error"

    def __str__(self) -> str:
        where = f"line {self.line}, " if self.line else ""
        return f"{self.severity}: {where}{self.key}: {self.reason} {self.mend}"


def shape_problems(recipe: Recipe) -> Iterator[Problem]:
    """Missing, unknown, repeated and misspelt keys, wrong types and values out of range."""
    lines = source.lines(recipe.text)
    yield from _repeated(recipe.text)
    for names, fields in SECTIONS.items():
        key = ".".join(names)
        section = _section(recipe.config, names)
        if section is None:
            if names in (("data",), ("data", "column_mapping")):
                yield Problem(
                    lines.get(names), key, "is missing; AutoTrain stops with a KeyError.", f"Add the section {key}."
                )
            continue
        if not isinstance(section, Mapping):
            yield Problem(
                lines.get(names),
                key,
                f"holds {section!r}, not a section of keys.",
                f"Write its keys below {key}, indented.",
            )
            continue
        yield from _missing(names, fields, section, lines)
        for name, value in section.items():
            yield from _value(names, str(name), value, lines)


def _section(config: Mapping[str, Any], names: tuple[str, ...]) -> object:
    """A section as written; None where it, or what it stands in, is missing or empty."""
    here: Any = config
    for name in names:
        if not isinstance(here, Mapping):
            return None
        here = here.get(name)
    return here


def _repeated(text: str) -> Iterator[Problem]:
    counts = Counter(path for path, _, _ in source.walk(text))
    lines = source.lines(text)
    for path, count in counts.items():
        if count > 1:
            yield Problem(
                lines[path], ".".join(path), f"stands {count} times; YAML silently takes the last.", "Keep one."
            )


# AutoTrain reads these with `config["…"]`: a KeyError without them, null or not.
_REQUIRED = {
    (): ("task", "base_model", "project_name", "log", "backend"),
    ("data",): ("path", "train_split", "valid_split", "chat_template"),
    ("hub",): ("username", "token", "push_to_hub"),
}


def _missing(
    names: tuple[str, ...], fields: Mapping[str, Any], section: Mapping[str, Any], lines: Mapping[tuple[str, ...], int]
) -> Iterator[Problem]:
    for name in _REQUIRED.get(names, ()):
        if name not in section:
            yield Problem(
                lines.get(names),
                ".".join((*names, name)),
                "is missing; AutoTrain stops with a KeyError.",
                f"Add `{name}:`, {fields[name].expected}.",
            )


def _value(names: tuple[str, ...], name: str, value: object, lines: Mapping[tuple[str, ...], int]) -> Iterator[Problem]:
    path = (*names, name)
    key, line = ".".join(path), lines.get(path)
    field = KEYS.get(path)
    if field is None:
        if path not in SECTIONS:
            yield _unknown(names, name, line)
        return
    try:
        coerced = field.coerce(value)
    except ValueError:
        yield Problem(line, key, f"is {value!r}, which does not fit.", f"Write {field.expected}.")
        return
    if not field.fits(coerced):
        yield Problem(line, key, f"is {value!r}, which is out of range.", f"Write {field.expected}.")


def _unknown(names: tuple[str, ...], name: str, line: int | None) -> Problem:
    fields = SECTIONS[names]
    key = ".".join((*names, name))
    known = {*fields, *(path[-1] for path in SECTIONS if path and path[:-1] == names)}
    close = nearest(name, known)
    elsewhere = next((path for path in KEYS if path[-1] == name), None)
    if close:
        mend = f"Did you mean {close}?"
    elif elsewhere:
        mend = f"It belongs to {'.'.join(elsewhere[:-1]) or 'the top level'}: {'.'.join(elsewhere)}."
    else:
        mend = f"Take it out, or choose one of: {', '.join(sorted(known))}."
    return Problem(line, key, "is not known; AutoTrain ignores it and trains with its default.", mend)
