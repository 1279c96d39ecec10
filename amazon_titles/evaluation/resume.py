"""What an evaluation has asked so far, on disk, so that an interrupted one goes on where it stopped."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from amazon_titles.errors import InputError
from amazon_titles.evaluation.measures import Outcome
from amazon_titles.io import read_object
from amazon_titles.progress import say


@contextmanager
def resumed(
    report: str | Path | None, about: Mapping[str, Any]
) -> Iterator[tuple[list[Outcome], Callable[[Outcome], None]]]:
    """Keeps outcomes in a JSON Lines file: a line that says what is being measured, then one an answered question.

    It stands beside the report (`after.json` → `after.partial.jsonl`) until the block ends well: then the report has
    been written. A last line that was cut off is dropped.

    Args:
        report: The file that the report will stand in; None keeps nothing on disk.
        about: What is being measured: a file of something else is refused.

    Yields:
        The outcomes in the order in which the questions are asked; and what adds the next one.

    Raises:
        InputError: The file is another evaluation's, or the report could not be written in the end.
    """
    done: list[Outcome] = []
    if report is None:
        yield done, done.append
        return
    if Path(report).is_dir():
        raise InputError(f"{report} is a folder.", hint="Name a file: --out after.json")
    path = Path(report).with_suffix(".partial.jsonl")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+b")
    except OSError as error:
        found = f"{path.parent} cannot be made or written to ({error.strerror})."
        raise InputError(found, hint="Choose another --out.") from None

    def add(outcome: Outcome) -> None:
        done.append(outcome)
        file.write(msgspec.json.encode(outcome) + b"\n")
        file.flush()

    with file:
        file.seek(0)
        written = file.read()
        whole = written[: written.rfind(b"\n") + 1]
        file.truncate(len(whole))
        if whole:
            begun, _, answered = whole.partition(b"\n")
            _require_same(path, read_object(begun), about)
            try:
                done += msgspec.json.Decoder(Outcome).decode_lines(answered)
            except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
                said = f"{path}, the answers of an interrupted evaluation, is damaged ({error})."
                raise InputError(said, hint="Remove it, and run the same command again to start over.") from None
        else:
            file.write(msgspec.json.encode(about) + b"\n")
        try:
            yield done, add
        except BaseException:
            if done:
                say(f"{len(done)} answers are saved in {path}; run the same command again to resume.")
            raise
    path.unlink()


def _require_same(path: Path, begun: Mapping[str, Any], about: Mapping[str, Any]) -> None:
    if differ := [key for key in sorted(begun.keys() | about.keys()) if begun.get(key) != about.get(key)]:
        raise InputError(
            f"{path} belongs to another evaluation, with other {' and '.join(differ)}.",
            hint="Use the same options as before, or remove it to start over.",
        )
