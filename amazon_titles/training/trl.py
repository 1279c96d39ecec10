"""Today's TRL in a process of its own: prepared, started, listened to.

This side needs neither torch nor trl: it makes the token files, starts `worker` once for each device, and turns what
that tells into lines for a terminal and into the log of the run.
"""

from __future__ import annotations

import json
import os
import sys
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from amazon_titles.errors import InputError, MissingExtraError, TrainingError
from amazon_titles.processes import cores, run_child
from amazon_titles.progress import say
from amazon_titles.training.autotrain import SPIN_COUNT
from amazon_titles.training.phases import Phases

MARK = "\x1e"
"""Stands before an event; whatever else a library prints does not begin with it."""
ADAPTER = "trained"
"""Where the worker leaves the adapter's files, in the job's folder."""
PACKAGES = ("torch", "transformers", "peft", "trl", "accelerate", "datasets", "huggingface-hub")

_TAIL_LINES = 20
_MEMORY = (
    "The same training in less memory: halve batch_size and double gradient_accumulation; or lower block_size, "
    "--set disable_gradient_checkpointing=false, or on CUDA --set quantization=int4."
)
_DIVERGED = "Lower the rate: --set lr={lr:.1e}, or raise warmup_ratio. Under fp16 take bf16, where the GPU has it."


class NotFiniteError(Exception):
    """In the worker: the loss became NaN or infinite."""


class OtherModelError(Exception):
    """In the worker: the base is no Llama; its parts lie elsewhere, and nobody has tried."""


@dataclass(frozen=True, slots=True)
class Job:
    """What the worker is told; JSON can hold it.

    Attributes:
        folder: Holds the token files `train.*` and `valid.*`; receives the adapter.
        base: Hub id or folder.
        params: The recipe's.
        block_size: Tokens, decided.
        devices: Processes.
        checkpoints: Folder.
        checkpoint_steps: Steps between two checkpoints.
        keep: `best` or `last`.
        has_valid: Whether there is a validation split.
        resume_from: A checkpoint's folder; None to start anew.
        tensorboard: Whether to log for it.
    """

    folder: str
    base: str
    params: dict[str, Any]
    block_size: int
    devices: int
    checkpoints: str
    checkpoint_steps: int
    keep: str
    has_valid: bool
    resume_from: str | None
    tensorboard: bool


