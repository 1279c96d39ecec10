"""What is wrong with a recipe, and what the rules that find it are given."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from amazon_titles.errors import InputError
from amazon_titles.recipes import source
from amazon_titles.recipes.fields import KEYS, Value

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
        where = f"line {self.line}: " if self.line else ""
        return f"{self.severity}: {where}{self.key} {self.reason} {self.mend}"


class _Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An entry of `problems.yml`, which describes it."""

    reason: str
    mend: str
    key: str = ""
    when: Value = None
    engine: str = ""
    severity: Literal["error", "warning", "machine"] = "error"


@cache
def _entries() -> dict[str, _Entry]:
    return msgspec.yaml.decode(Path(__file__).with_name("problems.yml").read_bytes(), type=dict[str, _Entry])


@dataclass(frozen=True)
class LintContext:
    """A recipe as a rule reads it: any value, however broken the file is.

    Attributes:
        recipe: The recipe.
        run_here: The training is about to start on this machine.
        engine: What is to train: `autotrain` or `trl`. AutoTrain's own weaknesses are no problems of the other.
    """

    recipe: Recipe
    run_here: bool = False
    engine: str = "autotrain"

    @cached_property
    def lines(self) -> Mapping[source.KeyPath, int]:
        """The line of every key in the file, from 1; of one that stands twice the last, which counts."""
        return {path: key.start_mark.line + 1 for path, key, _ in source.walk(self.recipe.text)}

    def given(self, key: str) -> bool:
        """Whether a dotted key stands in the file."""
        return tuple(key.split(".")) in self.lines

    def get(self, key: str) -> Value:
        """The value of a dotted key as AutoTrain takes it: its default where the file is silent.

        None also where the value does not fit its type, which is another rule's to say.
        """
        with suppress(InputError):
            return self.recipe.value(*key.split("."))
        return None

    def text(self, key: str) -> str:
        """The value as a text; "" where there is none."""
        value = self.get(key)
        return value if isinstance(value, str) else ""

    def number(self, key: str) -> float:
        """The value as a number; 0 where there is none."""
        value = self.get(key)
        return value if isinstance(value, int | float) else 0

    def found(self, rules: Mapping[str, Any], **values: object) -> Iterator[Problem]:
        """The problems of `problems.yml` that are there.

        Args:
            rules: Whether it is so, by the rule's name; of a rule without a key, the keys where it is so.
            **values: What the sentences name besides the value at the key.
        """
        for name, holds in rules.items():
            entry = _entries()[name]
            if not holds or entry.engine not in ("", self.engine):
                continue
            severity = entry.severity
            if severity == "machine":
                severity = "error" if self.run_here else "warning"
            for key in [entry.key] if entry.key else holds:
                path = tuple(key.split("."))
                # Of a key that is missing, the line of the section that it belongs to.
                line = next((self.lines[path[:n]] for n in range(len(path), 0, -1) if path[:n] in self.lines), None)
                values["value"] = self.get(key) if path in KEYS else None
                yield Problem(line, key, entry.reason.format_map(values), entry.mend.format_map(values), severity)


def single_values(context: LintContext) -> Iterator[Problem]:
    """The rules of `problems.yml` that are one value of one key."""
    for name, entry in _entries().items():
        if entry.when is not None:
            value, missing = context.get(entry.key), not context.given(entry.key)
            holds = {"missing": missing, "anything": bool(value)}.get(str(entry.when), value == entry.when)
            yield from context.found({name: holds})


Rule = Callable[[LintContext], Iterable[Problem]]
"""A rule reads the recipe and tells what it finds; it never raises."""
