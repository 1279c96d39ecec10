"""Questions from a file, answers into a file: JSONL in, JSONL out."""

from __future__ import annotations

import glob
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amazon_titles.errors import InputError
from amazon_titles.model.catalog_model import BATCH_SIZE, CatalogModel
from amazon_titles.progress import bar

_EXPECTED = 'Expected a question a line: {"question": "…"}, or "…" alone.'


@dataclass(frozen=True, slots=True)
class Question:
    """A line of a file of questions.

    Attributes:
        text: The question.
        id: What the line calls itself, whatever it is; it is written beside the answer. None where it does not.
    """

    text: str
    id: Any = None


def read_questions(path: str | Path) -> list[Question]:
    """Reads a file of questions, one a line: `{"question": text, "id": anything}`, or the text as a JSON string.

    Raises:
        InputError: No such file, or a line that is no question; the message names it.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").split("\n")
    except FileNotFoundError:
        raise InputError(f"No questions at {path}.", hint=_EXPECTED) from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read ({error}).", hint=_EXPECTED) from None
    questions = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except ValueError as error:
            raise InputError(f"Line {number} of {path} is no JSON ({error}).", hint=_EXPECTED) from None
        text = value.get("question") if isinstance(value, dict) else value
        if not isinstance(text, str) or not text.strip():
            raise InputError(f"Line {number} of {path} holds no question.", hint=_EXPECTED)
        questions.append(Question(text, value.get("id") if isinstance(value, dict) else None))
    if not questions:
        raise InputError(f"{path} is empty.", hint=_EXPECTED)
    return questions


def ask_file(
    model: CatalogModel,
    questions: str | Path,
    out: str | Path,
    *,
    identity: str = "",
    batch_size: int = BATCH_SIZE,
    **options: Any,  # noqa: ANN401 - those of `ask_batch`
) -> int:
    """Answers a file of questions; what was answered before an interruption is not asked again.

    The answers stand beside `out` until all are there, in a file that is named after everything that they depend on:
    another model, file or option starts anew.

    Args:
        model: Whom to ask.
        questions: What `read_questions` takes.
        out: One answer a line, as `Answer.to_dict` has it, with the question's `id` where it has one.
        identity: Tells models of one name apart.
        batch_size: Questions at a time.
        **options: Those of `CatalogModel.ask_batch`.

    Returns:
        How many answers were still to be made.

    Raises:
        InputError: As `read_questions` and `ask_batch`.
    """
    asked = read_questions(questions)
    target = Path(out)
    if target.is_dir():
        raise InputError(f"{out} is a folder.", hint="Name a file: --out answers.jsonl")
    target.parent.mkdir(parents=True, exist_ok=True)
    settings = [model.name, identity, model.dataset, sorted((name, repr(value)) for name, value in options.items())]
    told = json.dumps([settings, [(question.text, question.id) for question in asked]], sort_keys=True)
    partial = target.with_name(f".{target.name}.{hashlib.sha256(told.encode()).hexdigest()[:16]}.partial")
    done = _whole_lines(partial)
    shown = bar(f"asking {model.name}", len(asked), unit="questions", done=done, announce=False)
    with partial.open("a", encoding="utf-8") as file, shown as advance:
        for start in range(done, len(asked), batch_size):
            batch = asked[start : start + batch_size]
            answers = model.ask_batch([question.text for question in batch], batch_size=batch_size, **options)
            for question, answer in zip(batch, answers, strict=True):
                named = {} if question.id is None else {"id": question.id}
                file.write(json.dumps({**named, **answer.to_dict()}, ensure_ascii=False) + "\n")
            file.flush()
            advance(len(batch))
    partial.replace(target)
    for stale in _partials(target):
        stale.unlink(missing_ok=True)
    return len(asked) - done


def _whole_lines(path: Path) -> int:
    """How many answers a partial file holds; a last line that was torn is cut off."""
    if not path.exists():
        return 0
    data = path.read_bytes()
    whole = data[: data.rfind(b"\n") + 1]
    if len(whole) < len(data):
        with path.open("r+b") as file:
            file.truncate(len(whole))
    return whole.count(b"\n")


def _partials(target: Path) -> Iterator[Path]:
    yield from target.parent.glob(f".{glob.escape(target.name)}.*.partial")


def identity_of(model: str | Path) -> str:
    """What changes when a model's folder is trained anew: sizes and times of its files; "" for what is elsewhere."""
    folder = Path(model)
    if not folder.is_dir():
        return str(model)
    files = [path for path in sorted(folder.glob("*")) if path.suffix in (".json", ".safetensors")]
    return str([(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files])
