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
            yield from context.found({"key-twice": [".".join(path)]}, count=count)


def sections(context: LintContext) -> Iterator[Problem]:
    """A section that is something else, and what is wrong with the keys of those that are sections."""
    for names in SECTIONS:
        section = source.lookup(context.recipe.config, names)
        if isinstance(section, Mapping):
            for path in [(*names, name) for name in _REQUIRED.get(names, ()) if name not in section]:
                expected = KEYS[path].expected if path in KEYS else "a section of keys"
                yield from context.found({"key-missing": [".".join(path)]}, name=path[-1], expected=expected)
            for name, value in section.items():
                yield from _key(context, (*names, str(name)), value)
        elif section is not None or (names[:1] == ("data",) and names in context.lines):
            yield from context.found({"section-without-keys": [".".join(names)]}, written=section, name=names[-1])


def _key(context: LintContext, path: source.KeyPath, value: object) -> Iterator[Problem]:
    """A value that does not fit, a key that AutoTrain does not know, or one that overwrites another section's."""
    names, name, key = path[:-1], path[-1], [".".join(path)]
    if path in KEYS:
        if misfit := KEYS[path].misfit(value):
            told = {"written": value, "misfit": misfit, "expected": KEYS[path].expected}
            yield from context.found({"value-does-not-fit": key}, **told)
    elif names in (("params",), ("data", "column_mapping")) and (name in ELSEWHERE or name in PARAMS):
        yield from context.found({"key-overwrites": key}, place=ELSEWHERE.get(name, f"params.{name}"))
    elif path not in SECTIONS:
        known = {known[-1] for known in (*KEYS, *SECTIONS) if known and known[:-1] == names}
        mend = f"Take it out, or choose one of: {', '.join(sorted(known))}."
        if elsewhere := next((known for known in KEYS if known[-1] == name), None):
            mend = f"Write it as {'.'.join(elsewhere)}."
        if close := nearest(name, known):
            mend = f"Did you mean {close}?"
        rule = "own-key-unknown" if names == ("amazon_titles",) else "key-unknown"
        yield from context.found({rule: key}, mend=mend)


RULES: tuple[Rule, ...] = (repeated, sections)
"""Every rule of this file."""
