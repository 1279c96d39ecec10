"""What the two engines have in common: what they say while they run, and what they leave behind."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amazon_titles.processes import COMPUTING, cores
from amazon_titles.progress import bar

PACKAGES = ("torch", "transformers", "peft", "trl", "accelerate", "datasets", "huggingface-hub")
"""Whose versions decide what a training does."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an engine leaves behind.

    Attributes:
        trained: The folder with the adapter's files.
        revision: The commit of the dataset on the Hub; None for a folder.
        run: The fields of `run.json` that it alone knows: `device`, `versions`, `training_seconds` (how long the
            training loop itself took; None where that is not known), `rows`, `tokens_an_epoch` and `tokens` (None where
            they were not counted), `losses` (`{"epoch", "loss", "learning_rate"}` a logged step, in nats a token). The
            trl engine adds more.
    """

    trained: Path
    revision: str | None
    run: dict[str, Any]


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

    Attributes:
        losses: A point a logged step.
        tail: The last lines.
        steps: How many the training has; 0 before it begins.
        step: The one that it has come to.
        advance: Advances the bar that is shown; see `progress.bar`.

    Args:
        engine: Its name; until it trains, its libraries and the base are loaded.
    """

    advance: Callable[..., None]

    def __init__(self, engine: str) -> None:
        super().__init__()
        self.losses: list[dict[str, float]] = []
        self.tail: deque[str] = deque(maxlen=20)
        self.steps = self.step = 0
        self._show(f"starting {engine}")

    def begin(self, steps: int, *, done: int = 0, tokens: float = 0) -> None:
        """The training begins.

        Args:
            steps: How many there are in all.
            done: How many of them an earlier run has done.
            tokens: How many a step trains on, to show the speed; 0 where that is not known.
        """
        self.steps, self.step = steps, done
        self._show("training", steps, unit="steps", done=done, tokens=tokens)

    def reach(self, step: int, *, note: str = "") -> None:
        """The training has come to a step."""
        self.advance(step - self.step, note=note)
        self.step = step

    def end(self) -> None:
        """The training is over; what was trained is being saved."""
        self._show("saving the adapter", announce=False)

    def _show(self, *what: Any, **how: Any) -> None:  # noqa: ANN401
        self.close()
        self.advance = self.enter_context(bar(*what, **how))
