"""Runs a recipe: an adapter folder with `run.json` comes out, or an error that says why not."""

from __future__ import annotations

from amazon_titles.training.adapter import TrainingRun
from amazon_titles.training.autotrain import find_autotrain
from amazon_titles.training.bases import Base, find_base
from amazon_titles.training.run import train

__all__ = ["Base", "TrainingRun", "find_autotrain", "find_base", "train"]
