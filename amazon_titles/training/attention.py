"""The two places where a packed batch is not an ordinary one: attention, and the loss on the answers.

torch and transformers are imported with this module, which only the trl engine's own process imports.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional

ATTENTION = "amazon_titles_packed"
"""The name under which `register` makes the attention known to transformers."""

_CHUNK = 1 << 26  # logits at once: 256 MiB of float32, 512 places of a vocabulary of 128 k


class _ToRectangles(torch.autograd.Function):
    """Rows one behind the other, shape (tokens, heads, size), to padded rectangles; padding gets no gradient."""

    @staticmethod
    def forward(ctx: Any, flat: torch.Tensor, gather: torch.Tensor, back: torch.Tensor) -> torch.Tensor:  # noqa: ANN401
        ctx.save_for_backward(back)
        return flat.index_select(0, gather)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None, None]:  # noqa: ANN401
        (back,) = ctx.saved_tensors
        return gradients[0].index_select(0, back), None, None


class _FromRectangles(torch.autograd.Function):
    """The way back; what stands in the padding is dropped."""

    @staticmethod
    def forward(ctx: Any, padded: torch.Tensor, back: torch.Tensor) -> torch.Tensor:  # noqa: ANN401
        ctx.save_for_backward(back)
        ctx.size = padded.shape
        return padded.index_select(0, back)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None]:  # noqa: ANN401
        (back,) = ctx.saved_tensors
        gradient = gradients[0]
        return gradient.new_zeros(ctx.size).index_copy_(0, back, gradient), None


def attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    segments: dict[str, Any],
    scaling: float | None = None,
    **_: object,
) -> tuple[torch.Tensor, None]:
    """Causal attention in which the rows of a batch do not see each other, as transformers calls it.

    No mask is made: rows of about the same length become rectangles that torch's own causal kernels take, and on CUDA
    a kernel that knows rows of different lengths takes them as they lie.

    Args:
        module: The attention layer.
        query: Shape (1, heads, tokens, size), rotated already.
        key: Shape (1, key/value heads, tokens, size), likewise.
        value: The same shape.
        attention_mask: None.
        segments: From `batches.segments`, as tensors.
        scaling: Of the scores; by default 1 / sqrt(size).

    Returns:
        Shape (1, tokens, heads, size), and None for the weights.
    """
    q, k, v = (states[0].transpose(0, 1) for states in (query, key, value))
    if query.is_cuda and query.dtype in (torch.bfloat16, torch.float16) and _kernel_is_right():
        return _varlen(q, k, v, segments, scaling)[None], None
    groups = query.shape[1] // key.shape[1]
    padded = [_apply(_ToRectangles, states, segments["gather"], segments["back"]) for states in (q, k, v)]
    outputs, first = [], 0
    for rows, length in segments["shapes"]:
        place = slice(first, first + rows * length)
        first += rows * length
        q, k, v = (states[place].view(rows, length, *states.shape[1:]).transpose(1, 2) for states in padded)
        if groups > 1:
            k, v = (states.repeat_interleave(groups, 1) for states in (k, v))
        attended = functional.scaled_dot_product_attention(q, k, v, is_causal=True, scale=scaling)
        outputs.append(attended.transpose(1, 2).flatten(0, 1))
    padded_output = outputs[0] if len(outputs) == 1 else torch.cat(outputs)
    return _apply(_FromRectangles, padded_output, segments["back"])[None], None


def _apply(function: type[torch.autograd.Function], *arguments: torch.Tensor) -> torch.Tensor:
    result: torch.Tensor = function.apply(*arguments)  # type: ignore[no-untyped-call]
    return result


def _varlen(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, segments: dict[str, Any], scaling: float | None
) -> torch.Tensor:
    """Flash attention over rows of different lengths, each tensor of shape (tokens, heads, size)."""
    from torch.nn.attention.varlen import varlen_attn

    ends, longest = segments["ends"], segments["longest"]
    attended = varlen_attn(
        query.contiguous(), key.contiguous(), value.contiguous(), ends, ends, longest, longest,
        scale=scaling, window_size=(-1, 0), enable_gqa=query.shape[1] != key.shape[1],
    )  # fmt: skip
    assert isinstance(attended, torch.Tensor)  # without `return_aux`
    return attended


_kernel: list[bool] = []  # what `_kernel_is_right` found, once a process


def _kernel_is_right() -> bool:
    """Whether this torch has that kernel for this card, and it says what separate attention says (2 % of bfloat16)."""
    if not _kernel:
        try:
            with torch.no_grad(), torch.autocast("cuda", enabled=False):
                make = torch.Generator("cuda").manual_seed(0)
                q, k, v = (torch.randn(24, h, 64, device="cuda", generator=make).bfloat16() for h in (4, 2, 2))
                ends = torch.tensor([0, 16, 24], device="cuda", dtype=torch.int32)
                got = _varlen(q, k, v, {"ends": ends, "longest": 16}, None)
                k, v = (states.repeat_interleave(2, 1) for states in (k, v))
                for first, last in ((0, 16), (16, 24)):
                    a, b, c = (states[first:last].transpose(0, 1)[None] for states in (q, k, v))
                    alone = functional.scaled_dot_product_attention(a, b, c, is_causal=True)[0].transpose(0, 1)
                    if (got[first:last] - alone).abs().max() > 0.05:
                        raise ValueError("rows see each other")
            _kernel.append(True)
        except (ImportError, RuntimeError, TypeError, ValueError):
            _kernel.append(False)
    return _kernel[0]


def register() -> None:
    """Makes `attend` known to transformers under the name `ATTENTION`."""
    from transformers import AttentionInterface

    AttentionInterface.register(ATTENTION, attend)


class _AnswerLoss(torch.autograd.Function):
    """Cross entropy behind a frozen output layer, a chunk of the logits at a time.

    Because the layer is frozen, the gradient of the hidden states is all that the backward pass needs. It is made where
    the logits are, so those are never kept and never made twice (the idea of Liger Kernel's fused linear cross entropy,
    Hsu et al., 2024, in plain torch).
    """

    @staticmethod
    def forward(ctx: Any, hidden: torch.Tensor, head: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:  # noqa: ANN401
        wanted = ctx.needs_input_grad[0]
        gradient = torch.empty_like(hidden) if wanted else None
        total = torch.zeros((), dtype=torch.float32, device=hidden.device)
        size = max(1, _CHUNK // head.shape[0])
        for first in range(0, len(targets), size):
            part = slice(first, first + size)
            target = targets[part, None]
            logits = (hidden[part].to(head.dtype) @ head.T).float()
            norms = logits.logsumexp(-1, keepdim=True)
            total += (norms - logits.gather(-1, target)).sum()
            if gradient is not None:
                logits.sub_(norms).exp_()
                logits.scatter_add_(-1, target, torch.full_like(target, -1, dtype=logits.dtype))
                gradient[part] = (logits.to(head.dtype) @ head).to(hidden.dtype)
        ctx.save_for_backward(gradient)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None, None]:  # noqa: ANN401
        (gradient,) = ctx.saved_tensors
        return gradient * gradients[0].to(gradient.dtype), None, None


def answer_loss(hidden: torch.Tensor, head: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """The sum of the losses of the answers' tokens, in nats.

    Args:
        hidden: What stands before the output layer at the places that say an answer's token, shape (answers, width).
        head: Weight of the output layer, frozen, shape (vocabulary, width).
        targets: The answers' tokens, shape (answers,).
    """
    # Autocast would change the types under way; they are chosen here.
    with torch.autocast(hidden.device.type, enabled=False):
        return _apply(_AnswerLoss, hidden, head, targets)
