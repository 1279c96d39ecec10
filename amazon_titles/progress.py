"""Talk on stderr: lines for steps, and a bar where somebody is watching. stdout stays data."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Advance = Callable[..., None]
"""`advance(n=1, *, total=None, note="")`: `n` more units are done; `total` sets how many there are in all."""


def say(message: str) -> None:
    """Writes one line to stderr."""
    sys.stderr.write(message + "\n")
    sys.stderr.flush()


@contextmanager
def bar(description: str, total: float | None = None) -> Iterator[Advance]:
    """A progress bar on stderr with the time left; silent where stderr is not a terminal.

    Args:
        description: What is being done.
        total: Units in all; None where it is not known beforehand.

    Yields:
        The function that advances the bar.
    """
    if not sys.stderr.isatty():
        yield lambda n=1, *, total=None, note="": None
        return
    # rich costs 50 ms to import: only where a bar is drawn.
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("  {task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(description, total=total, note="")

        def advance(n: float = 1, *, total: float | None = None, note: str = "") -> None:
            progress.update(task, advance=n)
            if total is not None:
                progress.update(task, total=total)
            if note:
                progress.update(task, note=note)

        yield advance


@contextmanager
def step(number: int, of: int, title: str) -> Iterator[Callable[[str], None]]:
    """One numbered step: a line when it starts, and a line with its seconds and its outcome when it is done.

    Yields:
        A function that takes the outcome in a few words.
    """
    say(f"[{number}/{of}] {title} …")
    outcome: list[str] = []
    start = time.perf_counter()
    yield outcome.append
    say(f"[{number}/{of}] done in {time.perf_counter() - start:.1f} s{': ' + '; '.join(outcome) if outcome else ''}")
