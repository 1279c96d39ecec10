"""A recipe becomes a job of the trl engine: token files, settings, and where to begin."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amazon_titles.errors import InputError, MissingExtraError
from amazon_titles.progress import say
from amazon_titles.recipes import Recipe
from amazon_titles.training import checkpoints, rows
from amazon_titles.training.adapter import TOKENIZER_FILES, dataset_of
from amazon_titles.training.rows import Rows
from amazon_titles.training.trl import Job

# What decides the result, so what a run must share with the one that it continues. How many devices take part does not.
_DECIDES = (
    "lr", "epochs", "batch_size", "gradient_accumulation", "warmup_ratio", "optimizer", "scheduler", "weight_decay",
    "max_grad_norm", "seed", "quantization", "mixed_precision", "target_modules", "lora_r", "lora_alpha",
    "lora_dropout", "eval_strategy",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Prepared:
    """A job, and what making it found out.

    Attributes:
        job: For `run_trl`.
        train: The rows to train on.
        valid: The rows to evaluate on; None without a validation split.
        revision: Of the dataset on the Hub; None for a folder.
    """

    job: Job
    train: Rows
    valid: Rows | None
    revision: str | None


def prepare(
    recipe: Recipe, folder: Path, *, base: str, data: str, checkpoint_dir: Path, resume: bool, devices: int
) -> Prepared:
    """Writes the token files of a recipe's splits and finds out where to begin.

    Args:
        recipe: Without errors, and with a rendered config.
        folder: Of the job; exists.
        base: Hub id, or absolute path of a folder.
        data: Likewise.
        checkpoint_dir: Folder for checkpoints, in full.
        resume: Go on from the last checkpoint.
        devices: Processes that share each step.

    Raises:
        InputError: The dataset has too few rows or no such split, the tokenizer does not fit the text, or the
            checkpoints there do not fit the wish.
    """
    params, settings = dict(recipe.params), recipe.settings
    given = int(str(params["block_size"]))
    block_size = given if given > 0 else 1024  # AutoTrain's own, where the tokenizer allows it
    valid_split = settings["valid_split"]
    keep = str(settings["keep"])
    if params["quantization"] and importlib.util.find_spec("bitsandbytes") is None:
        raise InputError(
            f"params.quantization is {params['quantization']}, and bitsandbytes is not installed here.",
            hint="Install it: pip install bitsandbytes   Or train without: --set quantization=null",
        )
    tokenizer = _tokenizer(base)
    assert recipe.template is not None
    assert recipe.dataset_config is not None
    files, revision = rows.dataset_files(data, recipe.dataset_config, recipe.split)
    args = (recipe.text_column, tokenizer, recipe.template)
    # A block is no fence here: rows are never cut at its end, so only what the recipe's model takes is too long.
    longest = int(str(params["model_max_length"]))
    train = rows.write(files, *args, folder / "train", longest=longest)
    if len(train.ends) < devices:
        raise InputError(
            f"The split {recipe.train_split} has {len(train.ends)} rows, too few for {devices} device(s).",
            hint="Build a larger dataset: amazon-titles build",
        )
    if train.cut:
        say(f"{train.cut} of {len(train.ends)} rows are longer than model_max_length {longest} and lose their end.")
    valid = None
    if valid_split is not None:
        files, _ = rows.dataset_files(data, recipe.dataset_config, str(valid_split).rpartition(":")[2])
        valid = rows.write(files, *args, folder / "valid", longest=longest)
    identity: dict[str, Any] = {
        "base_model": base, "train_split": recipe.train_split, "valid_split": valid_split, "keep": keep,
        "block_size": block_size, "longest": longest, "rows": len(train.ends), "tokens": len(train.ids),
        "dataset": dataset_of(data, revision), **{name: params[name] for name in _DECIDES},
    }  # fmt: skip
    begin = checkpoints.starting_point(checkpoint_dir, identity, resume=resume)
    tensorboard = recipe.section().get("log") == "tensorboard" and importlib.util.find_spec("tensorboard") is not None
    job = Job(
        folder=str(folder),
        base=base,
        params=params,
        block_size=block_size,
        devices=devices,
        checkpoints=str(checkpoint_dir),
        checkpoint_steps=int(str(settings["checkpoint_steps"])),
        keep=keep,
        has_valid=valid is not None,
        resume_from=None if begin is None else str(begin.resolve()),
        tensorboard=tensorboard,
    )
    return Prepared(job, train, valid, revision)


def _tokenizer(base: str) -> Any:  # noqa: ANN401 - tokenizers.Tokenizer
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        raise MissingExtraError("train", "tokenizers") from error
    folder = Path(base)
    if not folder.is_dir():
        from huggingface_hub import snapshot_download

        folder = Path(snapshot_download(base, allow_patterns=list(TOKENIZER_FILES)))
    if not (folder / "tokenizer.json").is_file():
        raise InputError(
            f"The base {base} has no tokenizer.json.", hint="Take one that has, such as an Instruct Llama."
        )
    return Tokenizer.from_file(str(folder / "tokenizer.json"))
