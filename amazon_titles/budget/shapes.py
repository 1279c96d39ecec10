"""A Llama's shape, and what follows from it: parameters, the adapter's parameters, and the work a token is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Values of `target_modules` by the linear layer's input and output, as attributes below.
_MODULES = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


@dataclass(frozen=True, slots=True)
class Shape:
    """What `config.json` of a Llama says.

    Attributes:
        hidden: Width of the residual stream.
        intermediate: Width of the MLP.
        layers: Decoder layers.
        heads: Query heads.
        kv_heads: Key and value heads.
        head_dim: Width of a head.
        vocab: Tokens in the vocabulary.
        tied: Whether the output head is the embedding.
    """

    hidden: int
    intermediate: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    vocab: int
    tied: bool

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Shape:
        """The shape of a `config.json`.

        Raises:
            KeyError: It is not a Llama's.
        """
        hidden, heads = int(config["hidden_size"]), int(config["num_attention_heads"])
        return cls(
            hidden=hidden,
            intermediate=int(config["intermediate_size"]),
            layers=int(config["num_hidden_layers"]),
            heads=heads,
            kv_heads=int(config.get("num_key_value_heads") or heads),
            head_dim=int(config.get("head_dim") or hidden // heads),
            vocab=int(config["vocab_size"]),
            tied=bool(config.get("tie_word_embeddings", False)),
        )

    def linear(self, module: str) -> tuple[int, int]:
        """Input and output width of a linear layer."""
        queries, keys = self.heads * self.head_dim, self.kv_heads * self.head_dim
        return {
            "q_proj": (self.hidden, queries),
            "k_proj": (self.hidden, keys),
            "v_proj": (self.hidden, keys),
            "o_proj": (queries, self.hidden),
            "gate_proj": (self.hidden, self.intermediate),
            "up_proj": (self.hidden, self.intermediate),
            "down_proj": (self.intermediate, self.hidden),
        }[module]

    @property
    def linear_parameters(self) -> int:
        """Parameters of the decoder's linear layers: what LoRA adapts and int4 shrinks."""
        return self.layers * sum(rows * columns for rows, columns in map(self.linear, _MODULES))

    @property
    def embedding_parameters(self) -> int:
        """Parameters of the embedding and, where it is not tied, of the output head."""
        return self.vocab * self.hidden * (1 if self.tied else 2)

    @property
    def parameters(self) -> int:
        """All parameters: linear layers, embeddings and the norms (two a layer and a last one)."""
        return self.linear_parameters + self.embedding_parameters + (2 * self.layers + 1) * self.hidden

    def adapter_parameters(self, rank: int, modules: str | None) -> int:
        """LoRA's parameters: an A (input x rank) and a B (rank x output) beside each adapted layer.

        Args:
            rank: `lora_r`.
            modules: `target_modules`: `all-linear`, names with commas, or None for peft's own choice (q and v).
        """
        if modules == "all-linear":
            modules = ",".join(_MODULES)
        adapted = (modules or "q_proj,v_proj").split(",")
        # `29.mlp.up_proj` is of one layer, `up_proj` of every one.
        layers = {
            name: self.layers if name in adapted else sum(p.endswith(f".{name}") for p in adapted) for name in _MODULES
        }
        return sum(layers[name] * rank * sum(self.linear(name)) for name in _MODULES)

    def work(self, block_size: int, *, checkpointing: bool) -> float:
        """Floating-point operations to train LoRA on one token of a packed row.

        Forward is 2 a parameter, backward through frozen weights 2 more (their own gradients are not needed; the
        adapter's are left out, they are under 2 %), and gradient checkpointing runs forward once more. Attention over
        half the row (it is causal) comes on top; there both factors need a gradient.
        """
        matrix = 2.0 * (self.linear_parameters + self.vocab * self.hidden)
        attention = 2.0 * self.layers * block_size * self.heads * self.head_dim
        again = 1 if checkpointing else 0
        return matrix * (2 + again) + attention * (3 + again)


# From the config.json of each base on the Hub.
_KNOWN = {
    "HuggingFaceTB/SmolLM2-135M-Instruct": Shape(576, 1536, 30, 9, 3, 64, 49152, True),
    "HuggingFaceTB/SmolLM2-360M-Instruct": Shape(960, 2560, 32, 15, 5, 64, 49152, True),
    "meta-llama/Llama-3.2-1B-Instruct": Shape(2048, 8192, 16, 32, 8, 64, 128256, True),
    "meta-llama/Llama-3.2-3B-Instruct": Shape(3072, 8192, 28, 24, 8, 128, 128256, True),
    "meta-llama/Llama-3.1-8B-Instruct": Shape(4096, 14336, 32, 32, 8, 128, 128256, False),
}


def shape_of(base: str, *, online: bool = False) -> Shape | None:
    """The shape of a base: a local folder, one of the shipped recipes' bases, or from the Hub.

    Args:
        base: A folder or a Hub id.
        online: Fetch `config.json` of a base that is not known.

    Returns:
        None where it cannot be known.
    """
    if base in _KNOWN:
        return _KNOWN[base]
    path = Path(base) / "config.json"
    if online and not path.is_file():
        path = _downloaded(base) or path
    try:
        return Shape.from_config(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _downloaded(base: str) -> Path | None:
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(base, "config.json"))
    except Exception:  # the Hub's clients have no common class of errors; the caller says that the shape is not known
        return None
