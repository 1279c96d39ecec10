"""A base: what AutoTrain's stack reads wrongly in its files, or not at all.

Only files are read; torch and transformers are never imported.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from amazon_titles.io import is_local, read_object
from amazon_titles.recipes.path_checks import is_missing
from amazon_titles.recipes.problems import LintContext, Problem
from amazon_titles.templates import template_of_config

BASE_FILES = ("config.json", "tokenizer_config.json", "tokenizer.json", "chat_template.jinja")
"""What the rules of this file read."""


def base(context: LintContext) -> Iterator[Problem]:
    """A base folder that AutoTrain's stack reads wrongly or not at all, or of another family than the text."""
    name = context.text("base_model")
    if name and is_local(name):
        return base_problems(context, Path(name))
    missing = name and is_missing(context, name)
    reason = f"names {name}, and no such folder is here."
    return context.found(("error", "base_model", missing, reason, "Write a Hub id or a folder."))


def base_problems(context: LintContext, folder: Path) -> Iterator[Problem]:
    """What is wrong with a base's files (`BASE_FILES`), wherever they come from."""
    config, tokenizer = read_object(folder / "config.json"), read_object(folder / "tokenizer_config.json")
    eos, pad = _special(tokenizer, "eos_token"), _special(tokenizer, "pad_token")
    template = template_of_config(context.text("data.train_split").partition(":")[0]) if tokenizer else None
    name, end = (template.name, template.end) if template else ("", "")
    can_talk = tokenizer.get("chat_template") or (folder / "chat_template.jinja").exists()
    if context.engine == "autotrain":
        yield from _read_wrongly(context, folder, config, tokenizer)
    yield from context.found(
        ("error", "base_model", config.get("auto_map") or tokenizer.get("auto_map"),
         "brings code of its own, and AutoTrain runs it unless ALLOW_REMOTE_CODE=false.",
         "Take a base whose code is in transformers."),
        ("warning", "base_model", config and config.get("model_type") != "llama",
         f"is a {config.get('model_type')}, which nobody tested here.", "Take a Llama."),
        ("error", "base_model", template and eos != end,
         f"has the EOS {eos}, but text-{name} ends a turn with {end}: packing appends the EOS.",
         "Take the instruct model of that family, or the text that fits the base."),
        ("warning", "base_model",
         template and pad in (None, eos) and not context.run_here and context.engine == "autotrain",
         f"has no pad token but {eos}: plain AutoTrain leaves every padding token out of its loss, so it trains no end "
         "of a turn.", "Set another pad_token in its tokenizer_config.json; amazon-titles train does so by itself."),
        ("warning", "base_model", template and not can_talk,
         "has no chat template: before the training it cannot be asked as it will be asked after it.",
         "Take an instruct model."),
    )  # fmt: skip


def _read_wrongly(
    context: LintContext, folder: Path, config: Mapping[str, Any], tokenizer: Mapping[str, Any]
) -> Iterator[Problem]:
    """What AutoTrain's stack alone reads wrongly; today's TRL does not."""
    longest, block = tokenizer.get("model_max_length"), context.number("params.block_size")
    tokens, embeddings = _count_tokens(folder), config.get("vocab_size")
    return context.found(
        ("error", "base_model", config.get("rope_parameters") and "rope_theta" not in config,
         "was saved by transformers 5; AutoTrain's 4.48 would silently take another rope_theta.",
         "Add rope_theta and rope_scaling to its config.json."),
        ("error", "base_model", tokenizer.get("tokenizer_class") == "TokenizersBackend",
         "has a tokenizer that transformers 5 saved, and AutoTrain's 4.48 cannot load.",
         "Copy the original tokenizer files over it."),
        # AutoTrain raises nothing up to 2048 to model_max_length.
        ("error", "params.block_size", isinstance(longest, int) and longest <= 2048 and longest < block,
         f"is {block:g}, which AutoTrain silently cuts to the base's own model_max_length, {longest}.",
         f"Write {longest}."),
        # resize_token_embeddings(len(tokenizer)); peft then saves what was resized, beside the LoRA.
        ("error", "base_model", tokens and isinstance(embeddings, int) and embeddings != tokens,
         f"has {embeddings} embeddings and {tokens} tokens: AutoTrain cuts them to the tokens, and the adapter then "
         "fits no base.", "Take a base where both are the same, or resize and save it first."),
    )  # fmt: skip


def _count_tokens(folder: Path) -> int:
    """How many tokens the tokenizer has, added ones included; 0 where tokenizer.json does not say."""
    whole = read_object(folder / "tokenizer.json")
    model, added = whole.get("model"), whole.get("added_tokens")
    vocab = model.get("vocab") if isinstance(model, dict) else None
    if not isinstance(vocab, dict) or not isinstance(added, list):
        return 0
    return len(vocab.keys() | {token.get("content") for token in added if isinstance(token, dict)})


def _special(tokenizer: Mapping[str, Any], name: str) -> Any:  # noqa: ANN401 - whatever JSON holds
    token = tokenizer.get(name)
    return token.get("content") if isinstance(token, dict) else token
