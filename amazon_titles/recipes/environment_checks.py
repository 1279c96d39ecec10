"""What stands around a recipe on this machine: the dataset, the base, the GPU and AutoTrain's stack.

Only files are read; torch, transformers and datasets are never imported.
"""

from __future__ import annotations

import importlib.metadata
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from amazon_titles.io import is_local, read_object
from amazon_titles.recipes.corpus import CorpusError, look
from amazon_titles.recipes.gpus import gpus, has_cuda
from amazon_titles.recipes.path_checks import is_missing
from amazon_titles.recipes.problems import LintContext, Problem, Rule
from amazon_titles.templates import template_of_config

BASE_FILES = ("config.json", "tokenizer_config.json", "tokenizer.json", "chat_template.jinja")
"""The files of a base that the rules read."""


def dataset(context: LintContext) -> Iterator[Problem]:
    """A dataset folder without the config, split or column, in a format that AutoTrain cannot read, or too small."""
    path = context.text("data.path")
    try:
        if path and is_local(path):
            yield from dataset_problems(context)
        elif path and is_missing(context, path):
            mend = "Make it: amazon-titles build SOURCE --out DIR"
            yield context.problem("data.path", f"names {path}, and no such folder is here.", mend)
    except (OSError, ValueError) as error:
        yield context.problem("data.path", f"cannot be read: {error}.", "Build the dataset anew.")


def dataset_problems(context: LintContext) -> Iterator[Problem]:
    """What is wrong with a dataset, in a folder or on the Hub.

    Raises:
        Exception: It cannot be read, as `look` says.
    """
    path = context.text("data.path")
    column = context.text("data.column_mapping.text_column") or "text"
    config, colon, split = context.text("data.train_split").rpartition(":")
    template = template_of_config(config)
    try:
        corpus = look(path, config if colon else None, split, column)
    except CorpusError as error:
        mend = f"Build it with --render {template.name}." if template else "Write CONFIG:SPLIT of what it has."
        yield context.problem("data.train_split", f"is not in {path}: it {error}.", mend)
        return
    if column not in corpus.columns:
        reason = f"is {column}, which the dataset lacks; it has {', '.join(corpus.columns)}."
        yield context.problem("data.column_mapping.text_column", reason, "Name one of them.")
        return
    starts = template and template.bos and any(text.startswith(template.bos) for text in corpus.sample)
    ends = template and any(text.rstrip().endswith(template.end) for text in corpus.sample)
    own = [template.bos] * bool(starts) + [template.end] * bool(ends) if template else []
    # A token is at least a byte, and about four in English; a row adds a BOS and an end-of-turn.
    most, likely = (corpus.size / size + 2 * corpus.rows for size in (1, 4))
    block, autotrain = context.number("params.block_size"), context.engine == "autotrain"
    few, then = f"about {likely:.0f}", "may pack none, and then fails"
    if block > most:
        few, then = "fewer", "packs none and fails"
    yield from context.found(
        ("error", "data.path", corpus.newer and autotrain,
         "was written by datasets 4 or newer, whose schema AutoTrain's datasets 3.2 cannot read.",
         "Build it with amazon-titles, or write it as JSONL."),
        ("error", "data.path", not corpus.rows, "has no rows in that split.", "Build it from more products."),
        ("error", "data.path", own,
         f"holds texts with {' and '.join(own)} of their own, which AutoTrain adds once more.", "Build it anew."),
        ("error" if block > most else "warning", "params.block_size", corpus.rows and autotrain and block > likely,
         f"is {block:g}, and the {corpus.rows} rows hold {few} tokens: AutoTrain {then}.",
         "Take a smaller block_size, or more products."),
    )  # fmt: skip


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
    eos = tokenizer.get("eos_token")
    eos = eos.get("content") if isinstance(eos, dict) else eos
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


def site_packages() -> Path | None:
    """Where AutoTrain's packages lie: in this environment, or in `.venv-autotrain` of the working folder."""
    try:
        return Path(str(importlib.metadata.distribution("autotrain-advanced").locate_file("")))
    except importlib.metadata.PackageNotFoundError:
        venv = Path(".venv-autotrain")
        return next(iter([*venv.glob("lib/python3*/site-packages"), *venv.glob("Lib/site-packages")]), None)


