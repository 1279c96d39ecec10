"""AutoTrain's traps that a recipe alone shows: it would fail, or train on something else than what was meant.

Each was seen in the source of AutoTrain 0.8.36 and its pins, or in a run of it. Here too is what one engine obeys and
the other does not, said where it would otherwise be silence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from amazon_titles.recipes.fields import KEYS
from amazon_titles.recipes.path_checks import is_local_path
from amazon_titles.recipes.problems import LintContext, Problem, Rule
from amazon_titles.templates import template_of_config

# Families by the names of their repos. Llama 2 and other ChatML dialects are not among our templates.
_FAMILIES = (("llama3", re.compile(r"llama-?3", re.IGNORECASE)), ("chatml", re.compile(r"smollm2", re.IGNORECASE)))
_INSTRUCT = re.compile(r"instruct|-it\b|chat", re.IGNORECASE)
# Llama's linear layers, which peft's `all-linear` finds without the output head.
_LINEAR = frozenset({"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"})
# Settings of AutoTrain that mean nothing to the trl engine, and what to do instead.
_AUTOTRAIN_ONLY = {
    "hub.push_to_hub": "Publish what comes out: amazon-titles push-adapter.",
    "params.auto_find_batch_size": "Set batch_size.",
    "params.distributed_backend": "Use: --devices N",
    "params.unsloth": "Write false.",
    "params.use_flash_attention_2": "Write false: torch's own flash attention is used.",
}
_TRL_ONLY = ("valid_split", "checkpoint_dir", "checkpoint_steps", "keep")


def task(context: LintContext) -> Iterator[Problem]:
    """Only `llm-sft` packs and templates the way the rendered text wants, and AutoTrain has no use for validation rows.

    Its `process_data_with_chat_template` throws them away; whatever uses them then crashes.
    """
    task, trainer = context.text("task"), context.text("params.trainer")
    generic = ": `llm` means AutoTrain's generic trainer." if task == "llm" else "."
    return context.found(
        ("error", "task", task not in ("", "llm-sft"), f"is not supervised fine-tuning{generic}", "Write llm-sft."),
        ("error", "params.trainer", context.given("params.trainer") and trainer != "sft",
         "overrides the task's trainer.", "Take it out; `task: llm-sft` says it."),
        ("error", "data.valid_split", context.text("data.valid_split"),
         "makes AutoTrain crash: it sets the validation rows to None before it uses them.",
         "Write null; amazon-titles evaluate measures on the validation split, and amazon_titles.valid_split serves "
         "the trl engine."),
    )  # fmt: skip


def tokens(context: LintContext) -> Iterator[Problem]:
    """BOS and end-of-turn stand twice with a chat template; rendered text comes out right."""
    chat, split = context.text("data.chat_template"), context.text("data.train_split")
    by_column = context.text("data.column_mapping.text_column") == "messages"
    config, colon, _ = split.partition(":")
    templated = chat not in ("", "none")
    messages = not templated and (by_column or bool(colon and config == "chat"))
    clock = " Llama 3's later templates also write today's date into every row." if chat == "tokenizer" else ""
    return context.found(
        ("error", "data.train_split", split.count(":") > 1, "holds more than one colon.", "Write CONFIG:SPLIT."),
        ("error", "data.chat_template", templated,
         f"is {chat}: AutoTrain renders with BOS and end-of-turn, and then adds both once more.{clock}",
         "Write null, and train on rendered text: train_split text-llama3:train, text_column text."),
        ("error", "data.column_mapping.text_column" if by_column else "data.train_split", messages,
         "names chat messages, but with chat_template null the column is taken as text.",
         "Train on rendered text: train_split text-llama3:train, text_column text."),
        ("warning", "data.train_split", split and not (templated or messages or (colon and template_of_config(config))),
         "names no rendered config, so nobody knows what stands around a turn in that text.",
         "Train on text-llama3:train or text-chatml:train of a dataset that amazon-titles built."),
    )  # fmt: skip


def family(context: LintContext) -> Iterator[Problem]:
    """The text must be rendered for the base's own special tokens, and end with its own EOS."""
    base, (config, _, _) = context.text("base_model"), context.text("data.train_split").partition(":")
    split, rendered = context.text("data.train_split").rpartition(":")[2], template_of_config(config)
    own = next((name for name, pattern in _FAMILIES if pattern.search(base)), None)
    if own is None or is_local_path(base):  # the tokenizer of a folder can be read: environment_checks.py
        return iter(())
    return context.found(
        ("error", "data.train_split", rendered and rendered.name != own,
         f"is rendered for another family: {base} writes {own}.",
         f"Build the dataset with --render {own}, and write text-{own}:{split}."),
        ("error", "base_model", not _INSTRUCT.search(base),
         "has no chat template, and its EOS is not the end of a turn; packing would append the wrong token.",
         f"Take the instruct model: {base}-Instruct."),
    )  # fmt: skip


