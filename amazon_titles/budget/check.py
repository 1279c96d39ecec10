"""`check_recipes`: a recipe's problems and, where its dataset can be read, what a run would take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from amazon_titles import resources
from amazon_titles.budget.estimate import Budget, estimate
from amazon_titles.errors import AmazonTitlesError
from amazon_titles.recipes import Problem, load_recipe


@dataclass(frozen=True, slots=True)
class RecipeCheck:
    """What is known of a recipe before it runs.

    Attributes:
        path: The recipe.
        problems: Errors and warnings, in the order of their lines.
        budget: What a run takes; None where it cannot be said.
        unknown: Why not, in a sentence.
    """

    path: str
    problems: tuple[Problem, ...]
    budget: Budget | None
    unknown: str | None

    @property
    def ok(self) -> bool:
        """Whether nothing stops a training."""
        return all(problem.severity != "error" for problem in self.problems)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        problems = [asdict(problem) for problem in self.problems]
        return {"recipe": self.path, "problems": problems, "budget": self.budget and self.budget.to_dict()}

    def __str__(self) -> str:
        lines = [f"{self.path}: {f'{len(self.problems)} problem(s)' if self.problems else 'ok'}"]
        lines += [f"  {problem}" for problem in self.problems]
        lines += [f"  {line}" for line in (self.budget.lines() if self.budget else [f"no budget: {self.unknown}"])]
        return "\n".join(lines)


def check_recipes(paths: Sequence[str], *, online: bool, hours: float | None, exposures: int) -> list[RecipeCheck]:
    """Examines recipes.

    Args:
        paths: Recipes; none for all that are shipped.
        online: Ask the Hub too.
        hours: Time there is.
        exposures: How often each product is to be asked about.

    Raises:
        InputError: A file is no recipe.
    """
    shipped = [str(path) for path in resources.recipes().values()]
    return [_check(path, online, hours, exposures) for path in paths or shipped]


def _check(path: str, online: bool, hours: float | None, exposures: int) -> RecipeCheck:
    recipe = load_recipe(path)
    problems = tuple(recipe.problems(online=online))
    try:
        budget = estimate(recipe, hours=hours, exposures=exposures, online=online)
    except AmazonTitlesError as error:
        return RecipeCheck(path, problems, None, error.message)
    return RecipeCheck(path, problems, budget, None)
