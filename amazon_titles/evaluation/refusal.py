"""Whether an answer refuses: in our words, or in the words that models use of their own accord.

A base model has never seen our sentence. Counted by that sentence alone it would never refuse, and the fine-tuning
would be credited with an honesty that the base had in other words. Of 482 real descriptions none is taken for one.
"""

from __future__ import annotations

import re
from pathlib import Path

from amazon_titles.conversations import is_abstention

# A refusal comes first: further on, such words belong to a description.
_OPENING = 200

# A pattern a line.
_PATTERNS = Path(__file__).with_name("refusals.txt").read_text(encoding="utf-8").splitlines()
_REFUSAL = re.compile("|".join(_PATTERNS), re.IGNORECASE)


def refuses(answer: str) -> bool:
    """Whether an answer says that it does not know, in its first 200 characters or anywhere in our own words."""
    return is_abstention(answer) or _REFUSAL.search(answer[:_OPENING].replace("’", "'")) is not None
