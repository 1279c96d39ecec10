"""What the two engines have in common: what they say while they run, and what they leave behind."""

from __future__ import annotations

import ast
import os
import re
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import Any

from amazon_titles.processes import COMPUTING, cores
from amazon_titles.progress import bar, say

PACKAGES = ("torch", "transformers", "peft", "trl", "accelerate", "datasets", "huggingface-hub")
"""Whose versions decide what a training does."""

_LOGGED = re.compile(r"\{'(?:loss|valid_loss|train_runtime)'.*?\}")
# transformers' own bar. Those of other libraries begin with a name; it is written anew, behind \r, for every step.
_STEPS = re.compile(r" *\d+%\|[^|]*\| (?P<step>\d+)/(?P<steps>\d+) \[")
_REASON = re.compile(r"^(?:\w+\.)*\w*(?:Error|Exception|Exit)\b.*", re.MULTILINE)


def child_environment(processes: int | None) -> dict[str, str]:
    """The variables of an engine's process: this one's, with threads as this machine has cores for, and lines in UTF-8.

    Args:
        processes: How many share the cores; None where what starts them has an opinion of its own.
    """
    threads = {"OMP_NUM_THREADS": str(max(1, cores() // processes))} if processes else {}
    given = {**threads, **COMPUTING, **os.environ}
    return given | {"PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"}


class EngineLog(ExitStack):
    """What an engine's process says, kept, and shown as one bar after the other: it starts, it trains, it saves.

    With either engine transformers trains, and says where it is by its own bar and by its own lines.

    Attributes:
        losses: A point a logged step.
        tail: The last lines.
        steps: How many the training has; 0 before it begins.
        step: The one that it has come to.
        advance: Advances the bar that is shown; see `progress.bar`.
        seconds: Of the training loop itself; None where it did not get so far.
        reason: The line that names the exception; None where none was seen.

    Args:
        engine: Its name; until it trains, its libraries and the base are loaded.
        tokens: That it trains on in all, for the bar; None where they were not counted.
        done: How many steps an earlier run has done.
    """

    advance: Callable[..., None]
    seconds: float | None = None
    reason: str | None = None

    def __init__(self, engine: str, *, tokens: float | None = None, done: int = 0) -> None:
        super().__init__()
        self.losses: list[dict[str, float]] = []
        self.tail: deque[str] = deque(maxlen=20)
        self.steps, self.step, self.tokens = 0, done, tokens or 0.0
        self._show(f"starting {engine}")

    def read(self, line: str) -> None:
        """Takes a line."""
        self.tail.append(line.rstrip())
        if reason := _REASON.match(line.strip()):
            self.reason = reason.group()
        if shown := _STEPS.match(line):
            step, steps = int(shown["step"]), int(shown["steps"])
            if not self.steps:
                self.steps = steps
                if self.step:
                    say(f"Going on after step {self.step} of {steps}.")
                self._show("training", steps, unit="steps", done=self.step, tokens=self.tokens / steps)
            if steps == self.steps and step > self.step:  # an evaluation has a bar of its own
                self.advance(step - self.step)
                self.step = step
        for logged in _LOGGED.findall(line):
            # Where a progress bar ran into the line, the same numbers follow on another.
            with suppress(ValueError, SyntaxError):
                self._take({key: float(value) for key, value in ast.literal_eval(logged).items()})

    def _take(self, logged: dict[str, float]) -> None:
        if "train_runtime" in logged:
            self.seconds = logged["train_runtime"]
            if not self.losses and "train_loss" in logged:  # of so few steps that none was logged, the mean is known
                self.losses.append({"epoch": logged["epoch"], "loss": logged["train_loss"]})
            self._show("saving the adapter", announce=False)
        elif "valid_loss" in logged:
            say(f"  epoch {logged['epoch']:.2f}  validation loss {logged['valid_loss']:.4f}")
        else:
            point: dict[str, float] = {key: logged[key] for key in ("epoch", "loss", "learning_rate") if key in logged}
            last = self.losses[-1] if self.losses else {"epoch": -1.0}
            # AutoTrain and its trainer both log a step, one of them with a rounded epoch, which may be the higher one.
            if point["epoch"] > last["epoch"] and point != last | {"epoch": point["epoch"]}:
                self.advance(0, note=f"loss {logged['loss']:.3f}")
                self.losses.append(point)

    def _show(self, *what: Any, **how: Any) -> None:  # noqa: ANN401
        self.close()
        self.advance = self.enter_context(bar(*what, **how))
