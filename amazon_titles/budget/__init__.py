"""What a recipe will take, before it takes it.

One noun a file: `shapes` (of a Llama), `flavors` (of machines), `memory`, `estimate`, and `examine` (problems too).
"""

from amazon_titles.budget.estimate import WANTED_EXPOSURES, Budget, Place, estimate
from amazon_titles.budget.examine import Examined, examine
from amazon_titles.budget.shapes import Shape, shape_of

__all__ = ["WANTED_EXPOSURES", "Budget", "Examined", "Place", "Shape", "estimate", "examine", "shape_of"]
