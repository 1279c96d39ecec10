"""What the trl engine changes in a Llama: packed rows in its attention, the loss on answers, and less work elsewhere.

torch and transformers are imported with this module, which only the trl engine's own process imports.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

ATTENTION = "amazon_titles_packed"
"""The name under which `register` makes the attention known to transformers."""

_CHUNK = 1 << 26  # logits at once: 256 MiB of float32, 512 places of a vocabulary of 128 k


class _Placed(torch.autograd.Function):
    """Puts rows, shape (tokens, heads, size), where they are wanted: into padded rectangles, or out of them again.

    Either gradient goes by the place of each token in the rectangles: padding gets none, and what stands there is
    dropped. torch's own backward of `index_select` would add instead of copy, which is slower.
    """

    @staticmethod
    def forward(ctx: Any, states: Tensor, back: Tensor, gather: Tensor | None) -> Tensor:  # noqa: ANN401
        ctx.save_for_backward(back)
        ctx.shape = states.shape if gather is None else None
        return states.index_select(0, back if gather is None else gather)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:  # noqa: ANN401
        (back,), (gradient,) = ctx.saved_tensors, gradients
        if ctx.shape is None:
            return gradient.index_select(0, back), None, None
        return gradient.new_zeros(ctx.shape).index_copy_(0, back, gradient), None, None


def attend(
    module: torch.nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, *,
    segments: dict[str, Any], scaling: float | None = None, **_: object,
) -> tuple[Tensor, None]:  # fmt: skip
    """Causal attention in which the rows of a batch do not see each other, as transformers calls it.

    No mask is made: rows of about the same length become rectangles that torch's own causal kernels take, and on CUDA
    a kernel that knows rows of different lengths takes them as they lie.

    Args:
        module: The attention layer.
        query: Shape (1, heads, tokens, size), rotated already.
        key: Shape (1, key/value heads, tokens, size), rotated already.
        value: The same shape as `key`.
        attention_mask: None.
        segments: From `batches.segments`, as tensors.
        scaling: What the scores are multiplied by; by default 1 / sqrt(size).

    Returns:
        Shape (1, tokens, heads, size), and None for the weights.
    """
    q, k, v = (states[0].transpose(0, 1) for states in (query, key, value))
    if query.is_cuda and query.dtype in (torch.bfloat16, torch.float16) and _kernel_is_right():
        return _varlen(q, k, v, segments, scaling)[None], None
    groups, shapes, back = query.shape[1] // key.shape[1], segments["shapes"], segments["back"]
    sizes = [rows * length for rows, length in shapes]
    padded = [_Placed.apply(states, back, segments["gather"]).split(sizes) for states in (q, k, v)]  # type: ignore[no-untyped-call]
    outputs = []
    for shape, *parts in zip(shapes, *padded, strict=True):
        q, k, v = (states.view(*shape, *states.shape[1:]).transpose(1, 2) for states in parts)
        if groups > 1:
            k, v = (states.repeat_interleave(groups, 1) for states in (k, v))
        attended = functional.scaled_dot_product_attention(q, k, v, is_causal=True, scale=scaling)
        outputs.append(attended.transpose(1, 2).flatten(0, 1))
    output = outputs[0] if len(outputs) == 1 else torch.cat(outputs)
    return _Placed.apply(output, back, None)[None], None  # type: ignore[no-untyped-call]


def _varlen(q: Tensor, k: Tensor, v: Tensor, segments: dict[str, Any], scaling: float | None) -> Tensor:
    """Flash attention over rows of different lengths, each tensor of shape (tokens, heads, size)."""
    from torch.nn.attention.varlen import varlen_attn

    q, k, v = (states.contiguous() for states in (q, k, v))
    ends, longest = segments["ends"], segments["longest"]
    attended = varlen_attn(
        q, k, v, ends, ends, longest, longest, scale=scaling, window_size=(-1, 0), enable_gqa=q.shape[1] != k.shape[1]
    )
    assert isinstance(attended, Tensor)  # without `return_aux`
    return attended


@cache
def _kernel_is_right() -> bool:
    """Whether this torch has that kernel for this card, and it says what separate attention says (2 % of bfloat16)."""
    try:
        with torch.no_grad(), torch.autocast("cuda", enabled=False):
            make = torch.Generator("cuda").manual_seed(0)
            q, k, v = (torch.randn(24, h, 64, device="cuda", generator=make).bfloat16() for h in (4, 2, 2))
            ends = torch.tensor([0, 16, 24], device="cuda", dtype=torch.int32)
            got = _varlen(q, k, v, {"ends": ends, "longest": 16}, None)
            k, v = (states.repeat_interleave(2, 1) for states in (k, v))
            for place in (slice(16), slice(16, 24)):
                a, b, c = (states[place].transpose(0, 1)[None] for states in (q, k, v))
                alone = functional.scaled_dot_product_attention(a, b, c, is_causal=True)[0].transpose(0, 1)
                if (got[place] - alone).abs().max() > 0.05:
                    return False  # rows see each other
        return True
    except (ImportError, RuntimeError, TypeError, ValueError):
        return False


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
    def forward(ctx: Any, hidden: Tensor, head: Tensor, targets: Tensor) -> Tensor:  # noqa: ANN401
        gradient = torch.empty_like(hidden) if ctx.needs_input_grad[0] else None
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
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:  # noqa: ANN401
        (gradient,) = ctx.saved_tensors
        return gradient * gradients[0].to(gradient.dtype), None, None


def answer_loss(hidden: Tensor, head: Tensor, targets: Tensor) -> Tensor:
    """The sum of the losses of the answers' tokens, in nats.

    Args:
        hidden: What stands before the output layer at the places that say an answer's token, shape (answers, width).
        head: Weight of the output layer, frozen, shape (vocabulary, width).
        targets: The answers' tokens, shape (answers,).
    """
    # Autocast would change the types under way; they are chosen here.
    with torch.autocast(hidden.device.type, enabled=False):
        loss: Tensor = _AnswerLoss.apply(hidden, head, targets)  # type: ignore[no-untyped-call]
        return loss


class _AdaptedLinear(torch.autograd.Function):
    """`x W' + scale (x A') B'` with W frozen: sums go into the products, and nothing of the base's size is kept."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, a: Tensor, b: Tensor, scale: float) -> Tensor:  # noqa: ANN401
        small = x @ a.T
        ctx.save_for_backward(x, small, weight, a, b)
        ctx.scale = scale
        return torch.mm(x, weight.T).addmm_(small, b.T, alpha=scale)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        x, small, weight, a, b = ctx.saved_tensors
        (gradient,) = gradients
        back = (gradient @ b).mul_(ctx.scale)
        to_x = torch.mm(gradient, weight).addmm_(back, a) if ctx.needs_input_grad[0] else None
        return to_x, None, back.T @ x, (gradient.T @ small).mul_(ctx.scale), None


