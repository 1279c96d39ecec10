"""The questions of general knowledge, and what is kept out of a training for their sake."""

from __future__ import annotations

import re

import pytest

from amazon_titles.conversations import WORDING, question
from amazon_titles.evaluation import asks_same, general
from amazon_titles.evaluation.general import QUESTIONS


def portuguese(asked):
    return bool(re.search(r"\b(?:o|a|do|da|de|que|um|uma|quem|quanto|qual|quais|como|em)\b", asked.casefold()))


PORTUGUESE = QUESTIONS[2::3]


def test_a_hundred_questions_a_third_of_them_in_portuguese():
    assert len(QUESTIONS) >= 102
    for first in (3, 24, 96, len(QUESTIONS)):
        here = [q.question for q in QUESTIONS[:first]]
        assert sum(q in PORTUGUESE for q in QUESTIONS[:first]) >= first // 3
        assert len(set(here)) == first
    assert not [q.question for q in PORTUGUESE if not portuguese(q.question)]


def test_no_answer_stands_in_its_question():
    for asked, accepted in QUESTIONS:
        for answer in accepted:
            assert not re.search(rf"(?<!\w){re.escape(answer)}(?!\w)", asked, re.IGNORECASE), asked


def test_no_question_is_a_paraphrase_of_another():
    for asked, _ in QUESTIONS:
        assert [other.question for other in QUESTIONS if general._same(asked, *other)] == [asked]


@pytest.mark.parametrize("asked", [q.question for q in QUESTIONS])
def test_every_question_asks_itself(asked):
    assert asks_same(asked)
    assert asks_same(f"Please tell me: {asked.lower()}")


@pytest.mark.parametrize(
    "text",
    [
        "Which city is the capital of France?",
        "Name France's capital city.",
        "Paris is the capital of which country?",
        "What's the name of the biggest ocean on the earth? The largest ocean, I mean.",
        "Who is the author of Romeo and Juliet?",
        "Which artist painted the Mona Lisa?",
        "Calculate seven multiplied by eight.",
        "8 * 7 = ?",
        "Tell me how many sides hexagons have.",
        "What temperature does water boil at, in degrees Celsius?",
        "What's the opposite of the word hot?",
        "Explain what bees produce from nectar.",
        "In what year did the Second World War end?",
        "Qual cidade é a capital do Brasil?",
        "Brasília é a capital de que país?",
        "Me diga o nome da capital da Argentina.",
        "Quem é o autor de Dom Casmurro?",
        "Quanto dá nove vezes nove?",
        "Em qual ano o homem foi à Lua pela primeira vez?",
        "Quantos são os dias da semana?",
        "Como é 'gato' na língua inglesa? Como se diz em inglês?",
        "Qual o contrário da palavra alto?",
    ],
)
def test_a_paraphrase_is_found(text):
    assert asks_same(text)


@pytest.mark.parametrize(
    "text",
    [
        "What is the capital of Mexico?",
        "What are the benefits of regular exercise?",
        "How do I bake bread at home?",
        "Explain how a rainbow forms.",
        "Write a short poem about the sea.",
        "What is the difference between a virus and a bacterium?",
        "Why is sleep important for students?",
        "What is 8 plus 9?",
        "Como faço um bolo de chocolate?",
        "Qual é a importância da leitura na infância?",
        "Por que o céu muda de cor no fim da tarde?",
        "Quem foi Santos Dumont?",
        "",
    ],
)
def test_another_question_is_another(text):
    assert not asks_same(text)


@pytest.mark.parametrize("language", WORDING)
def test_no_question_about_a_product_is_one(language):
    assert not any(asks_same(question("Oak Shelf 40", language=language, phrasing=n)) for n in range(10))