def machine(context: LintContext) -> Iterator[Problem]:
    """What needs a GPU, where there is none, and int4 on a stack whose CUDA versions do not meet.

    A recipe that says `amazon_titles.needs: cuda` knows it: only where the training is about to start is it told.
    """
    get, here, cuda = context.get, context.text("backend").startswith("local"), has_cuda()
    quantized = get("params.peft") and context.given("params.quantization") and get("params.quantization")
    precision, knows = get("params.mixed_precision"), get("amazon_titles.needs") == "cuda"
    older = next((gpu.name for gpu in gpus() if gpu.capability < 8.0), None) if here and cuda else None
    lacks = here and not cuda and not knows
    if here and cuda and quantized and context.engine == "autotrain":
        yield from _bitsandbytes(context)
    yield from context.found(
        (context.severity, "params.mixed_precision", older and precision == "bf16",
         f"is bf16, which {older} does not compute in.", "Write fp16."),
        ("error", "amazon_titles.needs", here and not cuda and knows and context.run_here,
         "is cuda, and no NVIDIA GPU is here.", "Run it where there is one (--on jobs), or take a recipe for a CPU."),
        ("error", "params.quantization", lacks and quantized, f"is {quantized}, which needs CUDA, and none is here.",
         "Write null."),
        ("error", "params.mixed_precision", lacks and precision == "fp16",
         "is fp16, which needs a GPU, and none is here.", "Write null."),
        ("error", "params.optimizer", lacks and re.search("8bit|paged|lion", context.text("params.optimizer")),
         "is bitsandbytes', which needs CUDA.", "Write adamw_torch."),
    )  # fmt: skip


def _bitsandbytes(context: LintContext) -> Iterator[Problem]:
    site = site_packages()
    if site is None or not (site / "torch/version.py").is_file():
        return
    version = re.search(r"^cuda\b.*=\s*'([\d.]+)'", (site / "torch/version.py").read_text(encoding="utf-8"), re.M)
    cuda = version[1] if version else ""
    libraries = [path.name for path in (site / "bitsandbytes").glob("libbitsandbytes_cuda*")]
    fits = any(f"cuda{cuda.replace('.', '')}." in library for library in libraries)
    yield from context.found(
        (context.severity, "params.quantization", not libraries,
         "needs bitsandbytes, which AutoTrain's environment lacks.", "Install bitsandbytes==0.45.0 there."),
        (context.severity, "params.quantization", libraries and not cuda,
         "needs a torch built for CUDA, and that one is for CPUs.", "Install one."),
        (context.severity, "params.quantization", libraries and cuda and not fits,
         f"cannot work: torch is built for CUDA {cuda}, and bitsandbytes there has no library for it.",
         "Install a torch built for CUDA 12.6 or older in AutoTrain's environment."),
    )  # fmt: skip


def shadow(context: LintContext) -> Iterator[Problem]:
    """A folder `autotrain` that is a package hides AutoTrain from whoever starts it here."""
    here = context.engine == "autotrain" and context.text("backend").startswith("local")
    if here and Path("autotrain/__init__.py").exists():
        reason = "runs here, where ./autotrain/__init__.py hides AutoTrain."
        yield context.problem("backend", reason, "Remove that file.")


SURROUNDINGS: tuple[Rule, ...] = (dataset, base, machine, shadow)
"""Every rule of this file."""


def plain_run_advice(environment: Mapping[str, str]) -> list[str]:
    """What to export before a plain `autotrain --config`; this library's `train` sets it by itself.

    Args:
        environment: As `os.environ`.

    Returns:
        One sentence a setting that is missing.
    """
    advice = {
        "ALLOW_REMOTE_CODE=false: by default AutoTrain runs code that a base brings along.":
            environment.get("ALLOW_REMOTE_CODE", "true").lower() == "true",
        f"OMP_NUM_THREADS={os.cpu_count()}: accelerate starts AutoTrain on one thread on a CPU.":
            "OMP_NUM_THREADS" not in environment and not has_cuda(),
        "HF_DATASETS_CACHE=DIR, its own: datasets 3.2 fails on what a newer one left in the common cache.":
            "HF_DATASETS_CACHE" not in environment,
    }  # fmt: skip
    return [sentence for sentence, missing in advice.items() if missing]
