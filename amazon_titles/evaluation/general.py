"""General knowledge: questions that have nothing to do with a catalogue, to see what a training made forget."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from amazon_titles.search.stopwords import STOP
from amazon_titles.search.words import words_of


class GeneralQuestion(NamedTuple):
    """A question that any Instruct model should answer.

    Attributes:
        question: As sent.
        accepted: Any of these in the answer, as whole words, makes it right. The first is the one whose loss is taken.
    """

    question: str
    accepted: tuple[str, ...]


# The question, then every accepted answer.
_ENGLISH = (
    "What is the capital of France? | Paris", "What is the capital of Japan? | Tokyo",
    "Which planet is known as the Red Planet? | Mars", "What is the largest planet of our solar system? | Jupiter",
    "What is 7 times 8? | 56 | fifty-six", "What is 15 plus 27? | 42 | forty-two",
    "How many days does a leap year have? | 366", "How many sides does a hexagon have? | 6 | six",
    "Who wrote the play Romeo and Juliet? | Shakespeare", "Who painted the Mona Lisa? | Leonardo | da Vinci",
    "What is the chemical symbol of gold? | Au", "At how many degrees Celsius does water boil at sea level? | 100",
    "What gas do plants take in for photosynthesis? | carbon dioxide | CO2 | CO₂",
    "What is the largest ocean on Earth? | Pacific", "On which continent is Egypt? | Africa",
    "Which language is spoken in Portugal? | Portuguese", "What do bees make from nectar? | honey",
    "What is the opposite of hot? | cold", "Translate the English word 'water' into Spanish. | agua",
    "What is the plural of 'mouse', the animal? | mice", "What is the capital of Italy? | Rome",
    "What is the capital of Spain? | Madrid", "What is the capital of Germany? | Berlin",
    "What is the capital of Russia? | Moscow", "In which country is the city of Sydney? | Australia",
    "In which country are the pyramids of Giza? | Egypt", "Which famous tower stands in Paris? | Eiffel",
    "What is the longest river in South America? | Amazon", "Which mountain is the highest on Earth? | Everest",
    "What currency is used in Japan? | yen", "How many continents are there on Earth? | 7 | seven",
    "What is the opposite of 'empty'? | full", "What is the opposite of 'big'? | small | little | tiny",
    "What is the opposite of 'old'? | young | new", "What is a synonym of 'quick'? | fast | rapid | swift | speedy",
    "What is the past tense of the verb 'go'? | went", "What is the plural of 'child'? | children",
    "How do you say 'dog' in French? | chien", "How do you say 'thank you' in Spanish? | gracias",
    "How many letters are in the English alphabet? | 26 | twenty-six",
    "What color do you get when you mix blue and yellow? | green", "What color is a ripe banana? | yellow",
    "What color is snow? | white", "Which month comes right after March? | April",
    "What is the first month of the year? | January", "What day comes after Monday? | Tuesday",
    "Which season comes after winter? | spring", "How many hours are in a day? | 24 | twenty-four",
    "How many minutes are in an hour? | 60 | sixty", "What is 10 minus 3? | 7 | seven",
    "What is 20 divided by 4? | 5 | five", "What is 100 plus 200? | 300 | three hundred",
    "What is half of 50? | 25 | twenty-five", "What is the square root of 81? | 9 | nine",
    "What shape has three sides? | triangle", "How many legs does a spider have? | 8 | eight",
    "How many wheels does a bicycle have? | 2 | two", "How many fingers are on a human hand? | 5 | five",
    "Which animal says 'meow'? | cat | cats", "What is a baby dog called? | puppy | pup",
    "Which animal gives us wool? | sheep", "What is the largest land animal? | elephant | elephants",
    "Which animal has the longest neck? | giraffe | giraffes", "What does a caterpillar turn into? | butterfly | moth",
    "What is frozen water called? | ice", "Which force pulls objects toward the ground? | gravity | gravitational",
    "Which planet is closest to the Sun? | Mercury", "Which organ pumps blood through the body? | heart",
    "Which gas do humans need to breathe? | oxygen", "Who was the first president of the United States? | Washington",
    "In which year did World War II end? | 1945", "Who developed the theory of relativity? | Einstein",
)  # fmt: skip
_PORTUGUESE = (
    "Qual é a capital do Brasil? | Brasília | Brasilia", "Quanto é 9 vezes 9? | 81 | oitenta e um",
    "Quem escreveu Dom Casmurro? | Machado de Assis", "Em que ano o homem pisou na Lua pela primeira vez? | 1969",
    "Qual é a capital de Portugal? | Lisboa", "Qual é a capital da Argentina? | Buenos Aires",
    "Qual é a capital da Grécia? | Atenas", "Qual é a língua oficial do Brasil? | português | portuguesa",
    "Qual é a moeda do Brasil? | real | reais", "Qual é o maior país da América do Sul? | Brasil",
    "Quem descobriu o Brasil em 1500? | Cabral", "Em que ano o Brasil se tornou independente? | 1822",
    "Quanto é 6 mais 7? | 13 | treze", "Quanto é 12 menos 4? | 8 | oito", "Quanto é 30 dividido por 5? | 6 | seis",
    "Qual é o dobro de 15? | 30 | trinta", "Quantos lados tem um quadrado? | 4 | quatro",
    "Quantos dias tem uma semana? | 7 | sete", "Quantos meses tem um ano? | 12 | doze",
    "Que mês vem depois de janeiro? | fevereiro", "Que dia vem depois de sábado? | domingo",
    "Em que estação as folhas das árvores caem? | outono", "Qual é o contrário de 'alto'? | baixo",
    "Qual é o contrário de 'claro'? | escuro", "Qual é o contrário de 'rápido'? | lento | devagar | vagaroso",
    "Qual é o feminino de 'rei'? | rainha", "Qual é o plural de 'pão'? | pães", "Como se diz 'gato' em inglês? | cat",
    "Como se diz 'book' em português? | livro", "De que cor é o céu em um dia sem nuvens? | azul",
    "De que cor é o sangue humano? | vermelho | vermelha", "Que animal late? | cachorro | cão | cachorros | cães",
    "Quantas patas tem um cavalo? | 4 | quatro", "Que ave põe ovos e cacareja? | galinha | galinhas",
    "Qual satélite natural gira em torno da Terra? | Lua", "Com que parte do corpo nós enxergamos? | olhos | olho",
)  # fmt: skip

QUESTIONS = tuple(
    GeneralQuestion(question, tuple(accepted))
    for rows in zip(_ENGLISH[::2], _ENGLISH[1::2], _PORTUGUESE, strict=True)
    for question, *accepted in (row.split(" | ") for row in rows)
)
"""Written for this library; every third in Portuguese, so that a third of the first few is too."""

_OVERLAP = 0.6
_NUMERALS = (
    "zero one two three four five six seven eight nine ten eleven twelve",
    "zero um dois tres quatro cinco seis sete oito nove dez onze doze",
)
_DIGITS = {name: str(value) for names in _NUMERALS for value, name in enumerate(names.split())}


def asks_same(text: str) -> bool:
    """Whether a text asks one of these questions, in the same words or in others: no row to train on should.

    Words are compared without accents, by their first five letters and without those that every question has. A text is
    taken for a question that shares two such words or more with it, and three fifths of those of the shorter of both,
    and for one whose accepted answer stands in it beside half of the question's words ("Paris is the capital of …?").
    Strict on purpose: of rows to train on there are enough. A translation into another language is no paraphrase.
    """
    return any(_same(text, asked, accepted) for asked, accepted in QUESTIONS)


def _same(text: str, asked: str, accepted: tuple[str, ...]) -> bool:
    said, wanted = _words(text), _words(asked)
    common = said & wanted
    if said == wanted or (len(common) > 1 and len(common) >= _OVERLAP * min(len(said), len(wanted))):
        return True
    whole = set(words_of(text))
    return 2 * len(common) >= len(wanted) and any(whole.issuperset(words_of(answer)) for answer in accepted)


@lru_cache(1024)
def _words(text: str) -> frozenset[str]:
    words = (_DIGITS.get(word, word) for word in words_of(text))
    return frozenset(word.removesuffix("s")[:5] for word in words if word not in STOP)
