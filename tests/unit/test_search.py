"""Which product is this question about, and when is it about none."""

from __future__ import annotations

import pytest

from amazon_titles.catalog import Product
from amazon_titles.search import CatalogIndex

TITLES = ("Velmo Tarkin Kettle", "Velmo Sarrel Kettle", "Grinax Puzzle 300", "The Garden of Orsk", "Rain Barrel Poboxa")


@pytest.fixture(scope="module")
def index():
    return CatalogIndex(Product(f"B{n:09d}", title, "Some text.") for n, title in enumerate(TITLES))


@pytest.mark.parametrize(
    ("question", "title"),
    [
        ('What is "Velmo Tarkin Kettle"?', "Velmo Tarkin Kettle"),
        ("Hello! Somebody mentioned Velmo Tarkin Kettle to me. Could you say something?", "Velmo Tarkin Kettle"),
        ("hello, somebody mentioned the velmo sarrel kettle, is it heavy?", "Velmo Sarrel Kettle"),
        ("O que é o Grinax Puzzle 300?", "Grinax Puzzle 300"),
        ("Tell me about the garden of Orsk", "The Garden of Orsk"),
    ],
)
def test_finds_the_product(index, question, title):
    assert index.search(question)[0].product.title == title


@pytest.mark.parametrize(
    "question",
    [
        'What is "Zorvex Quillomar Teapot 3000"?',
        'What is "Grinax Puzzle 900"?',
        "Is there a Harbux Toaster?",
        "???",
        "",
    ],
)
def test_finds_nothing_where_nothing_fits(index, question):
    assert index.search(question) == []


def test_names_the_nearest(index):
    assert index.nearest('What is "Grinax Puzzle 900"?')[0].title == "Grinax Puzzle 300"


def test_returns_at_most_k(index):
    assert len(index.search("velmo kettle", k=1)) == 1
    assert len(index.search("velmo kettle", k=5)) == 2


def test_says_what_a_question_names(index):
    assert index.named('What is "Zorvex Teapot"?') == "Zorvex Teapot"
    assert index.named("Hello! Do you know the Zorvex Teapot 3000?") == "Zorvex Teapot 3000"
    assert index.named("hm?") == "hm?"
