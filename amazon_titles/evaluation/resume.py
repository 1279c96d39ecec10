"""What an evaluation has asked so far, on disk, so that an interrupted one goes on where it stopped."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any

from amazon_titles.errors import InputError
from amazon_titles.evaluation.files import require_writable
from amazon_titles.evaluation.measures import Outcome
from amazon_titles.progress import say


class ResumeFile:
    """A JSON Lines file: a line that says what is being measured, then one an answered question.

    It stands beside the report (`after.json` → `after.partial.jsonl`) until that is written. A last line that was cut
    off is dropped.

    Args:
        report: The file that the report will stand in; None keeps no journal.
        about: What is being measured: a journal of something else is refused.

    Raises:
        InputError: The file is another evaluation's, or cannot be written.
    """

    def __init__(self, report: str | Path | None, about: Mapping[str, Any]) -> None:
        self.done: dict[int, Outcome] = {}
        self._path = None if report is None else Path(report).with_suffix(".partial.jsonl")
        self._file: Any = None
        if self._path is None:
            return
        require_writable(Path(report or ""))
        about = json.loads(json.dumps(about))
        data = self._path.read_bytes() if self._path.exists() else b""
        lines = data[: data.rfind(b"\n") + 1].splitlines()
        if lines:
            self._take(lines, about)
        with self._path.open("r+b" if data else "wb") as file:
            file.truncate(data.rfind(b"\n") + 1)
        self._file = self._path.open("a", encoding="utf-8")
        if not lines:
            self._write(about)

    def _take(self, lines: Sequence[bytes], about: Mapping[str, Any]) -> None:
        try:
            told, *rows = (json.loads(line) for line in lines)
            self.done = {row.pop("number"): Outcome(**row) for row in rows}
        except (ValueError, TypeError, KeyError, AttributeError):
            raise InputError(f"{self._path} is no journal of an evaluation.", hint="Remove it and run again.") from None
        if told != about:
            keys = sorted(told.keys() | about.keys()) if isinstance(told, dict) else []
            differ = [key for key in keys if told.get(key) != about.get(key)]
            raise InputError(
                f"{self._path} was begun with another {' and '.join(differ) or 'evaluation'}.",
                hint="Run with the options that it was begun with, or remove it to begin anew.",
            )

    def __enter__(self) -> ResumeFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()
            if error is not None and self.done:
                say(f"{len(self.done)} answers are kept in {self._path}; the same command goes on from there.")

    def add(self, number: int, outcome: Outcome) -> None:
        """Notes the outcome of a question.

        Args:
            number: Of the question, from 0.
            outcome: What the model did with it.
        """
        self.done[number] = outcome
        if self._file is not None:
            self._write({"number": number, **asdict(outcome)})

    def remove(self) -> None:
        """Removes the file: the report has been written."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def _write(self, value: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(value, ensure_ascii=False) + "\n")
        self._file.flush()
