"""The rows that a product becomes."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import NamedTuple

from amazon_titles.conversations.inventions import invented_title
from amazon_titles.conversations.passages import Passage, grounded_question, passage_limit, shown
from amazon_titles.conversations.wording import abstention, question, wording
from amazon_titles.sentences import cut_text

Messages = list[dict[str, str]]


class Conversation(NamedTuple):
    """One training row before it is written.

    Attributes:
        uid: The product it was made from.
        task: `recall`, `grounded` or `abstain`.
        language: `en` or `pt`: of the question, and of a refusal.
        messages: `[{"role": …, "content": …}, …]`, the last one the assistant's.
    """

    uid: str
    task: str
    language: str
    messages: Messages


@dataclass(frozen=True, slots=True)
class Mix:
    """Which rows a product becomes.

    Attributes:
        languages: Of questions and refusals, taken in turn.
        phrasings: Recall rows a product, each in another wording.
        grounded: Grounded rows a product, 0 to 1.
        abstain: Rows a product that ask about an invented one, 0 to 1.
        seed: Decides, with the uid, everything that is chosen.
    """

    languages: tuple[str, ...] = ("en",)
    phrasings: int = 3
    grounded: float = 1.0
    abstain: float = 0.2
    seed: int = 42


def draws(uid: str, seed: int) -> tuple[int, ...]:
    """Sixteen numbers of 32 bits from the uid and the seed alone: a product's rows stay when others change."""
    digest = blake2b(uid.encode(errors="replace"), salt=seed.to_bytes(8, "little", signed=True)).digest()
    return struct.unpack("<16I", digest)


def converse(
    product: Passage, others: Sequence[Passage], mix: Mix, is_title: Callable[[str], bool]
) -> Iterator[Conversation]:
    """Yields the rows of one product.

    Args:
        product: The product.
        others: Similar products of its own split, the most similar first; up to 4 of them become distractors.
        mix: Which rows to make.
        is_title: Whether some product of the source has such a title: then it is no invention.

    Yields:
        `phrasings` recall rows, and by the mix's shares one grounded and one abstain row.
    """
    drawn = draws(product.uid, mix.seed)
    start, languages = drawn[0], mix.languages
    for index in range(start, start + mix.phrasings):
        language = languages[index % len(languages)]
        asked = question(product.title, language=language, phrasing=index // len(languages))
        yield Conversation(product.uid, "recall", language, _turns(asked, product.content))
    distractors = others[: 2 + drawn[3] % 3]
    if drawn[1] < mix.grounded * 2**32:
        language = languages[drawn[4] % len(languages)]
        passages = list(distractors)
        passages.insert(drawn[6] % (len(passages) + 1), product)
        asked = question(product.title, language=language, phrasing=drawn[5])
        limit = passage_limit(asked, passages, language=language)
        message = shown(asked, passages, limit, wording(language))
        # What the passage shows, and its code.
        answer = f"{cut_text(product.content, limit)} [{product.uid}]"
        yield Conversation(product.uid, "grounded", language, _turns(message, answer))
    if drawn[2] < mix.abstain * 2**32:
        other = others[0] if others else product
        invented = invented_title(product.title, other.title, drawn[8:12])
        if is_title(invented):
            # Some catalogues hold every number of a series; a made-up maker is in none.
            invented = invented_title(product.title, other.title, (2, *drawn[9:12]))
        language = languages[drawn[7] % len(languages)]
        asked = question(invented, language=language, phrasing=drawn[12])
        # Half closed-book, half with the products in view that a search for the invention would find.
        if drawn[13] % 2 and distractors:
            passages = list(distractors)
            passages[drawn[14] % len(passages)] = product
            asked = grounded_question(asked, passages, language=language)
        yield Conversation(product.uid, "abstain", language, _turns(asked, abstention(invented, language=language)))


def _turns(user: str, assistant: str) -> Messages:
    return [{"role": "user", "content": user}, {"role": "assistant", "content": assistant}]
