"""Attention in which packed rows do not see each other: one call on CUDA, row by row elsewhere.

torch is imported with this module, which only the trl engine's own process imports.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

NAME = "amazon_titles_packed"
"""The name under which `register` makes the attention known to transformers."""
CHOICE = "AMAZON_TITLES_ATTENTION"
"""Environment variable that names one of `KERNELS`, which alone is then tried."""

Kernel = Callable[[Tensor, Tensor, Tensor, Tensor, int, float | None], Tensor]
"""Takes q, k and v, each of shape (tokens, heads, size), where rows end, the longest row, and the scale."""


class Chosen(NamedTuple):
    """What attends on this device: its name, the kernel (None for row by row), and why no better one does."""

    name: str
    kernel: Kernel | None
    refused: dict[str, str]


def _varlen() -> Kernel:
    """Torch's own flash attention for rows of different lengths, by each signature that it has had since 2.10."""
    from torch.nn.attention.varlen import varlen_attn

    known = inspect.signature(varlen_attn).parameters
    causal: dict[str, Any] = {"window_size": (-1, 0)} if "window_size" in known else {"is_causal": True}

    def kernel(q: Tensor, k: Tensor, v: Tensor, ends: Tensor, longest: int, scale: float | None) -> Tensor:
        options = dict(causal)
        if "scale" in known:
            options["scale"] = scale
        elif scale is not None:
            q = q * (scale * q.shape[-1] ** 0.5)
        if "enable_gqa" in known:
            options["enable_gqa"] = q.shape[1] != k.shape[1]
        else:
            k, v = _spread(k, q.shape[1]), _spread(v, q.shape[1])
        output = varlen_attn(q, k, v, ends, ends, longest, longest, **options)
        assert isinstance(output, Tensor)  # nothing else was asked for
        return output

    return kernel


def _efficient(q: Tensor, k: Tensor, v: Tensor, ends: Tensor, longest: int, scale: float | None) -> Tensor:
    """Torch's memory-efficient attention, which cards without flash attention have (T4), and float32."""
    k, v = _spread(k, q.shape[1]), _spread(v, q.shape[1])
    causal_from_the_first, keeps_what_backward_needs = 1, True
    # What torch itself calls for nested tensors (torch/nested/_internal/sdpa.py).
    output: Tensor = torch.ops.aten._efficient_attention_forward(
        q[None], k[None], v[None], None, ends, ends, longest, longest, 0.0, causal_from_the_first,
        keeps_what_backward_needs, scale=scale,
    )[0][0]  # fmt: skip
    return output


def _spread(states: Tensor, heads: int) -> Tensor:
    """Keys or values of grouped heads, once for each head of the queries."""
    return states if states.shape[1] == heads else states.repeat_interleave(heads // states.shape[1], 1)


KERNELS: dict[str, Callable[[], Kernel]] = {"varlen": _varlen, "efficient": lambda: _efficient}
"""What takes rows of different lengths in one call, the best first; each raises where this torch does not have it."""


def choose(device: str, dtype: torch.dtype) -> Chosen:
    """The first of `KERNELS` that says on this device what separate attention says, gradients included."""
    if device != "cuda":
        return Chosen("one by one", None, {})
    # cuDNN plans anew for every shape, which takes the host longer than the attention takes the card.
    torch.backends.cuda.enable_cudnn_sdp(False)
    refused: dict[str, str] = {}
    wanted = os.environ.get(CHOICE)
    for name, make in KERNELS.items():
        if wanted in (None, "", name):
            try:
                kernel = make()
                _check(kernel, device, dtype)
                return Chosen(name, kernel, refused)
            except (ImportError, NotImplementedError, RuntimeError, TypeError, ValueError) as error:
                refused[name] = str(error).strip().partition("\n")[0][:200]
    return Chosen("one by one", None, refused)


def _check(kernel: Kernel, device: str, dtype: torch.dtype) -> None:
    """Raises where a kernel does not run, or says something else than separate attention."""
    make = torch.Generator(device).manual_seed(0)
    q, k, v, weights = (
        torch.randn(24, heads, 64, device=device, generator=make).to(dtype).requires_grad_() for heads in (4, 2, 2, 4)
    )
    ends = torch.tensor([0, 16, 24, 24], device=device, dtype=torch.int32)  # an empty row, as `collate` fills up with
    with torch.autocast(device, enabled=False), sdpa_kernel(SDPBackend.MATH):
        outputs = [attends(q, k, v, ends, 16, None) for attends in (kernel, _one_by_one)]
        found = [(output, *torch.autograd.grad((output * weights).sum(), (q, k, v))) for output in outputs]
    for ours, theirs in zip(*found, strict=True):
        off = float((ours - theirs).abs().max().detach() / theirs.abs().max().detach())
        if not off <= 0.05:  # a few roundings of bfloat16; where nothing was written it may be no number
            raise ValueError(f"it is off by {off:.0%}")


def register(chosen: Chosen) -> None:
    """Makes the attention known to transformers under the name `NAME`."""
    from transformers import AttentionInterface

    AttentionInterface.register(NAME, partial(attend, chosen.kernel))


def attend(
    kernel: Kernel | None, module: torch.nn.Module, query: Tensor, key: Tensor, value: Tensor,
    attention_mask: Tensor | None, *, batch: dict[str, Any], scaling: float | None = None, **_: object,
) -> tuple[Tensor, None]:  # fmt: skip
    """Causal attention in which the rows of a batch do not see each other, as transformers calls it. No mask is made.

    Args:
        kernel: Takes rows of different lengths in one call; where there is none, they are taken one by one.
        module: The attention layer.
        query: Shape (1, heads, tokens, size), rotated already.
        key: Shape (1, key/value heads, tokens, size), rotated already.
        value: The same shape as `key`.
        attention_mask: None.
        batch: From `batches.collate`, as tensors.
        scaling: What the scores are multiplied by; by default 1 / sqrt(size).

    Returns:
        Shape (1, tokens, heads, size), and None for the weights.
    """
    q, k, v = (states[0].transpose(0, 1).contiguous() for states in (query, key, value))
    return (kernel or _one_by_one)(q, k, v, batch["ends"], batch["longest"], scaling)[None], None


def _one_by_one(q: Tensor, k: Tensor, v: Tensor, ends: Tensor, longest: int, scale: float | None) -> Tensor:
    """Row after row, by torch's own causal kernels."""
    attended = []
    k, v = _spread(k, q.shape[1]), _spread(v, q.shape[1])
    for first, last in pairwise(ends.tolist()):
        row = [states[None, first:last].transpose(1, 2) for states in (q, k, v)]
        attended.append(functional.scaled_dot_product_attention(row[0], row[1], row[2], is_causal=True, scale=scale))
    return torch.cat(attended, 2)[0].transpose(0, 1)
