"""The property that was asked: what of a description answers it, and in which words it is asked for."""

from __future__ import annotations

import re

import pytest

from amazon_titles.conversations import PROPERTIES, WORDING, properties
from amazon_titles.conversations.wording import property_question
from amazon_titles.sample import sample_products

FOUND = [
    ("A kettle that weighs 7.1 kg.", {"weight": "7.1 kg"}),
    ("Pesa 7,1 kg e foi desenhada por Ana Kloiv.", {"weight": "7,1 kg", "designed": "desenhada por Ana Kloiv"}),
    ("45 cm high, 23 cm wide, 930 g.", {"height": "45 cm high", "width": "23 cm wide", "weight": "930 g"}),
    ("Mede 30 x 20 cm e comporta 2,5 litros.", {"size": "30 x 20 cm", "capacity": "2,5 litros"}),
    ("It measures 30 x 20 x 5.5 inches.", {"size": "30 x 20 x 5.5 inches"}),
    ("It holds 2.4 litres.", {"capacity": "2.4 litres"}),
    ("A 300 watt motor at 1200 rpm.", {"power": "300 watt", "speed": "1200 rpm"}),
    ("Motor de 300 watts.", {"power": "300 watts"}),
    ("Um romance de 300 páginas.", {"pages": "300 páginas"}),
    ("It has 120 pieces of beech wood.", {"pieces": "120 pieces"}),
    ("It plays 22 hours on one charge.", {"battery": "22 hours"}),
    ("Fun for ages 2-8 years.", {"age": "ages 2-8 years"}),
    ("Designed by Ana Kloiv in 1967.", {"designed": "Designed by Ana Kloiv", "year": "1967"}),
    ("It was woven in Porto since 1930.", {"place": "woven in Porto", "year": "1930"}),
    ("Feito em Porto desde 1930.", {"place": "Feito em Porto", "year": "1930"}),
    ("A book written by J. R. R. Tolkien and illustrated by Bo Lind.",
     {"written": "written by J. R. R. Tolkien", "illustrated": "illustrated by Bo Lind"}),
    ("In 1950 all was well. Ana Kloiv's novel has 96 pages.", {"written": "Ana Kloiv", "pages": "96 pages"}),
    ("Made of cast iron for the open fire.", {"material": "Made of cast iron"}),
    ("It is made of oak and brass.", {"material": "made of oak and brass"}),
    ("Feita de aço inoxidável, para fogão a gás.", {"material": "Feita de aço inoxidável"}),
]  # fmt: skip

# Nothing here is a property of the product, or not only one value of it is told.
NOT_FOUND = [
    "It carries 40 kilograms.",
    "It weighs 2 kg. The box weighs 3 kg.",
    "It weighs about 3 to 5 kg.",
    "In the winter of 1944 he was sent to the front.",
    "It is made of oak, pine and brass.",
    "It is made of oak with a foot of brass.",
    "It was designed by Ana Kloiv, Bo Lind and Cy Ode.",
    "It was designed by Ana's team.",
    "It was designed by hand.",
    "Up to 40 hours on one charge.",
    "Version 1.300 pages-per-minute.",
    "Made in January.",
    "",
]


@pytest.mark.parametrize(("text", "found"), FOUND)
def test_what_a_description_tells(text, found):
    assert properties(text) == found


@pytest.mark.parametrize("text", NOT_FOUND)
def test_what_is_not_told_or_not_once(text):
    assert properties(text) == {}


def test_a_span_is_of_the_record_and_of_one_property():
    products = [row for row in sample_products(600) if row["content"]]
    told = 0
    for row in products:
        spans = properties(row["content"])
        told += bool(spans)
        for kind, span in spans.items():
            assert span in row["content"]
            assert properties(span).keys() <= {kind}
            assert len(span) < 60
    assert told / len(products) > 0.8


@pytest.mark.parametrize("kind", PROPERTIES)
@pytest.mark.parametrize("language", WORDING)
def test_two_questions_or_more_of_each_kind_in_each_language(kind, language):
    asked = {property_question([kind], "A {title} Lamp", language=language, phrasing=n) for n in range(10)}
    assert len(asked) >= 2
    for text in asked:
        assert text.count('"A {title} Lamp"') == 1
        assert text.endswith("?")


def test_who_is_asked_for_a_person_in_the_verb_of_the_record():
    for kind, verb in (("designed", "designed"), ("invented", "invented"), ("written", "wrote"), ("tuned", "tuned")):
        assert property_question([kind], "X", language="en") == f'Who {verb} "X"?'
    assert property_question(["designed"], "X", language="pt") == 'Quem desenhou "X"?'
    assert property_question(["weight"], "X", language="pt") == 'Quanto pesa "X"?'


def test_two_properties_in_one_question():
    assert property_question(["weight", "designed"], "X", language="en") == (
        'How much does "X" weigh, and who designed it?'
    )
    assert property_question(["weight", "designed"], "X", language="pt") == 'Quanto pesa "X", e quem desenhou?'
    for first in PROPERTIES:
        for language in WORDING:
            for second in PROPERTIES:
                text = property_question([first, second], "X", language=language)
                assert re.fullmatch(r'[^?]*"X"[^?]*, (and|e) [a-zà-ú][^?"]*\?', text), text
