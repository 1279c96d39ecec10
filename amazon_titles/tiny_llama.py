"""A tiny Llama made on the spot: real files of a real architecture, for the quickstart and for tests.

The folder reads the same in transformers 4.48 (AutoTrain's) and in 5.x: the tokenizer's files are written by hand in
the form that both know (one saved by transformers 5 fails in 4.48 with "Tokenizer class TokenizersBackend does not
exist"), and the config names the rope settings in both spellings (4.48 does not know `rope_parameters` and would
silently use other ones).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from amazon_titles.io import read_object, to_json
from amazon_titles.progress import bar

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import LlamaForCausalLM

BOS, EOS, EOT = "<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>"
HEADER, END_HEADER = "<|start_header_id|>", "<|end_header_id|>"
SPECIAL_TOKENS = (BOS, EOS, HEADER, END_HEADER, EOT, "<|finetune_right_pad_id|>")
"""Llama 3's special tokens, as far as a conversation needs them."""

# A clock in the system block, as in Llama 3.2's own template: the trap that this library's templates avoid.
DATED_CHAT_TEMPLATE = (
    "{{- bos_token }}{{- '<|start_header_id|>system<|end_header_id|>\\n\\nToday Date: ' }}"
    "{{- strftime_now('%d %b %Y') + '\\n\\n<|eot_id|>' }}"
    "{%- for message in messages %}{{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'"
    " + message['content'] | trim + '<|eot_id|>' }}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{%- endif %}"
)

_ROPE_THETA = 10000.0
_MAX_LENGTH = 2048
# For pretraining: tokens a block, and the peak of a one-cycle schedule, which suits about two million parameters.
_BLOCK, _RATE = 256, 3e-3


def byte_level(model: Any) -> Tokenizer:  # noqa: ANN401 - tokenizers has no type for its models
    """A tokenizer that reads bytes, with digits alone, as Llama 3's and SmolLM2's do.

    Args:
        model: One of `tokenizers.models`.
    """
    from tokenizers import Tokenizer, decoders, pre_tokenizers

    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def write_tokenizer(folder: Path, texts: Sequence[str], *, vocab_size: int = 1500) -> None:
    """Trains a byte-level BPE tokenizer on `texts` and writes its files, with Llama 3's special tokens and BOS rule."""
    from tokenizers import models, pre_tokenizers, processors, trainers

    tokenizer = byte_level(models.BPE())
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size, special_tokens=list(SPECIAL_TOKENS), show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
    )  # fmt: skip
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A", pair=f"{BOS} $A {BOS} $B", special_tokens=[(BOS, tokenizer.token_to_id(BOS))]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    named = {"bos_token": BOS, "eos_token": EOT, "pad_token": SPECIAL_TOKENS[-1]}
    config = {
        **named, "tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": _MAX_LENGTH,
        # Without it 4.48 makes token_type_ids too, which `generate` refuses.
        "model_input_names": ["input_ids", "attention_mask"],
        "clean_up_tokenization_spaces": False, "chat_template": DATED_CHAT_TEMPLATE,
    }  # fmt: skip
    (folder / "special_tokens_map.json").write_text(to_json(named), encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(to_json(config), encoding="utf-8")


def write_model(
    folder: Path, *, vocab_size: int, hidden_size: int = 192, layers: int = 4, heads: int = 6, seed: int = 42
) -> LlamaForCausalLM:
    """Makes a `LlamaForCausalLM` with random weights, writes it to `folder` and returns it (float32, on the CPU).

    Args:
        folder: Holds the tokenizer's files already.
        vocab_size: The tokenizer's, special tokens included.
        hidden_size: Width of the residual stream; the MLP is 8/3 of it, as in Llama.
        layers: Decoder layers.
        heads: Attention heads; a third of them are key/value heads.
        seed: Decides the weights.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=vocab_size, hidden_size=hidden_size, intermediate_size=hidden_size * 8 // 3,
        num_hidden_layers=layers, num_attention_heads=heads, num_key_value_heads=max(1, heads // 3),
        max_position_embeddings=_MAX_LENGTH, tie_word_embeddings=True, initializer_range=hidden_size**-0.5,
        bos_token_id=SPECIAL_TOKENS.index(BOS), eos_token_id=SPECIAL_TOKENS.index(EOT),
        pad_token_id=len(SPECIAL_TOKENS) - 1,
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    save_model(model, folder)
    return model


def save_model(model: LlamaForCausalLM, folder: Path) -> None:
    """Saves weights and a config that both generations of transformers read alike."""
    model.save_pretrained(folder)
    rope = {"rope_theta": _ROPE_THETA, "rope_parameters": {"rope_theta": _ROPE_THETA, "rope_type": "default"}}
    config = read_object(folder / "config.json") | rope | {"torch_dtype": "float32"}
    (folder / "config.json").write_text(to_json(config), encoding="utf-8")


def _tokenizer(folder: Path) -> Tokenizer:
    from tokenizers import Tokenizer

    return Tokenizer.from_file(str(folder / "tokenizer.json"))


def vocabulary_size(folder: Path) -> int:
    """Tokens of the tokenizer in `folder`, special ones included."""
    return int(_tokenizer(folder).get_vocab_size())


def pretrain(
    model: LlamaForCausalLM, folder: Path, texts: Sequence[str], *, steps: int, batch_size: int = 16, seed: int = 42
) -> float:
    """Trains `model` on `texts` as a language model (next token, packed blocks) and saves it to `folder`.

    Args:
        model: Changed in place.
        folder: Holds the tokenizer; receives the weights.
        texts: Each becomes BOS, its tokens and end-of-turn.
        steps: Optimiser steps of `batch_size` blocks, each of 256 tokens.
        batch_size: Blocks a step.
        seed: Decides the order of the blocks.

    Returns:
        The mean loss of the last tenth of the steps, in nats a token.
    """
    import torch

    tokenizer = _tokenizer(folder)
    eot = tokenizer.token_to_id(EOT)
    ids = [token for encoding in tokenizer.encode_batch(list(texts)) for token in (*encoding.ids, eot)]
    ids *= -(-_BLOCK // max(1, len(ids)))  # a very small corpus still fills one block
    blocks = torch.tensor(ids[: len(ids) // _BLOCK * _BLOCK]).view(-1, _BLOCK)
    generator = torch.Generator().manual_seed(seed)
    passes = [torch.randperm(len(blocks), generator=generator) for _ in range(-(-steps * batch_size // len(blocks)))]
    optimizer = torch.optim.AdamW(model.parameters(), lr=_RATE, betas=(0.9, 0.95), weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, total_steps=steps, pct_start=0.1)
    model.train()
    losses: list[float] = []
    with bar("pretraining", steps, unit="steps", tokens=batch_size * _BLOCK) as advance:
        for chosen in torch.cat(passes)[: steps * batch_size].view(steps, batch_size):
            loss = model(input_ids=blocks[chosen], labels=blocks[chosen], use_cache=False).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad(set_to_none=True)
            losses.append(float(loss.detach()))
            advance(note=f"loss {losses[-1]:.2f}")
    save_model(model.eval(), folder)
    tail = losses[-max(1, steps // 10) :]
    return sum(tail) / len(tail)
