"""Plain AutoTrain as a child process: found, started, listened to, and judged by what it leaves behind.

AutoTrain exits 0 when training failed: it logs the exception and swallows it. So success is the adapter's files, never
the exit status.
"""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from amazon_titles.errors import InputError, TrainingError
from amazon_titles.processes import cores, run_child
from amazon_titles.training.phases import Phases

ADAPTER_FILES = ("adapter_model.safetensors", "adapter_config.json")
"""What a training that went well has written."""

SPIN_COUNT = "2000"
"""How long a waiting thread of libgomp spins. With its default a training ran five times slower as soon as anything
else ran on the machine; sleeping at once (OMP_WAIT_POLICY=PASSIVE) costs a sixth of the speed of a quiet one."""

_LOGGED = re.compile(r"\{'(?:loss|train_runtime)'.*?\}")
# transformers' own bar. Those of other libraries begin with a name; it is written anew, behind \r, for every step.
_STEPS = re.compile(r" *\d+%\|[^|]*\| (?P<step>\d+)/(?P<steps>\d+) \[")
_REASON = re.compile(r"^(?:\w+\.)*\w*(?:Error|Exception|Exit)\b.*", re.MULTILINE)
_TAIL_LINES = 20
_PACKAGES = ("autotrain-advanced", "torch", "transformers", "peft", "trl", "accelerate", "datasets", "huggingface-hub")
_PROBE = (
    "import json,sys;from importlib import metadata as m;"
    "v=lambda p:next((d.version for d in m.distributions() if d.metadata['Name'].lower().replace('_','-')==p),None);"
    "import torch;"
    "print(json.dumps({'python':sys.version.split()[0],**{p:v(p) for p in sys.argv[1:]},"
    "'device':torch.cuda.get_device_name() if torch.cuda.is_available() else 'cpu'}))"
)


@dataclass(slots=True)
class AutoTrainLog:
    """What one run of AutoTrain said.

    Attributes:
        losses: `{"epoch", "loss", "learning_rate"}` a logged step; the loss in nats a token.
        seconds: Of the training loop itself, as the trainer counted; None where it did not get so far.
        tail: The last lines.
        reason: The line that names the exception; None where none was seen.
    """

    losses: list[dict[str, float]]
    seconds: float | None
    tail: str
    reason: str | None


def find_autotrain(env: str | Path | None = None) -> Path:
    """The Python interpreter of an environment that has AutoTrain.

    Looked for in `env` where it is given, else in this environment, then in `.venv-autotrain` of this folder and of
    those above it.

    Args:
        env: A virtual environment's folder.

    Raises:
        InputError: There is none; the message says how to install one.
    """
    if env is not None:
        python = _python_of(Path(env))
        if python is None or not _has_autotrain(Path(env)):
            raise InputError(f"{env} is not an environment with AutoTrain in it.", hint=_INSTALL)
        return python
    # Not `find_spec("autotrain")`: at the root of a checkout the recipes' folder of that name answers it.
    if any(True for _ in metadata.distributions(name="autotrain-advanced")):
        return Path(sys.executable)
    for folder in (Path.cwd(), *Path.cwd().parents):
        candidate = folder / ".venv-autotrain"
        if _has_autotrain(candidate) and (python := _python_of(candidate)):
            return python
    raise InputError("AutoTrain is not installed in this environment, and there is no .venv-autotrain.", hint=_INSTALL)


_INSTALL = (
    "In a checkout: make .venv-autotrain   Elsewhere, in an environment of its own (Python 3.10 to 3.12): "
    "pip install 'amazon-titles[autotrain] @ PATH_OR_URL', then name it with --autotrain-env DIR"
)


def versions(python: Path) -> dict[str, str]:
    """The versions of AutoTrain's environment and its device, by package name."""
    done = subprocess.run([str(python), "-c", _PROBE, *_PACKAGES], capture_output=True, text=True, check=False)
    if done.returncode:
        raise TrainingError(f"The environment of {python} does not work: {done.stderr.strip().splitlines()[-1:]}")
    return {name: version for name, version in json.loads(done.stdout).items() if version is not None}


