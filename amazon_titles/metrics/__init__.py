"""What an answer is worth: overlap with the true text, facts, support by the sources, form; and how sure a mean is."""

from __future__ import annotations

from amazon_titles.metrics.facts import fact_precision, fact_recall, facts, stated
from amazon_titles.metrics.grounding import cites, grounded_share
from amazon_titles.metrics.overlap import chrf, repetition, rouge_l
from amazon_titles.metrics.statistics import Change, bootstrap_interval, mean, paired_change

__all__ = [
    "Change",
    "bootstrap_interval",
    "chrf",
    "cites",
    "fact_precision",
    "fact_recall",
    "facts",
    "grounded_share",
    "mean",
    "paired_change",
    "repetition",
    "rouge_l",
    "stated",
]
