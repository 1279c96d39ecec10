"""Metrics against known values and a second implementation."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amazon_titles.metrics import bootstrap_interval, fact_recall, facts, grounded_share, mean, rouge_l

words = st.lists(st.sampled_from(["red", "kettle", "of", "2", "kg", "iron"]), max_size=8).map(" ".join)


def second_rouge_l(answer: str, reference: str) -> float:
    """The textbook's longest common subsequence."""
    a, b = re.findall(r"[a-z0-9]+", answer.lower()), re.findall(r"[a-z0-9]+", reference.lower())
    if not a or not b:
        return 0.0
    table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i, left in enumerate(a):
        for j, right in enumerate(b):
            table[i + 1][j + 1] = table[i][j] + 1 if left == right else max(table[i][j + 1], table[i + 1][j])
    common = table[-1][-1]
    return 2 * common / (len(a) + len(b)) if common else 0.0


@settings(deadline=None)  # the first call loads rouge-score
@given(answer=words, reference=words)
def test_rouge_l_agrees_with_a_second_implementation(answer, reference):
    assert rouge_l(answer, reference) == pytest.approx(second_rouge_l(answer, reference))


def test_facts_are_numbers_and_names_that_the_title_does_not_give():
    text = "The Velmo Kettle holds 2.4 litres and was designed by Ana Prado in 1987. It weighs 3 kg, for ages 2-5."
    assert facts(text, title="Velmo Kettle") == {"2.4", "ana", "prado", "1987", "3", "2-5"}


def test_fact_recall():
    text = "It weighs 3 kg and was made by Ana in 1987."
    assert fact_recall("Made by Ana, 1987, about 30 kg", text) == pytest.approx(2 / 3)
    assert fact_recall(text, text) == 1.0
    assert fact_recall("anything", "a soft scarf") is None, "what cannot be computed is absent"


def test_grounded_share():
    assert grounded_share("A red kettle [B000000001]", ["The red kettle is a kettle"]) == 1.0
    assert grounded_share("A blue kettle", ["red kettle"]) == pytest.approx(1 / 3)
    assert grounded_share("", ["red kettle"]) == 0.0


def test_a_false_fact_among_true_words_is_not_grounded():
    source = "The kettle of iron was made by Ana Prado in 1987 and weighs 2.4 kg."
    assert grounded_share("The kettle of iron was made by Ana Prado and weighs 2.4 kg.", [source]) == 1.0
    wrong = "The kettle of iron was made by Hugo Trell and weighs 7.1 kg."
    assert grounded_share(wrong, [source]) == 0.0


def test_mean_leaves_out_what_is_absent():
    assert mean([1.0, None, 0.0]) == 0.5
    assert mean([None]) is None


def test_the_bootstrap_interval_agrees_with_the_normal_one_and_with_itself():
    values = [0.0, 1.0] * 200
    low, high = bootstrap_interval(values)
    assert (low, high) == pytest.approx((0.5 - 1.96 * 0.025, 0.5 + 1.96 * 0.025), abs=0.01)
    assert bootstrap_interval(values) == [low, high]
    assert bootstrap_interval([1.0] * 5) == [1.0, 1.0]
    assert bootstrap_interval([1.0, None]) is None
