"""What a recipe needs of one device: memory, and arithmetic that the device has."""

from __future__ import annotations

from amazon_titles.budget.flavors import Flavor
from amazon_titles.budget.shapes import Shape
from amazon_titles.recipes import Recipe

# Bytes a parameter of a linear layer in int4 (nf4 with its scales) and int8.
_QUANTIZED = {"int4": 0.53, "int8": 1.03}
# CUDA's own, and what the allocator loses.
_CONTEXT_GB, _LOSS = 0.6, 1.1


def memory_gb(recipe: Recipe, shape: Shape, engine: str) -> float:
    """Memory of one device, in 10^9 bytes.

    AutoTrain keeps an unquantized base in float32 whatever `mixed_precision` says; under int4 and int8 peft turns what
    is not quantized into float32. The logits of a Llama's 128 k tokens weigh more than its small bases: in half
    precision, in float32, shifted, and their gradient.
    """
    params, linear = recipe.params, shape.linear_parameters
    if params.quantization:
        weights = linear * _QUANTIZED[params.quantization] + (shape.parameters - linear) * 4
    else:
        weights = shape.parameters * (2 if engine == "trl" else 4)
    # Weights, gradients and Adam's two moments, in float32.
    adapter = shape.adapter_parameters(params.lora_r, params.target_modules) * 16
    half = params.mixed_precision is not None or params.quantization is not None or engine == "trl"
    tokens, number = params.batch_size * params.tokens_a_row, 2 if half else 4
    logits = tokens * shape.vocab * (14 if half else 12)
    layer = tokens * ((9 * shape.hidden + 4 * shape.intermediate) * number + 8 * shape.hidden)
    kept = tokens * shape.hidden * number
    activations = layer * shape.layers if params.disable_gradient_checkpointing else layer + kept * shape.layers
    return _CONTEXT_GB + _LOSS * (weights + adapter + logits + activations) / 1e9


def runs(recipe: Recipe, flavor: Flavor, engine: str) -> bool:
    """Whether the machine has what the recipe computes in: int4, int8 and AutoTrain's fp16 want CUDA, bf16 Ampere."""
    params = recipe.params
    if not flavor.devices:
        return params.quantization is None and not (params.mixed_precision == "fp16" and engine == "autotrain")
    return flavor.bf16 or params.mixed_precision != "bf16"
