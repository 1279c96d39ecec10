"""The rows that a product becomes."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import NamedTuple

from amazon_titles.catalog import Product
from amazon_titles.conversations.properties import properties
from amazon_titles.conversations.wording import (
    INVENTED,
    abstention,
    grounded_question,
    passage_limit,
    property_question,
    question,
)
from amazon_titles.text import cut_text

_NUMBER = re.compile(r"\d+")


class Conversation(NamedTuple):
    """One training row before it is written.

    Attributes:
        uid: The product it was made from; of a general row its own name.
        task: `recall`, `grounded`, `abstain`, `property` or `general`.
        language: `en` or `pt`: of the question, and of a refusal.
        asked: The user's message.
        answer: The assistant's.
    """

    uid: str
    task: str
    language: str
    asked: str
    answer: str

    @property
    def messages(self) -> list[dict[str, str]]:
        """`[{"role": …, "content": …}, …]`, the last one the assistant's."""
        return [{"role": "user", "content": self.asked}, {"role": "assistant", "content": self.answer}]


class GeneralRow(NamedTuple):
    """A question that has nothing to do with a catalogue, with the answer that a training must not make forget.

    Attributes:
        question: As sent.
        answer: The base model's own, as a rule.
        language: `en` or `pt`.
    """

    question: str
    answer: str
    language: str


@dataclass(slots=True)
class MixtureConfig:
    """Which rows a product becomes.

    Attributes:
        languages: Of questions and refusals, taken in turn.
        phrasings: Recall rows a product, each in another wording.
        grounded: Grounded rows a product, 0 to 1.
        abstain: Rows a product that ask about an invented one, 0 to 4; 1.5 is two rows for every other product.
        property: Rows that ask for a property, of products whose description tells one, 0 to 1. The defaults of this
            and of `abstain` are those of "hundred" in benchmarks/results/learn.md: a model refused 0.80 of inventions,
            and 0.16 with a tenth of the refusals and half of these ("few refusals").
        seed: Decides, with the uid, everything that is chosen.
    """

    languages: Sequence[str] = ("en", "pt")
    phrasings: int = 6
    grounded: float = 1.0
    abstain: float = 2.0
    property: float = 1.0
    seed: int = 42


def draws(uid: str, seed: int) -> tuple[int, ...]:
    """Sixteen numbers of 32 bits from the uid and the seed alone: a product's rows stay when others change."""
    digest = blake2b(uid.encode(errors="replace"), salt=seed.to_bytes(8, "little", signed=True)).digest()
    return struct.unpack("<16I", digest)


