"""`Generation`: what a model said, and whether it came to its end."""

from __future__ import annotations

from typing import NamedTuple


class Generation(NamedTuple):
    """What a model said to one conversation.

    Attributes:
        text: Without special tokens.
        finished: Whether the model ended its turn itself, rather than being cut off at the length limit.
        tokens: Of the text, the end-of-turn left out; 0 where a server does not tell.
    """

    text: str
    finished: bool
    tokens: int
