"""The wording, and the rows that a product becomes."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amazon_titles.catalog import Product
from amazon_titles.conversations import (
    ROW_CHARS,
    WORDING,
    Mix,
    abstention,
    converse,
    draws,
    grounded_question,
    invented_title,
    is_abstention,
    passage_limit,
    question,
)
from amazon_titles.errors import InputError

SHELF = Product("B000000001", "Oak Shelf 40", "A shelf of solid oak. It carries 40 kilograms.")
OTHERS = [Product(f"B00000001{n}", f"Oak Shelf {n}", f"A shelf of oak that carries {n} kilograms.") for n in range(4)]


def rows(product=SHELF, others=OTHERS, mix=None, titles=()):
    return list(converse(product, others, mix or Mix(abstain=1.0), titles.__contains__))


@pytest.mark.parametrize("language", WORDING)
def test_five_phrasings_or_more_with_the_title_in_straight_quotes(language):
    asked = {question("Oak Shelf", language=language, phrasing=n) for n in range(100)}
    assert len(asked) >= 5
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
    changed = [rows(mix=Mix(abstain=1.0, seed=seed)) for seed in range(5)]
    assert any(other != changed[0] for other in changed)


def test_the_right_passage_stands_anywhere_among_two_to_four_others():
    positions, numbers = Counter(), Counter()
    for n in range(300):
        product = Product(f"X{n:09}", f"Lamp {n}", "A lamp that gives light to a whole room.")
        (row,) = [row for row in rows(product) if row.task == "grounded"]
        shown = [line[1:11] for line in row.messages[0]["content"].splitlines() if line.startswith("[")]
        positions[shown.index(product.uid)] += 1
        numbers[len(shown) - 1] += 1
    assert set(positions) == {0, 1, 2, 3, 4}
    assert set(numbers) == {2, 3, 4}
    assert min(numbers.values()) > 60


def test_shares_are_kept_and_languages_are_mixed():
    mix = Mix(languages=("en", "pt"), phrasings=2, grounded=0.5, abstain=0.1)
    found = [row for n in range(2000) for row in rows(Product(f"X{n:09}", f"Lamp {n}", "A bright lamp."), mix=mix)]
    tasks = Counter(row.task for row in found)
    assert tasks["recall"] == 4000
    assert 900 < tasks["grounded"] < 1100
    assert 140 < tasks["abstain"] < 260
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


def test_inventions_are_near_misses_and_pure_ones():
    found = [invented_title("Oak Shelf 40", "Pine Bed Frame", draws(str(n), 0)[:4]) for n in range(300)]
    assert "Oak Shelf 40" not in found
    assert any(title.startswith("Oak Shelf 4") or title.startswith("Oak Shelf 5") for title in found)
    assert "Oak Shelf Bed Frame" in found
    assert sum("Shelf" not in title for title in found) > 50


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
