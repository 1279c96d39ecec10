"""AutoTrain's traps that a recipe alone shows: it would fail, or train on something else than what was meant.

Each was seen in the source of AutoTrain 0.8.36 and its pins, or in a run of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from amazon_titles.recipes.path_checks import is_local_path
from amazon_titles.recipes.problems import LintContext, Problem, Rule
from amazon_titles.templates import template_of_config

# Families by the names of their repos. Llama 2 and other ChatML dialects are not among our templates.
_FAMILIES = (("llama3", re.compile(r"llama-?3", re.IGNORECASE)), ("chatml", re.compile(r"smollm2", re.IGNORECASE)))
_INSTRUCT = re.compile(r"instruct|-it\b|chat", re.IGNORECASE)
# Llama's linear layers, which peft's `all-linear` finds without the output head.
_LINEAR = frozenset({"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"})


def task(sheet: LintContext) -> Iterator[Problem]:
    """Only `llm-sft` packs and templates the way the rendered text wants."""
    if sheet.text("task") and sheet.text("task") != "llm-sft":
        reason = "is not supervised fine-tuning" + (
            ": `llm` means AutoTrain's generic trainer." if sheet.text("task") == "llm" else "."
        )
        yield sheet.problem("task", reason, "Write llm-sft.")
    if sheet.given("params.trainer") and sheet.text("params.trainer") != "sft":
        yield sheet.problem("params.trainer", "overrides the task's trainer.", "Take it out; `task: llm-sft` says it.")


def validation(sheet: LintContext) -> Iterator[Problem]:
    """`process_data_with_chat_template` throws the validation rows away; whatever uses them then crashes."""
    if sheet.text("data.valid_split"):
        yield sheet.problem(
            "data.valid_split",
            "makes AutoTrain crash: it sets the validation rows to None before it uses them.",
            "Write null; amazon-titles evaluate measures on the validation split, "
            "and amazon_titles.valid_split serves the trl engine.",
        )


def tokens(sheet: LintContext) -> Iterator[Problem]:
    """BOS and end-of-turn stand twice with a chat template; rendered text comes out right."""
    chat, split, column = sheet.text("data.chat_template"), sheet.text("data.train_split"), _column(sheet)
    config, colon, _ = split.partition(":")
    rendered = template_of_config(config) if colon else None
    if split.count(":") > 1:
        yield sheet.problem("data.train_split", "holds more than one colon.", "Write CONFIG:SPLIT.")
    if chat and chat != "none":
        clock = " Llama 3's later templates also write today's date into every row." if chat == "tokenizer" else ""
        yield sheet.problem(
            "data.chat_template",
            f"is {chat}: AutoTrain renders with BOS and end-of-turn, and then adds both once more.{clock}",
            "Write null, and train on rendered text: train_split text-llama3:train, text_column text.",
        )
    elif column == "messages" or (colon and config == "chat"):
        key = "data.column_mapping.text_column" if column == "messages" else "data.train_split"
        yield sheet.problem(
            key,
            "names chat messages, but with chat_template null the column is taken as text.",
            "Train on rendered text: train_split text-llama3:train, text_column text.",
        )
    elif split and rendered is None:
        yield sheet.problem(
            "data.train_split",
            "names no rendered config, so nobody knows what stands around a turn in that text.",
            "Train on text-llama3:train or text-chatml:train of a dataset that amazon-titles built.",
            "warning",
        )


def _column(sheet: LintContext) -> str:
    return sheet.text("data.column_mapping.text_column") or "text"


def family(sheet: LintContext) -> Iterator[Problem]:
    """The text must be rendered for the base's own special tokens, and end with its own EOS."""
    base, split = sheet.text("base_model"), sheet.text("data.train_split")
    if is_local_path(base):
        return  # its tokenizer can be read: surroundings.py
    own = next((name for name, pattern in _FAMILIES if pattern.search(base)), None)
    config = split.partition(":")[0]
    rendered = template_of_config(config)
    if own and rendered and rendered.name != own:
        yield sheet.problem(
            "data.train_split",
            f"is rendered for another family: {base} writes {own}.",
            f"Build the dataset with --render {own}, and write text-{own}:{split.rpartition(':')[2]}.",
        )
    if own and not _INSTRUCT.search(base):
        yield sheet.problem(
            "base_model",
            "has no chat template, and its EOS is not the end of a turn; packing would append the wrong token.",
            f"Take the instruct model: {base}-Instruct.",
        )


