"""What is wrong with a recipe, and the sheet on which the rules write it down."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

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
        """The line of every key that stands in the file."""
        return source.lines(self.recipe.text)

    def section(self, names: tuple[str, ...]) -> object:
        """A section as written; None where it, or what it stands in, is missing or empty."""
        here: Any = self.recipe.config
        for name in names:
            here = here.get(name) if isinstance(here, Mapping) else None
        return here

    def given(self, key: str) -> bool:
        """Whether a dotted key stands in the file."""
        return tuple(key.split(".")) in self.lines

    def get(self, key: str) -> Value:
        """The value of a dotted key as AutoTrain takes it: its default where the file is silent.

        None also where the value does not fit its type, which is another rule's to say.
        """
        *above, name = key.split(".")
        field = KEYS[(*above, name)]
        section = self.section(tuple(above))
        if not isinstance(section, Mapping) or name not in section:
            return field.default
        try:
            return field.coerce(section[name])
        except ValueError:
            return None

    def text(self, key: str) -> str:
        """The value as a text; "" where there is none."""
        value = self.get(key)
        return value if isinstance(value, str) else ""

    def number(self, key: str) -> float | None:
        """The value as a number; None where there is none."""
        value = self.get(key)
        return value if isinstance(value, int | float) else None

    def problem(self, key: str, reason: str, mend: str, severity: Severity = "error") -> Problem:
        """A problem at a key, with its line; where the key is missing, the line of the section it belongs to."""
        path = tuple(key.split("."))
        line = next((self.lines[path[:n]] for n in range(len(path), 0, -1) if path[:n] in self.lines), None)
        return Problem(line, key, reason, mend, severity)

    def here(self, key: str, reason: str, mend: str) -> Problem:
        """A problem of this machine: an error where the training is about to start on it, a warning otherwise."""
        return self.problem(key, reason, mend, "error" if self.run_here else "warning")


Rule = Callable[[LintContext], Iterator[Problem]]
"""A rule reads the sheet and yields what it finds; it never raises."""
