"""What a model is asked: a question alone or with records in view, cut to what its window holds."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from amazon_titles.catalog import Product
from amazon_titles.conversations import grounded_question, passage_limit
from amazon_titles.conversations import question as question_about
from amazon_titles.errors import InputError
from amazon_titles.model.generation import ChatModel
from amazon_titles.templates import Message
from amazon_titles.text import cut_text

# A record that is cut shorter tells too little; rather the least likely record is left out.
_LEAST_CHARS = 200
# What may follow a link and is no part of it.
_MARKS = '.,;:!?)>]"”'


@dataclass(frozen=True, slots=True)
class _Excerpt:
    """A record as far as it is shown."""

    uid: str
    title: str
    content: str


def by_title(question: str, products: Sequence[Product], *, language: str) -> str:
    """A question that names products by their uids, with their titles in place of these.

    Models learn titles: asked about a uid, they make up a product.

    Args:
        question: As asked; it holds the uids alone, in brackets or quotation marks, or in links.
        products: Those that it names.
        language: Of the words around a title that stands alone.
    """
    for product in products:
        # Where the title stands there too, it is said already.
        if product.title.casefold() not in question.casefold():
            question = _with_title(question, product)
        if not re.search(r"\w", question.replace(product.title, "")):
            return question_about(product.title, language=language)
    return question


def _with_title(question: str, product: Product) -> str:
    uid = rf"(?<!\w){re.escape(product.uid)}(?!\w)"
    title = f'"{product.title}"'
    # Of a link that holds the uid nothing is left.
    words = [
        title + word[len(word.rstrip(_MARKS)) :] if "/" in word and re.search(uid, word, re.I) else word
        for word in re.split(r"(\s+)", question)
    ]
    return re.sub(rf'[\[(<]*["“”]?{uid}["“”]?[\])>]*', lambda _: title, "".join(words), flags=re.I)


def closed_prompt(question: str, speaker: ChatModel, *, max_new_tokens: int) -> list[Message]:
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
    question: str, products: Sequence[Product], speaker: ChatModel, *, language: str, max_new_tokens: int
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


def _room(speaker: ChatModel, max_new_tokens: int) -> int | None:
    return None if speaker.window is None else speaker.window - max_new_tokens


def _too_long(used: int, room: int) -> InputError:
    return InputError(
        f"The question takes {used} tokens with what must stand around it, and the model has room for {max(room, 0)}.",
        hint="Ask in fewer words, or leave more room: --max-new-tokens 64",
    )
