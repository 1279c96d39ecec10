"""An AutoTrain YAML becomes a typed recipe, and *all* its problems are found at once.

One noun a file: `fields` (what AutoTrain knows), `source` (the YAML as text), `recipe`, `problems`.
"""

from amazon_titles.recipes.problems import Problem
from amazon_titles.recipes.recipe import Recipe, fill_recipe, load_recipe

__all__ = ["Problem", "Recipe", "fill_recipe", "load_recipe"]
