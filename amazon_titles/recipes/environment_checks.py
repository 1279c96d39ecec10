"""What stands around a recipe on this machine: the dataset, the base, the GPU and AutoTrain's stack.

Only files are read; torch, transformers and datasets are never imported. What a rule says is in `problems.yml`.
"""

from __future__ import annotations

import importlib.metadata
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from amazon_titles.io import is_local, read_object
from amazon_titles.recipes.corpus import TEXTS, CorpusError, look
from amazon_titles.recipes.gpus import gpus, has_cuda
from amazon_titles.recipes.problems import LintContext, Problem, Rule
from amazon_titles.recipes.source import lookup
from amazon_titles.templates import ChatTemplate, template_of_config

BASE_FILES = ("config.json", "tokenizer_config.json", "tokenizer.json", "chat_template.jinja")
"""The files of a base that the rules read."""


def dataset(context: LintContext) -> Iterator[Problem]:
    """A dataset folder without the config, split or column, in a format that AutoTrain cannot read, or too small."""
    path = context.text("data.path")
    yield from context.found({"dataset-missing": _is_missing(context, path)})
    try:
        if path and is_local(path):
            yield from dataset_problems(context)
    except (OSError, ValueError) as error:
        yield from context.found({"dataset-unreadable": True}, error=error)


def dataset_problems(context: LintContext) -> Iterator[Problem]:
    """What is wrong with a dataset, in a folder or on the Hub.

    Raises:
        Exception: It cannot be read, as `look` says.
    """
    path, column = context.text("data.path"), context.text("data.column_mapping.text_column")
    config, _, split = context.text("data.train_split").rpartition(":")
    template = template_of_config(config)
    try:
        corpus = look(path, config, split, column)
    except CorpusError as error:
        missing = {"split-missing": template, "file-missing": not template}
        yield from context.found(missing, path=path, error=error.lacks, template=template)
        return
    own = _own_tokens(corpus.sample, template) if template else []
    # A token is at least a byte, and about four in English; a row adds a BOS and an end-of-turn.
    most, likely = (corpus.size / size + 2 * corpus.rows for size in (1, 4))
    there = column in corpus.columns
    block = context.number("params.block_size") if corpus.kind in TEXTS and corpus.rows else 0
    rules = {
        "column-missing": not there,
        "column-not-text": there and corpus.kind not in TEXTS and context.text("data.chat_template") in ("", "none"),
        "datasets-too-new": there and corpus.newer,
        "no-rows": there and not corpus.rows,
        "tokens-of-their-own": own,
        "packs-none": block > most,
        "packs-few": likely < block <= most,
    }
    columns, tokens = ", ".join(corpus.columns), " and ".join(own)
    yield from context.found(rules, columns=columns, kind=corpus.kind, own=tokens, rows=corpus.rows, tokens=likely)


def _own_tokens(texts: Sequence[str], template: ChatTemplate) -> list[str]:
    """The special tokens around the texts that the training adds by itself."""
    starts = template.bos and any(text.startswith(template.bos) for text in texts)
    ends = any(text.rstrip().endswith(template.end) for text in texts)
    return [template.bos] * bool(starts) + [template.end] * bool(ends)


def base(context: LintContext) -> Iterator[Problem]:
    """A base folder that AutoTrain's stack reads wrongly or not at all, or of another family than the text."""
    name = context.text("base_model")
    yield from context.found({"base-missing": _is_missing(context, name)})
    if name and is_local(name):
        yield from base_problems(context, Path(name))


def base_problems(context: LintContext, folder: Path) -> Iterator[Problem]:
    """What is wrong with a base's files (`BASE_FILES`), wherever they come from."""
    config, tokenizer = read_object(folder / "config.json"), read_object(folder / "tokenizer_config.json")
    eos = tokenizer.get("eos_token")
    eos = eos.get("content") if isinstance(eos, dict) else eos
    template = template_of_config(context.text("data.train_split").partition(":")[0]) if tokenizer else None
    can_chat = tokenizer.get("chat_template") or (folder / "chat_template.jinja").exists()
    kind, longest = config.get("model_type"), tokenizer.get("model_max_length")
    tokens, embeddings = _count_tokens(folder), config.get("vocab_size")
    block = context.number("params.block_size")
    rules = {
        "base-brings-code": config.get("auto_map") or tokenizer.get("auto_map"),
        "base-not-llama": config and kind != "llama",
        "base-of-another-family": template and eos != template.end,
        "base-cannot-chat": template and not can_chat,
        "rope-of-transformers-5": config.get("rope_parameters") and "rope_theta" not in config,
        "tokenizer-of-transformers-5": tokenizer.get("tokenizer_class") == "TokenizersBackend",
        # AutoTrain raises nothing up to 2048 to model_max_length.
        "block-size-cut-by-the-base": isinstance(longest, int) and longest <= 2048 and longest < block,
        # resize_token_embeddings(len(tokenizer)); peft then saves what was resized, beside the LoRA.
        "embeddings-not-tokens": tokens and isinstance(embeddings, int) and embeddings != tokens,
    }
    sizes = {"longest": longest, "embeddings": embeddings, "tokens": tokens}
    return context.found(rules, kind=kind, eos=eos, template=template, **sizes)


