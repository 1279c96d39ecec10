"""How fast a recipe trains on a kind of machine, and where the number comes from."""

from __future__ import annotations

from collections.abc import Mapping

from amazon_titles.budget.flavors import Flavor
from amazon_titles.budget.memory import adapter_parameters
from amazon_titles.budget.shapes import Shape
from amazon_titles.recipes import Recipe

# Share of a GPU's peak that training reaches: assumed, not measured. AutoTrain casts float32 weights in every step.
_USE = {"autotrain": 0.15, "trl": 0.40}
# int4 weights are unpacked for every product.
_UNPACKING = 0.7
# Several GPUs wait for each other.
_TOGETHER = 0.9
# On a CPU, fitted to steps of eight Llamas with LoRA (hidden 192 to 576, 4 to 10 layers, 1,500 to 49,152 tokens, with
# and without checkpointing; benchmarks/budget.py --steps). torch multiplies wide matrices faster than numpy does with
# all cores busy, by this factor; narrow ones slower, by 1 + 64 / hidden.
_FASTER = 1.5
_NARROW = 64.0
# What a layer costs in a step whatever its tokens are, in seconds of one core.
_LAYER_SECONDS = 0.012
BUSY = {"autotrain": 0.45, "trl": 0.52}
"""Share of a CPU's rate that a whole training reaches; trl's is 1.16 times AutoTrain's (benchmarks/train.py)."""


def tokens_per_second(recipe: Recipe, shape: Shape, flavor: Flavor, engine: str) -> float:
    """Tokens that a recipe trains in a second, once it runs."""
    params = recipe.params
    block, batch = int(params["block_size"] or 0), int(params["batch_size"] or 1)
    block = block if block > 0 else 1024
    again = not params["disable_gradient_checkpointing"]
    # The adapter's own products: forward, and both gradients.
    work = shape.work(block, checkpointing=again) + (8 if again else 6) * adapter_parameters(recipe, shape)
    if not flavor.devices:
        rate = flavor.single * 1e12 * _FASTER
        seconds = work * (1 + _NARROW / shape.hidden) / rate
        seconds += _LAYER_SECONDS * shape.layers / (batch * block) / flavor.cores
        return BUSY[engine] / seconds
    half = params["mixed_precision"] is not None or params["quantization"] is not None or engine == "trl"
    rate = (flavor.half if half else flavor.single) * 1e12
    rate *= _USE[engine] * (_UNPACKING if params["quantization"] else 1.0)
    return rate * flavor.devices * (_TOGETHER if flavor.devices > 1 else 1.0) / work


def speed_source(engine: str, speeds: Mapping[str, float] | None) -> str:
    """What the tokens a second rest on.

    Args:
        engine: `autotrain` or `trl`.
        speeds: What somebody measured, by flavor.
    """
    if speeds:
        return f"tokens a second measured on {', '.join(speeds)}; elsewhere {_USE[engine]:.0%} of the peak, assumed"
    return (
        f"{_USE[engine]:.0%} of a GPU's peak, assumed; here, the rate of float32 matrix products, measured just now, "
        "and constants fitted to steps of small Llamas on two cores"
    )
