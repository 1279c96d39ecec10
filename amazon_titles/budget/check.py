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
        budget: What a run takes; why it cannot be said, in a sentence, where it cannot.
    """

    path: str
    problems: tuple[Problem, ...]
    budget: Budget | str

    @property
    def ok(self) -> bool:
        """Whether nothing stops a training."""
        return all(problem.severity != "error" for problem in self.problems)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        budget = None if isinstance(self.budget, str) else asdict(self.budget)
        return {"recipe": self.path, "problems": [asdict(problem) for problem in self.problems], "budget": budget}

    def __str__(self) -> str:
        lines = [f"{self.path}: {f'{len(self.problems)} problem(s)' if self.problems else 'ok'}"]
        lines += [f"  {problem}" for problem in self.problems]
        told = [f"no budget: {self.budget}"] if isinstance(self.budget, str) else self.budget.lines()
        return "\n".join([*lines, *(f"  {line}" for line in told)])


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
    checked = []
    for path in paths or map(str, resources.recipes().values()):
        recipe = load_recipe(path)
        budget: Budget | str
        try:
            budget = estimate(recipe, hours=hours, exposures=exposures, online=online)
        except AmazonTitlesError as error:
            budget = error.message
        checked.append(RecipeCheck(path, tuple(recipe.problems(online=online)), budget))
    return checked
