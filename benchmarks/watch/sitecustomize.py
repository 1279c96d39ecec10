"""Writes down each step of a contender of `train.py`, and holds it to the limits of another card.

Python imports a `sitecustomize` that is on PYTHONPATH when it starts, so this runs in every process of a contender.
All of them train with a `Trainer` of transformers, whose callbacks are followed here: into $BENCHMARK_STEPS goes a line
of JSON when the training begins, one a step, and one at its end. After $BENCHMARK_SECONDS the training ends. Where
$BENCHMARK_AS is `t4`, torch gets 15 GiB of the GPU, and neither flash attention, nor cuDNN's, nor bf16.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import json
import os
import sys
import time

_WATCHED = "transformers.trainer_callback"
_T4_BYTES = 15 * 2**30
_EVERY = 10  # steps: memory is looked at, and the training may end, having been logged


class _Loader(importlib.abc.Loader):
    """Loads the module as it is, then follows what it defines."""

    def __init__(self, loader):
        self.loader = loader

    def create_module(self, spec):
        return self.loader.create_module(spec)

    def exec_module(self, module):
        self.loader.exec_module(module)
        _limit()
        _follow(module.CallbackHandler)


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the watched module, once."""

    def find_spec(self, name, path, target=None):
        if name != _WATCHED:
            return None
        sys.meta_path.remove(self)
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader)
        return spec


def _limit() -> None:
    """What a T4 cannot do is refused; nothing here starts CUDA, which would take memory in a launcher's process too."""
    if os.environ.get("BENCHMARK_AS") == "t4":
        import torch

        torch.backends.cuda.enable_flash_sdp(False)
        torch.backends.cuda.enable_cudnn_sdp(False)
        torch.cuda.is_bf16_supported = lambda *_, **__: False


def _follow(handler: type) -> None:
    began, stepped, ended = handler.on_train_begin, handler.on_step_end, handler.on_train_end
    seconds, start = float(os.environ.get("BENCHMARK_SECONDS", "inf")), 0.0

    def on_train_begin(self, args, state, control):
        nonlocal start
        if os.environ.get("BENCHMARK_AS") == "t4":
            import torch

            if torch.cuda.is_available():
                share = _T4_BYTES / torch.cuda.get_device_properties(0).total_memory
                torch.cuda.set_per_process_memory_fraction(min(1.0, share))
        answer = began(self, args, state, control)
        start = time.time()
        _write(state, steps=state.max_steps)
        return answer

    def on_step_end(self, args, state, control):
        more = {} if state.global_step % _EVERY else {"gib": _gib()}  # before the time is taken
        _write(state, **more)
        control = stepped(self, args, state, control)
        if state.global_step % _EVERY == 0 and time.time() - start > seconds:
            control.should_training_stop = True
        return control

    def on_train_end(self, args, state, control):
        gib = _gib()
        _write(state, gib=gib, ended=True)
        return ended(self, args, state, control)

    handler.on_train_begin, handler.on_step_end, handler.on_train_end = on_train_begin, on_step_end, on_train_end


def _gib() -> float:
    """The most that torch's tensors have taken on the GPU, once it has done what it was given; 0 without one."""
    import torch

    if not torch.cuda.is_available():
        return 0.0
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated() / 2**30


def _write(state, **more) -> None:
    if state.is_world_process_zero:
        with open(os.environ["BENCHMARK_STEPS"], "a", encoding="utf-8") as file:  # noqa: PTH123 - no more imports
            file.write(json.dumps({"step": state.global_step, "time": time.time(), **more}) + "\n")


if "BENCHMARK_STEPS" in os.environ:
    sys.meta_path.insert(0, _Finder())
