"""What stands around a recipe on this machine: the dataset's folder, the GPU and AutoTrain's stack (bases: `bases`).

Only files are read; torch, transformers and datasets are never imported.
"""

from __future__ import annotations

import importlib.metadata
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from amazon_titles.recipes.bases import base
from amazon_titles.recipes.corpus import Corpus, CorpusError, look
from amazon_titles.recipes.gpus import gpus, has_cuda
from amazon_titles.recipes.path_checks import is_missing
from amazon_titles.recipes.problems import LintContext, Problem, Rule
from amazon_titles.templates import ChatTemplate, template_of_config


def dataset(sheet: LintContext) -> Iterator[Problem]:
    """A dataset folder without the config, split or column, in a format that AutoTrain cannot read, or too small."""
    path = sheet.text("data.path")
    if not path:
        return
    if not Path(path).is_dir():
        if is_missing(sheet, path):
            yield sheet.problem(
                "data.path",
                f"names {path}, and no such folder is here.",
                "Make it: amazon-titles build SOURCE --out DIR",
            )
        return
    config, colon, split = sheet.text("data.train_split").rpartition(":")
    try:
        corpus = look(path, config if colon else None, split, sheet.text("data.column_mapping.text_column") or "text")
    except CorpusError as error:
        template = template_of_config(config)
        mend = f"Build it with --render {template.name}." if template else "Write CONFIG:SPLIT of what it has."
        yield sheet.problem("data.train_split", f"is not in {path}: it {error}.", mend)
    except (OSError, ValueError) as error:
        yield sheet.problem("data.path", f"cannot be read: {error}.", "Build the dataset anew.")
    else:
        yield from corpus_problems(sheet, corpus)


def corpus_problems(sheet: LintContext, corpus: Corpus) -> Iterator[Problem]:
    """What is wrong with the rows themselves, wherever they are."""
    column = sheet.text("data.column_mapping.text_column") or "text"
    if column not in corpus.columns:
        have = ", ".join(corpus.columns)
        yield sheet.problem(
            "data.column_mapping.text_column",
            f"is {column}, which the dataset lacks; it has {have}.",
            "Name one of them.",
        )
        return
    if corpus.newer and sheet.engine == "autotrain":
        yield sheet.problem(
            "data.path",
            "was written by datasets 4 or newer, whose schema AutoTrain's datasets 3.2 cannot read.",
            "Build it with amazon-titles, or write it as JSONL.",
        )
    if not corpus.rows:
        yield sheet.problem("data.path", "has no rows in that split.", "Build it from more products.")
        return
    block = sheet.number("params.block_size") or 0
    # A token is at least a byte, and about four in English; a row adds a BOS and an end-of-turn.
    most, likely = (corpus.size / size + 2 * corpus.rows for size in (1, 4))
    if block > likely and sheet.engine == "autotrain":
        sure = block > most
        yield sheet.problem(
            "params.block_size",
            f"is {block:g}, and the {corpus.rows} rows hold {'fewer' if sure else f'about {likely:.0f}'} tokens: "
            f"AutoTrain {'packs none and fails' if sure else 'may pack none, and then fails'}.",
            "Take a smaller block_size, or more products.",
            "error" if sure else "warning",
        )
    template = template_of_config(sheet.text("data.train_split").partition(":")[0])
    if template is not None:
        yield from _rendered(sheet, corpus, template)


def _rendered(sheet: LintContext, corpus: Corpus, template: ChatTemplate) -> Iterator[Problem]:
    starts = bool(template.bos) and any(text.startswith(template.bos) for text in corpus.sample)
    ends = any(text.rstrip().endswith(template.end) for text in corpus.sample)
    if starts or ends:
        which = " and ".join([template.bos] * starts + [template.end] * ends)
        yield sheet.problem(
            "data.path", f"holds texts with {which} of their own, which AutoTrain adds once more.", "Build it anew."
        )


def site_packages() -> Path | None:
    """Where AutoTrain's packages lie: in this environment, or in `.venv-autotrain` of the working folder."""
    try:
        return Path(str(importlib.metadata.distribution("autotrain-advanced").locate_file("")))
    except importlib.metadata.PackageNotFoundError:
        venv = Path(".venv-autotrain")
        return next(iter([*venv.glob("lib/python3*/site-packages"), *venv.glob("Lib/site-packages")]), None)


