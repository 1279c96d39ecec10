"""Today's TRL in a process of its own: prepared, started, listened to.

This side needs neither torch nor trl: it makes the token files, starts `worker` once for each device, and reads what
that leaves.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shlex
import sys
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import yaml

from amazon_titles.errors import AmazonTitlesError, InputError, MissingExtraError, TrainingError
from amazon_titles.io import is_local, local_folder, read_object, read_text
from amazon_titles.processes import run_child
from amazon_titles.progress import say
from amazon_titles.recipes import Recipe
from amazon_titles.recipes.corpus import open_split
from amazon_titles.training import checkpoints, rows
from amazon_titles.training.adapter import ADAPTER_FILES, TOKENIZER_FILES, dataset_of
from amazon_titles.training.engine import PACKAGES, EngineLog, child_environment

TRAINED = "trained"
"""Where the worker leaves the adapter's files, in the job's folder."""
ENDED, ELSEWHERE = "ended.json", "elsewhere"
"""Beside them, what became of the run: `message`, `hint` and `exit_code` of a failure, else what the worker alone knows
of `run.json`; on another machine than the first process's, that one's number."""

# What decides the result, so what a run must share with the one that it continues. How many devices take part does not.
_DECIDES = (
    "lr", "epochs", "batch_size", "gradient_accumulation", "warmup_ratio", "optimizer", "scheduler", "weight_decay",
    "max_grad_norm", "seed", "quantization", "mixed_precision", "target_modules", "lora_r", "lora_alpha",
    "lora_dropout", "eval_strategy", "block_size", "valid_split", "keep",
)  # fmt: skip
# What accelerate's FSDP must be told so that this engine can train a base that no GPU holds alone: put together a layer
# at a time, with the adapter as two whole files, with an output layer for each process, and with gradient checkpointing
# where the recipe says so.
_FSDP = {
    "fsdp_version": 1, "fsdp_auto_wrap_policy": "TRANSFORMER_BASED_WRAP", "fsdp_state_dict_type": "FULL_STATE_DICT",
    "fsdp_cpu_ram_efficient_loading": False, "fsdp_activation_checkpointing": False,
}  # fmt: skip
MEMORY = (
    "The same training in less memory: halve batch_size and double gradient_accumulation; or lower block_size, "
    "--set disable_gradient_checkpointing=false, or on CUDA --set quantization=int4."
)
"""What to change where the memory does not suffice."""


@dataclass(frozen=True, slots=True)
class Job:
    """What the worker is given; JSON can hold it.

    Attributes:
        folder: Holds the token files `train.*` and `valid.*`; receives the adapter.
        base: Hub id or folder.
        params: The recipe's, this library's own settings with them; `block_size` is decided.
        checkpoints: Folder.
        resume_from: A checkpoint's folder; None to start anew.
        tensorboard: Whether to log for it.
    """

    folder: str
    base: str
    params: dict[str, Any]
    checkpoints: str
    resume_from: str | None
    tensorboard: bool


class TrainedElsewhere(AmazonTitlesError):
    """This machine took part in a training; the machine of the first process has what became of it."""

    exit_code = 0

    def __init__(self, rank: int) -> None:
        super().__init__(f"Process {rank} is done; the adapter is on the machine of process 0.")


def require_trl() -> dict[str, str]:
    """The versions of the packages that train here.

    Raises:
        MissingExtraError: One is not installed.
        InputError: trl is AutoTrain's old one.
    """
    try:
        found = {package: metadata.version(package) for package in PACKAGES}
    except metadata.PackageNotFoundError as error:
        raise MissingExtraError("train", error.name) from None
    if int(found["trl"].split(".")[0]) < 1:
        raise InputError(
            f"The trl engine needs trl 1.0 or newer, and this environment has {found['trl']}, AutoTrain's.",
            hint="Run it in an environment of its own: pip install 'amazon-titles[train] @ PATH_OR_URL'",
        )
    return {"python": sys.version.split()[0], **found}


def require_sharding(launcher: str | None, recipe: Recipe) -> None:
    """Refuses a config of accelerate whose FSDP this engine cannot train under: what needs no GPU to be found out.

    Args:
        launcher: As of `fine_tune`; one without `--config_file FILE` says nothing here.
        recipe: What is to be trained.

    Raises:
        InputError: It cannot be read, or asks for FSDP and something does not fit; all of that is named.
    """
    _, given, rest = (launcher or "").replace("--config_file=", "--config_file ").partition("--config_file ")
    if not given:
        return
    path = Path(shlex.split(rest)[0])
    try:
        config = yaml.safe_load(read_text(path))
    except (OSError, UnicodeError, yaml.YAMLError) as error:
        raise InputError(f"{path} is no config of accelerate: {error}.", hint="Make one: accelerate config") from None
    if not isinstance(config, dict) or config.get("distributed_type") != "FSDP":
        return
    told = {"mixed_precision": "no", **config, **(config.get("fsdp_config") or {})}
    wanted = {**_FSDP, "mixed_precision": recipe.params.mixed_precision or "no"}
    wrong = [f"{key} must be {value}" for key, value in wanted.items() if told.get(key) != value]
    unfit = {"quantization": recipe.params.quantization, "valid_split": recipe.settings.valid_split}
    wrong += [f"the recipe's {name} must be null" for name, value in unfit.items() if value is not None]
    if wrong:
        raise InputError(f"{path} does not fit: {'; '.join(wrong)}.", hint="A config that does is in docs/scale.md.")


def fine_tune(
    recipe: Recipe, folder: Path, *, checkpoint_dir: Path, resume: bool, devices: int, launcher: str | None
) -> tuple[Path, dict[str, Any]]:
    """Makes a job of a recipe, and runs it.

    Args:
        recipe: Without errors, with a rendered config, and its local folders spelt in full.
        folder: Receives what the job needs and leaves; exists.
        checkpoint_dir: Folder for checkpoints, in full; what a failure leaves there can be gone on from.
        resume: Go on from the last checkpoint.
        devices: Processes that share each step.
        launcher: Starts the processes instead, on one machine or several: `torchrun …`, `accelerate launch …`.

    Returns:
        As of `autotrain.fine_tune`; losses are in nats an answer token.

    Raises:
        InputError: The dataset has too few rows or no such split, the tokenizer does not fit the text, or the
            checkpoints there do not fit the wish.
        TrainingError: It failed; the message says why and what to change.
    """
    versions, params = require_trl(), recipe.params
    require_sharding(launcher, recipe)
    if params.quantization and importlib.util.find_spec("bitsandbytes") is None:
        raise InputError(
            f"params.quantization is {params.quantization}, and bitsandbytes is not installed here.",
            hint="Install it: pip install bitsandbytes   Or train without: --set quantization=null",
        )
    # A block is no fence here: rows are never cut at its end, so only what the recipe's model takes is too long.
    longest = params.model_max_length
    train, valid, revision = _tokenize(recipe, folder, longest)
    if train.cut:
        say(f"{train.cut} of {len(train.ends)} rows are longer than model_max_length {longest} and are cut.")
    block_size = params.block_size if params.block_size > 0 else 1024  # AutoTrain's own, where the tokenizer allows it
    settled = {**asdict(params), **asdict(recipe.settings), "block_size": block_size}
    identity = {
        "base_model": recipe.base_model, "train_split": recipe.train_split, "longest": longest,
        "rows": len(train.ends), "tokens": len(train.ids), "dataset": dataset_of(recipe.data_path, revision),
        **{name: settled[name] for name in _DECIDES},
    }  # fmt: skip
    begin = checkpoints.starting_point(checkpoint_dir, identity, resume=resume)
    tensorboard = recipe.section().get("log") == "tensorboard" and importlib.util.find_spec("tensorboard") is not None
    job = Job(
        folder=str(folder), base=recipe.base_model, params=settled, checkpoints=str(checkpoint_dir),
        resume_from=None if begin is None else str(begin.resolve()), tensorboard=tensorboard,
    )  # fmt: skip
    log = EngineLog("trl", tokens=len(train.ids) * params.epochs, done=checkpoints.step_of(begin) if begin else 0)
    ended = _run(job, log, devices, launcher)
    return folder / TRAINED, {
        "dataset": identity["dataset"], "versions": versions, "rows": len(train.ends),
        "tokens_an_epoch": len(train.ids), "tokens": len(train.ids) * params.epochs,
        "answer_tokens_an_epoch": int(train.answers.sum()), "rows_cut": train.cut, "launcher": launcher,
        "valid_rows": 0 if valid is None else len(valid.ends), "kept": settled["keep"], **ended,
    }  # fmt: skip


def _tokenize(recipe: Recipe, folder: Path, longest: int) -> tuple[rows.Rows, rows.Rows | None, str | None]:
    """Writes the token files of the recipe's splits; both, and the dataset's revision on the Hub."""
    from tokenizers import Tokenizer

    file = local_folder(recipe.base_model, allow_patterns=list(TOKENIZER_FILES)) / "tokenizer.json"
    if not file.is_file():
        said = f"The base {recipe.base_model} has no tokenizer.json."
        raise InputError(said, hint="Take one that has, such as an Instruct Llama.")
    tokenizer = Tokenizer.from_file(str(file))
    template, config = recipe.template, recipe.dataset_config
    assert template is not None
    splits = {"train": recipe.split}
    if valid := recipe.settings.valid_split:
        splits["valid"] = valid.rpartition(":")[2]
    wanted = ["report.json", *(f"{config}/{split}-*.parquet" for split in splits.values())]
    source = local_folder(recipe.data_path, repo_type="dataset", allow_patterns=wanted)
    made = {}
    for name, split in splits.items():
        data, column = open_split(str(source), config, split), recipe.text_column
        made[name] = rows.write(data, column, tokenizer, template, folder / name, longest=longest)
    return made["train"], made.get("valid"), None if is_local(recipe.data_path) else source.name


def _run(job: Job, log: EngineLog, devices: int, launcher: str | None) -> dict[str, Any]:
    """Runs the job in processes of its own; what it left of checkpoints stays when it fails.

    Raises:
        AmazonTitlesError: It failed; the message says why and what to change.
    """
    path, place = Path(job.folder) / "job.json", Path(job.checkpoints)
    path.write_text(json.dumps(asdict(job)), encoding="utf-8")
    start = [sys.executable]
    if launcher is not None:
        start = shlex.split(launcher)
    elif devices > 1:
        start += ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={devices}"]
    command = [*start, "-m", "amazon_titles.training.worker", str(path)]
    try:
        with log:
            status = run_child(command, log.read, env=_environment(None if launcher else devices, place))
        return require_adapter(job, log, status)
    except BaseException:
        if checkpoints.latest(place) is None:
            checkpoints.remove(place)
        else:
            say(f"The checkpoint is in {place}. Continue with --resume.")
        raise


def _environment(devices: int | None, checkpoints: Path) -> dict[str, str]:
    # The package is found wherever this process found it, also from a folder that is not its own.
    package = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, (package, os.environ.get("PYTHONPATH"))))
    return {
        "TENSORBOARD_LOGGING_DIR": str(checkpoints / "runs"), **child_environment(devices), "PYTHONPATH": path,
        # trl counts its users; whoever runs this has not been asked.
        "HF_HUB_DISABLE_TELEMETRY": "1", "TOKENIZERS_PARALLELISM": "false", "PYTHONWARNINGS": "ignore",
    }  # fmt: skip


def require_adapter(job: Job, log: EngineLog, status: int) -> dict[str, Any]:
    """What the worker says of its run; refuses what it left where that is no adapter.

    Args:
        job: The job that it was given.
        log: What it printed.
        status: Its exit status.

    Raises:
        AmazonTitlesError: The message says why it failed and what to change.
    """
    folder = Path(job.folder)
    ended = read_object(folder / ENDED)
    if not ended and (folder / ELSEWHERE).is_file():
        raise TrainedElsewhere(int((folder / ELSEWHERE).read_text(encoding="utf-8")))
    if "message" in ended:
        error = InputError if ended["exit_code"] == InputError.exit_code else TrainingError
        raise error(ended["message"], hint=ended["hint"])
    if status in (-9, 137):
        raise TrainingError("The training was killed, as the system does when its memory is full.", hint=MEMORY)
    if status or not ended or not all((folder / TRAINED / name).is_file() for name in ADAPTER_FILES):
        tail = "\n    ".join(log.tail)
        raise TrainingError(f"The training failed (exit {status}).", hint=f"Its last lines:\n    {tail}")
    return ended
