"""What a recipe will take, before it takes it.

`shapes` (of a Llama, and its memory), `flavors` (machines, their speed and price), and `estimate`.
"""

from amazon_titles.budget.estimate import Budget, Place, RecipeCheck, check_recipes, estimate
from amazon_titles.budget.shapes import Shape, shape_of

__all__ = ["Budget", "Place", "RecipeCheck", "Shape", "check_recipes", "estimate", "shape_of"]