def silent_defaults(sheet: LintContext) -> Iterator[Problem]:
    """Where AutoTrain's default is not what anybody means, silence is a choice nobody made."""
    if sheet.get("params.peft") is False:
        said = "is false" if sheet.given("params.peft") else "is missing, and AutoTrain's default is false"
        yield sheet.problem(
            "params.peft", f"{said}: the whole model is trained, and no adapter is left.", "Write true."
        )
    elif not sheet.given("params.quantization"):
        yield sheet.problem(
            "params.quantization",
            "is missing, and AutoTrain's default is int4, which needs CUDA and bitsandbytes.",
            "Write null, int4 or int8.",
        )
    block = sheet.get("params.block_size")
    if block == -1:
        yield sheet.problem(
            "params.block_size",
            "is -1 or missing: AutoTrain packs up to the tokenizer's maximum, at most 1024 tokens.",
            "Write the number of tokens, such as 1024.",
            "warning",
        )
    if not sheet.given("params.disable_gradient_checkpointing"):
        yield sheet.problem(
            "params.disable_gradient_checkpointing",
            "is missing, so gradient checkpointing is on: less memory for a third more time.",
            "Write false to keep it on, or true to turn it off.",
            "warning",
        )


def training(sheet: LintContext) -> Iterator[Problem]:
    """Settings that do something else than they say."""
    if sheet.get("params.merge_adapter"):
        yield sheet.problem(
            "params.merge_adapter",
            "makes AutoTrain merge the adapter and then delete its files.",
            "Write false; amazon-titles merge makes the merged model afterwards.",
        )
    block, longest = sheet.number("params.block_size"), sheet.number("params.model_max_length")
    if sheet.engine == "autotrain" and block and longest and block > longest:
        yield sheet.problem(
            "params.block_size",
            f"is {block:g}, which AutoTrain silently cuts to model_max_length, {longest:g}.",
            f"Set params.model_max_length to {block:g} too.",
        )
    both = sheet.get("params.quantization") == "int4" and sheet.get("params.mixed_precision") == "bf16"
    if both and sheet.engine == "autotrain":
        yield sheet.problem(
            "params.mixed_precision",
            "is bf16, but under int4 AutoTrain computes in float16 and trl keeps the adapter in bfloat16, "
            "which loses small updates.",
            "Write fp16.",
            "warning",
        )
    if sheet.engine == "autotrain" and (sheet.number("params.seed") or 42) != 42:
        yield sheet.problem(
            "params.seed",
            "does nothing: AutoTrain does not pass it on.",
            "Take it out; the trl engine obeys it.",
            "warning",
        )
    rate = sheet.number("params.lr")
    if rate is not None and rate < 5e-5 and sheet.get("params.peft"):
        yield sheet.problem(
            "params.lr",
            f"is {rate:g}: LoRA wants about ten times the rate of full fine-tuning (LoRA Without Regret, 2025).",
            "Write 1.0e-4 to 5.0e-4, and more for a tiny base.",
            "warning",
        )


def modules(sheet: LintContext) -> Iterator[Problem]:
    """`target_modules` is split at commas and nothing is stripped."""
    targets = sheet.get("params.target_modules")
    if targets is None or (isinstance(targets, str) and not targets.strip()):
        if sheet.given("params.target_modules"):
            yield sheet.problem(
                "params.target_modules",
                "is empty, so peft adapts two of seven linear layers only.",
                "Write all-linear: attention alone learns less (LoRA Without Regret, 2025).",
                "warning",
            )
    elif isinstance(targets, str) and targets != "all-linear":
        parts = targets.split(",")
        if any(part != part.strip() for part in parts):
            yield sheet.problem(
                "params.target_modules",
                "holds spaces, which AutoTrain takes as part of the names.",
                f"Write {','.join(part.strip() for part in parts)}.",
            )
        # peft takes the end of a module's name, so that `29.mlp.up_proj` is that of one layer.
        odd = sorted(part for part in {part.strip() for part in parts} if part.rpartition(".")[2] not in _LINEAR)
        if odd:
            yield sheet.problem(
                "params.target_modules",
                f"names {', '.join(odd)}, which a Llama does not have.",
                f"Choose of {', '.join(sorted(_LINEAR))}, or all-linear.",
            )


def packages(sheet: LintContext) -> Iterator[Problem]:
    """What AutoTrain does not install."""
    if sheet.engine != "autotrain":
        return
    if sheet.get("params.unsloth"):
        yield sheet.problem(
            "params.unsloth", "is ignored silently where unsloth is not installed.", "Write false.", "warning"
        )
    if sheet.get("params.use_flash_attention_2"):
        yield sheet.problem(
            "params.use_flash_attention_2",
            "needs the package flash-attn, which AutoTrain does not install.",
            "Write false: torch's own attention is used.",
            "warning",
        )
    if sheet.get("params.distributed_backend") == "deepspeed":
        yield sheet.problem(
            "params.distributed_backend", "needs the package deepspeed, which AutoTrain does not install.",
            "Write ddp or null.", "warning",
        )  # fmt: skip
    if sheet.text("log") == "wandb":
        yield sheet.problem(
            "log", "needs the package wandb and an account.", "Write tensorboard, or install wandb there.", "warning"
        )


TRAPS: tuple[Rule, ...] = (task, validation, tokens, family, silent_defaults, training, modules, packages)
"""Every rule of this file."""
