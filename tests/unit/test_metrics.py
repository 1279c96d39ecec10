"""Metrics against known values, and each against a second implementation."""

from __future__ import annotations

import itertools
import re
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amazon_titles.metrics import (
    bootstrap_interval,
    chrf,
    cites,
    fact_precision,
    fact_recall,
    facts,
    grounded_share,
    mean,
    paired_change,
    repetition,
    rouge_l,
)

words = st.lists(st.sampled_from(["red", "kettle", "of", "2", "kg", "iron"]), max_size=8).map(" ".join)
texts = st.text(alphabet="aab é.,12", max_size=24)


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


@settings(deadline=None, max_examples=60)  # the first call loads rouge-score
@given(answer=words, reference=words)
def test_rouge_l_agrees_with_a_second_implementation(answer, reference):
    assert rouge_l(answer, reference) == pytest.approx(second_rouge_l(answer, reference))


def second_chrf(answer: str, reference: str) -> float:
    """chrF2 as in the paper, of characters without spaces: means of precision and recall over the orders, then F."""
    a, b = ("".join(text.split()) for text in (answer, reference))
    precisions, recalls = [], []
    for order in range(1, 7):
        said, right = (Counter(text[i : i + order] for i in range(len(text) - order + 1)) for text in (a, b))
        if not said or not right:
            continue  # an order that one of the two is too short for is left out
        common = sum((said & right).values())
        precisions.append(common / sum(said.values()))
        recalls.append(common / sum(right.values()))
    if not precisions:
        return 0.0
    p, r = sum(precisions) / len(precisions), sum(recalls) / len(recalls)
    return 5 * p * r / (4 * p + r) if p + r else 0.0


@settings(deadline=None, max_examples=60)  # the first call loads sacrebleu
@given(answer=st.one_of(words, texts), reference=st.one_of(words, texts))
def test_chrf_agrees_with_a_second_implementation(answer, reference):
    assert chrf(answer, reference) == pytest.approx(second_chrf(answer, reference), abs=1e-6)


def test_chrf_of_known_texts():
    assert chrf("a red kettle", "a red kettle") == 1.0
    assert chrf("", "a red kettle") == 0.0
    # By hand: 1-grams 2 of 3 both ways, 2-grams 1 of 2, 3-grams 0 of 1; the mean of each is 7/18.
    assert chrf("abx", "aby") == pytest.approx(7 / 18)


def test_facts_are_measures_numbers_and_names_that_the_title_does_not_give():
    text = "The Velmo Kettle holds 2.4 litres and was designed by Ana Prado in 1987. It weighs 3 kg, for ages 2-5."
    assert facts(text, title="Velmo Kettle") == {"2.4 l", "ana", "prado", "1987", "3 kg", "2-5"}
    assert facts(text, title="Velmo Kettle 3 kg") == {"2.4 l", "ana", "prado", "1987", "2-5"}


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("2.4 litres", "2.4 l"), ("3 Pounds", "3 lbs"), ("12-inch", "12 inches"), ("1,200 g", "1200 grams"),
        ("50%", "50 %"),
    ],
)  # fmt: skip
def test_one_measure_has_many_spellings(left, right):
    assert facts(f"It has {left}.") == facts(f"It has {right}.")
    assert fact_recall(f"It has {left}.", f"It has {right}.") == 1.0


def test_a_measure_is_its_number_with_its_unit():
    assert fact_recall("It weighs 2.4 kg.", "It holds 2.4 litres.") == 0.0
    assert fact_recall("2.4", "It holds 2.4 litres.") == 0.0
    assert fact_recall("2.4 litres", "It is 2.4 high.") == 1.0, "a bare number may be read as any"
    assert facts("12 in a box, 3 minor faults, 4 girls") == {"12", "3", "4"}, "a unit is a whole word"


def test_fact_recall():
    text = "It weighs 3 kg and was made by Ana in 1987."
    assert fact_recall("Made by Ana, 1987, about 30 kg", text) == pytest.approx(2 / 3)
    assert fact_recall(text, text) == 1.0
    assert fact_recall("anything", "a soft scarf") is None, "what cannot be computed is absent"


def test_fact_precision():
    text = "It weighs 3 kg and was made by Ana in 1987."
    assert fact_precision("It was made by Ana in 1999 and weighs 3 kg [B000000001]", text) == pytest.approx(2 / 3)
    assert fact_precision("a soft scarf", text) is None, "an answer that states nothing is neither right nor wrong"
    assert fact_precision("Velmo 3 is of iron", text, title="Velmo 3") is None, "the title is no statement"


@given(answer=words, reference=words)
def test_what_is_said_in_the_very_words_is_recalled_and_true(answer, reference):
    for text in (answer, reference):
        assert fact_recall(text, text) in (1.0, None)
        assert fact_precision(text, text) in (1.0, None)
    recall, precision = fact_recall(answer, reference), fact_precision(reference, answer)
    assert recall == precision, "one is the other with the texts exchanged"


def test_grounded_share():
    assert grounded_share("A red kettle [B000000001]", ["The red kettle is a kettle"]) == 1.0
    assert grounded_share("A blue kettle", ["red kettle"]) == pytest.approx(1 / 3)
    assert grounded_share("", ["red kettle"]) == 0.0


