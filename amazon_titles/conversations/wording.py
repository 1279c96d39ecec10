"""What is said, in every language; here and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass

from amazon_titles.errors import InputError


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
            'What can you tell me about "{title}"?',
            'What kind of product is "{title}"?',
            'Please give me some information about "{title}".',
            'I would like to know more about "{title}".',
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
            'O que você pode me dizer sobre "{title}"?',
            'Que tipo de produto é "{title}"?',
            'Me passe informações sobre "{title}", por favor.',
            'Quero saber mais sobre "{title}".',
        ),
        context="Responda com base nestes produtos do catálogo e cite o que usar pelo código entre colchetes.",
        ask="Pergunta:",
        abstention='O catálogo não tem nenhum produto chamado "{title}", por isso não posso descrevê-lo.',
        core="O catálogo não tem nenhum produto chamado",
    ),
}
"""Every language by its code."""


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


def abstention(title: str, *, language: str = "en") -> str:
    """The answer about a product that is not in the catalogue."""
    return wording(language).abstention.replace("{title}", title)


def is_abstention(text: str) -> bool:
    """Whether an answer is a refusal in our words, of any language."""
    folded = text.casefold()
    return any(words.core.casefold() in folded for words in WORDING.values())