def environment(cache: Path) -> dict[str, str]:
    """The variables that AutoTrain's process gets.

    Args:
        cache: Folder for the data that its `datasets` prepares: 3.2 fails on what 4 or newer left in a shared one.
    """
    variables = {key: value for key, value in os.environ.items() if key not in {"PYTHONPATH", "PYTHONHOME"}}
    return variables | {
        "HF_DATASETS_CACHE": str(cache),
        # `accelerate launch` sets one thread on a CPU unless told otherwise.
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", str(cores())),
        "GOMP_SPINCOUNT": os.environ.get("GOMP_SPINCOUNT", SPIN_COUNT),
        # AutoTrain's default is true: a base could run its own code.
        "ALLOW_REMOTE_CODE": "false",
        "PYTHONUNBUFFERED": "1",
        "PYTHONIOENCODING": "utf-8",
    }


def dataset_revision(cache: Path) -> str | None:
    """The commit of the Hub's dataset that AutoTrain's `datasets` prepared in this cache, which it is filed under.

    None where it prepared a folder's files, or several.
    """
    commits = {path.name for path in cache.glob("*___*/*/*/*") if re.fullmatch("[0-9a-f]{40}", path.name)}
    return commits.pop() if len(commits) == 1 else None


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
    said = AutoTrainLog([], None, "", None)
    tail: deque[str] = deque(maxlen=_TAIL_LINES)
    with (cwd / "autotrain.log").open("w", encoding="utf-8") as log, _Shown(tokens) as shown:

        def read(line: str) -> None:
            log.write(line)
            tail.append(line.rstrip())
            found = _REASON.match(line.strip())
            said.reason = found.group() if found else said.reason
            shown.read(line)
            for logged in _read_logged(line):
                if "train_runtime" in logged:
                    said.seconds = logged["train_runtime"]
                    shown.end()
                elif not said.losses or logged["epoch"] > said.losses[-1]["epoch"]:
                    shown.advance(0, note=f"loss {logged['loss']:.3f}")
                    said.losses.append(
                        {key: logged[key] for key in ("epoch", "loss", "learning_rate") if key in logged}
                    )

        run_child(command, read, cwd=cwd, env={**variables, "PATH": path})
    said.tail = "\n".join(tail)
    return said


class _Shown(Phases):
    """Where AutoTrain is, read from its own bar.

    Args:
        tokens: Of the whole training; None where they were not counted.
    """

    def __init__(self, tokens: float | None) -> None:
        super().__init__("AutoTrain")
        self.tokens = tokens or 0.0

    def read(self, line: str) -> None:
        """Takes a line of AutoTrain's; most are about something else."""
        found = _STEPS.match(line)
        if found is None:
            return
        step, steps = int(found["step"]), int(found["steps"])
        if not self.steps:
            self.begin(steps, tokens=self.tokens / steps)
        if steps == self.steps and step > self.step:  # an evaluation has a bar of its own
            self.reach(step)


def _read_logged(line: str) -> list[dict[str, float]]:
    logged = []
    for found in _LOGGED.findall(line):
        try:
            values = ast.literal_eval(found)
        except (ValueError, SyntaxError):
            continue  # a progress bar ran into the line; the same numbers follow on another
        logged.append({key: float(value) for key, value in values.items()})
    return logged


def _python_of(env: Path) -> Path | None:
    for relative in ("bin/python", "Scripts/python.exe"):
        if (env / relative).is_file():
            return (env / relative).absolute()  # not resolved: a link to the interpreter is what makes it this one's
    return None


def _has_autotrain(env: Path) -> bool:
    patterns = ("lib/python*/site-packages", "Lib/site-packages")
    return any(any(True for _ in site.glob("autotrain_advanced-*.dist-info")) for p in patterns for site in env.glob(p))