def test_a_false_fact_among_true_words_is_not_grounded():
    source = "The kettle of iron was made by Ana Prado in 1987 and weighs 2.4 kg."
    assert grounded_share("The kettle of iron was made by Ana Prado and weighs 2.4 kg.", [source]) == 1.0
    wrong = "The kettle of iron was made by Hugo Trell and weighs 7.1 kg."
    assert grounded_share(wrong, [source]) == 0.0
    unit = "The kettle weighs 2.4 l"
    assert grounded_share(unit, [source + " l"]) == 0.0, "the number of another measure"


def test_the_right_source_is_cited_alone():
    assert cites("A kettle. [B000000001]", "B000000001")
    assert not cites("A kettle. [B000000002]", "B000000001")
    assert not cites("A kettle. [B000000001] [B000000002]", "B000000001")
    assert not cites("A kettle. B000000001", "B000000001")
    assert cites("A kettle. [SKU-12/B]", "SKU-12/B")
    assert not cites("A kettle. [SKU-12/B] [SKU-13/B]", "SKU-12/B")
    assert facts("It weighs 2 kg. [SKU-12/B]") == {"2 kg"}


def test_repetition_counts_runs_of_four_words():
    assert repetition("one two three four five") == 0.0
    assert repetition("a b c d a b c d") == pytest.approx(1 / 5)
    assert repetition("no no no no no no no") == pytest.approx(3 / 4)
    assert repetition("too short for") is None


def test_mean_leaves_out_what_is_absent():
    assert mean([1.0, None, 0.0]) == 0.5
    assert mean([None]) is None
    assert mean([1.0, 3.0, None], [3.0, 1.0, 9.0]) == 1.5
    assert mean([1.0], [0.0]) is None


def test_the_bootstrap_interval_agrees_with_the_normal_one_and_with_itself():
    values = [0.0, 1.0] * 200
    low, high = bootstrap_interval(values)
    assert (low, high) == pytest.approx((0.5 - 1.96 * 0.025, 0.5 + 1.96 * 0.025), abs=0.01)
    assert bootstrap_interval(values) == [low, high]
    assert bootstrap_interval([1.0] * 5) == [1.0, 1.0]
    assert bootstrap_interval([1.0, None]) is None


def test_a_weighted_interval_is_that_of_the_ratio():
    values, weights = [1.0, 3.0] * 100, [1.0, 3.0] * 100
    low, high = bootstrap_interval(values, weights=weights)
    assert low < mean(values, weights) == 2.5 < high
    assert high - low < 0.3


def test_the_interval_of_many_examples_is_drawn_in_portions():
    values = [0.0, 1.0] * 3000
    low, high = bootstrap_interval(values)
    assert (low, high) == pytest.approx((0.5 - 1.96 * 0.5 / 6000**0.5, 0.5 + 1.96 * 0.5 / 6000**0.5), abs=0.003)


def second_p(differences: list[float]) -> float:
    """All signs, one after the other."""
    least = abs(sum(differences)) - 1e-9
    flips = list(itertools.product((1, -1), repeat=len(differences)))
    return sum(abs(sum(s * d for s, d in zip(signs, differences, strict=True))) >= least for signs in flips) / len(
        flips
    )


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.sampled_from([0.0, 0.25, 1.0]), st.sampled_from([0.0, 0.5, 1.0])), min_size=2, max_size=8))
def test_the_exact_test_agrees_with_a_second_implementation(pairs):
    before, after = zip(*pairs, strict=True)
    change = paired_change(before, after)
    assert change.p_value == pytest.approx(second_p([b - a for a, b in pairs]))
    assert change.after - change.before == pytest.approx(mean([b - a for a, b in pairs]))
    low, high = change.change_interval
    assert low - 1e-4 <= change.after - change.before <= high + 1e-4


def test_the_drawn_test_agrees_with_the_sign_test():
    # 15 examples improve by one, 5 worsen by one: P(|X - 10| >= 5), X binomial of 20.
    before, after = [0.0] * 15 + [1.0] * 5, [1.0] * 15 + [0.0] * 5
    assert paired_change(before, after).p_value == pytest.approx(0.0414, abs=0.008)
    assert paired_change([0.0] * 40, [1.0] * 40).p_value == pytest.approx(1 / 2**13), "never zero"
    assert paired_change([0.5] * 40, [0.5] * 40).p_value == 1.0


def test_a_change_is_of_the_examples_that_have_both():
    change = paired_change([1.0, None, 0.0], [0.0, 1.0, 1.0])
    assert (change.n, change.before, change.after) == (2, 0.5, 0.5)
    assert paired_change([None], [1.0]) is None
    alone = paired_change([0.0], [1.0])
    assert (alone.n, alone.change_interval, alone.p_value) == (1, None, None)


def test_a_paired_interval_is_narrower_than_two_intervals():
    before = [n / 100 for n in range(100)]
    after = [value + 0.05 for value in before]
    assert paired_change(before, after).change_interval == [0.05, 0.05]
    low, high = bootstrap_interval(before)
    assert high - low > 0.1
