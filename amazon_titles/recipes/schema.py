"""The shape of a recipe: missing, repeated, unknown and misspelt keys, wrong types, values out of range.

AutoTrain stops at the first wrong value and only warns of an unknown key, so that a typo trains with a default.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from amazon_titles.recipes import source
from amazon_titles.recipes.fields import ELSEWHERE, KEYS, PARAMS, SECTIONS, nearest
from amazon_titles.recipes.problems import LintContext, Problem, Rule

# AutoTrain reads these with `config["…"]`: a KeyError without them, null or not.
_REQUIRED = {(): (*SECTIONS[()], "data"), ("data",): (*SECTIONS["data",], "column_mapping"), ("hub",): SECTIONS["hub",]}


def repeated(context: LintContext) -> Iterator[Problem]:
    """A key that stands twice."""
    for path, count in Counter(path for path, _, _ in source.walk(context.recipe.text)).items():
        if count > 1:
            reason = f"stands {count} times, of which YAML silently takes the last."
            yield context.problem(".".join(path), reason, "Keep one.")


def sections(context: LintContext) -> Iterator[Problem]:
    """A section that is something else, and what is wrong with the keys of those that are sections."""
    for names in SECTIONS:
        section = source.lookup(context.recipe.config, names)
        if isinstance(section, Mapping):
            for name in _REQUIRED.get(names, ()):
                if name not in section:
                    path = (*names, name)
                    mend = f"Add `{name}:`, {KEYS[path].expected if path in KEYS else 'a section of keys'}."
                    yield context.problem(".".join(path), "is missing, and AutoTrain stops with a KeyError.", mend)
            for name, value in section.items():
                path = (*names, str(name))
                wrong = None if path in KEYS else _unknown(path)
                if path in KEYS and (misfit := KEYS[path].misfit(value)):
                    wrong = f"is {value!r}, which is {misfit}.", f"Write {KEYS[path].expected}."
                if wrong:
                    yield context.problem(".".join(path), *wrong)
        elif section is not None or (names[:1] == ("data",) and names in context.lines):
            mend = f"Write its keys below {names[-1]}, indented."
            yield context.problem(".".join(names), f"holds {section!r}, not keys.", mend)


def _unknown(path: source.KeyPath) -> tuple[str, str] | None:
    """Reason and mend of a key that AutoTrain does not know, or that overwrites another section's."""
    names, name = path[:-1], path[-1]
    if path in SECTIONS:
        return None
    if names in (("params",), ("data", "column_mapping")) and (name in ELSEWHERE or name in PARAMS):
        place = ELSEWHERE.get(name, f"params.{name}")
        return f"silently overwrites {place}.", f"Take it out, and set {place}."
    known = {known[-1] for known in (*KEYS, *SECTIONS) if known and known[:-1] == names}
    own = names == ("amazon_titles",)
    reason = "is not a setting of amazon-titles." if own else "is not known, and AutoTrain ignores it."
    if close := nearest(name, known):
        return reason, f"Did you mean {close}?"
    if elsewhere := next((known for known in KEYS if known[-1] == name), None):
        return reason, f"Write it as {'.'.join(elsewhere)}."
    return reason, f"Take it out, or choose one of: {', '.join(sorted(known))}."


RULES: tuple[Rule, ...] = (repeated, sections)
"""Every rule of this file."""
