"""Rows that a base writes itself, so that a training does not make it forget."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

from amazon_titles.conversations import abstention, is_abstention
from amazon_titles.model.general import make_general_rows
from amazon_titles.model.generation import Generation
from amazon_titles.templates import get_template


class Base:
    """Writes the same questions in every round, each with its opening, and answers them."""

    template = get_template("chatml")

    def __init__(self, *, rest=" number {n}? And more", answer="It is {n}. Half a sen", finished=False):
        self.rest, self.answer, self.finished = rest, answer, finished
        self.heads: list[str] = []
        self.asked: list[str] = []

    def complete(self, texts, *, max_new_tokens, seed):
        self.heads += texts
        return [self.rest.format(n=f"{seed}-{place}") for place in range(len(texts))]

    def generate_full(self, conversations, *, max_new_tokens, batch_size):
        asked = [messages[-1]["content"] for messages in conversations]
        self.asked += asked
        return [Generation(self.answer.format(n=f"the answer to {one}"), self.finished, 9) for one in asked]


def test_the_base_draws_the_question_after_the_head_of_a_users_turn_and_answers_it():
    base = Base()
    rows = make_general_rows(base, 5)
    assert len(rows) == 5
    assert all(head.startswith("<|im_start|>user\n") for head in base.heads)
    assert rows[0].question == "Where is number 42-0?", "what was drawn behind the question is no part of it"
    assert rows[0].answer == "It is the answer to Where is number 42-0?.", (
        "an answer that was cut off ends with a sentence"
    )


def test_a_third_of_the_openings_is_portuguese():
    both = make_general_rows(Base(), 30)
    assert sum(row.language == "pt" for row in both) == 10
    assert make_general_rows(Base(), 0) == []


def test_as_many_rows_as_are_wanted():
    assert len(make_general_rows(Base(), 700)) == 700
    assert len(make_general_rows(Base(), 300, skip=lambda question: question.startswith("What"))) == 300


def test_what_must_not_be_trained_on_is_left_out():
    left = make_general_rows(Base(), 6, skip=lambda question: question.startswith("What"))
    assert left
    assert not [row for row in left if row.question.startswith("What")]


@pytest.mark.parametrize(
    "base",
    [
        Base(rest=" no end to this"),
        Base(rest="?"),
        Base(answer="no end", finished=False),
        Base(answer=abstention("Kettle"), finished=True),
        Base(answer="", finished=True),
    ],
    ids=["no question", "too short", "no whole sentence", "a refusal", "silence"],
)
def test_what_is_no_question_or_no_answer_becomes_no_row(base):
    assert make_general_rows(base, 3) == []
    assert not any(map(is_abstention, base.asked))


def test_the_same_question_becomes_one_row():
    assert len(make_general_rows(Base(rest=" the same thing?"), 40)) < 40
