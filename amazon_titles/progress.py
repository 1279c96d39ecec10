"""Talk on stderr: a bar on a terminal, and lines in a file, a notebook or a job's log. stdout stays data."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, ClassVar

from amazon_titles.text import printable

SECONDS, SHARE = 10.0, 0.05
"""A line comes when nothing was said for so long; and, once work has taken so long, whenever such a share is done."""
Advance = Callable[..., None]
clock = time.monotonic  # a name of this module, so that tests can have a clock of their own


def say(message: str) -> None:
    """Writes one line to stderr."""
    _Lines.said = clock()
    sys.stderr.write(printable(message) + "\n")
    sys.stderr.flush()


def on_terminal() -> bool:
    """Whether stderr is a terminal that a bar can be drawn on.

    A notebook gives the commands of its cells (`!…`) a terminal, too, and shows little of what is drawn there; Jupyter
    and Colab tell them the number of the process that started the kernel.
    """
    return sys.stderr.isatty() and "JPY_PARENT_PID" not in os.environ


@contextmanager
def bar(description: str, total: float | None = None, **how: Any) -> Iterator[Advance]:  # noqa: ANN401
    """Shows how far some work is: as a bar where stderr is a terminal, else as `lines`, with the same arguments."""
    if not on_terminal():
        with lines(description, total, **how) as advance:
            yield advance
        return
    # rich costs 50 ms to import: only where a bar is drawn.
    from rich import progress as rich
    from rich.console import Console

    unit, text = how.get("unit"), partial(rich.TextColumn, markup=False)
    counts = (rich.MofNCompleteColumn(), rich.TimeRemainingColumn()) if unit else (rich.TimeElapsedColumn(),)
    columns = (text("  {task.description}"), rich.BarColumn(), *counts, text("{task.fields[note]}"))
    with rich.Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        named = printable(f"{description}, {unit}" if unit else description)
        task = shown.add_task(named, total=total, completed=how.get("done", 0), note="")
        yield lambda n=1, *, note="": shown.update(task, advance=n, **({"note": note} if note else {}))


@contextmanager
def lines(description: str, total: float | None = None, *, announce: bool = True, **how: Any) -> Iterator[Advance]:  # noqa: ANN401
    """Says how far some work is, by the line; nothing on a terminal, where the library that works draws its own bar.

    Yields `advance(n=1, *, note="")`: `n` more units are done, and the note says how they went.

    Args:
        description: What is being done.
        total: Units in all; None where that is not known.
        announce: Whether a line stands at the start; without it, what takes less than ten seconds is silent.
        **how: `unit`: what is counted, in the plural. `done`: units that an earlier run has done. `tokens`: of a unit,
            to tell how many a second they are. `measure`: gives the units done, where nobody advances.
    """
    work, over = _Lines(description, total, **how), threading.Event()
    if on_terminal():
        yield work.advance
        return
    if announce:
        say(f"{work.text()} …")
    beat = threading.Thread(target=work.beat, args=(over,), daemon=True)
    beat.start()
    _Lines.open.append(work)
    try:
        yield work.advance
    finally:
        _Lines.open.remove(work)
        over.set()
        beat.join()


@contextmanager
def step(number: int, of: int, title: str) -> Iterator[Callable[[str], None]]:
    """One numbered step: a line at its start, and one with its seconds at its end; yields what takes its outcome."""
    say(f"[{number}/{of}] {title} …")
    outcome, start = list[str](), clock()
    yield outcome.append
    say(f"[{number}/{of}] done in {clock() - start:.1f} s{': ' + '; '.join(outcome) if outcome else ''}")


@dataclass(eq=False)
class _Lines:
    said: ClassVar[float] = 0.0  # when anything was, by whomever
    open: ClassVar[list[_Lines]] = []  # of work within work the innermost speaks
    description: str
    total: float | None = None
    unit: str = ""
    done: float = 0
    tokens: float = 0
    measure: Callable[[], float] | None = None
    note: str = ""

    def __post_init__(self) -> None:
        self.done = self.measure() if self.measure else self.done
        self.start, self.first, self.emitted = clock(), self.done, self.done

    def advance(self, n: float = 1, *, note: str = "") -> None:
        self.done, self.note = self.done + n, note or self.note

    def beat(self, over: threading.Event) -> None:
        while not over.wait(SECONDS / 20):
            if _Lines.open[-1:] == [self]:
                self.emit()

    def emit(self) -> None:
        now, self.done = clock(), self.measure() if self.measure else self.done
        share = bool(self.total) and self.done - self.emitted >= SHARE * (self.total or 0)
        if now - (self.start if share else max(self.start, _Lines.said)) >= SECONDS:
            self.emitted = self.done
            say(self.text(now - self.start))

    def text(self, passed: float = 0) -> str:
        new, of = self.done - self.first, "" if self.total is None else f" of {self.total:,.0f}"
        counted = f"{self.done:,.0f}{of} {self.unit}".rstrip() if of or self.unit else ""
        speed = f"{self.tokens * new / passed:,.0f} tokens/s" if self.tokens and new and passed else ""
        seconds, what = (passed * (self.total - self.done) / new, "left") if self.total and new else (passed, "so far")
        time = f"{timedelta(seconds=max(0, round(seconds)))} {what}" if passed else ""
        return f"  {self.description}: {', '.join(filter(None, (counted, self.note, speed, time)))}".removesuffix(": ")