@dataclass(slots=True)
class TrlLog:
    """What a run told.

    Attributes:
        losses: `{"epoch", "loss", "learning_rate", "step"}` a step; the loss in nats an answer token.
        valid_losses: `{"epoch", "loss", "step"}` an evaluation.
        rate: Tokens a second of the training loop, evaluations aside.
        seconds: Of the same.
        device: Its name.
        peak_bytes: Of one device's memory; None on a CPU.
        failed: The event that ended it early.
        tail: The last lines that were no events.
    """

    losses: list[dict[str, float]] = field(default_factory=list)
    valid_losses: list[dict[str, float]] = field(default_factory=list)
    rate: float | None = None
    seconds: float | None = None
    device: str = "cpu"
    peak_bytes: int | None = None
    failed: Mapping[str, Any] | None = None
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=_TAIL_LINES))

    def curve(self, every: int) -> list[dict[str, float]]:
        """A point for `every` steps, the mean of their losses, as AutoTrain logs; 100 in all where that is not set."""
        every = every if every > 0 else max(1, len(self.losses) // 100)
        parts = [self.losses[first : first + every] for first in range(0, len(self.losses), every)]
        return [{**part[-1], "loss": sum(point["loss"] for point in part) / len(part)} for part in parts]


def require_trl() -> dict[str, str]:
    """The versions of the packages that train here.

    Raises:
        MissingExtraError: One is not installed.
        InputError: trl is AutoTrain's old one.
    """
    found = {}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            raise MissingExtraError("train", package) from None
    if int(found["trl"].split(".")[0]) < 1:
        raise InputError(
            f"The trl engine needs trl 1.0 or newer, and this environment has {found['trl']}, AutoTrain's.",
            hint="Run it in an environment of its own: pip install 'amazon-titles[train] @ PATH_OR_URL'",
        )
    return {"python": sys.version.split()[0], **found}


def run_trl(job: Job) -> TrlLog:
    """Runs the job in processes of its own.

    Raises:
        TrainingError: It failed; the message says why and what to change.
    """
    path = Path(job.folder) / "job.json"
    path.write_text(json.dumps(asdict(job)), encoding="utf-8")
    worker = ["-m", "amazon_titles.training.worker", str(path)]
    launcher = (
        [] if job.devices == 1 else ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={job.devices}"]
    )
    log = TrlLog()
    with Phases("trl") as shown:

        def read(line: str) -> None:
            if line.startswith(MARK):
                event = json.loads(line[1:])
                _take(log, event)
                _show(shown, event)
            else:
                log.tail.append(line.rstrip())

        command = [sys.executable, *launcher, *worker]
        status = run_child(command, read, env=_environment(job.devices, Path(job.checkpoints)))
    _judge(job, log, status)
    return log


def _environment(devices: int, checkpoints: Path) -> dict[str, str]:
    given = {
        "OMP_NUM_THREADS": str(max(1, cores() // devices)),
        "GOMP_SPINCOUNT": SPIN_COUNT,
        "TENSORBOARD_LOGGING_DIR": str(checkpoints / "runs"),
    }
    fixed = {
        # trl counts its users; whoever runs this has not been asked.
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "PYTHONUNBUFFERED": "1",
        "PYTHONIOENCODING": "utf-8",
        "PYTHONWARNINGS": "ignore",
    }
    # The package is found wherever this process found it, also from a folder that is not its own.
    package = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, (package, os.environ.get("PYTHONPATH"))))
    return {**given, **os.environ, **fixed, "PYTHONPATH": path}


def _take(log: TrlLog, event: Mapping[str, Any]) -> None:
    if event["event"] == "step" and "loss" in event:
        log.losses.append({key: event[key] for key in ("epoch", "loss", "learning_rate", "step")})
        log.rate = event.get("rate", log.rate)
    elif event["event"] == "step":
        log.valid_losses.append({"epoch": event["epoch"], "loss": event["valid_loss"], "step": event["step"]})
    elif event["event"] == "failed":
        log.failed = event
    elif event["event"] == "done":
        log.device, log.peak_bytes, log.seconds = event["device"], event["peak_bytes"], event["seconds"]


def _show(shown: Phases, event: Mapping[str, Any]) -> None:
    if event["event"] == "begin":
        if event["step"]:
            say(f"Going on after step {event['step']} of {event['steps']}.")
        shown.begin(event["steps"], done=event["step"])
    elif event["event"] == "step" and "valid_loss" in event:
        say(f"  epoch {event['epoch']:.2f}  validation loss {event['valid_loss']:.4f}")
    elif event["event"] == "step" and "rate" in event:  # a step of an earlier run has none
        shown.reach(event["step"], note=f"loss {event['loss']:.4f}, {event['rate']:,.0f} tokens/s")
        if event["step"] == shown.steps:
            shown.end()


def _judge(job: Job, log: TrlLog, status: int) -> None:
    trained = Path(job.folder) / ADAPTER
    if log.failed is not None:
        if log.failed["why"] == "memory":
            raise TrainingError(f"The memory did not suffice: {log.failed['message']}", hint=_MEMORY)
        if log.failed["why"] == "base":
            raise InputError(
                f"The base {job.base} is {log.failed['message']}, and the trl engine trains Llamas.",
                hint="Use: --engine autotrain",
            )
        hint = _DIVERGED.format(lr=float(job.params["lr"]) / 3)
        raise TrainingError(f"The loss is no number any more {log.failed['message']}.", hint=hint)
    if status in (-9, 137):
        raise TrainingError("The training was killed, as the system does when its memory is full.", hint=_MEMORY)
    missing = [name for name in ("adapter_model.safetensors", "adapter_config.json") if not (trained / name).is_file()]
    if status or missing or not log.losses:
        tail = "\n    ".join(log.tail)
        raise TrainingError(f"The training failed (exit {status}).", hint=f"Its last lines:\n    {tail}")
