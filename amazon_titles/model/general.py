"""Rows that keep what a base knows: questions that it asks itself, with its own answers.

A model that is fine-tuned on a catalogue alone answers everything with products ("The capital of Japan is 45 cm high").
Its own answers to other questions, trained beside the products, hold it where it was; `benchmarks/learn.py` compares a
training with and without them. The base gets the head of a user's turn
and the first words of a question, draws the rest, and answers greedily. The way is Magpie's: Xu et al., "Magpie:
Alignment Data Synthesis from Scratch by Prompting Aligned LLMs with Nothing", 2024.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from amazon_titles.conversations import GeneralRow, is_abstention
from amazon_titles.model.language import LANGUAGES
from amazon_titles.model.local import LocalModel
from amazon_titles.progress import bar

QUESTION_TOKENS, ANSWER_TOKENS = 24, 48
"""Most tokens of a question and of an answer: short ones, because a CPU's minutes go into tokens."""

# Whatever the rows about products are in: what a base knows, it knows in English first.
_TURNS = ("en", "en", "pt")
_BATCH_SIZE = 64
_ROUNDS = 6  # and one more for every 16 rows: SmolLM2-135M-Instruct wrote 35 in a round, fewer where it repeats itself
_QUESTION = re.compile(r"^[^\n?]{10,118}\?|^[^\n?]{10,118}\.(?=\s|$)")
_SENTENCES = re.compile(r"^.{20,}[.!?](?=\s|$)", re.DOTALL)


def make_general_rows(
    model: LocalModel,
    count: int,
    *,
    seed: int = 42,
    skip: Callable[[str], bool] = lambda question: False,
) -> list[GeneralRow]:
    """Lets a base write questions and answer them.

    About two thirds of the questions become rows; the others are no sentences, repeat an earlier one, or are skipped.
    It gets about twice the rounds that this takes. A base that repeats itself may still write fewer rows than wanted.

    Args:
        model: The base, before any training.
        count: Rows wanted.
        seed: Of what is drawn.
        skip: Whether a question must not be trained on, such as one that an evaluation asks.
    """
    if count <= 0:
        return []
    rows: dict[str, GeneralRow] = {}
    with bar("general rows", count, unit="rows") as advance:
        for number in range(_ROUNDS + count // 16):
            wanted = min(_BATCH_SIZE, round((count - len(rows)) * 1.6) + 4)
            for row in _round(model, wanted, seed + number):
                if len(rows) < count and row.question not in rows and not skip(row.question):
                    rows[row.question] = row
                    advance()
            if len(rows) == count:
                break
    return list(rows.values())


def _round(model: LocalModel, wanted: int, seed: int) -> Iterator[GeneralRow]:
    languages = [_TURNS[place % len(_TURNS)] for place in range(wanted)]
    # Without first words a small base asks in English alone, and of few things.
    known = [LANGUAGES[code]["openers"] for code in languages]
    openers = [words[(place // len(_TURNS) + seed) % len(words)] for place, words in enumerate(known)]
    head = model.template.header.format(role="user")
    drawn = model.complete([head + opener for opener in openers], max_new_tokens=QUESTION_TOKENS, seed=seed)
    asked: dict[str, str] = {}
    for language, opener, rest in zip(languages, openers, drawn, strict=True):
        if found := _QUESTION.match(opener + rest):
            asked.setdefault(found.group().strip(), language)
    turn = [[{"role": "user", "content": question}] for question in asked]
    said = model.generate_full(turn, max_new_tokens=ANSWER_TOKENS, batch_size=_BATCH_SIZE)
    for (question, language), answer in zip(asked.items(), said, strict=True):
        # What was cut off ends with its last whole sentence: the end of a turn is trained too.
        whole = answer.text if answer.finished else "".join(_SENTENCES.findall(answer.text))
        if whole.strip() and not is_abstention(whole):
            yield GeneralRow(question, whole.strip(), language)
