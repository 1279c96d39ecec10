"""Plain AutoTrain as a child process: found, started, listened to, and judged by what it leaves behind.

AutoTrain exits 0 when training failed: it logs the exception and swallows it. So success is the adapter's files, never
the exit status.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from amazon_titles.errors import InputError, TrainingError
from amazon_titles.io import local_folder
from amazon_titles.processes import run_child
from amazon_titles.recipes import Recipe
from amazon_titles.recipes.environment_checks import site_packages
from amazon_titles.training.adapter import ADAPTER_FILES, TOKENIZER_FILES, dataset_of
from amazon_titles.training.engine import PACKAGES, EngineLog, child_environment
from amazon_titles.training.rows import count_tokens

_PROBE = (
    "import json, sys, torch; from importlib.metadata import version;"
    "print(json.dumps({'python': sys.version.split()[0], **{name: version(name) for name in sys.argv[1:]},"
    "'device': torch.cuda.get_device_name() if torch.cuda.is_available() else 'cpu'}))"
)


def find_autotrain(env: str | Path | None = None) -> Path:
    """The Python interpreter of an environment that has AutoTrain.

    Looked for in `env` where it is given, else in this environment, then in `.venv-autotrain` of this folder and of
    those above it.

    Args:
        env: A virtual environment's folder.

    Raises:
        InputError: There is none; the message says how to install one.
    """
    site = site_packages(None if env is None else Path(env))
    if site and str(site) in sys.path:
        return Path(sys.executable)
    pythons = [] if site is None else [site.parents[2] / "bin/python", site.parents[1] / "Scripts/python.exe"]
    if python := next((path for path in pythons if path.is_file()), None):
        return python.absolute()  # not resolved: a link to the interpreter is what makes it this one's
    nowhere = "AutoTrain is not installed in this environment, and there is no .venv-autotrain."
    raise InputError(f"{env} is not an environment with AutoTrain." if env else nowhere, hint=_INSTALL)


_INSTALL = (
    "In a checkout: make .venv-autotrain   Elsewhere, in an environment of its own (Python 3.10 to 3.12): "
    "pip install 'amazon-titles[autotrain] @ PATH_OR_URL', then name it with --autotrain-env DIR"
)


def versions(python: Path) -> dict[str, str]:
    """The versions of AutoTrain's environment and its device, by package name."""
    said: list[str] = []
    if run_child([python, "-c", _PROBE, "autotrain-advanced", *PACKAGES], said.append, env=os.environ):
        raise TrainingError(f"The environment of {python} does not work: {said[-1:]}")
    found: dict[str, str] = json.loads(said[-1])
    return found


def environment(cache: Path) -> dict[str, str]:
    """The variables that AutoTrain's process gets.

    Args:
        cache: Folder for the data that its `datasets` prepares: 3.2 fails on what 4 or newer left in a shared one.
    """
    # `accelerate launch` sets one thread on a CPU unless told otherwise.
    variables = child_environment(processes=1) | {
        "HF_DATASETS_CACHE": str(cache),
        # AutoTrain's default is true: a base could run its own code.
        "ALLOW_REMOTE_CODE": "false",
        "PYTHONUTF8": "1",  # it opens its recipe in the system's encoding, which is not UTF-8 on Windows
    }
    return {key: value for key, value in variables.items() if key not in {"PYTHONPATH", "PYTHONHOME"}}


def run_autotrain(
    python: Path, config: Path, *, cwd: Path, tokens: float | None, variables: Mapping[str, str]
) -> EngineLog:
    """Runs `autotrain --config CONFIG`, with a bar of its steps, and returns what it said.

    Args:
        python: Interpreter that has AutoTrain.
        config: The recipe.
        cwd: Where the output folder is made.
        tokens: That it trains on in all, for the bar; None where they were not counted.
        variables: The whole environment of the process.
    """
    command = [str(python), "-m", "autotrain.cli.autotrain", "--config", str(config)]
    path = os.pathsep.join((str(python.parent), variables.get("PATH", "")))  # it starts `accelerate` by name
    with EngineLog("AutoTrain", tokens=tokens) as log:
        run_child(command, log.read, cwd=cwd, env={**variables, "PATH": path})
    return log


def fine_tune(recipe: Recipe, folder: Path, *, env: str | Path | None) -> tuple[Path, dict[str, Any]]:
    """Trains as a recipe says.

    Args:
        recipe: Without errors, with a rendered config, and its local folders spelt in full.
        folder: Receives what AutoTrain needs and leaves; exists.
        env: The environment that has AutoTrain; by default see `find_autotrain`.

    Returns:
        The folder with the adapter's files; and what of `run.json` an engine alone knows: `dataset`, `device`,
        `versions`, `training_seconds` (how long the training loop itself took; None where that is not known), `rows`,
        `tokens_an_epoch` and `tokens` (None where they were not counted), `losses` (`{"epoch", "loss",
        "learning_rate"}` a logged step, in nats a token). The trl engine adds more.

    Raises:
        InputError: There is no AutoTrain.
        TrainingError: It left no adapter; the message holds the reason that it gave, and its last lines.
    """
    python, cache = find_autotrain(env), folder / "datasets"
    config, trained = folder / "recipe.yml", folder / recipe.project_name
    config.write_text(recipe.text, encoding="utf-8")
    tokenizer = local_folder(recipe.base_model, allow_patterns=list(TOKENIZER_FILES))
    counted = count_tokens(recipe, recipe.data_path, tokenizer)
    log = run_autotrain(python, config, cwd=folder, tokens=counted["tokens"], variables=environment(cache))
    missing = [f"no {name}" for name in ADAPTER_FILES if not (trained / name).is_file()]
    if missing or not log.losses:
        raise TrainingError(
            f"AutoTrain failed: {log.reason or 'it gave no reason'}. It wrote {' and '.join(missing) or 'no loss'}.",
            hint="Its last lines:\n    " + "\n    ".join(log.tail),
        )
    found = versions(python)
    # The dataset of the Hub that AutoTrain's `datasets` prepared is filed under its commit; several say nothing.
    commits = {path.name for path in cache.glob("*___*/*/*/*") if re.fullmatch("[0-9a-f]{40}", path.name)}
    return trained, {
        "device": found.pop("device"), "versions": found, "training_seconds": log.seconds, **counted,
        "losses": log.losses, "dataset": dataset_of(recipe.data_path, commits.pop() if len(commits) == 1 else None),
    }  # fmt: skip
