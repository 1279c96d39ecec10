"""The shape of a recipe: missing, repeated, unknown and misspelt keys, wrong types, values out of range.

AutoTrain stops at the first wrong value and only warns of an unknown key, so that a typo trains with a default.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from amazon_titles.recipes import source
from amazon_titles.recipes.fields import ELSEWHERE, KEYS, SECTIONS, nearest
from amazon_titles.recipes.problems import LintContext, Problem, Rule

# AutoTrain reads these with `config["…"]`: a KeyError without them, null or not.
_REQUIRED = {
    (): ("task", "base_model", "project_name", "log", "backend", "data"),
    ("data",): ("path", "train_split", "valid_split", "chat_template", "column_mapping"),
    ("hub",): ("username", "token", "push_to_hub"),
}


def repeated(sheet: LintContext) -> Iterator[Problem]:
    """A key that stands twice."""
    counts = Counter(path for path, _, _ in source.walk(sheet.recipe.text))
    for path, count in counts.items():
        if count > 1:
            yield sheet.problem(
                ".".join(path), f"stands {count} times, of which YAML silently takes the last.", "Keep one."
            )


def missing(sheet: LintContext) -> Iterator[Problem]:
    """A key without which AutoTrain stops with a bare `KeyError`."""
    for names, required in _REQUIRED.items():
        section = sheet.section(names) if names else sheet.recipe.config
        if not isinstance(section, Mapping):
            continue
        for name in required:
            if name not in section:
                field = KEYS.get((*names, name))
                what = field.expected if field else "a section of keys"
                key = ".".join((*names, name))
                yield sheet.problem(key, "is missing, and AutoTrain stops with a KeyError.", f"Add `{name}:`, {what}.")


def sections(sheet: LintContext) -> Iterator[Problem]:
    """A section that is something else."""
    for names in SECTIONS:
        section = sheet.section(names) if names else sheet.recipe.config
        needed = names in (("data",), ("data", "column_mapping")) and names in sheet.lines
        if (section is not None or needed) and not isinstance(section, Mapping):
            yield sheet.problem(
                ".".join(names), f"holds {section!r}, not keys.", f"Write its keys below {names[-1]}, indented."
            )


def unknown(sheet: LintContext) -> Iterator[Problem]:
    """A key that AutoTrain does not know, or that overwrites another section's."""
    for names, fields in SECTIONS.items():
        section = sheet.section(names) if names else sheet.recipe.config
        if not isinstance(section, Mapping):
            continue
        below = {path[-1] for path in SECTIONS if path and path[:-1] == names}
        for name in map(str, section):
            if name not in fields and name not in below:
                yield _unknown(sheet, names, name, {*fields, *below})


def _unknown(sheet: LintContext, names: tuple[str, ...], name: str, known: set[str]) -> Problem:
    key = ".".join((*names, name))
    if names in (("params",), ("data", "column_mapping")) and (name in ELSEWHERE or name in SECTIONS[("params",)]):
        place = ELSEWHERE.get(name, f"params.{name}")
        return sheet.problem(key, f"silently overwrites {place}.", f"Take it out, and set {place}.")
    reason = (
        "is not a setting of amazon-titles."
        if names == ("amazon_titles",)
        else "is not known, and AutoTrain ignores it."
    )
    close = nearest(name, known)
    elsewhere = next((path for path in KEYS if path[-1] == name), None)
    if close:
        mend = f"Did you mean {close}?"
    elif elsewhere:
        mend = f"Write it as {'.'.join(elsewhere)}."
    else:
        mend = f"Take it out, or choose one of: {', '.join(sorted(known))}."
    return sheet.problem(key, reason, mend)


def values(sheet: LintContext) -> Iterator[Problem]:
    """A value of the wrong type, or out of range."""
    for path, field in KEYS.items():
        section = sheet.section(path[:-1]) if path[:-1] else sheet.recipe.config
        if not isinstance(section, Mapping) or path[-1] not in section:
            continue
        value = section[path[-1]]
        try:
            fits = field.fits(field.coerce(value))
        except ValueError:
            yield sheet.problem(
                ".".join(path), f"is {value!r}, which is of the wrong type.", f"Write {field.expected}."
            )
        else:
            if not fits:
                yield sheet.problem(".".join(path), f"is {value!r}, which is out of range.", f"Write {field.expected}.")


SHAPE: tuple[Rule, ...] = (repeated, missing, sections, unknown, values)
"""Every rule of this file."""
