"""The same numbers with less work: three places where transformers and peft do more for a Llama than is needed.

Each changes an instance's `forward`, no class and no name of a weight, so what is saved is what peft would save.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch.nn import functional


class _AdaptedLinear(torch.autograd.Function):
    """`x W' + scale (x A') B'` with W frozen: sums go into the products, and nothing of the base's size is kept."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401
        x: torch.Tensor,
        weight: torch.Tensor,
        a: torch.Tensor,
        b: torch.Tensor,
        scale: float,
    ) -> torch.Tensor:
        small = x @ a.T
        ctx.save_for_backward(x, small, weight, a, b)
        ctx.scale = scale
        return torch.mm(x, weight.T).addmm_(small, b.T, alpha=scale)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:  # noqa: ANN401
        x, small, weight, a, b = ctx.saved_tensors
        (gradient,) = gradients
        back = (gradient @ b).mul_(ctx.scale)
        to_x = torch.mm(gradient, weight).addmm_(back, a) if ctx.needs_input_grad[0] else None
        return to_x, None, back.T @ x, (gradient.T @ small).mul_(ctx.scale), None


def _adapted(layer: Any, plain: Callable[..., torch.Tensor], x: torch.Tensor, *more: Any, **named: Any) -> torch.Tensor:  # noqa: ANN401
    if layer.merged or layer.disable_adapters or more or named:
        return plain(x, *more, **named)
    weight = layer.base_layer.weight
    # Autocast would choose the types; the base's is the one that both ends have.
    with torch.autocast(x.device.type, enabled=False):
        kind = weight.dtype
        a, b = (half["default"].weight.to(kind) for half in (layer.lora_A, layer.lora_B))
        flat = x.reshape(-1, x.shape[-1]).to(kind)
        result: torch.Tensor = _AdaptedLinear.apply(flat, weight, a, b, layer.scaling["default"])  # type: ignore[no-untyped-call]
        return result.view(*x.shape[:-1], -1)


def _normed(norm: Any, plain: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor) -> torch.Tensor:  # noqa: ANN401
    if not x.is_cuda:  # on a CPU it is no faster
        return plain(x)
    return functional.rms_norm(x, norm.weight.shape, norm.weight, norm.variance_epsilon).to(x.dtype)


def _answers_alone(mlp: Any, plain: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor) -> torch.Tensor:  # noqa: ANN401
    if mlp.places is None:
        return plain(x)
    return torch.zeros_like(x).index_copy(1, mlp.places, plain(x.index_select(1, mlp.places)))


def speed_up(model: Any) -> Any:  # noqa: ANN401 - a PeftModel
    """Changes a Llama with a fresh LoRA adapter in place; what it says stays the same.

    * A plain linear layer and its adapter become one function, whose sums go into the matrix products.
    * On CUDA, RMSNorm is torch's own: one kernel for five.
    * The last layer's MLP runs only at the places that the loss looks at.

    Returns:
        The last MLP: whoever runs the model sets its `places`, shape (answers,), before; None runs it everywhere.
    """
    for module in model.modules():
        if hasattr(module, "lora_A") and _is_plain(module):
            module.forward = partial(_adapted, module, module.forward)
        elif type(module).__name__ == "LlamaRMSNorm":
            module.forward = partial(_normed, module, module.forward)
    mlp = model.get_base_model().model.layers[-1].mlp
    mlp.places = None
    mlp.forward = partial(_answers_alone, mlp, mlp.forward)
    return mlp


def _is_plain(layer: Any) -> bool:  # noqa: ANN401 - a layer of peft's
    """Whether an adapted layer is a linear layer as it stands in the paper: not quantised, no bias, no dropout."""
    linear = layer.base_layer
    return (
        type(linear) is torch.nn.Linear
        and linear.bias is None
        and isinstance(layer.lora_dropout["default"], torch.nn.Identity)
        and not layer.use_dora["default"]
        and layer.lora_A["default"].bias is None
        and layer.lora_B["default"].bias is None
    )