def machine(sheet: LintContext) -> Iterator[Problem]:
    """What needs a GPU, where there is none, and int4 on a stack whose CUDA versions do not meet.

    A recipe that says `amazon_titles.needs: cuda` knows it: only where the training is about to start is it told.
    """
    if not sheet.text("backend").startswith("local"):
        return
    says_so = sheet.get("amazon_titles.needs") == "cuda"
    given = sheet.get("params.peft") and sheet.given("params.quantization")
    quantized = sheet.get("params.quantization") if given else None
    if has_cuda():
        if quantized and sheet.engine == "autotrain":
            yield from _bitsandbytes(sheet)
        older = next((gpu for gpu in gpus() if gpu.capability < 8.0), None)
        if older and sheet.get("params.mixed_precision") == "bf16":
            yield sheet.here(
                "params.mixed_precision", f"is bf16, which {older.name} does not compute in.", "Write fp16."
            )
        return
    if says_so:
        if sheet.run_here:
            yield sheet.problem(
                "amazon_titles.needs", "is cuda, and no NVIDIA GPU is here.",
                "Run it where there is one (--on jobs), or take a recipe for a CPU.",
            )  # fmt: skip
        return
    if quantized:
        yield sheet.problem(
            "params.quantization", f"is {quantized}, which needs CUDA, and none is here.", "Write null."
        )
    if sheet.get("params.mixed_precision") == "fp16":
        yield sheet.problem("params.mixed_precision", "is fp16, which needs a GPU, and none is here.", "Write null.")
    if re.search("8bit|paged|lion", sheet.text("params.optimizer")):
        yield sheet.problem("params.optimizer", "is bitsandbytes', which needs CUDA.", "Write adamw_torch.")


def _bitsandbytes(sheet: LintContext) -> Iterator[Problem]:
    site = site_packages()
    if site is None or not (site / "torch/version.py").is_file():
        return
    found = re.search(r"^cuda\b.*=\s*'([\d.]+)'", (site / "torch/version.py").read_text(encoding="utf-8"), re.MULTILINE)
    libraries = sorted(path.name for path in (site / "bitsandbytes").glob("libbitsandbytes_cuda*"))
    if not libraries:
        yield sheet.here(
            "params.quantization", "needs bitsandbytes, which AutoTrain's environment lacks.",
            "Install bitsandbytes==0.45.0 there.",
        )  # fmt: skip
    elif found is None:
        yield sheet.here(
            "params.quantization", "needs a torch built for CUDA, and that one is for CPUs.", "Install one."
        )
    elif not any(f"cuda{found[1].replace('.', '')}." in library for library in libraries):
        yield sheet.here(
            "params.quantization",
            f"cannot work: torch is built for CUDA {found[1]}, and bitsandbytes there has no library for it.",
            "Install a torch built for CUDA 12.6 or older in AutoTrain's environment.",
        )


def shadow(sheet: LintContext) -> Iterator[Problem]:
    """A folder `autotrain` that is a package hides AutoTrain from whoever starts it here."""
    here = sheet.engine == "autotrain" and sheet.text("backend").startswith("local")
    if here and Path("autotrain/__init__.py").exists():
        yield sheet.problem("backend", "runs here, where ./autotrain/__init__.py hides AutoTrain.", "Remove that file.")


SURROUNDINGS: tuple[Rule, ...] = (dataset, base, machine, shadow)
"""Every rule of this file."""


def plain_run_advice(environment: Mapping[str, str]) -> list[str]:
    """What to export before a plain `autotrain --config`; this library's `train` sets it by itself.

    Args:
        environment: As `os.environ`.

    Returns:
        One sentence a setting that is missing.
    """
    advice = []
    if environment.get("ALLOW_REMOTE_CODE", "true").lower() == "true":
        advice.append("ALLOW_REMOTE_CODE=false: by default AutoTrain runs code that a base brings along.")
    if "OMP_NUM_THREADS" not in environment and not has_cuda():
        advice.append(f"OMP_NUM_THREADS={os.cpu_count()}: accelerate starts AutoTrain on one thread on a CPU.")
    if "HF_DATASETS_CACHE" not in environment:
        advice.append(
            "HF_DATASETS_CACHE=DIR, its own: datasets 3.2 fails on what a newer one left in the common cache."
        )
    return advice
