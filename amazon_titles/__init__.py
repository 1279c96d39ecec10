"""A product catalogue becomes a chat dataset, a fine-tuned Llama, and answers with their sources."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from amazon_titles.dataset import BuildReport, build_dataset
    from amazon_titles.evaluation import Comparison, EvalReport, compare, evaluate_model
    from amazon_titles.hub import push_adapter_to_hub, push_dataset_to_hub
    from amazon_titles.model import Answer, CatalogModel
    from amazon_titles.recipes import Problem, Recipe, load_recipe
    from amazon_titles.search import CatalogIndex, Hit
    from amazon_titles.training import TrainingRun, train

# Room -> public names. Rooms import pyarrow, torch or transformers, so they load when a name is first used.
_ROOMS = {
    "dataset": ("BuildReport", "build_dataset"),
    "evaluation": ("Comparison", "EvalReport", "compare", "evaluate_model"),
    "hub": ("push_adapter_to_hub", "push_dataset_to_hub"),
    "model": ("Answer", "CatalogModel"),
    "recipes": ("Problem", "Recipe", "load_recipe"),
    "search": ("CatalogIndex", "Hit"),
    "training": ("TrainingRun", "train"),
}

__all__ = [
    "Answer", "BuildReport", "CatalogIndex", "CatalogModel", "Comparison", "EvalReport", "Hit", "Problem", "Recipe",
    "TrainingRun", "__version__", "build_dataset", "compare", "evaluate_model", "load_recipe", "push_adapter_to_hub",
    "push_dataset_to_hub", "train",
]  # fmt: skip


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a module's attribute is anything
    for room, names in _ROOMS.items():
        if name in names:
            return getattr(importlib.import_module(f"amazon_titles.{room}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
