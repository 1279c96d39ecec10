"""A product becomes chat messages. The wording lives here and nowhere else, in English and Portuguese.

Training rows and `CatalogModel.ask` call the same functions, so what training saw and what inference sends agree to the
letter. Titles and descriptions stay in the catalogue's own language; questions and refusals are in the one asked for.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import NamedTuple, Protocol

from amazon_titles.errors import InputError
from amazon_titles.sentences import cut_text

Messages = list[dict[str, str]]


class Passage(Protocol):
    """What a passage shows: `Product` is one."""

    @property
    def uid(self) -> str:
        """The name that an answer cites."""

    @property
    def title(self) -> str:
        """The product's title."""

    @property
    def content(self) -> str:
        """The product's description."""


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


@dataclass(frozen=True, slots=True)
class Wording:
    """Everything that is said in one language.

    Attributes:
        questions: With `{title}`, which stands in straight double quotes.
        context: Before the passages of a grounded question.
        ask: Between the passages and the question.
        abstention: With `{title}`.
        core: What every abstention of this language holds, and no other answer.
    """

    questions: tuple[str, ...]
    context: str
    ask: str
    abstention: str
    core: str


WORDING: dict[str, Wording] = {
    "en": Wording(
        questions=(
            'What is "{title}"?',
            'Describe the product "{title}".',
            'What does the catalogue say about "{title}"?',
            'Tell me about "{title}".',
            'Can you give me the description of "{title}"?',
            'I saw "{title}" in the catalogue. What is it about?',
        ),
        context="Answer from these products of the catalogue and cite the one you use by its code in square brackets.",
        ask="Question:",
        abstention='The catalogue has no product called "{title}", so I cannot describe it.',
        core="The catalogue has no product called",
    ),
    "pt": Wording(
        questions=(
            'O que é "{title}"?',
            'Descreva o produto "{title}".',
            'O que o catálogo diz sobre "{title}"?',
            'Fale sobre "{title}".',
            'Qual é a descrição de "{title}"?',
            'Vi "{title}" no catálogo. Do que se trata?',
        ),
        context="Responda com base nestes produtos do catálogo e cite o que usar pelo código entre colchetes.",
        ask="Pergunta:",
        abstention='O catálogo não tem nenhum produto chamado "{title}", por isso não posso descrevê-lo.',
        core="O catálogo não tem nenhum produto chamado",
    ),
}
"""Every language by its code."""

ROW_CHARS = 2400
"""Characters of a grounded row, answer included: within 700 tokens while a token is at least 3.43 characters. Llama 3
spends one on 4 to 4.5 characters of English prose, and on fewer of a list of numbers."""

TITLE_CHARS = 160
"""Characters of a title in a passage; p95 of trn.json is 125."""


def wording(language: str) -> Wording:
    """The wording of a language.

    Raises:
        InputError: Nothing is written in it.
    """
    try:
        return WORDING[language]
    except KeyError:
        raise InputError(
            f"No wording in the language {language!r}.", hint=f"Choose of: {', '.join(WORDING)}."
        ) from None


def question(title: str, *, language: str = "en", phrasing: int = 0) -> str:
    """A question about a title.

    Args:
        title: As in the catalogue; it stands in straight double quotes.
        language: `en` or `pt`.
        phrasing: Which wording; counted round, so any integer is right.
    """
    questions = wording(language).questions
    return questions[phrasing % len(questions)].replace("{title}", title)


def passage_limit(question: str, passages: Sequence[Passage], *, language: str = "en") -> int:
    """Characters of description that each passage of a question shows, the same for all.

    What `ROW_CHARS` leaves after titles, codes, wording and the question is shared by the passages and the answer,
    which repeats one of them. Known before the answer is, so training and inference cut alike.
    """
    words = wording(language)
    fixed = len(words.context) + len(words.ask) + len(question) + 24
    for passage in passages:
        fixed += len(passage.uid) + min(len(passage.title), TITLE_CHARS) + 6
    return max((ROW_CHARS - fixed) // (len(passages) + 1), 80)


def grounded_question(question: str, passages: Sequence[Passage], *, language: str = "en") -> str:
    """The user message that shows passages and then asks: in training rows and at inference the same.

    Args:
        question: What is asked.
        passages: In the order shown; their texts are cut here, so that both sides cut alike.
        language: Of the words around them.
    """
    return _shown(question, passages, passage_limit(question, passages, language=language), wording(language))


def _shown(question: str, passages: Sequence[Passage], limit: int, words: Wording) -> str:
    texts = [
        f"[{passage.uid}] {cut_text(passage.title, TITLE_CHARS)}\n{cut_text(passage.content, limit)}\n\n"
        for passage in passages
    ]
    return f"{words.context}\n\n{''.join(texts)}{words.ask} {question}"


def abstention(title: str, *, language: str = "en") -> str:
    """The answer about a product that is not in the catalogue."""
    return wording(language).abstention.replace("{title}", title)


def is_abstention(text: str) -> bool:
    """Whether an answer is a refusal in our words, of any language."""
    folded = text.casefold()
    return any(words.core.casefold() in folded for words in WORDING.values())


_NUMBER = re.compile(r"\d+")
_MAKERS = ("Brimvale", "Oskarin", "Tolvander", "Quellmar", "Fennwick", "Dravona", "Luminstead", "Harrowby", "Zentaro")
_KINDS = (
    "Travel Kettle", "Chess Set", "Bicycle Lamp", "Garden Trowel", "Wool Blanket", "Desk Organizer", "Wrist Watch",
    "Field Guide to Mosses", "Violin Strings", "Camping Stove", "Piano Sonatas", "Cookbook",
)  # fmt: skip


def invented_title(title: str, other: str, draws: Sequence[int]) -> str:
    """A title that no product has, as far as this function can know: callers check it against the catalogue.

    A near miss two times of three (another number in the title, or half of one title and half of another), else a pure
    invention.

    Args:
        title: A product's title.
        other: Another product's, a similar one.
        draws: Four numbers that decide.
    """
    kind, which, first, second = draws
    numbers = list(_NUMBER.finditer(title)) if kind % 3 == 0 else []
    if numbers:
        match = numbers[which % len(numbers)]
        changed = str(int(match.group()[:9]) + 1 + first % 9)
        return title[: match.start()] + changed + title[match.end() :]
    words, others = title.split(), other.split()
    if kind % 3 < 2 and len(words) > 1 and len(others) > 1:
        return " ".join(words[: (len(words) + 1) // 2] + others[len(others) // 2 :])
    maker, thing = _MAKERS[which % len(_MAKERS)], _KINDS[first % len(_KINDS)]
    return f"{maker} {thing} {'ABKMRTXZ'[second % 8]}{10 + second // 8 % 980}"


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
        message = _shown(asked, passages, limit, wording(language))
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
