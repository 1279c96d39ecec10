"""A product becomes chat messages. The wording lives here and nowhere else, in English and Portuguese.

Training rows and `CatalogModel.ask` call the same functions, so what training saw and what inference sends agree to the
letter. Titles and descriptions stay in the catalogue's own language; questions and refusals are in the one asked for.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Protocol

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


@dataclass(frozen=True, slots=True)
class Conversation:
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

PASSAGE_BUDGET = 1500
"""Characters of description that all passages of one question share: with titles, wording and the answer a row stays
within 700 tokens."""

TITLE_LIMIT = 200
"""Characters of a title that a passage shows; p95 of trn.json is 125, its maximum 1,999."""


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


def passage_text(content: str, passages: int) -> str:
    """A description as a question with so many passages shows it: cut at the end of a sentence.

    Args:
        content: Clean description.
        passages: Passages in the question, which share `PASSAGE_BUDGET` characters.
    """
    return cut_text(content, PASSAGE_BUDGET // max(passages, 1))


def grounded_question(question: str, passages: Sequence[Passage], *, language: str = "en") -> str:
    """The user message that shows passages and then asks: in training rows and at inference the same.

    Args:
        question: What is asked.
        passages: In the order shown; their texts are cut here, so that both sides cut alike.
        language: Of the words around them.
    """
    words = wording(language)
    shown = "\n\n".join(
        f"[{passage.uid}] {passage.title[:TITLE_LIMIT]}\n{passage_text(passage.content, len(passages))}"
        for passage in passages
    )
    return f"{words.context}\n\n{shown}\n\n{words.ask} {question}"


def grounded_answer(product: Passage, passages: int) -> str:
    """What a grounded row answers: the passage's text as shown, and its code."""
    return f"{passage_text(product.content, passages)} [{product.uid}]"


def abstention(title: str, *, language: str = "en") -> str:
    """The answer about a product that is not in the catalogue."""
    return wording(language).abstention.replace("{title}", title)


def is_abstention(text: str) -> bool:
    """Whether an answer is a refusal in our words, of any language."""
    folded = text.casefold()
    return any(words.core.casefold() in folded for words in WORDING.values())


def fraction(uid: str, salt: str, seed: int) -> float:
    """A number in [0, 1) that depends on nothing but its arguments: shares and choices are taken by it."""
    digest = blake2b(f"{seed}\x1f{salt}\x1f{uid}".encode(errors="replace"), digest_size=8).digest()
    return int.from_bytes(digest, "little") / 2**64


_NUMBER = re.compile(r"\d+")
_MAKERS = ("Brimvale", "Oskarin", "Tolvander", "Quellmar", "Fennwick", "Dravona", "Luminstead", "Harrowby", "Zentaro")
_KINDS = (
    "Travel Kettle", "Chess Set", "Bicycle Lamp", "Garden Trowel", "Wool Blanket", "Desk Organizer", "Wrist Watch",
    "Field Guide to Mosses", "Violin Strings", "Camping Stove", "Piano Sonatas", "Cookbook",
)  # fmt: skip


def invented_title(title: str, other: str, rng: random.Random) -> str:
    """A title that no product has, as far as this function can know: callers check it against the catalogue.

    A near miss (another number in the title, or half of one title and half of another) two times of three, else a
    pure invention.

    Args:
        title: A product's title.
        other: Another product's.
        rng: Decides.
    """
    kind = rng.randrange(3)
    numbers = list(_NUMBER.finditer(title))
    if kind == 0 and numbers:
        match = rng.choice(numbers)
        changed = str(int(match.group()[:9]) + rng.randint(1, 9))
        return title[: match.start()] + changed + title[match.end() :]
    words, others = title.split(), other.split()
    if kind <= 1 and len(words) > 1 and len(others) > 1:
        return " ".join(words[: (len(words) + 1) // 2] + others[len(others) // 2 :])
    return f"{rng.choice(_MAKERS)} {rng.choice(_KINDS)} {rng.choice('ABKMRTXZ')}{rng.randint(10, 990)}"


def _phrasing(uid: str, seed: int) -> int:
    return int(fraction(uid, "phrasing", seed) * 840)


def recall(product: Passage, *, languages: Sequence[str], phrasings: int, seed: int) -> Iterator[Conversation]:
    """Rows that ask about the title alone and answer with the description.

    Args:
        product: What is asked about.
        languages: Taken in turn.
        phrasings: Rows, each in another wording.
        seed: Decides with the uid which wording comes first.
    """
    start = _phrasing(product.uid, seed)
    for index in range(phrasings):
        language = languages[(start + index) % len(languages)]
        asked = question(product.title, language=language, phrasing=(start + index) // len(languages))
        yield Conversation(product.uid, "recall", language, _turns(asked, product.content))


def grounded(product: Passage, distractors: Sequence[Passage], *, languages: Sequence[str], seed: int) -> Conversation:
    """A row that asks with passages in view, the right one among them at any position, and cites it."""
    rng = random.Random(f"{seed} grounded {product.uid}")
    language = languages[rng.randrange(len(languages))]
    passages = list(distractors)
    passages.insert(rng.randrange(len(passages) + 1), product)
    asked = question(product.title, language=language, phrasing=rng.randrange(840))
    message = grounded_question(asked, passages, language=language)
    return Conversation(product.uid, "grounded", language, _turns(message, grounded_answer(product, len(passages))))


def abstain(
    product: Passage, invented: str, passages: Sequence[Passage], *, languages: Sequence[str], seed: int
) -> Conversation:
    """A row that asks about an invented title and answers that the catalogue has no such product.

    Args:
        product: What the invention was made from.
        invented: From `invented_title`, checked against the catalogue.
        passages: Shown before the question; none asks closed-book.
        languages: One of them is chosen.
        seed: Decides with the uid.
    """
    rng = random.Random(f"{seed} abstain {product.uid}")
    language = languages[rng.randrange(len(languages))]
    asked = question(invented, language=language, phrasing=rng.randrange(840))
    message = grounded_question(asked, passages, language=language) if passages else asked
    return Conversation(product.uid, "abstain", language, _turns(message, abstention(invented, language=language)))


def _turns(user: str, assistant: str) -> Messages:
    return [{"role": "user", "content": user}, {"role": "assistant", "content": assistant}]
