"""What a step of our trl engine takes on this device: the whole, the host's work, the device's, and kernel launches.

    python benchmarks/steps.py                 # the shape of Llama 3.2 1B on a GPU; a tiny Llama on a CPU
    python benchmarks/steps.py --as t4 --profiled 2

`amazon-titles train` runs as ever, on the base, the data and the recipe of `train.py`, but its worker runs in this
process and ends early: first come steps that warm up, then some that are timed, then some under `torch.profiler`.
Host: what operations took of the CPU's time without waiting for the device, under the profiler, which makes it more.
Writes benchmarks/results/steps-DEVICE.json and prints the dearest operations besides.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from contenders import WARM_UP
from train import SETTINGS, made, result, this_device, write_recipe

LAUNCHES = ("cudaLaunchKernel", "cudaLaunchKernelExC", "cuLaunchKernel", "cuLaunchKernelEx", "cudaGraphLaunch")
WAITS = ("cudaStreamSynchronize", "cudaDeviceSynchronize", "cudaEventSynchronize")


class Lines(io.TextIOBase):
    """A stdout that hands on whole lines."""

    def __init__(self, on_line: Callable[[str], None]) -> None:
        self.on_line, self.rest = on_line, ""

    def write(self, text: str) -> int:
        """Takes some text."""
        *whole, self.rest = (self.rest + text).split("\n")
        for line in whole:
            self.on_line(line)
        return len(text)


def run_here(command: Sequence[str], on_line: Callable[[str], None], *, env: Mapping[str, str]) -> int:
    """The worker in this process, instead of `processes.run_child`."""
    os.environ.update(env)
    from amazon_titles.training import worker

    with contextlib.redirect_stdout(Lines(on_line)):
        return worker.main(str(command[-1]))


def watch(warm_up: int, timed: int, profiled: int) -> Any:
    """A callback of the trainer's that times and profiles; it then has `seconds` (of a step) and `profile`."""
    import torch
    from transformers import TrainerCallback

    gpu = torch.cuda.is_available()
    kinds = [torch.profiler.ProfilerActivity.CPU, *([torch.profiler.ProfilerActivity.CUDA] if gpu else [])]

    class Watch(TrainerCallback):
        def __init__(self) -> None:
            self.profile = torch.profiler.profile(activities=kinds, record_shapes=True)
            self.start, self.seconds, self.done = 0.0, 0.0, False

        def now(self) -> float:
            if gpu:
                torch.cuda.synchronize()
            return time.perf_counter()

        def on_step_begin(self, args: Any, state: Any, control: Any, **_: object) -> None:
            if state.global_step == warm_up:
                self.start = self.now()
            if state.global_step == warm_up + timed:
                self.seconds = (self.now() - self.start) / timed
                self.profile.start()

        def on_step_end(self, args: Any, state: Any, control: Any, **_: object) -> None:
            if state.global_step == warm_up + timed + profiled:
                self.now()
                self.profile.stop()
                self.done = control.should_training_stop = True

    return Watch()


def summary(profile: Any, steps: int) -> dict[str, Any]:
    """What the profiler counted, a step."""
    from torch.autograd import DeviceType

    events = profile.key_averages()
    # What ran on the device has events of its own, beside those of the operations that asked for it.
    device = sum(event.self_device_time_total for event in events if event.device_type == DeviceType.CUDA)
    host = sum(event.self_cpu_time_total for event in events if event.key not in WAITS)
    attention = Counter(
        event.key
        for event in profile.key_averages(group_by_input_shape=True)
        if event.key.startswith("aten::") and "attention" in event.key and "backward" not in event.key
    )
    counts = {event.key: event.count for event in events}
    return {
        "host_ms": round(host / steps / 1000, 2),
        "device_ms": round(device / steps / 1000, 2),
        "launches": round(sum(counts.get(name, 0) for name in LAUNCHES) / steps),
        "graph_launches": round(counts.get("cudaGraphLaunch", 0) / steps, 1),
        "waits": round(sum(counts.get(name, 0) for name in WAITS) / steps, 1),
        "operations": round(sum(count for name, count in counts.items() if name.startswith("aten::")) / steps),
        "attention_shapes": dict(attention),
    }  # fmt: skip


def main() -> None:
    """Trains a little, and prints what a step took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SETTINGS)
    parser.add_argument("--as", dest="card", choices=["t4"], help="with the settings and the attention of another card")
    parser.add_argument("--warm-up", type=int, default=WARM_UP)
    parser.add_argument("--timed", type=int, default=10)
    parser.add_argument("--profiled", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=2, help="of the whole training; a long one is compiled")
    parser.add_argument("--products", type=int, help="of the sample catalogue; 300, on a GPU 1000")
    parser.add_argument("--pretrain", type=int, default=300, help="steps of the tiny base's pretraining, done once")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "amazon-titles-train")
    args = parser.parse_args()
    device, gpu = this_device()
    size = args.size or ("1b" if gpu else "tiny")
    folder = made(args.folder, size, args.products or (1000 if gpu else 300), args.pretrain)
    write_recipe(folder, size, args.epochs, args.card, gpu=gpu)
    if args.card == "t4":
        os.environ["AMAZON_TITLES_ATTENTION"] = "efficient"

    from transformers import trainer

    from amazon_titles.recipes import load_recipe
    from amazon_titles.training import train, trl

    watched = watch(args.warm_up, args.timed, args.profiled)
    trainer.DEFAULT_CALLBACKS.append(watched)
    trl.run_child = run_here
    place = result("steps", size, args.card).resolve()
    os.chdir(folder)
    run = train(load_recipe("recipe.yml"), engine="trl", output_dir="steps").run
    if not watched.done:
        raise SystemExit(f"The training had {run['steps']} steps only: take more --epochs, or fewer steps here.")
    versions = {name: metadata.version(name) for name in ("torch", "transformers", "trl", "peft")}
    told = {
        "device": device, "card": args.card, "size": size, "versions": versions,
        **{name: run[name] for name in ("attention", "step") if name in run},
        "step_ms": round(1000 * watched.seconds, 2), **summary(watched.profile, args.profiled),
    }  # fmt: skip
    place.write_text(json.dumps(told, indent=2) + "\n")
    for key in ("self_device_time_total", "self_cpu_time_total") if gpu else ("self_cpu_time_total",):
        print(watched.profile.key_averages().table(sort_by=key, row_limit=15, max_name_column_width=60))
    print(json.dumps(told, indent=2))


if __name__ == "__main__":
    main()
