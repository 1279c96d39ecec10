"""The shape of a recipe: missing, repeated, unknown and misspelt keys, wrong types, values out of range.

AutoTrain stops at the first wrong value and only warns of an unknown key, so that a typo trains with a default.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from amazon_titles.recipes import source
from amazon_titles.recipes.fields import ELSEWHERE, KEYS, PARAMS, SECTIONS, nearest
from amazon_titles.recipes.problems import LintContext, Problem, Rule

# AutoTrain reads these with `config["…"]`: a KeyError without them, null or not.
_REQUIRED = {(): (*SECTIONS[()], "data"), ("data",): (*SECTIONS["data",], "column_mapping"), ("hub",): SECTIONS["hub",]}


def _sections(context: LintContext) -> Iterator[tuple[source.KeyPath, Mapping[Any, Any]]]:
    """Every section that is one."""
    for names in SECTIONS:
        section = source.lookup(context.recipe.config, names)
        if isinstance(section, Mapping):
            yield names, section


def repeated(context: LintContext) -> Iterator[Problem]:
    """A key that stands twice."""
    for path, count in Counter(path for path, _, _ in source.walk(context.recipe.text)).items():
        if count > 1:
            reason = f"stands {count} times, of which YAML silently takes the last."
            yield context.problem(".".join(path), reason, "Keep one.")


def missing(context: LintContext) -> Iterator[Problem]:
    """A key without which AutoTrain stops with a bare `KeyError`."""
    for names, section in _sections(context):
        for name in _REQUIRED.get(names, ()):
            if name not in section:
                path = (*names, name)
                what = KEYS[path].expected if path in KEYS else "a section of keys"
                reason = "is missing, and AutoTrain stops with a KeyError."
                yield context.problem(".".join(path), reason, f"Add `{name}:`, {what}.")


def sections(context: LintContext) -> Iterator[Problem]:
    """A section that is something else."""
    for names in SECTIONS:
        section = source.lookup(context.recipe.config, names)
        needed = names[:1] == ("data",) and names in context.lines
        if (section is not None or needed) and not isinstance(section, Mapping):
            mend = f"Write its keys below {names[-1]}, indented."
            yield context.problem(".".join(names), f"holds {section!r}, not keys.", mend)


def unknown(context: LintContext) -> Iterator[Problem]:
    """A key that AutoTrain does not know, or that overwrites another section's."""
    for names, section in _sections(context):
        known = {*SECTIONS[names], *(path[-1] for path in SECTIONS if path and path[:-1] == names)}
        for name in map(str, section):
            if name not in known:
                key = ".".join((*names, name))
                yield context.problem(key, *_what_is_unknown(names, name, known))


def _what_is_unknown(names: source.KeyPath, name: str, known: set[str]) -> tuple[str, str]:
    """Reason and mend of an unknown key."""
    if names in (("params",), ("data", "column_mapping")) and (name in ELSEWHERE or name in PARAMS):
        place = ELSEWHERE.get(name, f"params.{name}")
        return f"silently overwrites {place}.", f"Take it out, and set {place}."
    own = names == ("amazon_titles",)
    reason = "is not a setting of amazon-titles." if own else "is not known, and AutoTrain ignores it."
    if close := nearest(name, known):
        return reason, f"Did you mean {close}?"
    if elsewhere := next((path for path in KEYS if path[-1] == name), None):
        return reason, f"Write it as {'.'.join(elsewhere)}."
    return reason, f"Take it out, or choose one of: {', '.join(sorted(known))}."


def values(context: LintContext) -> Iterator[Problem]:
    """A value of the wrong type, or out of range."""
    for names, section in _sections(context):
        for name, field in SECTIONS[names].items():
            if name not in section:
                continue
            try:
                wrong = None if field.fits(field.coerce(section[name])) else "out of range"
            except ValueError:
                wrong = "of the wrong type"
            if wrong:
                reason = f"is {section[name]!r}, which is {wrong}."
                yield context.problem(".".join((*names, name)), reason, f"Write {field.expected}.")


SHAPE: tuple[Rule, ...] = (repeated, missing, sections, unknown, values)
"""Every rule of this file."""
