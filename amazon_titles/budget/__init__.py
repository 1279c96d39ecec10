"""What a recipe will take, before it takes it.

`shapes` (of a Llama), `flavors` (machines, their speed and price), `memory`, `estimate`, and `check` (problems too).
"""

from amazon_titles.budget.check import RecipeCheck, check_recipes
from amazon_titles.budget.estimate import WANTED_EXPOSURES, Budget, Place, estimate
from amazon_titles.budget.shapes import Shape, shape_of

__all__ = ["WANTED_EXPOSURES", "Budget", "Place", "RecipeCheck", "Shape", "check_recipes", "estimate", "shape_of"]
