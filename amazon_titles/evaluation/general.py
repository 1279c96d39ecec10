"""General knowledge: a few questions that have nothing to do with a catalogue, to see what a training made forget."""

from __future__ import annotations

from typing import NamedTuple


class GeneralQuestion(NamedTuple):
    """A question that any Instruct model should answer.

    Attributes:
        question: As sent.
        accepted: Any of these in the answer, as whole words, makes it right. The first is the one whose loss is taken.
    """

    question: str
    accepted: tuple[str, ...]


QUESTIONS = (
    GeneralQuestion("What is the capital of France?", ("Paris",)),
    GeneralQuestion("What is the capital of Japan?", ("Tokyo",)),
    GeneralQuestion("Qual é a capital do Brasil?", ("Brasília", "Brasilia")),
    GeneralQuestion("Which planet is known as the Red Planet?", ("Mars",)),
    GeneralQuestion("What is the largest planet of our solar system?", ("Jupiter",)),
    GeneralQuestion("What is 7 times 8?", ("56", "fifty-six")),
    GeneralQuestion("What is 15 plus 27?", ("42", "forty-two")),
    GeneralQuestion("Quanto é 9 vezes 9?", ("81", "oitenta e um")),
    GeneralQuestion("How many days does a leap year have?", ("366",)),
    GeneralQuestion("How many sides does a hexagon have?", ("6", "six")),
    GeneralQuestion("Who wrote the play Romeo and Juliet?", ("Shakespeare",)),
    GeneralQuestion("Who painted the Mona Lisa?", ("Leonardo", "da Vinci")),
    GeneralQuestion("Quem escreveu Dom Casmurro?", ("Machado de Assis",)),
    GeneralQuestion("What is the chemical symbol of gold?", ("Au",)),
    GeneralQuestion("At how many degrees Celsius does water boil at sea level?", ("100",)),
    GeneralQuestion("What gas do plants take in for photosynthesis?", ("carbon dioxide", "CO2", "CO₂")),
    GeneralQuestion("What is the largest ocean on Earth?", ("Pacific",)),
    GeneralQuestion("On which continent is Egypt?", ("Africa",)),
    GeneralQuestion("Em que ano o homem pisou na Lua pela primeira vez?", ("1969",)),
    GeneralQuestion("Which language is spoken in Portugal?", ("Portuguese",)),
    GeneralQuestion("What do bees make from nectar?", ("honey",)),
    GeneralQuestion("What is the opposite of hot?", ("cold",)),
    GeneralQuestion("Translate the English word 'water' into Spanish.", ("agua",)),
    GeneralQuestion("What is the plural of 'mouse', the animal?", ("mice",)),
)
"""Written for this library; in English and Portuguese."""
