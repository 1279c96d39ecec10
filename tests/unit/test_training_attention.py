"""Rows in one batch do not see each other, and the loss behind the frozen output layer is the ordinary one."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from amazon_titles import tiny_llama  # noqa: E402
from amazon_titles.training import llama  # noqa: E402
from amazon_titles.training.batches import collate, segments  # noqa: E402
from amazon_titles.training.rows import Rows  # noqa: E402

LENGTHS = [41, 40, 37, 21, 8, 8, 7, 3, 2]


def as_tensors(value):
    if isinstance(value, dict):
        return {key: as_tensors(item) for key, item in value.items()}
    return torch.from_numpy(value) if hasattr(value, "dtype") else value


def made_rows():
    make = np.random.default_rng(5)
    ids = make.integers(10, 300, sum(LENGTHS)).astype(np.int32)
    flags = np.concatenate([np.arange(length) >= max(1, length // 2) for length in LENGTHS])
    return Rows(ids, flags, np.cumsum(LENGTHS), 0)


def test_attention_is_each_rows_own_with_its_gradients():
    make = torch.Generator().manual_seed(0)
    total = sum(LENGTHS)
    q = torch.randn(1, 6, total, 8, generator=make, requires_grad=True)
    k, v = (torch.randn(1, 2, total, 8, generator=make, requires_grad=True) for _ in range(2))
    weights = torch.randn(1, total, 6, 8, generator=make)
    got, _ = llama.attend(torch.nn.Identity(), q, k, v, None, segments=as_tensors(segments(LENGTHS)))
    (got * weights).sum().backward()
    gradients = [states.grad.clone() for states in (q, k, v)]
    for states in (q, k, v):
        states.grad = None
    alone = []
    for length, end in zip(LENGTHS, np.cumsum(LENGTHS), strict=True):
        part = slice(end - length, end)
        one = [q[:, :, part], *(states[:, :, part].repeat_interleave(3, 1) for states in (k, v))]
        scores = one[0] @ one[1].transpose(-1, -2) / 8**0.5
        mask = torch.ones(length, length, dtype=torch.bool).tril()
        alone.append((scores.masked_fill(~mask, -torch.inf).softmax(-1) @ one[2]).transpose(1, 2))
    expected = torch.cat(alone, 1)
    (expected * weights).sum().backward()
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-5)
    for gradient, states in zip(gradients, (q, k, v), strict=True):
        torch.testing.assert_close(gradient, states.grad, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("chunk", [1 << 26, 300 * 7])
def test_the_loss_and_its_gradient_are_cross_entropys(monkeypatch, chunk):
    monkeypatch.setattr(llama, "_CHUNK", chunk)
    make = torch.Generator().manual_seed(1)
    hidden = torch.randn(45, 16, generator=make, requires_grad=True)
    head = torch.randn(300, 16, generator=make)
    targets = torch.randint(300, (45,), generator=make)
    got = llama.answer_loss(hidden, head, targets)
    (got / 45).backward()
    gradient, hidden.grad = hidden.grad, None
    expected = torch.nn.functional.cross_entropy(hidden @ head.T, targets)
    expected.backward()
    torch.testing.assert_close(got / 45, expected)
    torch.testing.assert_close(gradient, hidden.grad, atol=1e-6, rtol=1e-4)
    with torch.no_grad():
        torch.testing.assert_close(llama.answer_loss(hidden, head, targets) / 45, expected)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    transformers = pytest.importorskip("transformers")
    if not hasattr(transformers, "AttentionInterface"):
        pytest.skip("the trl engine needs a newer transformers than AutoTrain's")
    folder = tmp_path_factory.mktemp("base")
    return tiny_llama.write_model(folder, vocab_size=300, hidden_size=48, layers=2, heads=6)


def test_logits_of_packed_rows_are_those_of_each_row_alone(tiny):
    rows = made_rows()
    batch = as_tensors(collate(rows, range(len(LENGTHS))))
    tiny.set_attn_implementation("sdpa")
    with torch.no_grad():
        alone = [tiny(input_ids=torch.from_numpy(rows.row(n)[0].astype(np.int64))[None]).logits[0] for n in range(9)]
        llama.register()
        tiny.set_attn_implementation(llama.ATTENTION)
        del batch["targets"]
        keep = batch.pop("logits_to_keep")
        together = tiny(**batch, use_cache=False).logits[0]
        kept = tiny(**batch, logits_to_keep=keep, use_cache=False).logits[0]
    torch.testing.assert_close(together, torch.cat(alone), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(kept, together[keep], atol=1e-5, rtol=1e-5)
    # The test can fail: rows that see each other say something else.
    assert not torch.allclose(alone[1], together[: LENGTHS[1]], atol=1e-2)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_the_kernel_for_rows_of_different_lengths_is_right():
    assert llama._kernel_is_right()
