"""What a base is made into, and what it makes, before it is trained: a tiny Llama, and general rows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from amazon_titles import conversations, tiny_llama
from amazon_titles.catalog import Product
from amazon_titles.evaluation import asks_same
from amazon_titles.model import make_general_rows
from amazon_titles.model.loading import load_local
from amazon_titles.recipes import Recipe
from amazon_titles.templates import get_template
from amazon_titles.training import Base
from amazon_titles.training.rows import count_tokens
from amazon_titles.training.speed import accelerator, computes_in_bf16, tokens_per_second

_PRETRAINING_STEPS = 600

GENERAL = 112
"""General rows where nobody says how many, as the quickstart has them: the README's table says what they keep."""


def write_general_rows(base: Base, count: int = GENERAL, *, seed: int = 42) -> list[conversations.GeneralRow]:
    """Lets a base write the rows that keep what it knows, clear of every question that the evaluation asks.

    Args:
        base: From `find_base`.
        count: Rows wanted.
        seed: Of what is drawn.
    """
    model = load_local(base.folder, dtype="bfloat16" if computes_in_bf16() else None)
    return make_general_rows(model, count, seed=seed, skip=asks_same)


def make_base(folder: Path, products: Sequence[Product], *, seed: int = 42) -> tuple[Base, str]:
    """Makes a tiny `LlamaForCausalLM` with its tokenizer and pretrains it, so that "before" is a language model.

    Args:
        folder: To write it to.
        products: What it reads about, in conversations as an Instruct model knows them; none that it is to be
            trained on later.
        seed: Of the weights and of the order.

    Returns:
        The base, and what came of it in words: its parameters and the last loss, in nats a token.
    """
    folder.mkdir(parents=True, exist_ok=True)
    texts = []
    for number, product in enumerate(products):
        question = conversations.question(product.title, language=("en", "pt")[number % 2], phrasing=number // 2)
        messages = [{"role": "user", "content": question}, {"role": "assistant", "content": product.content}]
        texts.append(get_template("llama3").training_text(messages))
    tiny_llama.write_tokenizer(folder, texts)
    model = tiny_llama.write_model(folder, vocab_size=tiny_llama.vocabulary_size(folder), seed=seed)
    loss = tiny_llama.pretrain(model, folder, texts, steps=_PRETRAINING_STEPS, batch_size=4, seed=seed)
    millions = sum(parameter.numel() for parameter in model.parameters()) / 1e6
    unseen = f"{len(products)} products that the fine-tuning never sees"
    base = Base(str(folder), folder, "a tiny Llama that the quickstart made", "llama3", publishable=False)
    return base, f"{millions:.1f} M parameters, {unseen}, loss {loss:.2f}"


def expected(recipe: Recipe, base: Base) -> str:
    """What the training will take, by two steps on this machine."""
    tokens = count_tokens(recipe, recipe.data_path, base.folder)["tokens"] or 0  # of all epochs
    speed = tokens_per_second(base.folder, recipe.params)
    where = f"{(accelerator() or 'cpu').upper()} in {recipe.params.mixed_precision or 'float32'}"
    return (
        f"  {tokens:,.0f} tokens at {speed:,.0f} a second, as a few steps on the {where} took just now: "
        f"about {tokens / speed / 60:.0f} min"
    )
