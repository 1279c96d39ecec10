"""How a property is asked for, in every language: the wording of `properties`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

_AND = {"en": "and", "pt": "e"}


class _Asked(NamedTuple):
    """How a kind of property is asked for in one language: whole questions, and one after another question."""

    questions: tuple[str, ...]
    also: str


PROPERTIES: dict[str, dict[str, _Asked]] = {
    "weight": {
        "en": _Asked(('How much does "{title}" weigh?', 'What is the weight of "{title}"?'), "how much does it weigh"),
        "pt": _Asked(('Quanto pesa "{title}"?', 'Qual é o peso de "{title}"?'), "quanto pesa"),
    },
    "size": {
        "en": _Asked(('What are the dimensions of "{title}"?', 'How big is "{title}"?'), "how big is it"),
        "pt": _Asked(('Quais são as dimensões de "{title}"?', 'Qual é o tamanho de "{title}"?'), "qual é o tamanho"),
    },
    "height": {
        "en": _Asked(('How high is "{title}"?', 'What is the height of "{title}"?'), "how high is it"),
        "pt": _Asked(('Qual é a altura de "{title}"?', 'Que altura tem "{title}"?'), "qual é a altura"),
    },
    "width": {
        "en": _Asked(('How wide is "{title}"?', 'What is the width of "{title}"?'), "how wide is it"),
        "pt": _Asked(('Qual é a largura de "{title}"?', 'Que largura tem "{title}"?'), "qual é a largura"),
    },
    "length": {
        "en": _Asked(('How long is "{title}"?', 'What is the length of "{title}"?'), "how long is it"),
        "pt": _Asked(('Qual é o comprimento de "{title}"?', 'Que comprimento tem "{title}"?'), "qual é o comprimento"),
    },
    "capacity": {
        "en": _Asked(('How much does "{title}" hold?', 'What is the capacity of "{title}"?'), "how much does it hold"),
        "pt": _Asked(('Qual é a capacidade de "{title}"?', 'Quanto cabe em "{title}"?'), "qual é a capacidade"),
    },
    "power": {
        "en": _Asked(('How many watts does "{title}" have?', 'How powerful is "{title}"?'),
                     "how many watts does it have"),
        "pt": _Asked(('Quantos watts tem "{title}"?', 'Qual é a potência de "{title}"?'), "quantos watts tem"),
    },
    "speed": {
        "en": _Asked(('How fast does "{title}" run?', 'What is the speed of "{title}"?'), "how fast does it run"),
        "pt": _Asked(('Qual é a velocidade de "{title}"?', 'A que velocidade funciona "{title}"?'),
                     "qual é a velocidade"),
    },
    "pages": {
        "en": _Asked(('How many pages does "{title}" have?', 'What is the number of pages of "{title}"?'),
                     "how many pages does it have"),
        "pt": _Asked(('Quantas páginas tem "{title}"?', 'Qual é o número de páginas de "{title}"?'),
                     "quantas páginas tem"),
    },
    "pieces": {
        "en": _Asked(('How many pieces does "{title}" have?', 'Of how many pieces is "{title}"?'),
                     "how many pieces does it have"),
        "pt": _Asked(('Quantas peças tem "{title}"?', 'Qual é o número de peças de "{title}"?'), "quantas peças tem"),
    },
    "battery": {
        "en": _Asked(('How long does the battery of "{title}" last?', 'What is the battery life of "{title}"?'),
                     "how long does its battery last"),
        "pt": _Asked(('Quanto tempo dura a bateria de "{title}"?', 'Qual é a autonomia de "{title}"?'),
                     "quanto tempo dura a bateria"),
    },
    "age": {
        "en": _Asked(('For what age is "{title}"?', 'What age is "{title}" made for?'), "for what age is it"),
        "pt": _Asked(('Para que idade é "{title}"?', 'Qual é a idade indicada para "{title}"?'), "para que idade é"),
    },
    "year": {
        "en": _Asked(('From what year is "{title}"?', 'What year does "{title}" date from?'), "from what year is it"),
        "pt": _Asked(('De que ano é "{title}"?', 'De que ano data "{title}"?'), "de que ano é"),
    },
    "material": {
        "en": _Asked(('What is "{title}" made of?', 'What material is "{title}" made of?'), "what is it made of"),
        "pt": _Asked(('De que material é "{title}"?', 'Qual é o material de "{title}"?'), "de que material é"),
    },
    "place": {
        "en": _Asked(('Where is "{title}" made?', 'Where does "{title}" come from?'), "where is it made"),
        "pt": _Asked(('Onde é feito o produto "{title}"?', 'De onde vem "{title}"?'), "de onde vem"),
    },
    "designed": {
        "en": _Asked(('Who designed "{title}"?', 'Who is the designer of "{title}"?'), "who designed it"),
        "pt": _Asked(('Quem desenhou "{title}"?', 'Quem projetou "{title}"?'), "quem desenhou"),
    },
    "invented": {
        "en": _Asked(('Who invented "{title}"?', 'Who is the inventor of "{title}"?'), "who invented it"),
        "pt": _Asked(('Quem inventou "{title}"?', 'Quem foi que inventou "{title}"?'), "quem inventou"),
    },
    "written": {
        "en": _Asked(('Who wrote "{title}"?', 'Who is the author of "{title}"?'), "who wrote it"),
        "pt": _Asked(('Quem escreveu "{title}"?', 'Quem é o autor de "{title}"?'), "quem escreveu"),
    },
    "illustrated": {
        "en": _Asked(('Who illustrated "{title}"?', 'Who is the illustrator of "{title}"?'), "who illustrated it"),
        "pt": _Asked(('Quem ilustrou "{title}"?', 'De quem são as ilustrações de "{title}"?'), "quem ilustrou"),
    },
    "tuned": {
        "en": _Asked(('Who tuned "{title}"?', 'By whom was "{title}" tuned?'), "who tuned it"),
        "pt": _Asked(('Quem afinou "{title}"?', 'Por quem foi feita a afinação de "{title}"?'), "quem afinou"),
    },
    "tested": {
        "en": _Asked(('Who tested "{title}"?', 'By whom was "{title}" tested?'), "who tested it"),
        "pt": _Asked(('Quem testou "{title}"?', 'Quem fez os testes de "{title}"?'), "quem testou"),
    },
    "made": {
        "en": _Asked(('Who made "{title}"?', 'Who is the maker of "{title}"?'), "who made it"),
        "pt": _Asked(('Quem fez "{title}"?', 'Quem fabricou "{title}"?'), "quem fez"),
    },
}  # fmt: skip
"""Every kind of property, with its questions by language."""


def property_question(kinds: Sequence[str], title: str, *, language: str = "en", phrasing: int = 0) -> str:
    """A question about one property of a product, or about two at once.

    Args:
        kinds: One of `PROPERTIES`, or two.
        title: As in the catalogue; it stands in straight double quotes.
        language: `en` or `pt`.
        phrasing: Which wording of the first; counted round.
    """
    questions = PROPERTIES[kinds[0]][language].questions
    asked = questions[phrasing % len(questions)]
    if len(kinds) > 1:
        asked = f"{asked[:-1]}, {_AND[language]} {PROPERTIES[kinds[1]][language].also}?"
    return asked.replace("{title}", title)


def property_answer(spans: Sequence[str], uid: str) -> str:
    """The answer to a question about properties: their words, and the product's code."""
    return f"{', '.join(spans)} [{uid}]"
