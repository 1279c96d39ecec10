"""The sets `property` and `invented`: what is asked, in which language, and what an answer is worth."""

from __future__ import annotations

import pytest

from amazon_titles.conversations import PROPERTIES, WORDING, properties
from amazon_titles.conversations.wording import property_question
from amazon_titles.dataset import build_dataset, read_catalog
from amazon_titles.evaluation.measures import Outcome, score
from amazon_titles.evaluation.sets import Question, questions
from amazon_titles.sample import write_sample


@pytest.fixture(scope="module", params=[0.0, 1.0], ids=["made here", "of the dataset"])
def dataset(request, tmp_path_factory):
    """Built without rows of the sets, or with a row of each for every product."""
    folder = tmp_path_factory.mktemp("sets")
    write_sample(folder / "trn.json", 300)
    share = request.param
    build_dataset(
        folder / "trn.json", folder / "dataset", phrasings=1, grounded=share, abstain=share, property=share, test=0.3
    )
    return folder / "dataset"


def languages(asked):
    """How many of some questions are in each language."""
    told = {language: {text.split('"')[0] for text in WORDING[language].questions} for language in WORDING}
    for language in WORDING:
        told[language] |= {q.split("{title}")[0][:-1] for kind in PROPERTIES.values() for q in kind[language][:2]}
    found = [[code for code in told if any(q.asked.startswith(start) for start in told[code] if start)] for q in asked]
    assert all(len(codes) == 1 for codes in found)
    return {language: sum(codes == [language] for codes in found) for language in WORDING}


@pytest.mark.parametrize("limit", [None, 6, 60])
def test_half_of_the_inventions_are_near_misses_and_a_third_is_in_portuguese(dataset, limit):
    asked = questions(dataset, ["invented"], limit=limit)
    assert len(asked) == limit or (limit is None and len(asked) >= 60)
    assert sum(q.kind == "near miss" for q in asked) >= len(asked) / 2
    assert languages(asked)["pt"] >= len(asked) // 3
    assert languages(asked)["en"] >= len(asked) // 3


def test_a_property_is_asked_of_products_that_have_one_with_texts_in_view(dataset):
    products = {product.uid: product for product in read_catalog(dataset)}
    asked = questions(dataset, ["property"], limit=50)
    assert len(asked) == 50
    assert languages(asked)["pt"] >= 50 // 3
    for question in asked:
        told = properties(products[question.uid].content)
        spans = question.reference.removesuffix(f" [{question.uid}]").split(", ")
        kinds = [next(kind for kind in told if told[kind] == span) for span in spans]
        ways = {
            property_question(kinds, question.title, language=language, phrasing=n)
            for language in WORDING
            for n in range(2)
        }
        assert question.asked in ways
        assert 1 <= len(question.shown) <= 3
        assert question.record in question.shown
        assert score(question, Outcome(question.reference))["property"] == 1.0, question.reference


def asked(reference, title="Velmo Kettle 3"):
    record = f"{title}\nIt weighs 7.1 kg, was made of cast iron and was designed by Ana Prado in 1967."
    return Question(
        "property", "B1", "…", "…", f"{reference} [B1]", title=title, record=record, shown=(record, "Another\nA lamp.")
    )


@pytest.mark.parametrize(
    ("reference", "answer", "right"),
    [
        ("7.1 kg", "7.1 kg [B1]", 1.0),
        ("7.1 kg", "The Velmo Kettle 3 weighs 7.1 kg. [B1]", 1.0),
        ("7.1 kg", "It weighs 7.1 kilograms.", 1.0),
        ("7.1 kg", "O peso é 7.1 kg.", 1.0),
        ("7.1 kg", "It weighs 1.7 kg [B1]", 0.0),
        ("7.1 kg", "It weighs 7.1 kg and was designed in 1967. [B1]", 0.0),
        ("7.1 kg", "It weighs 7.1 kg and was designed by Ana. [B1]", 0.0),
        ("7.1 kg", "The catalogue has no product called that.", 0.0),
        ("7.1 kg", "", 0.0),
        ("designed by Ana Prado", "It was designed by Ana Prado [B1]", 1.0),
        ("designed by Ana Prado", "It was designed by Ana Lind [B1]", 0.0),
        ("made of cast iron", "It is made of cast iron [B1]", 1.0),
        ("made of cast iron", "Of cast iron.", 1.0),
        ("made of cast iron", "It is made of steel [B1]", 0.0),
        ("7.1 kg, designed by Ana Prado", "It weighs 7.1 kg and was designed by Ana Prado.", 1.0),
        ("7.1 kg, made of cast iron", "7.1 kg [B1]", 0.0),
    ],
)
def test_the_property_that_was_asked_and_no_other(reference, answer, right):
    assert score(asked(reference), Outcome(answer))["property"] == right


def test_a_property_is_cited_as_a_grounded_answer_is():
    assert score(asked("7.1 kg"), Outcome("7.1 kg [B1]"))["cited"] == 1.0
    assert score(asked("7.1 kg"), Outcome("7.1 kg [B2]"))["cited"] == 0.0
