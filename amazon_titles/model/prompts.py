"""What a model is asked: a question alone or with records in view, cut to what its window holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from amazon_titles.catalog import Product
from amazon_titles.conversations import grounded_question, passage_limit
from amazon_titles.errors import InputError
from amazon_titles.model.generation import Speaker
from amazon_titles.sentences import cut_text
from amazon_titles.templates import Message

# A record that is cut shorter tells too little; rather the least likely record is left out.
_LEAST_CHARS = 200


@dataclass(frozen=True, slots=True)
class _Excerpt:
    """A record as far as it is shown."""

    uid: str
    title: str
    content: str


def closed_prompt(question: str, speaker: Speaker, *, max_new_tokens: int) -> list[Message]:
    """The question alone.

    Raises:
        InputError: It does not fit the model's window.
    """
    messages = [{"role": "user", "content": question}]
    room = _room(speaker, max_new_tokens)
    if room is not None and (used := speaker.count_tokens(messages)) > room:
        raise _too_long(used, room)
    return list(messages)


def grounded_prompt(
    question: str, products: Sequence[Product], speaker: Speaker, *, language: str, max_new_tokens: int
) -> tuple[list[Message], list[Product]]:
    """The question with records in view, and the records that found room.

    Where all of them are too long for the window, each is cut to the same length, at a sentence's end; where that is
    not enough, the least likely are left out.

    Args:
        question: As asked.
        products: The likeliest first; at least one.
        speaker: Whose window it is.
        language: Of the words around them.
        max_new_tokens: Tokens that the answer may take.

    Raises:
        InputError: The question does not fit even with one short record.
    """
    room = _room(speaker, max_new_tokens)
    shown = list(products)
    limit = passage_limit(question, shown, language=language)
    while True:
        excerpts = [_Excerpt(p.uid, p.title, cut_text(p.content, limit)) for p in shown]
        messages = [{"role": "user", "content": grounded_question(question, excerpts, language=language)}]
        if room is None or (used := speaker.count_tokens(messages)) <= room:
            return list(messages), shown
        if limit > _LEAST_CHARS:
            limit = max(_LEAST_CHARS, min(limit * max(room, 0) // used, limit - 1))
        elif len(shown) > 1:
            shown.pop()
            limit = passage_limit(question, shown, language=language)
        else:
            raise _too_long(used, room)


def _room(speaker: Speaker, max_new_tokens: int) -> int | None:
    return None if speaker.window is None else speaker.window - max_new_tokens


def _too_long(used: int, room: int) -> InputError:
    return InputError(
        f"The question takes {used} tokens with what must stand around it, and the model has room for {max(room, 0)}.",
        hint="Ask in fewer words, or leave more room: --max-new-tokens 64",
    )