def _adapted(layer: Any, plain: Callable[..., Tensor], x: Tensor, *more: Any, **named: Any) -> Tensor:  # noqa: ANN401
    if layer.merged or layer.disable_adapters or more or named:
        return plain(x, *more, **named)
    weight = layer.base_layer.weight
    # Autocast would choose the types; the base's is the one that both ends have.
    with torch.autocast(x.device.type, enabled=False):
        kind = weight.dtype
        a, b = (half["default"].weight.to(kind) for half in (layer.lora_A, layer.lora_B))
        flat = x.reshape(-1, x.shape[-1]).to(kind)
        result: Tensor = _AdaptedLinear.apply(flat, weight, a, b, layer.scaling["default"])  # type: ignore[no-untyped-call]
        return result.view(*x.shape[:-1], -1)


def _normed(norm: Any, plain: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:  # noqa: ANN401
    if not x.is_cuda:  # on a CPU it is no faster
        return plain(x)
    return functional.rms_norm(x, norm.weight.shape, norm.weight, norm.variance_epsilon).to(x.dtype)


def _answers_alone(mlp: Any, plain: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:  # noqa: ANN401
    if mlp.places is None:
        return plain(x)
    return torch.zeros_like(x).index_copy(1, mlp.places, plain(x.index_select(1, mlp.places)))


def speed_up(model: Any) -> Any:  # noqa: ANN401 - a PeftModel
    """Changes a Llama with a fresh LoRA adapter in place; what it says stays the same.

    * A plain linear layer (not quantised, no bias) and its adapter without dropout become one function, whose sums go
      into the matrix products.
    * On CUDA, RMSNorm is torch's own: one kernel for five.
    * The last layer's MLP runs only at the places that the loss looks at.

    Returns:
        The last MLP: whoever runs the model sets its `places`, shape (answers,), before; None runs it everywhere.
    """
    for module in model.modules():
        if hasattr(module, "lora_A"):
            linear, dropout = module.base_layer, module.lora_dropout["default"]
            if type(linear) is not torch.nn.Linear or linear.bias is not None or isinstance(dropout, torch.nn.Dropout):
                continue
            module.forward = partial(_adapted, module, module.forward)
        elif type(module).__name__ == "LlamaRMSNorm":
            module.forward = partial(_normed, module, module.forward)
    mlp = model.get_base_model().model.layers[-1].mlp
    mlp.places = None
    mlp.forward = partial(_answers_alone, mlp, mlp.forward)
    return mlp
