"""What a model says to one conversation, as a whole and in pieces as it comes, and how it is drawn."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from amazon_titles.errors import InputError


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


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is drawn; without one it is the likeliest.

    Attributes:
        temperature: Above 0; the logits are divided by it.
        seed: Every answer is drawn with the same numbers of chance, so that it is the same alone and in a batch.

    Raises:
        InputError: The temperature is not above 0.
    """

    temperature: float
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.temperature < float("inf"):
            raise InputError(
                f"The temperature {self.temperature} is not above 0.",
                hint="Omit --temperature for greedy decoding, or use a value such as 0.7.",
            )


def pieces(states: Iterable[Generation]) -> Iterator[str | Generation]:
    """Yields the text of a growing answer piece by piece, and last its last state.

    Args:
        states: What has been said so far, again and again, at least once.
    """
    shown = ""
    for said in states:
        if said.text.startswith(shown) and said.text != shown:
            yield said.text[len(shown) :]
            shown = said.text
    yield said
