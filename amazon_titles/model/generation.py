"""What a model says, and what it must be able to do to be asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from amazon_titles.errors import InputError
from amazon_titles.templates import Message


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
        seed: Every answer draws from a generator of its own, so that it is the same alone and in a batch.

    Raises:
        InputError: The temperature is not above 0.
    """

    temperature: float
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.temperature < float("inf"):
            raise InputError(
                f"The temperature {self.temperature} is not above 0.",
                hint="Leave --temperature out for the likeliest answer, or name one such as 0.7.",
            )


class ChatModel(Protocol):
    """A model that can be asked: `LocalModel` here, `ServedModel` behind an address."""

    @property
    def name(self) -> str:
        """What reports call it."""

    @property
    def window(self) -> int | None:
        """Tokens that a prompt and its answer may have together; None where that is not known."""

    def count_tokens(self, conversation: Sequence[Message]) -> int:
        """Tokens of the prompt that a conversation becomes."""

    def generate_full(
        self,
        conversations: Sequence[Sequence[Message]],
        *,
        max_new_tokens: int = 256,
        batch_size: int = 32,
        sampling: Sampling | None = None,
    ) -> list[Generation]:
        """One answer a conversation, in their order; greedy without `sampling`."""

    def stream(
        self, conversation: Sequence[Message], *, max_new_tokens: int = 256, sampling: Sampling | None = None
    ) -> Iterator[str | Generation]:
        """One answer in pieces as they come; the last one is the `Generation`, whose text the pieces make up."""