def _is_missing(context: LintContext, path: str) -> bool:
    """Whether a name that is no folder here must be one: before a run, whatever is spelt unlike `user/name`."""
    here = context.text("backend").startswith("local") and path and not is_local(path)
    spelt = re.match(r"[./\\]|[A-Za-z]:[\\/]", path)
    return bool(here and (spelt or (context.run_here and "/" not in path)))


def _count_tokens(folder: Path) -> int:
    """How many tokens the tokenizer has, added ones included; 0 where tokenizer.json does not say."""
    whole = read_object(folder / "tokenizer.json")
    vocab, added = lookup(whole, ("model", "vocab")), whole.get("added_tokens")
    if not isinstance(vocab, dict) or not isinstance(added, list):
        return 0
    return len(vocab.keys() | {str(token.get("content")) for token in added if isinstance(token, dict)})


def site_packages(env: Path | None = None) -> Path | None:
    """Where AutoTrain's packages lie; None where there is no such environment.

    Args:
        env: A virtual environment's folder; by default this environment, then `.venv-autotrain` of this folder and of
            those above it.
    """
    # Not `find_spec("autotrain")`: at the root of a checkout the recipes' folder of that name answers it.
    for own in importlib.metadata.distributions(name="autotrain-advanced") if env is None else ():
        return Path(str(own.locate_file("")))
    places = [env] if env else [folder / ".venv-autotrain" for folder in (Path.cwd(), *Path.cwd().parents)]
    patterns = ("lib/python*/site-packages", "Lib/site-packages")
    sites = (site for place in places for pattern in patterns for site in place.glob(pattern))
    return next((site for site in sites if any(site.glob("autotrain_advanced-*.dist-info"))), None)


def machine(context: LintContext) -> Iterator[Problem]:
    """What needs a GPU, where there is none, int4 on a stack whose CUDA versions do not meet, and a hidden AutoTrain.

    A recipe that says `amazon_titles.needs: cuda` knows it: only where the training is about to start is it told.
    """
    get, here, cuda = context.get, context.text("backend").startswith("local"), has_cuda()
    quantized = get("params.peft") and context.given("params.quantization") and get("params.quantization")
    precision, knows = get("params.mixed_precision"), get("amazon_titles.needs") == "cuda"
    older = next((gpu.name for gpu in gpus() if gpu.capability < 8.0), None) if here and cuda else None
    lacks = here and not cuda and not knows
    built = _unfit_torch(site_packages()) if here and cuda and quantized else ""
    rules = {
        "bf16-without-ampere": older and precision == "bf16",
        "needs-cuda": here and not cuda and knows and context.run_here,
        "int4-without-cuda": lacks and quantized,
        "fp16-without-cuda": lacks and precision == "fp16",
        "optimizer-without-cuda": lacks and re.search("8bit|paged|lion", context.text("params.optimizer")),
        "no-bitsandbytes": built,
        # A package of that name in the working folder comes before AutoTrain's own.
        "autotrain-hidden": here and Path("autotrain/__init__.py").exists(),
    }
    return context.found(rules, gpu=older, built=built)


def _unfit_torch(site: Path | None) -> str:
    """What AutoTrain's torch is built for, if it has no bitsandbytes for that; "" where it has, or nobody knows."""
    if site is None or not (version := site / "torch/version.py").is_file():
        return ""
    cuda = re.search(r"^cuda\b.*=\s*'([\d.]+)'", version.read_text(encoding="utf-8"), re.M)
    if cuda is None:
        return "CPUs"
    libraries = (site / "bitsandbytes").glob(f"libbitsandbytes_cuda{cuda[1].replace('.', '')}.*")
    return "" if any(libraries) else f"CUDA {cuda[1]}"


RULES: tuple[Rule, ...] = (dataset, base, machine)
"""Every rule of this file."""


def plain_run_advice(environment: Mapping[str, str]) -> list[str]:
    """What to export before a plain `autotrain --config`; this library's `train` sets it by itself.

    Args:
        environment: As `os.environ`.

    Returns:
        One sentence a setting that is missing.
    """
    advice = {
        "ALLOW_REMOTE_CODE=false, because AutoTrain runs code from the base's repository by default.":
            environment.get("ALLOW_REMOTE_CODE", "true").lower() == "true",
        f"OMP_NUM_THREADS={os.cpu_count()}, because accelerate starts AutoTrain with one CPU thread.":
            "OMP_NUM_THREADS" not in environment and not has_cuda(),
        "HF_DATASETS_CACHE=DIR, because datasets 3.2 cannot read the cache of newer versions.":
            "HF_DATASETS_CACHE" not in environment,
    }  # fmt: skip
    return [sentence for sentence, missing in advice.items() if missing]
