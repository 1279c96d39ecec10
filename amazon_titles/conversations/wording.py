"""What is said, in every language; here and nowhere else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from amazon_titles.errors import InputError


@dataclass(frozen=True, slots=True)
class Wording:
    """Everything that is said in one language.

    Attributes:
        questions: With `{title}`, which stands in straight double quotes.
        context: Before the passages of a grounded question.
        ask: Between the passages and the question.
        abstention: With `{title}`, which stands in straight double quotes.
    """

    questions: tuple[str, ...]
    context: str
    ask: str
    abstention: str


WORDING: dict[str, Wording] = {
    "en": Wording(
        questions=('What is "{title}"?', 'Describe the product "{title}".',
                   'What does the catalogue say about "{title}"?', 'Tell me about "{title}".',
                   'Can you give me the description of "{title}"?',
                   'I saw "{title}" in the catalogue. What is it about?', 'What can you tell me about "{title}"?',
                   'What kind of product is "{title}"?', 'Please give me some information about "{title}".',
                   'I would like to know more about "{title}".'),
        context="Answer from these products of the catalogue and cite the one you use by its code in square brackets.",
        ask="Question:",
        abstention='The catalogue has no product called "{title}", so I cannot describe it.',
    ),
    "pt": Wording(
        questions=('O que é "{title}"?', 'Descreva o produto "{title}".', 'O que o catálogo diz sobre "{title}"?',
                   'Fale sobre "{title}".', 'Qual é a descrição de "{title}"?',
                   'Vi "{title}" no catálogo. Do que se trata?', 'O que você pode me dizer sobre "{title}"?',
                   'Que tipo de produto é "{title}"?', 'Me passe informações sobre "{title}", por favor.',
                   'Quero saber mais sobre "{title}".'),
        context="Responda com base nestes produtos do catálogo e cite o que usar pelo código entre colchetes.",
        ask="Pergunta:",
        abstention='O catálogo não tem nenhum produto chamado "{title}", por isso não posso descrevê-lo.',
    ),
}  # fmt: skip
"""Every language by its code."""

_AND = {"en": "and", "pt": "e"}

PROPERTIES: dict[str, dict[str, tuple[str, str, str]]] = {
    "weight": {"en": ('How much does "{title}" weigh?', 'What is the weight of "{title}"?', "how much does it weigh"),
               "pt": ('Quanto pesa "{title}"?', 'Qual é o peso de "{title}"?', "quanto pesa")},
    "size": {"en": ('What are the dimensions of "{title}"?', 'How big is "{title}"?', "how big is it"),
             "pt": ('Quais são as dimensões de "{title}"?', 'Qual é o tamanho de "{title}"?', "qual é o tamanho")},
    "height": {"en": ('How high is "{title}"?', 'What is the height of "{title}"?', "how high is it"),
               "pt": ('Qual é a altura de "{title}"?', 'Que altura tem "{title}"?', "qual é a altura")},
    "width": {"en": ('How wide is "{title}"?', 'What is the width of "{title}"?', "how wide is it"),
              "pt": ('Qual é a largura de "{title}"?', 'Que largura tem "{title}"?', "qual é a largura")},
    "length": {"en": ('How long is "{title}"?', 'What is the length of "{title}"?', "how long is it"),
               "pt": ('Qual é o comprimento de "{title}"?', 'Que comprimento tem "{title}"?', "qual é o comprimento")},
    "capacity": {"en": ('How much does "{title}" hold?', 'What is the capacity of "{title}"?', "how much does it hold"),
                 "pt": ('Qual é a capacidade de "{title}"?', 'Quanto cabe em "{title}"?', "qual é a capacidade")},
    "power": {"en": ('How many watts does "{title}" have?', 'How powerful is "{title}"?',
                     "how many watts does it have"),
              "pt": ('Quantos watts tem "{title}"?', 'Qual é a potência de "{title}"?', "quantos watts tem")},
    "speed": {"en": ('How fast does "{title}" run?', 'What is the speed of "{title}"?', "how fast does it run"),
              "pt": ('Qual é a velocidade de "{title}"?', 'A que velocidade funciona "{title}"?',
                     "qual é a velocidade")},
    "pages": {"en": ('How many pages does "{title}" have?', 'What is the number of pages of "{title}"?',
                     "how many pages does it have"),
              "pt": ('Quantas páginas tem "{title}"?', 'Qual é o número de páginas de "{title}"?',
                     "quantas páginas tem")},
    "pieces": {"en": ('How many pieces does "{title}" have?', 'Of how many pieces is "{title}"?',
                      "how many pieces does it have"),
               "pt": ('Quantas peças tem "{title}"?', 'Qual é o número de peças de "{title}"?', "quantas peças tem")},
    "battery": {"en": ('How long does the battery of "{title}" last?', 'What is the battery life of "{title}"?',
                       "how long does its battery last"),
                "pt": ('Quanto tempo dura a bateria de "{title}"?', 'Qual é a autonomia de "{title}"?',
                       "quanto tempo dura a bateria")},
    "age": {"en": ('For what age is "{title}"?', 'What age is "{title}" made for?', "for what age is it"),
            "pt": ('Para que idade é "{title}"?', 'Qual é a idade indicada para "{title}"?', "para que idade é")},
    "year": {"en": ('From what year is "{title}"?', 'What year does "{title}" date from?', "from what year is it"),
             "pt": ('De que ano é "{title}"?', 'De que ano data "{title}"?', "de que ano é")},
    "material": {"en": ('What is "{title}" made of?', 'What material is "{title}" made of?', "what is it made of"),
                 "pt": ('De que material é "{title}"?', 'Qual é o material de "{title}"?', "de que material é")},
    "place": {"en": ('Where is "{title}" made?', 'Where does "{title}" come from?', "where is it made"),
              "pt": ('Onde é feito o produto "{title}"?', 'De onde vem "{title}"?', "de onde vem")},
    "designed": {"en": ('Who designed "{title}"?', 'Who is the designer of "{title}"?', "who designed it"),
                 "pt": ('Quem desenhou "{title}"?', 'Quem projetou "{title}"?', "quem desenhou")},
    "invented": {"en": ('Who invented "{title}"?', 'Who is the inventor of "{title}"?', "who invented it"),
                 "pt": ('Quem inventou "{title}"?', 'Quem foi que inventou "{title}"?', "quem inventou")},
    "written": {"en": ('Who wrote "{title}"?', 'Who is the author of "{title}"?', "who wrote it"),
                "pt": ('Quem escreveu "{title}"?', 'Quem é o autor de "{title}"?', "quem escreveu")},
    "illustrated": {"en": ('Who illustrated "{title}"?', 'Who is the illustrator of "{title}"?', "who illustrated it"),
                    "pt": ('Quem ilustrou "{title}"?', 'De quem são as ilustrações de "{title}"?', "quem ilustrou")},
    "tuned": {"en": ('Who tuned "{title}"?', 'By whom was "{title}" tuned?', "who tuned it"),
              "pt": ('Quem afinou "{title}"?', 'Por quem foi feita a afinação de "{title}"?', "quem afinou")},
    "tested": {"en": ('Who tested "{title}"?', 'By whom was "{title}" tested?', "who tested it"),
               "pt": ('Quem testou "{title}"?', 'Quem fez os testes de "{title}"?', "quem testou")},
    "made": {"en": ('Who made "{title}"?', 'Who is the maker of "{title}"?', "who made it"),
             "pt": ('Quem fez "{title}"?', 'Quem fabricou "{title}"?', "quem fez")},
}  # fmt: skip
"""Every kind of property, with how it is asked for in each language: in two questions, and after another question."""


def wording(language: str) -> Wording:
    """The wording of a language.

    Raises:
        InputError: Nothing is written in it.
    """
    if found := WORDING.get(language):
        return found
    raise InputError(f"No wording in the language {language!r}.", hint=f"Choose of: {', '.join(WORDING)}.")


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
    # What stands before the title, and in no other answer.
    return any(words.abstention.partition(' "')[0].casefold() in folded for words in WORDING.values())


def property_question(kinds: Sequence[str], title: str, *, language: str = "en", phrasing: int = 0) -> str:
    """A question about one property of a product, or about two at once.

    Args:
        kinds: One of `PROPERTIES`, or two.
        title: As in the catalogue; it stands in straight double quotes.
        language: `en` or `pt`.
        phrasing: Which wording of the first; counted round.
    """
    asked = PROPERTIES[kinds[0]][language][phrasing % 2]
    if len(kinds) > 1:
        asked = f"{asked[:-1]}, {_AND[language]} {PROPERTIES[kinds[1]][language][2]}?"
    return asked.replace("{title}", title)
