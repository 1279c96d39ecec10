"""What the quickstart trains a base with: how many products, which rows, and what is asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Plan:
    """What a base is trained with here.

    Attributes:
        recipe: The shipped recipe.
        products: Products whose descriptions are learnt by heart.
        others: Other products, whose rows teach to cite, to name a property and to refuse; the test split is of them.
        general: Rows of the base's own questions and answers.
        mix: More options of `build_dataset`.
        limit: Questions a set, at most; of the products learnt by heart all are asked.
        max_new_tokens: Longest answer.
        sets: What is asked.
        tiny: Whether the base is a tiny one, which is made here: it is pretrained on products that the dataset does not
            keep, and its losses are measured, which of a real base would take a fifth of the time.
    """

    recipe: str
    products: int
    others: int
    general: int
    mix: dict[str, Any]
    limit: int | None
    max_new_tokens: int
    sets: tuple[str, ...]
    tiny: bool = False


# One property alone wants hundreds of rows more than these minutes hold (benchmarks/learn.py, "long").
REAL = Plan(
    "quickstart", products=24, others=150, general=112, limit=24, max_new_tokens=80,
    mix={"phrasings": 14, "grounded": 0.75, "abstain": 2.75, "property": 0.0},
    sets=("seen", "grounded", "invented", "general"),
)  # fmt: skip
# A smoke test of three minutes: a tiny model has time for little but recall, and knows nothing that it could forget.
TINY = Plan(
    "quickstart-tiny", products=48, others=0, general=0, limit=None, max_new_tokens=160, tiny=True,
    mix={"phrasings": 12, "grounded": 0.0, "abstain": 0.25, "property": 0.0},
    sets=("seen", "unseen", "grounded", "invented", "general"),
)  # fmt: skip
