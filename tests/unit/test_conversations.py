"""The wording, and the rows that a product becomes."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amazon_titles.catalog import Product
from amazon_titles.conversations import (
    ROW_CHARS,
    WORDING,
    MixtureConfig,
    abstention,
    build_examples,
    draws,
    grounded_question,
    is_abstention,
    passage_limit,
    properties,
    question,
)
from amazon_titles.conversations.examples import invented_title
from amazon_titles.conversations.wording import property_question
from amazon_titles.errors import InputError

SHELF = Product("B000000001", "Oak Shelf 40", "A shelf of solid oak. It carries 40 kilograms.")
OTHERS = [Product(f"B00000001{n}", f"Oak Shelf {n}", f"A shelf of oak that carries {n} kilograms.") for n in range(4)]


def rows(product=SHELF, others=OTHERS, mix=None, titles=()):
    return list(
        build_examples(
            product, others, mix or MixtureConfig(phrasings=3, abstain=1.0, property=0.0), titles.__contains__
        )
    )


@pytest.mark.parametrize("language", WORDING)
def test_ten_phrasings_with_the_title_in_straight_quotes(language):
    asked = {question("Oak Shelf", language=language, phrasing=n) for n in range(100)}
    assert len(asked) == 10
    assert all('"Oak Shelf"' in text for text in asked)


@pytest.mark.parametrize("language", WORDING)
def test_an_abstention_is_recognised_and_an_answer_is_not(language):
    assert is_abstention(abstention("A {title} Lamp", language=language))
    assert is_abstention("Sorry. " + abstention("Lamp", language=language).upper())
    assert not is_abstention("A lamp of solid oak. [B000000001]")


def test_an_unknown_language_is_refused():
    with pytest.raises(InputError, match="'fr'"):
        question("Oak Shelf", language="fr")


def test_a_product_becomes_its_rows():
    found = rows()
    assert Counter(row.task for row in found) == {"recall": 3, "grounded": 1, "abstain": 1}
    assert len({row.messages[0]["content"] for row in found}) == 5
    for row in found:
        assert [message["role"] for message in row.messages] == ["user", "assistant"]
        if row.task == "recall":
            assert row.messages[1]["content"] == SHELF.content
        if row.task == "grounded":
            answer = row.messages[1]["content"]
            assert answer == f"{SHELF.content} [{SHELF.uid}]"
            assert answer.removesuffix(f" [{SHELF.uid}]") in row.messages[0]["content"]
        if row.task == "abstain":
            assert is_abstention(row.messages[1]["content"])


def test_the_same_uid_and_seed_give_the_same_rows_and_another_seed_others():
    assert rows() == rows()
    changed = [rows(mix=MixtureConfig(abstain=1.0, property=1.0, seed=seed)) for seed in range(5)]
    assert any(other != changed[0] for other in changed)


def test_the_right_passage_stands_anywhere_among_one_or_two_others():
    positions, numbers = Counter(), Counter()
    for n in range(300):
        product = Product(f"X{n:09}", f"Lamp {n}", "A lamp that gives light to a whole room.")
        (row,) = [row for row in rows(product) if row.task == "grounded"]
        shown = codes(row)
        positions[shown.index(product.uid)] += 1
        numbers[len(shown) - 1] += 1
    assert set(positions) == {0, 1, 2}
    assert set(numbers) == {1, 2}
    assert min(numbers.values()) > 110


def codes(row):
    return [line[-11:-1] for line in row.messages[0]["content"].splitlines() if line.endswith("]")]


def test_a_quarter_of_the_inventions_is_asked_with_two_or_three_products_in_view():
    products = [Product(f"X{n:09}", f"Lamp {n}", "A lamp that gives light to a whole room.") for n in range(300)]
    numbers = Counter(len(codes(row)) for product in products for row in rows(product) if row.task == "abstain")
    assert set(numbers) == {0, 2, 3}
    assert 195 < numbers[0] < 255


KETTLE = "A kettle of iron, designed by Ana Kloiv in 1967. It holds 2.4 litres and weighs 7.1 kg."


def test_a_property_row_asks_for_one_or_two_properties_and_is_answered_with_those_alone():
    kinds, numbers, places, two = Counter(), Counter(), Counter(), 0
    for n in range(600):
        product = Product(f"X{n:09}", f"Kettle {n}", KETTLE)
        (row,) = rows(
            product, mix=MixtureConfig(languages=("en", "pt"), phrasings=0, grounded=0, abstain=0, property=1.0)
        )
        assert row.task == "property"
        spans, _, code = row.messages[1]["content"].rpartition(" ")
        assert code == f"[{product.uid}]"
        shown = codes(row)
        numbers[len(shown)] += 1
        places[shown.index(product.uid)] += 1
        asked = row.messages[0]["content"].rpartition(f"{WORDING[row.language].ask} ")[2]
        found = spans.split(", ")
        two += len(found) == 2
        told = properties(KETTLE)
        kind = [next(kind for kind, span in told.items() if span == said) for said in found]
        assert len(set(kind)) == len(kind) <= 2
        assert asked in {property_question(kind, product.title, language=row.language, phrasing=n) for n in range(2)}
        kinds.update(kind)
    assert set(kinds) == {"designed", "year", "capacity", "weight"}
    assert min(kinds.values()) > 100
    assert set(numbers) == {1, 2, 3}
    assert set(places) == {0, 1, 2}
    assert 80 < two < 160


def test_only_what_is_in_view_is_asked_for():
    mix = MixtureConfig(phrasings=0, grounded=0, abstain=0, property=1.0)
    others = [Product(f"B00000002{n}", f"Big Kettle {n}", "A kettle. " * 150) for n in range(4)]
    for n in range(60):
        long = Product(f"X{n:09}", "Kettle", f"It weighs 7.1 kg. {'It is a kettle. ' * 90} It holds 2.4 litres.")
        for row in rows(long, others, mix):
            for span in row.messages[1]["content"].rpartition(" ")[0].split(", "):
                assert span in row.messages[0]["content"]
    assert rows(Product("X000000001", "Lamp", "A lamp without any measure."), mix=mix) == []
    assert (
        rows(Product("X000000001", "Kettle", KETTLE), mix=MixtureConfig(phrasings=0, grounded=0, abstain=0, property=0))
        == []
    )


def test_shares_are_kept_and_languages_are_mixed():
    mix = MixtureConfig(languages=("en", "pt"), phrasings=2, grounded=0.5, abstain=0.1, property=0.3)
    products = [Product(f"X{n:09}", f"Lamp {n}", "A bright lamp, 900 g.") for n in range(2000)]
    found = [row for product in products for row in rows(product, mix=mix)]
    tasks = Counter(row.task for row in found)
    assert tasks["recall"] == 4000
    assert 900 < tasks["grounded"] < 1100
    assert 140 < tasks["abstain"] < 260
    assert 520 < tasks["property"] < 680
    for task in tasks:
        portuguese = sum(row.language == "pt" for row in found if row.task == task) / tasks[task]
        assert 0.4 < portuguese < 0.6


def test_an_invention_is_never_a_title():
    class Everything:
        """Every near miss is a title; only the made-up makers are none."""

        def __contains__(self, title):
            return "Shelf" in title

    for n in range(200):
        product = Product(f"X{n:09}", "Oak Shelf 40", "A shelf of solid oak.")
        (row,) = [row for row in rows(product, titles=Everything()) if row.task == "abstain"]
        assert "Shelf" not in row.messages[0]["content"].rsplit(": ", 1)[-1] or "[" in row.messages[0]["content"]
        assert "Shelf" not in row.messages[1]["content"]


def test_both_languages_together_have_twenty_phrasings():
    asked = [
        row.messages[0]["content"] for row in rows(mix=MixtureConfig(("en", "pt"), 20, 0, 0, 0)) if row.task == "recall"
    ]
    assert len(set(asked)) == 20


def test_inventions_are_near_misses_and_pure_ones():
    found = [invented_title("Oak Shelf 40", "Pine Bed Frame", draws(str(n), 0)[:4]) for n in range(300)]
    assert "Oak Shelf 40" not in found
    assert any(title.startswith("Oak Shelf 4") or title.startswith("Oak Shelf 5") for title in found)
    assert "Oak Shelf Bed Frame" in found
    assert 50 < sum("Shelf" not in title for title in found) < 150, "half or more are near misses"


_TEXT = st.text(st.characters(codec="utf-8", categories=["L", "N", "Zs"]), min_size=1, max_size=3000)


@given(
    st.lists(
        st.builds(Product, st.text("AB01", min_size=1, max_size=12), _TEXT.map(lambda t: t[:200]), _TEXT), max_size=5
    ),
    st.sampled_from(sorted(WORDING)),
)
def test_a_grounded_row_stays_within_its_characters(passages, language):
    asked = question((passages or [SHELF])[0].title, language=language)
    message = grounded_question(asked, passages, language=language)
    longest = max((len(passage.uid) + 3 for passage in passages), default=0)
    assert len(message) + passage_limit(asked, passages, language=language) + longest <= ROW_CHARS


def test_a_bracketed_title_is_no_template():
    assert question("{title} {0}") == 'What is "{title} {0}"?'


def test_a_share_above_one_makes_several_refusals_a_product_each_of_another_invention():
    made = [
        rows(
            Product(f"X{n:09}", f"Lamp {n}", SHELF.content),
            mix=MixtureConfig(phrasings=1, grounded=0, abstain=1.5, property=0),
        )
        for n in range(200)
    ]
    refused = [[row.messages[1]["content"] for row in found if row.task == "abstain"] for found in made]
    assert {len(answers) for answers in refused} == {1, 2}
    assert 70 < sum(len(answers) == 2 for answers in refused) < 130
    assert sum(len(set(answers)) < len(answers) for answers in refused) < 5
