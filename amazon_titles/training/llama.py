"""What the trl engine changes in a Llama beside its attention: the loss on answers, and less work elsewhere.

torch, peft and transformers are imported with this module, which only the trl engine's own process imports.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from peft.tuners.lora.layer import Linear
from torch import Tensor
from torch.nn import functional
from transformers.models.llama.modeling_llama import LlamaMLP, LlamaRMSNorm

Part = Callable[[Tensor, Tensor, Tensor, bool], tuple[Tensor, Tensor]]

_CHUNK = 1 << 26  # logits at once: 256 MiB of float32, 512 places of a vocabulary of 128 k


class _AnswerLoss(torch.autograd.Function):
    """Cross entropy behind a frozen output layer, a chunk of the logits at a time.

    Because the layer is frozen, the gradient of the hidden states is all that the backward pass needs. It is made where
    the logits are, so those are never kept and never made twice (the idea of Liger Kernel's fused linear cross entropy,
    Hsu et al., 2024, in plain torch).
    """

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, head: Tensor, targets: Tensor, part_of: Part) -> Tensor:  # noqa: ANN401
        parts = range(0, len(targets), max(1, _CHUNK // head.shape[0]))
        gradient = torch.empty_like(hidden) if ctx.needs_input_grad[0] else None
        total = torch.zeros((), dtype=torch.float32, device=hidden.device)
        for first in parts:
            part = slice(first, first + parts.step)
            loss, back = part_of(hidden[part].to(head.dtype), head, targets[part, None], gradient is not None)
            total += loss
            if gradient is not None:
                gradient[part] = back
        ctx.save_for_backward(gradient)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        (gradient,) = ctx.saved_tensors
        return gradient * gradients[0].to(gradient.dtype), None, None, None


def part_of_loss(hidden: Tensor, head: Tensor, targets: Tensor, backward: bool) -> tuple[Tensor, Tensor]:
    """The sum of the losses of a few tokens, targets of shape (tokens, 1), and their gradient if `backward`."""
    counts, targets = (targets >= 0).float(), targets.clamp(min=0)
    logits = (hidden @ head.T).float()
    norms = logits.logsumexp(-1, keepdim=True)
    loss = ((norms - logits.gather(-1, targets)) * counts).sum()
    if backward:
        logits = logits.sub_(norms).exp_().mul_(counts).scatter_add_(-1, targets, -counts)
        hidden = logits.to(head.dtype) @ head
    return loss, hidden


def answer_loss(hidden: Tensor, head: Tensor, targets: Tensor, part_of: Part = part_of_loss) -> Tensor:
    """The sum of the losses of the answers' tokens, in nats.

    Args:
        hidden: What stands before the output layer at the places that say an answer's token, shape (answers, width).
        head: Weight of the output layer, frozen, shape (vocabulary, width).
        targets: The answers' tokens, shape (answers,); one below 0 has no part in the loss.
        part_of: `part_of_loss`, or what a compiler made of it.
    """
    # Autocast would change the types under way; they are chosen here.
    with torch.autocast(hidden.device.type, enabled=False):
        loss: Tensor = _AnswerLoss.apply(hidden, head, targets, part_of)  # type: ignore[no-untyped-call]
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


class AdaptedLinear(Linear):  # type: ignore[misc]  # peft has no types
    """peft's linear layer with its adapter, as one function: for a base's layer without bias that is not quantised."""

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:  # noqa: ANN401
        """Shape (…, in features) to (…, out features)."""
        if self.merged or self.disable_adapters or args or kwargs:
            plain: Tensor = super().forward(x, *args, **kwargs)
            return plain
        weight = self.base_layer.weight
        # Autocast would choose the types; the base's is the one that both ends have.
        with torch.autocast(x.device.type, enabled=False):
            kind = weight.dtype
            a, b = (half["default"].weight.to(kind) for half in (self.lora_A, self.lora_B))
            flat, scale = x.reshape(-1, x.shape[-1]).to(kind), self.scaling["default"]
            result: Tensor
            if torch.compiler.is_compiling():  # a compiler finds the sums and what to keep by itself
                result = flat @ weight.T + (flat @ a.T) @ b.T * scale
            else:
                result = _AdaptedLinear.apply(flat, weight, a, b, scale)  # type: ignore[no-untyped-call]
            return result.view(*x.shape[:-1], -1)


class FusedNorm(LlamaRMSNorm):  # type: ignore[misc]  # transformers is not typed here
    """RMSNorm by torch's own kernel for CUDA: one for five."""

    def forward(self, hidden_states: Tensor) -> Tensor:
        """The same shape and type."""
        norm = functional.rms_norm(hidden_states, self.weight.shape, self.weight, self.variance_epsilon)
        return norm.to(hidden_states.dtype)


class AnswersMlp(LlamaMLP):  # type: ignore[misc]
    """The last layer's MLP, which only says something at `places`, shape (answers,); None: everywhere."""

    places: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Shape (1, tokens, width), zeros where nobody looks."""
        if self.places is None:
            everywhere: Tensor = super().forward(x)
            return everywhere
        return torch.zeros_like(x).index_copy(1, self.places, super().forward(x.index_select(1, self.places)))


def speed_up(model: Any, *, adapters: bool = True) -> Any:  # noqa: ANN401 - a PeftModel
    """Gives the layers of a Llama with a fresh LoRA adapter faster classes, in place; what it says stays the same.

    Args:
        model: A `PeftModel`.
        adapters: Also its linear layers, which then take the weights of modules inside them without calling those; FSDP
            would not have put these weights together.

    Returns:
        The last MLP: whoever runs the model sets its `places` before.
    """
    for module in model.modules():
        if type(module) is Linear and adapters:
            linear, dropout = module.base_layer, module.lora_dropout["default"]
            if type(linear) is torch.nn.Linear and linear.bias is None and not isinstance(dropout, torch.nn.Dropout):
                module.__class__ = AdaptedLinear
        elif type(module) is LlamaRMSNorm and module.weight.is_cuda:  # on a CPU it is no faster
            module.__class__ = FusedNorm
    mlp = model.get_base_model().model.layers[-1].mlp
    mlp.__class__ = AnswersMlp
    return mlp
