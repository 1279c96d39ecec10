"""Which rows make a step, and how they lie in memory."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amazon_titles.training.batches import collate, in_order, plan
from amazon_titles.training.rows import Rows

LENGTHS = st.lists(st.integers(2, 300), min_size=4, max_size=120)


def steps_of(planned):
    return [
        sorted(np.concatenate(planned.batches[first : first + planned.parts]).tolist())
        for first in range(0, len(planned.batches), planned.parts)
    ]


@settings(max_examples=80, deadline=None)
@given(LENGTHS, st.integers(50, 2000), st.integers(1, 4), st.integers(1, 3), st.integers(1, 3))
def test_each_epoch_holds_every_row_once(lengths, tokens, accumulation, devices, epochs):
    sizes = np.asarray(lengths)
    planned = plan(sizes, tokens=tokens, accumulation=accumulation, devices=devices, epochs=epochs, seed=1)
    assert planned.parts % devices == 0
    assert planned.steps == epochs * planned.steps_an_epoch
    assert all(len(batch) for batch in planned.batches), "a device would have nothing to do"
    steps = steps_of(planned)
    for epoch in range(epochs):
        held = steps[epoch * planned.steps_an_epoch : (epoch + 1) * planned.steps_an_epoch]
        assert sorted(row for step in held for row in step) == list(range(len(sizes)))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(2, 300), min_size=200, max_size=300), st.integers(0, 9))
def test_the_number_of_devices_changes_nothing_about_a_step(lengths, seed):
    options = {"tokens": 2000, "accumulation": 4, "epochs": 2, "seed": seed}
    alone = plan(np.asarray(lengths), devices=1, **options)
    for devices in (2, 3, 4, 8):
        assert steps_of(plan(np.asarray(lengths), devices=devices, **options)) == steps_of(alone)


def test_steps_have_about_as_many_tokens_and_epochs_differ():
    lengths = np.random.default_rng(0).integers(40, 400, 3000)
    planned = plan(lengths, tokens=8192, accumulation=4, devices=1, epochs=2, seed=3)
    steps = steps_of(planned)
    sizes = [lengths[step].sum() for step in steps]
    assert max(sizes) < 1.1 * min(sizes)
    assert np.mean(sizes) <= 8192
    batches = [lengths[batch].sum() for batch in planned.batches]
    assert max(batches) < 1.6 * min(batches)
    assert steps[0] not in steps[planned.steps_an_epoch :]
    again = plan(lengths, tokens=8192, accumulation=4, devices=1, epochs=2, seed=3)
    assert steps == steps_of(again)
    assert steps != steps_of(plan(lengths, tokens=8192, accumulation=4, devices=1, epochs=2, seed=4))


@given(LENGTHS, st.integers(50, 2000))
def test_an_evaluation_takes_every_row_once(lengths, tokens):
    batches = in_order(np.asarray(lengths), tokens)
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(lengths)))
    assert len(in_order(np.asarray([], np.int64), tokens)) == 0


def rows_of(*pairs):
    ids = np.concatenate([np.asarray(ids, np.int32) for ids, _ in pairs])
    answers = np.concatenate([np.asarray(flags, np.bool_) for _, flags in pairs])
    return Rows(ids, answers, np.cumsum([len(ids) for ids, _ in pairs]), 0)


def test_a_batch_says_what_comes_behind_each_place():
    rows = rows_of(([7, 1, 2, 9], [0, 0, 1, 1]), ([7, 3, 4, 5, 6, 9], [0, 0, 1, 0, 1, 1]))
    batch = collate(rows, [0, 1])
    assert batch["input_ids"].tolist() == [[7, 3, 4, 5, 6, 9, 7, 1, 2, 9]]
    assert batch["position_ids"].tolist() == [[0, 1, 2, 3, 4, 5, 0, 1, 2, 3]]
    assert batch["places"].tolist() == [1, 3, 4, 7, 8]
    assert batch["targets"].tolist() == [4, 6, 9, 2, 9]


@pytest.mark.parametrize(("rows", "devices"), [(3, 3), (5, 2)])
def test_few_rows_still_give_each_device_something(rows, devices):
    planned = plan(np.full(rows, 50), tokens=10_000, accumulation=8, devices=devices, epochs=1, seed=0)
    assert planned.steps == 1
    assert planned.parts % devices == 0
    assert all(len(batch) for batch in planned.batches)
