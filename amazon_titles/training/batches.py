"""Which rows make a step, and how they lie in memory. Nothing here needs torch.

A step is what the recipe says: `batch_size` x `gradient_accumulation` blocks of `block_size` tokens. Rows do not see
each other, so the loss of a step does not depend on how its rows are laid out; the layout is free to be fast. Rows are
never padded: they lie one behind the other, sorted by length, and only attention takes them apart (see `collate`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from amazon_titles.training.rows import Rows

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Plan:
    """The whole training, row by row, decided beforehand: a resumed run continues the same one.

    Attributes:
        batches: Row numbers of each batch, in order; `parts` batches make a step.
        parts: Batches a step, over all devices.
        steps_an_epoch: Optimizer steps of one pass over the rows.
    """

    batches: list[Numbers]
    parts: int
    steps_an_epoch: int

    @property
    def steps(self) -> int:
        """Optimizer steps in all."""
        return len(self.batches) // self.parts


def plan(lengths: Numbers, *, tokens: int, accumulation: int, devices: int, epochs: int, seed: int) -> Plan:
    """Deals the rows out to steps and the rows of a step to its parts.

    Each step gets rows of all lengths alike, drawn anew in each epoch, so that steps have nearly the same number of
    tokens. How many devices share a step changes nothing about which rows it has.

    Args:
        lengths: Tokens of each row, shape (rows,).
        tokens: How many a step has at most, on average.
        accumulation: Batches a step on one device; several share them.
        devices: How many share a step, each taking as many batches as the others.
        epochs: Passes over the rows.
        seed: Decides the draw.
    """
    # No batch may be empty: a device that has nothing to do cannot take part in the sum of the gradients.
    shares = max(1, min(math.ceil(accumulation / devices), len(lengths) // devices))
    parts = shares * devices
    steps = max(1, min(math.ceil(int(lengths.sum()) / tokens), len(lengths) // parts))
    batches: list[Numbers] = []
    for epoch in range(epochs):
        draw = np.random.default_rng((seed, epoch))
        order = np.lexsort((draw.random(len(lengths)), -lengths))
        # Row after row, each step gets one of the next `steps` rows, the longest first.
        step_of = np.concatenate([draw.permutation(steps) for _ in range(0, len(order), steps)])[: len(order)]
        by_step = order[np.argsort(step_of, kind="stable")]
        for rows in np.split(by_step, np.cumsum(np.bincount(step_of))[:-1]):
            batches += _deal(rows, parts)
    return Plan(batches, parts, steps)


def _deal(rows: Numbers, parts: int) -> list[Numbers]:
    """Rows, the longest first, dealt back and forth, so that the parts are about equally long."""
    places = np.arange(len(rows)) % (2 * parts)
    owner = np.where(places < parts, places, 2 * parts - 1 - places)
    return [rows[owner == part] for part in range(parts)]


def in_order(lengths: Numbers, tokens: int) -> list[Numbers]:
    """Batches of about `tokens` tokens that hold every row once: what an evaluation takes."""
    order = np.argsort(-lengths, kind="stable")
    return _deal(order, min(len(order), math.ceil(int(lengths.sum()) / tokens)))


class Shape(NamedTuple):
    """The shape that all batches are filled up to, so that what runs on them can be recorded once.

    Attributes:
        tokens: Of a batch, a multiple of 64, which matrix products like.
        answers: Tokens that the loss looks at.
        rows: One more than the rows of a batch: what fills up the tokens is a row of its own.
        longest: Tokens of the longest row, that one included.
    """

    tokens: int
    answers: int
    rows: int
    longest: int


def shape_of(batches: Sequence[Numbers], lengths: Numbers, answers: Numbers) -> Shape:
    """The shape that holds every batch.

    Args:
        batches: Row numbers of each.
        lengths: Tokens of each row, shape (rows,).
        answers: Answer tokens of each row, shape (rows,).
    """
    tokens = [int(lengths[numbers].sum()) for numbers in batches]
    most = -(-max(tokens) // 64) * 64
    return Shape(
        most, max(int(answers[numbers].sum()) for numbers in batches), max(map(len, batches)) + 1,
        max(int(lengths.max()), most - min(tokens)),
    )  # fmt: skip


def collate(rows: Rows, numbers: Sequence[int] | Numbers, shape: Shape | None = None) -> dict[str, Any]:
    """A batch as arrays.

    Args:
        rows: The split.
        numbers: Which rows the batch has, in any order.
        shape: What the batch is filled up to.

    Returns:
        `input_ids` and `position_ids`, shape (1, tokens): the rows one behind the other, the longest first, positions
        counted anew in each. `places`, shape (answers,): those that say an answer's next token; `targets`, the same
        shape: those tokens, -1 where the batch is filled up. `ends`, shape (rows + 1,), where the rows begin and end,
        and `longest`, the tokens of the longest.
    """
    pairs = sorted((rows.row(int(number)) for number in numbers), key=lambda pair: -len(pair[0]))
    lengths = [len(ids) for ids, _ in pairs]
    ids = np.concatenate([ids for ids, _ in pairs]).astype(np.int64)
    # A row begins with its prompt, so the token before an answer's is always of the same row.
    places = np.flatnonzero(np.concatenate([answers for _, answers in pairs])[1:])
    targets, ends, longest, filler = ids[places + 1], np.cumsum([0, *lengths]), lengths[0], 0
    if shape is not None:
        longest, filler = shape.longest, shape.tokens - len(ids)
        places, targets, ends = (
            np.pad(values, (0, size - len(values)), constant_values=value)
            for values, size, value in (
                (places, shape.answers, 0), (targets, shape.answers, -1),
                (ends, shape.rows + 1, shape.tokens),  # rows without a token
            )
        )  # fmt: skip
    return {
        "input_ids": np.pad(ids, (0, filler))[None],
        "position_ids": np.concatenate([np.arange(length) for length in (*lengths, filler)])[None],
        "places": places,
        "targets": targets,
        "ends": ends.astype(np.int32),
        "longest": longest,
    }
