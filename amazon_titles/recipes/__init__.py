"""An AutoTrain YAML becomes a typed recipe, and *all* its problems are found at once.

A file a noun: `recipe`; `source` (the YAML as text); `fields` (what AutoTrain knows); `problems`, and the rules that
find them: `shape` (keys and values), `traps` (of AutoTrain), `places` (names, paths, the Hub), `bases` and
`surroundings` (folders and the machine), `online` (asks the Hub); `gpus`; `corpus` (what a dataset shows without being
loaded).
"""

from amazon_titles.recipes.environment_checks import plain_run_advice
from amazon_titles.recipes.problems import Problem
from amazon_titles.recipes.recipe import Recipe, fill_recipe, load_recipe, require_sound

__all__ = ["Problem", "Recipe", "fill_recipe", "load_recipe", "plain_run_advice", "require_sound"]
