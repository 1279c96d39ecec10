"""A Llama's shape, and what follows from it: parameters, the adapter's parameters, and the work a token is."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from amazon_titles.io import read_object


class Shape(NamedTuple):
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

    @property
    def linear(self) -> dict[str, tuple[int, int]]:
        """Input and output width of each linear layer of a decoder layer, by its name in `target_modules`."""
        hidden, queries, keys = self.hidden, self.heads * self.head_dim, self.kv_heads * self.head_dim
        return {
            "q_proj": (hidden, queries), "k_proj": (hidden, keys), "v_proj": (hidden, keys),
            "o_proj": (queries, hidden), "gate_proj": (hidden, self.intermediate),
            "up_proj": (hidden, self.intermediate), "down_proj": (self.intermediate, hidden),
        }  # fmt: skip

    @property
    def linear_parameters(self) -> int:
        """Parameters of the decoder's linear layers: what LoRA adapts and int4 shrinks."""
        return self.layers * sum(rows * columns for rows, columns in self.linear.values())

    @property
    def parameters(self) -> int:
        """All parameters: linear layers, embeddings and the norms (two a layer and a last one)."""
        embeddings = self.vocab * self.hidden * (1 if self.tied else 2)
        return self.linear_parameters + embeddings + (2 * self.layers + 1) * self.hidden

    def adapter_parameters(self, rank: int, modules: str | None) -> int:
        """LoRA's parameters: an A (input x rank) and a B (rank x output) beside each adapted layer.

        Args:
            rank: `lora_r`.
            modules: `target_modules`: `all-linear`, names with commas, or None for peft's own choice (q and v).
        """
        adapted = list(self.linear) if modules == "all-linear" else (modules or "q_proj,v_proj").split(",")
        # `29.mlp.up_proj` is of one layer, `up_proj` of every one.
        layers = {
            name: self.layers if name in adapted else sum(p.endswith(f".{name}") for p in adapted)
            for name in self.linear
        }
        return sum(layers[name] * rank * sum(widths) for name, widths in self.linear.items())

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
    path = Path(base) / "config.json"
    if base not in _KNOWN and online and not path.is_file():
        from huggingface_hub import hf_hub_download

        with suppress(Exception):  # the Hub's clients have no common class of errors
            path = Path(hf_hub_download(base, "config.json"))
    config = read_object(path)
    try:
        names = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "vocab_size")
        hidden, intermediate, layers, heads, vocab = (int(config[name]) for name in names)
        kv_heads, head_dim = (int(config.get(name) or 0) for name in ("num_key_value_heads", "head_dim"))
    except (KeyError, TypeError, ValueError):
        return _KNOWN.get(base)
    tied = bool(config.get("tie_word_embeddings", False))
    return Shape(hidden, intermediate, layers, heads, kv_heads or heads, head_dim or hidden // heads, vocab, tied)
