"""A base: what AutoTrain's stack reads wrongly in its files, or not at all.

Only files are read; torch and transformers are never imported.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from amazon_titles.recipes.path_checks import is_missing
from amazon_titles.recipes.problems import LintContext, Problem
from amazon_titles.templates import ChatTemplate, template_of_config


def _json(path: Path) -> Mapping[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


BASE_FILES = ("config.json", "tokenizer_config.json", "tokenizer.json", "chat_template.jinja")
"""What the rules of this file read."""


def base(sheet: LintContext) -> Iterator[Problem]:
    """A base folder that AutoTrain's stack reads wrongly or not at all, or of another family than the text."""
    name = sheet.text("base_model")
    if not name:
        return
    folder = Path(name)
    if not folder.is_dir():
        if is_missing(sheet, name):
            yield sheet.problem(
                "base_model", f"names {name}, and no such folder is here.", "Write a Hub id or a folder."
            )
        return
    yield from base_problems(sheet, folder)


def base_problems(sheet: LintContext, folder: Path) -> Iterator[Problem]:
    """What is wrong with a base's files (`BASE_FILES`), wherever they come from."""
    config, tokenizer = _json(folder / "config.json"), _json(folder / "tokenizer_config.json")
    if sheet.engine == "autotrain":
        yield from _trapped(sheet, folder, config, tokenizer)
    if config.get("auto_map") or tokenizer.get("auto_map"):
        yield sheet.problem(
            "base_model",
            "brings code of its own, and AutoTrain runs it unless ALLOW_REMOTE_CODE=false.",
            "Take a base whose code is in transformers.",
        )
    if config and config.get("model_type") != "llama":
        yield sheet.problem(
            "base_model", f"is a {config.get('model_type')}, which nobody tested here.", "Take a Llama.", "warning"
        )
    template = template_of_config(sheet.text("data.train_split").partition(":")[0])
    if template is not None and tokenizer:
        yield from _speaks(sheet, folder, tokenizer, template)


def _trapped(
    sheet: LintContext, folder: Path, config: Mapping[str, Any], tokenizer: Mapping[str, Any]
) -> Iterator[Problem]:
    """What AutoTrain's stack alone reads wrongly; today's TRL does not."""
    if config.get("rope_parameters") and "rope_theta" not in config:
        yield sheet.problem(
            "base_model",
            "was saved by transformers 5; AutoTrain's 4.48 would silently take another rope_theta.",
            "Add rope_theta and rope_scaling to its config.json.",
        )
    if tokenizer.get("tokenizer_class") == "TokenizersBackend":
        yield sheet.problem(
            "base_model",
            "has a tokenizer that transformers 5 saved, and AutoTrain's 4.48 cannot load.",
            "Copy the original tokenizer files over it.",
        )
    longest, block = tokenizer.get("model_max_length"), sheet.number("params.block_size")
    # AutoTrain raises nothing up to 2048 to model_max_length.
    if isinstance(longest, int) and block and longest <= 2048 and longest < block:
        yield sheet.problem(
            "params.block_size",
            f"is {block:g}, which AutoTrain silently cuts to the base's own model_max_length, {longest}.",
            f"Write {longest}.",
        )
    tokens = _tokens(folder)
    if tokens and isinstance(config.get("vocab_size"), int) and config["vocab_size"] != tokens:
        # resize_token_embeddings(len(tokenizer)); peft then saves what was resized, beside the LoRA.
        yield sheet.problem(
            "base_model",
            f"has {config['vocab_size']} embeddings and {tokens} tokens: AutoTrain cuts them to the tokens, and the "
            "adapter then fits no base.",
            "Take a base where both are the same, or resize and save it first.",
        )


def _tokens(folder: Path) -> int | None:
    """How many tokens the tokenizer has, added ones included; None where tokenizer.json does not say."""
    whole = _json(folder / "tokenizer.json")
    model, added = whole.get("model"), whole.get("added_tokens")
    vocab = model.get("vocab") if isinstance(model, dict) else None
    if not isinstance(vocab, dict) or not isinstance(added, list):
        return None
    return len(vocab.keys() | {token.get("content") for token in added if isinstance(token, dict)})


def _speaks(
    sheet: LintContext, folder: Path, tokenizer: Mapping[str, Any], template: ChatTemplate
) -> Iterator[Problem]:
    eos = tokenizer.get("eos_token")
    eos = eos.get("content") if isinstance(eos, dict) else eos
    if eos != template.end:
        yield sheet.problem(
            "base_model",
            f"has the EOS {eos}, but text-{template.name} ends a turn with {template.end}: packing appends the EOS.",
            "Take the instruct model of that family, or the text that fits the base.",
        )
    pad = tokenizer.get("pad_token")
    pad = pad.get("content") if isinstance(pad, dict) else pad
    if pad in (None, eos) and not sheet.run_here and sheet.engine == "autotrain":
        yield sheet.problem(
            "base_model",
            f"has no pad token but {eos}: plain AutoTrain leaves every padding token out of its loss, so it trains no "
            "end of a turn.",
            "Set another pad_token in its tokenizer_config.json; amazon-titles train does so by itself.",
            "warning",
        )
    if not tokenizer.get("chat_template") and not (folder / "chat_template.jinja").exists():
        yield sheet.problem(
            "base_model",
            "has no chat template: before the training it cannot be asked as it will be asked after it.",
            "Take an instruct model.",
            "warning",
        )
