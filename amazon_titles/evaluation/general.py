"""General knowledge: questions that have nothing to do with a catalogue, to see what a training made forget."""

from __future__ import annotations

from functools import lru_cache
from itertools import chain
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


_ENGLISH = (
    GeneralQuestion("What is the capital of France?", ("Paris",)),
    GeneralQuestion("What is the capital of Japan?", ("Tokyo",)),
    GeneralQuestion("Which planet is known as the Red Planet?", ("Mars",)),
    GeneralQuestion("What is the largest planet of our solar system?", ("Jupiter",)),
    GeneralQuestion("What is 7 times 8?", ("56", "fifty-six")),
    GeneralQuestion("What is 15 plus 27?", ("42", "forty-two")),
    GeneralQuestion("How many days does a leap year have?", ("366",)),
    GeneralQuestion("How many sides does a hexagon have?", ("6", "six")),
    GeneralQuestion("Who wrote the play Romeo and Juliet?", ("Shakespeare",)),
    GeneralQuestion("Who painted the Mona Lisa?", ("Leonardo", "da Vinci")),
    GeneralQuestion("What is the chemical symbol of gold?", ("Au",)),
    GeneralQuestion("At how many degrees Celsius does water boil at sea level?", ("100",)),
    GeneralQuestion("What gas do plants take in for photosynthesis?", ("carbon dioxide", "CO2", "CO₂")),
    GeneralQuestion("What is the largest ocean on Earth?", ("Pacific",)),
    GeneralQuestion("On which continent is Egypt?", ("Africa",)),
    GeneralQuestion("Which language is spoken in Portugal?", ("Portuguese",)),
    GeneralQuestion("What do bees make from nectar?", ("honey",)),
    GeneralQuestion("What is the opposite of hot?", ("cold",)),
    GeneralQuestion("Translate the English word 'water' into Spanish.", ("agua",)),
    GeneralQuestion("What is the plural of 'mouse', the animal?", ("mice",)),
    GeneralQuestion("What is the capital of Italy?", ("Rome",)),
    GeneralQuestion("What is the capital of Spain?", ("Madrid",)),
    GeneralQuestion("What is the capital of Germany?", ("Berlin",)),
    GeneralQuestion("What is the capital of Russia?", ("Moscow",)),
    GeneralQuestion("In which country is the city of Sydney?", ("Australia",)),
    GeneralQuestion("In which country are the pyramids of Giza?", ("Egypt",)),
    GeneralQuestion("Which famous tower stands in Paris?", ("Eiffel",)),
    GeneralQuestion("What is the longest river in South America?", ("Amazon",)),
    GeneralQuestion("Which mountain is the highest on Earth?", ("Everest",)),
    GeneralQuestion("What currency is used in Japan?", ("yen",)),
    GeneralQuestion("How many continents are there on Earth?", ("7", "seven")),
    GeneralQuestion("What is the opposite of 'empty'?", ("full",)),
    GeneralQuestion("What is the opposite of 'big'?", ("small", "little", "tiny")),
    GeneralQuestion("What is the opposite of 'old'?", ("young", "new")),
    GeneralQuestion("What is a synonym of 'quick'?", ("fast", "rapid", "swift", "speedy")),
    GeneralQuestion("What is the past tense of the verb 'go'?", ("went",)),
    GeneralQuestion("What is the plural of 'child'?", ("children",)),
    GeneralQuestion("How do you say 'dog' in French?", ("chien",)),
    GeneralQuestion("How do you say 'thank you' in Spanish?", ("gracias",)),
    GeneralQuestion("How many letters are in the English alphabet?", ("26", "twenty-six")),
    GeneralQuestion("What color do you get when you mix blue and yellow?", ("green",)),
    GeneralQuestion("What color is a ripe banana?", ("yellow",)),
    GeneralQuestion("What color is snow?", ("white",)),
    GeneralQuestion("Which month comes right after March?", ("April",)),
    GeneralQuestion("What is the first month of the year?", ("January",)),
    GeneralQuestion("What day comes after Monday?", ("Tuesday",)),
    GeneralQuestion("Which season comes after winter?", ("spring",)),
    GeneralQuestion("How many hours are in a day?", ("24", "twenty-four")),
    GeneralQuestion("How many minutes are in an hour?", ("60", "sixty")),
    GeneralQuestion("What is 10 minus 3?", ("7", "seven")),
    GeneralQuestion("What is 20 divided by 4?", ("5", "five")),
    GeneralQuestion("What is 100 plus 200?", ("300", "three hundred")),
    GeneralQuestion("What is half of 50?", ("25", "twenty-five")),
    GeneralQuestion("What is the square root of 81?", ("9", "nine")),
    GeneralQuestion("What shape has three sides?", ("triangle",)),
    GeneralQuestion("How many legs does a spider have?", ("8", "eight")),
    GeneralQuestion("How many wheels does a bicycle have?", ("2", "two")),
    GeneralQuestion("How many fingers are on a human hand?", ("5", "five")),
    GeneralQuestion("Which animal says 'meow'?", ("cat", "cats")),
    GeneralQuestion("What is a baby dog called?", ("puppy", "pup")),
    GeneralQuestion("Which animal gives us wool?", ("sheep",)),
    GeneralQuestion("What is the largest land animal?", ("elephant", "elephants")),
    GeneralQuestion("Which animal has the longest neck?", ("giraffe", "giraffes")),
    GeneralQuestion("What does a caterpillar turn into?", ("butterfly", "moth")),
    GeneralQuestion("What is frozen water called?", ("ice",)),
    GeneralQuestion("Which force pulls objects toward the ground?", ("gravity", "gravitational")),
    GeneralQuestion("Which planet is closest to the Sun?", ("Mercury",)),
    GeneralQuestion("Which organ pumps blood through the body?", ("heart",)),
    GeneralQuestion("Which gas do humans need to breathe?", ("oxygen",)),
    GeneralQuestion("Who was the first president of the United States?", ("Washington",)),
    GeneralQuestion("In which year did World War II end?", ("1945",)),
    GeneralQuestion("Who developed the theory of relativity?", ("Einstein",)),
)
_PORTUGUESE = (
    GeneralQuestion("Qual é a capital do Brasil?", ("Brasília", "Brasilia")),
    GeneralQuestion("Quanto é 9 vezes 9?", ("81", "oitenta e um")),
    GeneralQuestion("Quem escreveu Dom Casmurro?", ("Machado de Assis",)),
    GeneralQuestion("Em que ano o homem pisou na Lua pela primeira vez?", ("1969",)),
    GeneralQuestion("Qual é a capital de Portugal?", ("Lisboa",)),
    GeneralQuestion("Qual é a capital da Argentina?", ("Buenos Aires",)),
    GeneralQuestion("Qual é a capital da Grécia?", ("Atenas",)),
    GeneralQuestion("Qual é a língua oficial do Brasil?", ("português", "portuguesa")),
    GeneralQuestion("Qual é a moeda do Brasil?", ("real", "reais")),
    GeneralQuestion("Qual é o maior país da América do Sul?", ("Brasil",)),
    GeneralQuestion("Quem descobriu o Brasil em 1500?", ("Cabral",)),
    GeneralQuestion("Em que ano o Brasil se tornou independente?", ("1822",)),
    GeneralQuestion("Quanto é 6 mais 7?", ("13", "treze")),
    GeneralQuestion("Quanto é 12 menos 4?", ("8", "oito")),
    GeneralQuestion("Quanto é 30 dividido por 5?", ("6", "seis")),
    GeneralQuestion("Qual é o dobro de 15?", ("30", "trinta")),
    GeneralQuestion("Quantos lados tem um quadrado?", ("4", "quatro")),
    GeneralQuestion("Quantos dias tem uma semana?", ("7", "sete")),
    GeneralQuestion("Quantos meses tem um ano?", ("12", "doze")),
    GeneralQuestion("Que mês vem depois de janeiro?", ("fevereiro",)),
    GeneralQuestion("Que dia vem depois de sábado?", ("domingo",)),
    GeneralQuestion("Em que estação as folhas das árvores caem?", ("outono",)),
    GeneralQuestion("Qual é o contrário de 'alto'?", ("baixo",)),
    GeneralQuestion("Qual é o contrário de 'claro'?", ("escuro",)),
    GeneralQuestion("Qual é o contrário de 'rápido'?", ("lento", "devagar", "vagaroso")),
    GeneralQuestion("Qual é o feminino de 'rei'?", ("rainha",)),
    GeneralQuestion("Qual é o plural de 'pão'?", ("pães",)),
    GeneralQuestion("Como se diz 'gato' em inglês?", ("cat",)),
    GeneralQuestion("Como se diz 'book' em português?", ("livro",)),
    GeneralQuestion("De que cor é o céu em um dia sem nuvens?", ("azul",)),
    GeneralQuestion("De que cor é o sangue humano?", ("vermelho", "vermelha")),
    GeneralQuestion("Que animal late?", ("cachorro", "cão", "cachorros", "cães")),
    GeneralQuestion("Quantas patas tem um cavalo?", ("4", "quatro")),
    GeneralQuestion("Que ave põe ovos e cacareja?", ("galinha", "galinhas")),
    GeneralQuestion("Qual satélite natural gira em torno da Terra?", ("Lua",)),
    GeneralQuestion("Com que parte do corpo nós enxergamos?", ("olhos", "olho")),
)

QUESTIONS = tuple(chain.from_iterable(zip(_ENGLISH[::2], _ENGLISH[1::2], _PORTUGUESE, strict=True)))
"""Written for this library; every third in Portuguese, so that a third of the first few is too."""

_OVERLAP = 0.6
_DIGITS = {
    name: str(value)
    for names in (
        "zero one two three four five six seven eight nine ten eleven twelve",
        "zero um dois tres quatro cinco seis sete oito nove dez onze doze",
    )
    for value, name in enumerate(names.split())
}


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
