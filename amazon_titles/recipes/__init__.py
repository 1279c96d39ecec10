"""An AutoTrain YAML becomes a typed recipe, and *all* its problems are found at once.

`recipe` reads and changes a recipe; `source` is its YAML as text, and `fields` what AutoTrain knows. `problems.yml` is
what the rules say, and `problems` what a rule is given and returns. The rules are in `schema` (keys and values),
`autotrain_checks` (the recipe alone), `environment_checks` (dataset, base and machine) and `online` (asks the Hub).
`gpus` and `corpus` tell what is here: the GPUs, and what a dataset shows without being loaded.
"""

from amazon_titles.recipes.environment_checks import plain_run_advice
from amazon_titles.recipes.problems import Problem
from amazon_titles.recipes.recipe import Recipe, fill_recipe, load_recipe, require_sound

__all__ = ["Problem", "Recipe", "fill_recipe", "load_recipe", "plain_run_advice", "require_sound"]
