"""The contenders of `train.py`: what a user would type for each, and what became of it."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from build import memory

HERE = Path(__file__).resolve().parent
CONTENDERS = ("us", "autotrain", "trl-isolated", "trl-wrapped", "trl-best")
WARM_UP = 20
"""Steps that the steady rate leaves out: kernels are chosen and compiled in them, and memory is taken."""
_REASON = re.compile(r"^(?:\w+\.)*\w*(?:Error|Exception)\b.*", re.MULTILINE)


@dataclass(frozen=True)
class Setup:
    """What the contenders have in common.

    Attributes:
        folder: Holds `base`, `dataset`, `recipe.yml` and `tokens.json`.
        threads: Of each contender.
        autotrain_env: An environment that has AutoTrain; None where there is none.
        gpu: Whether there is one.
        card: The card that this one is held to; None for its own limits.
        seconds: Of training that a contender is given; it then ends by itself, before its last step.
        limit: Seconds after which the process of a contender is stopped.
    """

    folder: Path
    threads: int
    autotrain_env: Path | None
    gpu: bool
    card: str | None
    seconds: float
    limit: float


@dataclass
class Row:
    """What became of a contender.

    Attributes:
        contender: Its name.
        attention: That plain TRL was told to use.
        steps: Taken.
        planned: Steps of the whole training.
        tokens: That the model was trained on.
        training_seconds: Of the loop.
        seconds: Of the process.
        tokens_a_second: Over the whole loop.
        steady: Tokens a second after the first steps.
        peak_gib: On a GPU what nvidia-smi shows more than before, else the proportional set size of its processes.
        torch_gib: The most that torch's tensors took on the GPU.
        held_out_loss: In nats an answer token; None where it was not measured.
        note: Why it is not whole; empty where it is.
        failed: Whether it left nothing to compare.
    """

    contender: str
    attention: str | None = None
    steps: int = 0
    planned: int = 0
    tokens: int = 0
    training_seconds: float = 0.0
    seconds: float = 0.0
    tokens_a_second: float = 0.0
    steady: float = 0.0
    peak_gib: float = 0.0
    torch_gib: float = 0.0
    held_out_loss: float | None = None
    note: str = ""
    failed: bool = False
    date: str = field(default_factory=lambda: time.strftime("%Y-%m-%d"))


def attention_of(name: str, setup: Setup) -> str | None:
    """What plain TRL is told to use; `trl-best` gets the fastest that keeps packed rows apart without the Hub.

    With sdpa a mask of all tokens against all is made. Flash attention knows where rows end, and wants a package;
    flex attention skips the blocks between rows, and is a part of torch.
    """
    if not name.startswith("trl"):
        return None
    if name != "trl-best" or not setup.gpu:
        return "sdpa"
    flash = importlib.util.find_spec("flash_attn") is not None and setup.card is None
    return "flash_attention_2" if flash else "flex_attention"


def command(name: str, setup: Setup) -> list[str]:
    """What a user would type."""
    if name == "us":
        # No checkpoints, since the others leave none.
        settings = ["--set", f"project_name={name}", "--set", "checkpoint_steps=100000"]
        return [sys.executable, "-m", "amazon_titles", "train", "recipe.yml", "--engine", "trl", *settings]
    from amazon_titles.recipes import load_recipe

    recipe = load_recipe(setup.folder / "recipe.yml")
    if name == "autotrain":
        from amazon_titles.training.autotrain import find_autotrain

        paths = {"base_model": setup.folder / "base", "data.path": setup.folder / "dataset", "project_name": name}
        config = setup.folder / f"{name}.yml"
        config.write_text(recipe.with_settings({key: str(value) for key, value in paths.items()}).text)
        return [str(find_autotrain(setup.autotrain_env)), "-m", "autotrain.cli.autotrain", "--config", str(config)]
    params = recipe.params
    half = {"bf16": "bfloat16", "fp16": "float16"}.get(params.mixed_precision, "float32")
    attention = attention_of(name, setup)
    options = {
        "model_name_or_path": "base", "dataset_name": "dataset", "dataset_config": recipe.dataset_config,
        "output_dir": name, "packing": True, "packing_strategy": "wrapped" if name == "trl-wrapped" else "bfd",
        "attn_implementation": attention, "max_length": params.block_size, "num_train_epochs": params.epochs,
        "per_device_train_batch_size": params.batch_size,
        "gradient_accumulation_steps": params.gradient_accumulation, "learning_rate": params.lr,
        "lr_scheduler_type": params.scheduler, "warmup_steps": params.warmup_ratio,
        "weight_decay": params.weight_decay, "optim": params.optimizer, "use_peft": True,
        "lora_r": params.lora_r, "lora_alpha": params.lora_alpha, "lora_dropout": params.lora_dropout,
        "lora_target_modules": "all-linear", "gradient_checkpointing": not params.disable_gradient_checkpointing,
        "bf16": half == "bfloat16", "fp16": half == "float16", "dtype": half, "logging_steps": 5,
        "save_strategy": "no", "report_to": "none",
    }  # fmt: skip
    if attention == "flex_attention":
        # It is compiled anew for every length that it meets: here there is but one. Rows that the last batch would
        # have are counted all the same, for TRL's good.
        options |= {"pad_to_multiple_of": params.block_size, "dataloader_drop_last": True}
    words = [word for key, value in options.items() for word in (f"--{key}", str(value))]
    return [sys.executable, "-m", "trl.cli.main", "sft", *words]


def environment(name: str, setup: Setup, steps: Path) -> dict[str, str]:
    """The variables of a contender: as many threads for each, no Hub, and `watch/sitecustomize.py`."""
    if name == "autotrain":
        from amazon_titles.training import autotrain

        # Of today's packages none is seen there.
        variables, path = autotrain.environment(setup.folder / "cache-autotrain"), [HERE / "watch"]
        variables["PATH"] = f"{autotrain.find_autotrain(setup.autotrain_env).parent}{os.pathsep}{os.environ['PATH']}"
    else:
        variables, path = dict(os.environ), [HERE / "watch", HERE.parent, os.environ.get("PYTHONPATH", "")]
        variables["HF_DATASETS_CACHE"] = str(setup.folder / "cache")
    if setup.card:
        variables |= {"BENCHMARK_AS": setup.card, "AMAZON_TITLES_ATTENTION": "efficient"}
    return variables | {
        "PYTHONPATH": os.pathsep.join(str(folder) for folder in path if str(folder)),
        "OMP_NUM_THREADS": str(setup.threads), "GOMP_SPINCOUNT": "2000", "BENCHMARK_STEPS": str(steps),
        "BENCHMARK_SECONDS": str(setup.seconds),
        "HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "TOKENIZERS_PARALLELISM": "false",
    }  # fmt: skip


def gpu_memory() -> float:
    """GiB in use on the first GPU; 0 without one."""
    if shutil.which("nvidia-smi") is None:
        return 0.0
    query = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits", "--id=0"]
    words = subprocess.run(query, capture_output=True, text=True).stdout.split()
    return float(words[0]) / 1024 if words else 0.0


def measure(name: str, setup: Setup) -> Row:
    """Runs a contender; what fails, or takes too long, is a row that says so."""
    row = Row(name, attention_of(name, setup))
    for leftover in setup.folder.glob(f"{name}*"):
        shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
    log, steps = setup.folder / f"{name}.log", setup.folder / f"{name}.steps"
    before, start, stopped = gpu_memory(), time.perf_counter(), False
    try:
        words, variables = command(name, setup), environment(name, setup, steps)
    except Exception as error:  # such as: there is no AutoTrain
        return _failed(row, str(error))
    with log.open("w") as file:
        process = subprocess.Popen(
            words, cwd=setup.folder, env=variables, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip
        try:
            while process.poll() is None:
                row.peak_gib = max(row.peak_gib, gpu_memory() - before if setup.gpu else memory(process.pid))
                if time.perf_counter() - start > setup.limit:
                    stopped = True
                    _stop(process)
                time.sleep(0.3 if setup.gpu else 0.1)
        finally:
            if process.poll() is None:
                _stop(process)
    row.seconds, row.peak_gib = round(time.perf_counter() - start, 1), round(row.peak_gib, 3)
    _read(row, steps, setup.folder)
    # AutoTrain exits 0 when training failed.
    whole = process.returncode == 0 and (setup.folder / name / "adapter_model.safetensors").is_file()
    if row.steady and (stopped or whole):
        row.note = "" if row.steps == row.planned else f"{row.steps} of {row.planned} steps"
    else:
        reasons = _REASON.findall(log.read_text(errors="replace").replace("\r", "\n"))
        last = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()][-1:]
        return _failed(row, "too slow" if stopped else (reasons or last or ["it gave no reason"])[-1])
    return row


def _failed(row: Row, reason: str) -> Row:
    row.failed, row.note = True, " ".join(reason.split())[:200]
    return row


def _stop(process: subprocess.Popen[Any]) -> None:
    """Ends a contender with all that it started, and waits until the GPU has its memory back."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(5)
    time.sleep(2)


def _read(row: Row, steps: Path, folder: Path) -> None:
    """Takes what the watched process wrote of its steps."""
    if not steps.exists():
        return
    lines = steps.read_text().splitlines()  # the last may be half a line, of one that was stopped
    begin, *events = [json.loads(line) for line in lines if line.endswith("}")]
    row.planned = begin["steps"]
    times = {event["step"]: event["time"] for event in events if "ended" not in event}
    if not times:
        return
    row.steps, last = max(times), events[-1]["time"]
    whole = json.loads((folder / "tokens.json").read_text())[row.contender]
    row.tokens = round(whole * row.steps / row.planned)
    row.training_seconds = round(last - begin["time"], 2)
    row.tokens_a_second = round(row.tokens / (last - begin["time"]), 1)
    row.torch_gib = round(max(event.get("gib", 0.0) for event in events), 3)
    first = min(WARM_UP, row.planned // 2, row.steps // 2)
    if row.steps > first in times:
        row.steady = round(whole * (row.steps - first) / row.planned / (last - times[first]), 1)
