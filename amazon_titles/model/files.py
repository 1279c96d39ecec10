"""Questions from a file, answers into a file: JSONL in, JSONL out."""

from __future__ import annotations

import glob
import hashlib
import json
from pathlib import Path
from typing import Annotated, Any

import msgspec

from amazon_titles.errors import InputError
from amazon_titles.io import read_text
from amazon_titles.model.catalog_model import BATCH_SIZE, CatalogModel
from amazon_titles.progress import bar

_EXPECTED = 'Expected one question per line: {"question": "…"}, or "…" alone.'
_Text = Annotated[str, msgspec.Meta(pattern=r"\S")]


class Question(msgspec.Struct):
    """A line of a file of questions.

    Attributes:
        text: The question.
        id: What the line calls itself, whatever it is; it is written beside the answer. None where it does not.
    """

    text: _Text = msgspec.field(name="question")
    id: Any = None


def read_questions(path: str | Path) -> list[Question]:
    """Reads a file of questions, one a line: `{"question": text, "id": anything}`, or the text as a JSON string.

    Raises:
        InputError: No such file, or a line that is no question; the message names it.
    """
    try:
        lines = read_text(Path(path)).split("\n")
    except FileNotFoundError:
        raise InputError(f"No questions at {path}.", hint=_EXPECTED) from None
    except (OSError, UnicodeError) as error:
        raise InputError(f"{path} cannot be read ({error}).", hint=_EXPECTED) from None
    decode, questions = msgspec.json.Decoder(Question | _Text).decode, []
    for number, line in enumerate(lines, start=1):
        try:
            value = decode(line) if line.strip() else None
        except (msgspec.DecodeError, RecursionError) as error:
            wrong = "holds no question" if isinstance(error, msgspec.ValidationError) else "is no JSON"
            raise InputError(f"Line {number} of {path} {wrong} ({error}).", hint=_EXPECTED) from None
        if value is not None:
            questions.append(value if isinstance(value, Question) else Question(value))
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
    key = hashlib.sha256(msgspec.json.encode([settings, asked])).hexdigest()[:16]
    partial = target.with_name(f".{target.name}.{key}.partial")
    with partial.open("a+b") as file:
        file.seek(0)
        written = file.read()
        file.truncate(written.rfind(b"\n") + 1)  # a last line that was torn
        done = written.count(b"\n")
        with bar(f"asking {model.name}", len(asked), unit="questions", done=done, announce=False) as advance:
            for start in range(done, len(asked), batch_size):
                batch = asked[start : start + batch_size]
                answers = model.ask_batch([question.text for question in batch], batch_size=batch_size, **options)
                for question, answer in zip(batch, answers, strict=True):
                    row = ({} if question.id is None else {"id": question.id}) | answer.to_dict()
                    file.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")
                file.flush()
                advance(len(batch))
    partial.replace(target)
    for stale in target.parent.glob(f".{glob.escape(target.name)}.*.partial"):
        stale.unlink(missing_ok=True)
    return len(asked) - done
