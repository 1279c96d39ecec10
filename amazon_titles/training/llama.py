"""What the trl engine changes in a Llama beside its attention: the loss on answers, and less work elsewhere.

torch and transformers are imported with this module, which only the trl engine's own process imports.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

_CHUNK = 1 << 26  # logits at once: 256 MiB of float32, 512 places of a vocabulary of 128 k


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
            counts = (targets[part, None] >= 0).float()
            target = targets[part, None].clamp(min=0)
            logits = (hidden[part].to(head.dtype) @ head.T).float()
            norms = logits.logsumexp(-1, keepdim=True)
            total += ((norms - logits.gather(-1, target)) * counts).sum()
            if gradient is not None:
                logits.sub_(norms).exp_().mul_(counts)
                logits.scatter_add_(-1, target, -counts)
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
        targets: The answers' tokens, shape (answers,); one below 0 has no part in the loss.
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
