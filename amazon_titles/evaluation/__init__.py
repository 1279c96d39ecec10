"""Measures a model on named sets, before and after a training, with the same code and the same prompts."""

from __future__ import annotations

from amazon_titles.evaluation.comparison import Comparison, compare, save_comparison
from amazon_titles.evaluation.general import asks_same
from amazon_titles.evaluation.measures import MEASURES
from amazon_titles.evaluation.report import EvalReport, Example
from amazon_titles.evaluation.run import Generator, evaluate_model, weights_of
from amazon_titles.evaluation.sets import SETS

__all__ = [
    "MEASURES", "SETS", "Comparison", "EvalReport", "Example", "Generator", "asks_same", "compare", "evaluate_model",
    "save_comparison", "weights_of",
]  # fmt: skip
