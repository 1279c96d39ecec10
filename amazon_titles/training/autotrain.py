"""Plain AutoTrain as a child process: found, started, listened to, and judged by what it leaves behind.

AutoTrain exits 0 when training failed: it logs the exception and swallows it. So success is the adapter's files, never
the exit status.
"""

from __future__ import annotations

import ast
import json
import os
import re
import sys
from collections.abc import Mapping
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

from amazon_titles.errors import InputError, TrainingError
from amazon_titles.io import local_folder
from amazon_titles.processes import run_child
from amazon_titles.recipes import Recipe
from amazon_titles.training.adapter import ADAPTER_FILES, TOKENIZER_FILES
from amazon_titles.training.engine import PACKAGES, EngineLog, Outcome, child_environment
from amazon_titles.training.rows import count_tokens

_LOGGED = re.compile(r"\{'(?:loss|train_runtime)'.*?\}")
# transformers' own bar. Those of other libraries begin with a name; it is written anew, behind \r, for every step.
_STEPS = re.compile(r" *\d+%\|[^|]*\| (?P<step>\d+)/(?P<steps>\d+) \[")
_REASON = re.compile(r"^(?:\w+\.)*\w*(?:Error|Exception|Exit)\b.*", re.MULTILINE)
_PROBE = (
    "import json, sys, torch; from importlib.metadata import version;"
    "print(json.dumps({'python': sys.version.split()[0], **{name: version(name) for name in sys.argv[1:]},"
    "'device': torch.cuda.get_device_name() if torch.cuda.is_available() else 'cpu'}))"
)


class AutoTrainLog(EngineLog):
    """What one run of AutoTrain says, and where it is, read from its own bar.

    Attributes:
        seconds: Of the training loop itself; None where it did not get so far.
        reason: The line that names the exception; None where none was seen.

    Args:
        tokens: That it trains on in all, for the bar; None where they were not counted.
    """

    seconds: float | None = None
    reason: str | None = None

    def __init__(self, tokens: float | None = None) -> None:
        super().__init__("AutoTrain")
        self.tokens = tokens or 0.0

    def read(self, line: str) -> None:
        """Takes a line."""
        self.tail.append(line.rstrip())
        if reason := _REASON.match(line.strip()):
            self.reason = reason.group()
        if shown := _STEPS.match(line):
            step, steps = int(shown["step"]), int(shown["steps"])
            if not self.steps:
                self.begin(steps, tokens=self.tokens / steps)
            if steps == self.steps and step > self.step:  # an evaluation has a bar of its own
                self.reach(step)
        for logged in _LOGGED.findall(line):
            # Where a progress bar ran into the line, the same numbers follow on another.
            with suppress(ValueError, SyntaxError):
                self._take({key: float(value) for key, value in ast.literal_eval(logged).items()})

    def _take(self, logged: Mapping[str, float]) -> None:
        if "train_runtime" in logged:
            self.seconds = logged["train_runtime"]
            if not self.losses and "train_loss" in logged:  # of so few steps that none was logged, the mean is known
                self.losses.append({"epoch": logged["epoch"], "loss": logged["train_loss"]})
            self.end()
        elif not self.losses or logged["epoch"] > self.losses[-1]["epoch"]:
            self.advance(0, note=f"loss {logged['loss']:.3f}")
            self.losses.append({key: logged[key] for key in ("epoch", "loss", "learning_rate") if key in logged})


def find_autotrain(env: str | Path | None = None) -> Path:
    """The Python interpreter of an environment that has AutoTrain.

    Looked for in `env` where it is given, else in this environment, then in `.venv-autotrain` of this folder and of
    those above it.

    Args:
        env: A virtual environment's folder.

    Raises:
        InputError: There is none; the message says how to install one.
    """
    # Not `find_spec("autotrain")`: at the root of a checkout the recipes' folder of that name answers it.
    if env is None and any(True for _ in metadata.distributions(name="autotrain-advanced")):
        return Path(sys.executable)
    places = [folder / ".venv-autotrain" for folder in (Path.cwd(), *Path.cwd().parents)]
    if python := next(filter(None, map(_python_of, places if env is None else [Path(env)])), None):
        return python
    nowhere = "AutoTrain is not installed in this environment, and there is no .venv-autotrain."
    raise InputError(f"{env} is not an environment with AutoTrain in it." if env else nowhere, hint=_INSTALL)


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
) -> AutoTrainLog:
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
    with AutoTrainLog(tokens) as log:
        run_child(command, log.read, cwd=cwd, env={**variables, "PATH": path})
    return log


def fine_tune(recipe: Recipe, folder: Path, *, env: str | Path | None) -> Outcome:
    """Trains as a recipe says.

    Args:
        recipe: Without errors, with a rendered config, and its local folders spelt in full.
        folder: Receives what AutoTrain needs and leaves; exists.
        env: The environment that has AutoTrain; by default see `find_autotrain`.

    Raises:
        InputError: There is no AutoTrain.
        TrainingError: It left no adapter; the message holds the reason that it gave, and its last lines.
    """
    python, cache = find_autotrain(env), folder / "datasets"
    config, trained = folder / "recipe.yml", folder / recipe.project_name
    config.write_text(recipe.text, encoding="utf-8")
    tokenizer = local_folder(recipe.base_model, allow_patterns=list(TOKENIZER_FILES))
    counted = count_tokens(recipe, recipe.data_path, tokenizer)
    log = run_autotrain(python, config, cwd=folder, tokens=counted.tokens, variables=environment(cache))
    missing = [f"no {name}" for name in ADAPTER_FILES if not (trained / name).is_file()]
    if missing or not log.losses:
        raise TrainingError(
            f"AutoTrain failed: {log.reason or 'it gave no reason'}. It wrote {' and '.join(missing) or 'no loss'}.",
            hint="Its last lines:\n    " + "\n    ".join(log.tail),
        )
    found = versions(python)
    run: dict[str, Any] = {
        "device": found.pop("device"), "versions": found, "training_seconds": log.seconds, **counted._asdict(),
        "losses": log.losses,
    }  # fmt: skip
    # The dataset of the Hub that AutoTrain's `datasets` prepared is filed under its commit; several say nothing.
    commits = {path.name for path in cache.glob("*___*/*/*/*") if re.fullmatch("[0-9a-f]{40}", path.name)}
    return Outcome(trained, commits.pop() if len(commits) == 1 else None, run)


def _python_of(env: Path) -> Path | None:
    """The interpreter of an environment that has AutoTrain; None where it has none."""
    sites = (*env.glob("lib/python*/site-packages"), *env.glob("Lib/site-packages"))
    if any(any(site.glob("autotrain_advanced-*.dist-info")) for site in sites):
        for path in (env / "bin/python", env / "Scripts/python.exe"):
            if path.is_file():
                return path.absolute()  # not resolved: a link to the interpreter is what makes it this one's
    return None
