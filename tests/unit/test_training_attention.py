"""Rows in one batch do not see each other, and the loss behind the frozen output layer is the ordinary one."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from amazon_titles import tiny_llama  # noqa: E402
from amazon_titles.training import attention, llama  # noqa: E402
from amazon_titles.training.batches import collate, plan, shape_of  # noqa: E402
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
    batch = as_tensors(collate(made_rows(), range(len(LENGTHS))))
    got, _ = attention.attend(None, torch.nn.Identity(), q, k, v, None, batch=batch)
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
        attention.register(attention.choose("cpu", torch.float32))
        tiny.set_attn_implementation(attention.NAME)
        ids = {name: batch[name] for name in ("input_ids", "position_ids")}
        together = tiny(**ids, batch=batch, use_cache=False).logits[0]
    torch.testing.assert_close(together, torch.cat(alone), atol=1e-5, rtol=1e-5)
    # The test can fail: rows that see each other say something else.
    assert not torch.allclose(alone[1], together[: LENGTHS[1]], atol=1e-2)


def row_by_row(q, k, v, ends, longest, scale):
    """What the kernels for CUDA compute, in plain torch."""
    outputs = []
    for first, last in zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True):
        assert last - first <= longest
        parts = [states[first:last].transpose(0, 1)[None] for states in (q, k, v)]
        k_, v_ = (part.repeat_interleave(q.shape[1] // part.shape[1], 1) for part in parts[1:])
        attended = torch.nn.functional.scaled_dot_product_attention(parts[0], k_, v_, is_causal=True, scale=scale)
        outputs.append(attended[0].transpose(0, 1))
    return torch.cat(outputs)


def loss_and_gradient(tiny, kernel, batch):
    attention.register(attention.Chosen("", kernel, {}))
    tiny.set_attn_implementation(attention.NAME)
    ids = {name: batch[name] for name in ("input_ids", "position_ids")}
    hidden = tiny.model(**ids, batch=batch, use_cache=False).last_hidden_state[0]
    head = tiny.get_output_embeddings().weight.detach()
    loss = llama.answer_loss(hidden.index_select(0, batch["places"]), head, batch["targets"])
    weight = tiny.model.layers[0].self_attn.q_proj.weight
    return loss.detach(), torch.autograd.grad(loss, weight)[0]


def test_batches_of_one_shape_give_the_same_loss_and_gradient(tiny):
    rows = made_rows()
    batches = [np.arange(9), np.arange(0, 9, 2), np.arange(5)]
    shape = shape_of(batches, rows.lengths, rows.answer_lengths)
    for numbers in batches:
        loss, gradient = loss_and_gradient(tiny, None, as_tensors(collate(rows, numbers)))
        filled = as_tensors(collate(rows, numbers, shape))
        assert filled["input_ids"].shape == (1, shape.tokens)
        ours, filled_gradient = loss_and_gradient(tiny, row_by_row, filled)
        torch.testing.assert_close(ours, loss, atol=1e-4, rtol=1e-5)
        torch.testing.assert_close(filled_gradient, gradient, atol=1e-4, rtol=1e-4)


def test_fifty_steps_on_cuda_have_one_shape():
    make = np.random.default_rng(0)
    lengths = make.integers(20, 400, 2000)
    flags = np.concatenate([np.arange(length) >= length // 2 for length in lengths])
    rows = Rows(make.integers(10, 300, lengths.sum()).astype(np.int32), flags, np.cumsum(lengths), 0)
    planned = plan(lengths, tokens=8192, accumulation=1, devices=1, epochs=1, seed=1)
    assert planned.steps >= 50
    shape = shape_of(planned.batches, lengths, rows.answer_lengths)
    assert shape.tokens < 1.05 * np.mean([lengths[numbers].sum() for numbers in planned.batches])
    shapes = set()
    for numbers in planned.batches[:50]:
        batch = collate(rows, numbers, shape)
        ends = batch["ends"]
        assert ends[-1] == shape.tokens
        assert np.diff(ends).max() <= batch["longest"] == shape.longest
        shapes.add(tuple((name, np.shape(value)) for name, value in batch.items()))
    assert len(shapes) == 1


def of_2_10(query, key, value, cu_seq_q, cu_seq_k, max_q, max_k, is_causal=False, return_aux=None):
    assert is_causal
    return row_by_row(query, key, value, cu_seq_q, max_q, None)


def of_2_11(q, k, v, cu_seq_q, cu_seq_k, max_q, max_k, *, return_aux=None, scale=None, window_size=(-1, -1)):
    assert window_size == (-1, 0)
    assert q.shape[1] == k.shape[1]
    return row_by_row(q, k, v, cu_seq_q, max_q, scale)


def of_2_13(
    q, k, v, cu_seq_q, cu_seq_k, max_q, max_k, *, return_aux=None, scale=None, window_size=(-1, -1), enable_gqa=False,
    seqused_k=None, block_table=None, num_splits=None,
):  # fmt: skip
    assert window_size == (-1, 0)
    assert enable_gqa == (q.shape[1] != k.shape[1])
    return row_by_row(q, k, v, cu_seq_q, max_q, scale)


@pytest.mark.parametrize("signature", [of_2_10, of_2_11, of_2_13])
@pytest.mark.parametrize("scale", [None, 0.2])
def test_every_signature_of_torchs_kernel_is_called_rightly(monkeypatch, signature, scale):
    varlen = pytest.importorskip("torch.nn.attention.varlen")
    monkeypatch.setattr(varlen, "varlen_attn", signature)
    q, k, v = (torch.randn(24, heads, 8) for heads in (4, 2, 2))
    ends = torch.tensor([0, 16, 24, 24], dtype=torch.int32)
    got = attention.KERNELS["varlen"]()(q, k, v, ends, 16, scale)
    torch.testing.assert_close(got, row_by_row(q, k, v, ends, 16, scale))


def no_kernel(*_):
    raise RuntimeError("FlashAttention only supports Ampere GPUs or newer.\nmore")


def one_row(q, k, v, ends, longest, scale):
    return row_by_row(q, k, v, ends[[0, -1]], 24, scale)


def test_a_kernel_that_is_wrong_is_passed_over_with_its_reason(monkeypatch):
    kernels = {"varlen": lambda: no_kernel, "other": lambda: one_row, "efficient": lambda: row_by_row}
    monkeypatch.setattr(attention, "KERNELS", kernels)
    check = attention._check
    monkeypatch.setattr(attention, "_check", lambda kernel, device, dtype: check(kernel, "cpu", torch.float32))
    chosen = attention.choose("cuda", torch.bfloat16)
    assert chosen.name == "efficient"
    assert chosen.refused["varlen"] == "FlashAttention only supports Ampere GPUs or newer."
    assert chosen.refused["other"].startswith("it is off by ")
    assert not torch.backends.cuda.cudnn_sdp_enabled()
    monkeypatch.setenv(attention.CHOICE, "varlen")
    assert attention.choose("cuda", torch.bfloat16).kernel is None
    assert attention.choose("mps", torch.bfloat16).name == "one by one"


def test_the_memory_efficient_kernel_takes_what_it_is_given():
    # Tensors without content: torch checks the arguments as it does on CUDA.
    q, k, v = (torch.empty(24, heads, 64, device="meta", dtype=torch.float16) for heads in (4, 2, 2))
    ends = torch.empty(4, device="meta", dtype=torch.int32)
    assert attention.KERNELS["efficient"]()(q, k, v, ends, 16, None).shape == (24, 4, 64)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_a_kernel_for_rows_of_different_lengths_is_right_here():
    assert attention.choose("cuda", torch.float16).kernel is not None
