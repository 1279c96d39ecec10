"""Talk on stderr: lines for steps, and a bar where somebody is watching. stdout stays data."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_SECONDS_A_LINE = 15.0

Advance = Callable[..., None]
"""`advance(n=1, *, total=None, note="")`: `n` more units are done; `total` sets how many there are in all."""


def say(message: str) -> None:
    """Writes one line to stderr."""
    sys.stderr.write(message + "\n")
    sys.stderr.flush()


@contextmanager
def bar(description: str, total: float | None = None) -> Iterator[Advance]:
    """A progress bar on stderr with the time left; silent where stderr is not a terminal.

    Where AMAZON_TITLES_PROGRESS is `lines`, a line every quarter of a minute takes its place, as a log wants it.

    Args:
        description: What is being done.
        total: Units in all; None where it is not known beforehand.

    Yields:
        The function that advances the bar.
    """
    if not sys.stderr.isatty():
        lines = os.environ.get("AMAZON_TITLES_PROGRESS") == "lines"
        yield _lines(description, total) if lines else lambda n=1, *, total=None, note="": None
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


def _lines(description: str, total: float | None) -> Advance:
    start = said = time.monotonic()
    done, whole = 0.0, total

    def advance(n: float = 1, *, total: float | None = None, note: str = "") -> None:
        nonlocal done, whole, said
        done, whole = done + n, whole if total is None else total
        now = time.monotonic()
        if now - said < _SECONDS_A_LINE:
            return
        said = now
        of = "" if whole is None else f" of {whole:g}"
        left = f", {(whole - done) * (now - start) / done / 60:.0f} min left" if whole and done else ""
        say(f"  {description} {done:.1f}{of}{left}{f', {note}' if note else ''}")

    return advance


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
