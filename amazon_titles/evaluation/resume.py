"""What an evaluation has asked so far, on disk, so that an interrupted one goes on where it stopped."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from amazon_titles.errors import InputError
from amazon_titles.evaluation.measures import Outcome
from amazon_titles.progress import say


@contextmanager
def resumed(
    report: str | Path | None, about: Mapping[str, Any]
) -> Iterator[tuple[dict[int, Outcome], Callable[[int, Outcome], None]]]:
    """Keeps outcomes in a JSON Lines file: a line that says what is being measured, then one an answered question.

    It stands beside the report (`after.json` → `after.partial.jsonl`) until the block ends well: then the report has
    been written. A last line that was cut off is dropped.

    Args:
        report: The file that the report will stand in; None keeps nothing on disk.
        about: What is being measured: a file of something else is refused.

    Yields:
        The outcomes by the number of the question, from 0; and what adds one.

    Raises:
        InputError: The file is another evaluation's, or the report could not be written in the end.
    """
    done: dict[int, Outcome] = {}
    if report is None:
        yield done, done.__setitem__
        return
    path = Path(report).with_suffix(".partial.jsonl")
    if Path(report).is_dir():
        raise InputError(f"{report} is a folder.", hint="Name a file: --out after.json")
    data = path.read_bytes() if path.exists() else b""
    whole = data[: data.rfind(b"\n") + 1]
    if whole:
        done |= _read(path, whole, json.loads(json.dumps(about)))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a", encoding="utf-8")
    except OSError as error:
        reason = "written to" if path.parent.is_dir() else f"made ({error.strerror})"
        raise InputError(f"{path.parent} cannot be {reason}.", hint="Choose another --out.") from None

    def write(value: Mapping[str, Any]) -> None:
        file.write(json.dumps(value, ensure_ascii=False) + "\n")
        file.flush()

    def add(number: int, outcome: Outcome) -> None:
        done[number] = outcome
        write({"number": number, **asdict(outcome)})

    with file:
        file.truncate(len(whole))
        if not whole:
            write(about)
        try:
            yield done, add
        except BaseException:
            if done:
                say(f"{len(done)} answers are kept in {path}; the same command goes on from there.")
            raise
    path.unlink()


def _read(path: Path, data: bytes, about: Mapping[str, Any]) -> dict[int, Outcome]:
    try:
        begun, *rows = map(json.loads, data.splitlines())
        differ = [key for key in sorted(begun.keys() | about.keys()) if begun.get(key) != about.get(key)]
        done = {row.pop("number"): Outcome(**row) for row in rows}
    except (ValueError, TypeError, KeyError, AttributeError):
        raise InputError(f"{path} is no journal of an evaluation.", hint="Remove it and run again.") from None
    if differ:
        raise InputError(
            f"{path} was begun with another {' and '.join(differ)}.",
            hint="Run with the options that it was begun with, or remove it to begin anew.",
        )
    return done