def training(context: LintContext) -> Iterator[Problem]:
    """Settings that do something else than they say, and silence where AutoTrain's default is not what one means."""
    get, given, whole = context.get, context.given, context.get("params.peft") is False
    block, longest = context.number("params.block_size"), context.number("params.model_max_length")
    autotrain, rate = context.engine == "autotrain", get("params.lr")
    said = "is false" if given("params.peft") else "is missing, and AutoTrain's default is false"
    return context.found(
        ("error", "params.peft", whole, f"{said}: the whole model is trained, and no adapter is left.", "Write true."),
        ("error", "params.quantization", not whole and not given("params.quantization"),
         "is missing, and AutoTrain's default is int4, which needs CUDA and bitsandbytes.",
         "Write null, int4 or int8."),
        ("warning", "params.block_size", block == -1,
         "is -1 or missing: AutoTrain packs up to the tokenizer's maximum, at most 1024 tokens.",
         "Write the number of tokens, such as 1024."),
        ("warning", "params.disable_gradient_checkpointing", not given("params.disable_gradient_checkpointing"),
         "is missing, so gradient checkpointing is on: less memory for a third more time.",
         "Write false to keep it on, or true to turn it off."),
        ("error", "params.merge_adapter", get("params.merge_adapter"),
         "makes AutoTrain merge the adapter and then delete its files.",
         "Write false; amazon-titles merge makes the merged model afterwards."),
        ("error", "params.block_size", autotrain and longest and block > longest,
         f"is {block:g}, which AutoTrain silently cuts to model_max_length, {longest:g}.",
         f"Set params.model_max_length to {block:g} too."),
        ("warning", "params.mixed_precision",
         autotrain and (get("params.quantization"), get("params.mixed_precision")) == ("int4", "bf16"),
         "is bf16, but under int4 AutoTrain computes in float16 and trl keeps the adapter in bfloat16, "
         "which loses small updates.", "Write fp16."),
        ("warning", "params.seed", autotrain and (get("params.seed") or 42) != 42,
         "does nothing: AutoTrain does not pass it on.", "Take it out; the trl engine obeys it."),
        ("warning", "params.lr", isinstance(rate, float) and rate < 5e-5 and get("params.peft"),
         f"is {rate or 0:g}: LoRA wants about ten times the rate of full fine-tuning (LoRA Without Regret, 2025).",
         "Write 1.0e-4 to 5.0e-4, and more for a tiny base."),
    )  # fmt: skip


def modules(context: LintContext) -> Iterator[Problem]:
    """`target_modules` is split at commas and nothing is stripped."""
    targets = context.text("params.target_modules")
    named = targets.split(",") if targets.strip() and targets != "all-linear" else []
    names = [name.strip() for name in named]
    # peft takes the end of a module's name, so that `29.mlp.up_proj` is that of one layer.
    odd = sorted({name for name in names if name.rpartition(".")[2] not in _LINEAR})
    return context.found(
        ("warning", "params.target_modules", context.given("params.target_modules") and not targets.strip(),
         "is empty, so peft adapts two of seven linear layers only.",
         "Write all-linear: attention alone learns less (LoRA Without Regret, 2025)."),
        ("error", "params.target_modules", named != names, "holds spaces, which AutoTrain takes as part of the names.",
         f"Write {','.join(names)}."),
        ("error", "params.target_modules", odd, f"names {', '.join(odd)}, which a Llama does not have.",
         f"Choose of {', '.join(sorted(_LINEAR))}, or all-linear."),
    )  # fmt: skip


def engines(context: LintContext) -> Iterator[Problem]:
    """Settings that the engine which is about to start does not read, or whose packages AutoTrain does not install."""
    get, own, autotrain = context.get, "amazon_titles", context.engine == "autotrain"
    ignored = [name for name in _TRL_ONLY if get(f"{own}.{name}") != KEYS[own, name].default]
    return context.found(
        ("error", f"{own}.keep", get(f"{own}.keep") == "best" and not get(f"{own}.valid_split"),
         "is best, and there is no validation split to tell which that is.",
         "Set amazon_titles.valid_split to validation."),
        *(("warning", f"{own}.{name}", autotrain and context.run_here, "is obeyed by the trl engine alone.",
           "Use: --engine trl") for name in ignored),
        *(("warning", key, not autotrain and context.given(key) and get(key), "is not obeyed by the trl engine.", mend)
          for key, mend in _AUTOTRAIN_ONLY.items()),
        ("warning", "params.unsloth", autotrain and get("params.unsloth"),
         "is ignored silently where unsloth is not installed.", "Write false."),
        ("warning", "params.use_flash_attention_2", autotrain and get("params.use_flash_attention_2"),
         "needs the package flash-attn, which AutoTrain does not install.",
         "Write false: torch's own attention is used."),
        ("warning", "params.distributed_backend", autotrain and get("params.distributed_backend") == "deepspeed",
         "needs the package deepspeed, which AutoTrain does not install.", "Write ddp or null."),
        ("warning", "log", autotrain and context.text("log") == "wandb", "needs the package wandb and an account.",
         "Write tensorboard, or install wandb there."),
    )  # fmt: skip


TRAPS: tuple[Rule, ...] = (task, tokens, family, training, modules, engines)
"""Every rule of this file."""
