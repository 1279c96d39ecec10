"""A Llama's shape, and what follows from it: parameters, the adapter's parameters, and the memory of a training."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import msgspec

from amazon_titles.errors import InputError
from amazon_titles.recipes import Recipe

# Bytes a parameter of a linear layer in int4 (nf4 with its scales) and int8.
_QUANTIZED = {"int4": 0.53, "int8": 1.03}
# CUDA's own, and what the allocator loses.
_CONTEXT_GB, _LOSS = 0.6, 1.1


class Shape(msgspec.Struct, frozen=True):
    """What the `config.json` of a Llama says, by its names; None for what transformers takes where it is silent."""

    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    vocab_size: int
    num_key_value_heads: int | None = None
    head_dim: int | None = None
    tie_word_embeddings: bool = False

    @property
    def linear(self) -> dict[str, tuple[int, int]]:
        """Input and output width of each linear layer of a decoder layer, by its name in `target_modules`."""
        hidden, mlp, heads = self.hidden_size, self.intermediate_size, self.num_attention_heads
        width = self.head_dim or hidden // heads
        queries, keys = heads * width, (self.num_key_value_heads or heads) * width
        return {
            "q_proj": (hidden, queries), "k_proj": (hidden, keys), "v_proj": (hidden, keys),
            "o_proj": (queries, hidden),
            "gate_proj": (hidden, mlp), "up_proj": (hidden, mlp), "down_proj": (mlp, hidden),
        }  # fmt: skip

    @property
    def linear_parameters(self) -> int:
        """Parameters of the decoder's linear layers: what LoRA adapts and int4 shrinks."""
        return self.num_hidden_layers * sum(rows * columns for rows, columns in self.linear.values())

    @property
    def parameters(self) -> int:
        """All parameters: linear layers, embeddings and the norms (two a layer and a last one)."""
        embeddings = self.vocab_size * (1 if self.tie_word_embeddings else 2)
        return self.linear_parameters + (embeddings + 2 * self.num_hidden_layers + 1) * self.hidden_size

    def adapter_parameters(self, rank: int, modules: str | None) -> int:
        """LoRA's parameters: an A (input x rank) and a B (rank x output) beside each adapted layer.

        Args:
            rank: `lora_r`.
            modules: `target_modules`: `all-linear`, names with commas, or None for peft's own choice (q and v).
        """
        adapted = list(self.linear) if modules == "all-linear" else (modules or "q_proj,v_proj").split(",")
        # `29.mlp.up_proj` is of one layer, `up_proj` of every one.
        single = Counter(name.rpartition(".")[2] for name in adapted)
        layers = {name: self.num_hidden_layers if name in adapted else single[name] for name in self.linear}
        return rank * sum(layers[name] * sum(widths) for name, widths in self.linear.items())


# From the config.json of each base on the Hub.
_KNOWN = {
    "HuggingFaceTB/SmolLM2-135M-Instruct": Shape(576, 1536, 30, 9, 49152, 3, 64, True),
    "HuggingFaceTB/SmolLM2-360M-Instruct": Shape(960, 2560, 32, 15, 49152, 5, 64, True),
    "meta-llama/Llama-3.2-1B-Instruct": Shape(2048, 8192, 16, 32, 128256, 8, 64, True),
    "meta-llama/Llama-3.2-3B-Instruct": Shape(3072, 8192, 28, 24, 128256, 8, 128, True),
    "meta-llama/Llama-3.1-8B-Instruct": Shape(4096, 14336, 32, 32, 128256, 8, 128, False),
}


def shape_of(base: str, *, online: bool = False) -> Shape:
    """The shape of a base: a local folder, one of the shipped recipes' bases, or from the Hub.

    Args:
        base: A folder or a Hub id.
        online: Fetch `config.json` of a base that is not known.

    Raises:
        InputError: It cannot be known.
    """
    path = Path(base) / "config.json"
    if base in _KNOWN and not path.is_file():
        return _KNOWN[base]
    try:
        if online and not path.is_file():
            from huggingface_hub import hf_hub_download

            path = Path(hf_hub_download(base, "config.json"))
        return msgspec.json.decode(path.read_bytes(), type=Shape)
    except Exception:  # the Hub's clients have no common class of errors
        hint = "Name a folder with its config.json, or go online."
        raise InputError(f"The shape of the base {base} is not known.", hint=hint) from None


def in_half_precision(recipe: Recipe, engine: str) -> bool:
    """Whether a training computes in fp16 or bf16, not in float32."""
    return engine == "trl" or recipe.params.mixed_precision is not None or recipe.params.quantization is not None


def memory_gb(recipe: Recipe, shape: Shape, engine: str) -> float:
    """Memory of one device, in 10^9 bytes.

    AutoTrain keeps an unquantized base in float32 whatever `mixed_precision` says; under int4 and int8 peft turns what
    is not quantized into float32. The logits of a Llama's 128 k tokens weigh more than its small bases: in half
    precision, in float32, shifted, and their gradient.
    """
    params, linear = recipe.params, shape.linear_parameters
    weights = shape.parameters * (2.0 if engine == "trl" else 4.0)
    if params.quantization:
        weights = linear * _QUANTIZED[params.quantization] + (shape.parameters - linear) * 4
    # Weights, gradients and Adam's two moments, in float32.
    adapter = shape.adapter_parameters(params.lora_r, params.target_modules) * 16
    tokens, number = params.batch_size * params.tokens_a_row, 2 if in_half_precision(recipe, engine) else 4
    hidden, layers = shape.hidden_size, shape.num_hidden_layers
    logits = tokens * shape.vocab_size * (14 if number == 2 else 12)
    layer = tokens * ((9 * hidden + 4 * shape.intermediate_size) * number + 8 * hidden)
    kept = tokens * hidden * number
    activations = layer * layers if params.disable_gradient_checkpointing else layer + kept * layers
    return _CONTEXT_GB + _LOSS * (weights + adapter + logits + activations) / 1e9
