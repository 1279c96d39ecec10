"""What an engine shows while its process runs: it starts, it trains, it saves."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from amazon_titles.progress import bar


class Phases(ExitStack):
    """One bar after the other.

    Attributes:
        steps: Of the training; 0 before it begins.
        step: That it has come to.
        advance: Advances the bar that is shown; see `progress.bar`.

    Args:
        engine: Until it trains, its libraries and the base are loaded.
    """

    advance: Callable[..., None]

    def __init__(self, engine: str) -> None:
        super().__init__()
        self.steps = self.step = 0
        self._show(f"starting {engine}")

    def begin(self, steps: int, *, done: int = 0, tokens: float = 0) -> None:
        """The training begins.

        Args:
            steps: In all.
            done: By an earlier run.
            tokens: Of a step.
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