def build_examples(
    product: Product, others: Sequence[Product], mix: MixtureConfig, is_title: Callable[[str], bool]
) -> Iterator[Conversation]:
    """Yields the rows of one product.

    Args:
        product: The product.
        others: Similar products of its own split, the most similar first; one or two of them become distractors, for
            `ask` shows three products at most by default.
        mix: Which rows to make.
        is_title: Whether some product of the source has such a title: then it is no invention.

    Yields:
        `phrasings` recall rows, and by the mix's shares one grounded, one property and up to four abstain rows.
    """
    uid, drawn, languages = product.uid, draws(product.uid, mix.seed), mix.languages
    for index in range(drawn[0], drawn[0] + mix.phrasings):
        language = languages[index % len(languages)]
        asked = question(product.title, language=language, phrasing=index // len(languages))
        yield Conversation(uid, "recall", language, asked, product.content)
    near = others[: 1 + drawn[3] % 2]
    if drawn[1] < mix.grounded * 2**32:
        language = languages[drawn[4] % len(languages)]
        passages = _among(product, near, drawn[6])
        asked = question(product.title, language=language, phrasing=drawn[5])
        limit = passage_limit(asked, passages, language=language)
        message = grounded_question(asked, passages, language=language, limit=limit)
        # What the passage shows, and its code.
        yield Conversation(uid, "grounded", language, message, f"{cut_text(product.content, limit)} [{uid}]")
    for number in range(int(mix.abstain) + (drawn[2] < mix.abstain % 1 * 2**32)):
        chosen = draws(f"{uid} abstain {number}", mix.seed) if number else drawn
        turned = [*others[number:], *others[:number]]  # each mixes the title with another product's
        language = languages[chosen[7] % len(languages)]
        other = turned[0].title if turned else product.title
        invented = invented_title(product.title, other, chosen[8:12])
        if is_title(invented):
            # Some catalogues hold every number of a series; a made-up maker is in none.
            invented = invented_title(product.title, other, (2, *chosen[9:12]))
        asked = question(invented, language=language, phrasing=chosen[12])
        # One of four with the products in view that a search for the invention would find. Closed-book ones are a
        # quarter as long, and it is there that a small model refuses too little.
        if chosen[13] % 4 == 0 and turned:
            passages = _among(product, turned[: 1 + chosen[3] % 2], chosen[14])
            asked = grounded_question(asked, passages, language=language)
        yield Conversation(uid, "abstain", language, asked, abstention(invented, language=language))
    if drawn[15] < mix.property * 2**32 and (spans := properties(product.content)):
        yield from _property(product, others, spans, mix)


def _property(
    product: Product, others: Sequence[Product], spans: dict[str, str], mix: MixtureConfig
) -> Iterator[Conversation]:
    """A row that asks for one property, one time of five for two; none where the text in view is cut before them."""
    drawn = draws(f"{product.uid} property", mix.seed)
    language = mix.languages[drawn[0] % len(mix.languages)]
    passages = _among(product, others[: drawn[1] % 3], drawn[2])
    first, kinds = drawn[4] % len(spans), list(spans)
    kinds = kinds[first:] + kinds[:first]
    for start in range(len(kinds)):
        asked_for = kinds[start : start + (2 if drawn[3] % 5 == 0 else 1)]
        asked = property_question(asked_for, product.title, language=language, phrasing=drawn[5])
        limit = passage_limit(asked, passages, language=language)
        shown, told = cut_text(product.content, limit), [spans[kind] for kind in asked_for]
        if all(span in shown for span in told):
            message = grounded_question(asked, passages, language=language, limit=limit)
            answer = f"{', '.join(told)} [{product.uid}]"
            yield Conversation(product.uid, "property", language, message, answer)
            return


def invented_title(title: str, other: str, drawn: Sequence[int]) -> str:
    """A title that no product has, as far as this function can know: callers check it against the catalogue.

    A near miss two times of three (another number in the title, or half of one title and half of another), else one of
    a maker that does not exist.

    Args:
        title: A product's title.
        other: Another product's, a similar one.
        drawn: Four numbers that decide.
    """
    kind, which, first, second = drawn
    numbers = list(_NUMBER.finditer(title)) if kind % 3 == 0 else []
    if numbers:
        match = numbers[which % len(numbers)]
        changed = str(int(match.group()[:9]) + 1 + first % 9)
        return title[: match.start()] + changed + title[match.end() :]
    words, others = title.split(), other.split()
    if kind % 3 < 2 and len(words) > 1 and len(others) > 1:
        return " ".join(words[: (len(words) + 1) // 2] + others[len(others) // 2 :])
    firsts, lasts, kinds = (INVENTED[name] for name in ("first", "last", "kinds"))
    maker = firsts[which % len(firsts)] + lasts[which // 16 % len(lasts)]
    if kind % 2 and len(words) > 1:
        return f"{maker} {' '.join(words[len(words) // 2 :])}"
    model = f" {'ABKMRTXZ'[second % 8]}{10 + second // 8 % 980}" if second % 3 else ""
    return f"{maker} {kinds[first % len(kinds)]}{model}"


def _among(product: Product, others: Sequence[Product], place: int) -> list[Product]:
    """The product among others, at any place."""
    place %= len(others) + 1
    return [*others[:place], product, *others[place:]]
