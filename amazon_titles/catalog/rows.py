"""Lines of JSON become rows with a uid, a title and a content; what is no row is named, never guessed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from amazon_titles.errors import InputError

FIELDS = ("uid", "title", "content")
"""What every product has; `--field` names them in another catalogue."""

_SHOWN = 200


class BadLine(NamedTuple):
    """A line that holds no product.

    Attributes:
        line: Its number in the source, from 1.
        reason: `not_json`, `missing_field`, `wrong_type`, `bad_utf8` or `too_long`.
        detail: What the decoder said.
        text: The line's first characters.
    """

    line: int
    reason: str
    detail: str
    text: str


def row_decoder(fields: Mapping[str, str], *, strict: bool, related: bool) -> msgspec.json.Decoder[Any]:
    """A decoder of one line, or of a block of lines, that skips every field it was not asked for.

    Args:
        fields: Our names to the catalogue's; those it leaves out are called as we call them.
        strict: trn.json's types exactly: a number as uid has lost its leading zeros. Otherwise a number or null is
            fine too, and so is a list of strings.
        related: Decode `target_ind` as well.

    Raises:
        InputError: A name that is none of ours.
    """
    unknown = sorted(set(fields) - set(FIELDS))
    if unknown:
        raise InputError(
            f"There is no field {unknown[0]!r} to map.",
            hint=f"Expected --field NAME=YOURS with NAME of: {', '.join(FIELDS)}.",
        )
    text: Any = str if strict else str | int | float | list[str] | None
    columns: list[Any] = [("uid", str if strict else str | int), ("title", text), ("content", text)]
    if related:
        columns.append(("target_ind", list[int], msgspec.field(default_factory=list)))
    row = msgspec.defstruct("Row", columns, rename=dict(fields), gc=False)
    return msgspec.json.Decoder(row)


def as_text(value: object) -> str:
    """A field's value as text: null is empty, the strings of a list are joined."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    return " ".join(value) if isinstance(value, list) else str(value)


def decode_lines(data: bytes, decoder: msgspec.json.Decoder[Any], first_line: int) -> tuple[list[Any], list[BadLine]]:
    """Decodes a block of lines.

    Args:
        data: Whole lines.
        decoder: From `row_decoder`.
        first_line: The number of the first one.

    Returns:
        The rows in order, and the lines that are none. Blank lines are neither.
    """
    try:
        return decoder.decode_lines(data), []
    except (msgspec.MsgspecError, UnicodeDecodeError):
        # Some line is bad: one by one, to know which.
        rows: list[Any] = []
        bad: list[BadLine] = []
        for number, line in enumerate(data.split(b"\n"), start=first_line):
            if not line.strip():
                continue
            try:
                rows.append(decoder.decode(line))
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                bad.append(BadLine(number, _reason(error, line), str(error), line[:_SHOWN].decode(errors="replace")))
        return rows, bad


def _reason(error: Exception, line: bytes) -> str:
    try:
        line.decode()
    except UnicodeDecodeError:
        return "bad_utf8"
    if isinstance(error, msgspec.ValidationError):
        return "missing_field" if "missing required field" in str(error) else "wrong_type"
    return "not_json"


def explain(bad: BadLine, name: str) -> InputError:
    """What to tell somebody whose file has no product at all, from its first line."""
    try:
        value = msgspec.json.decode(bad.text)
    except msgspec.MsgspecError:
        value = None
    if bad.reason == "missing_field" and isinstance(value, dict):
        found = f"has the fields {', '.join(map(str, value))}, and no product field that was expected ({bad.detail})"
    else:
        found = f"is no product ({bad.reason}: {bad.detail})"
    return InputError(
        f"Line {bad.line} of {name} {found}; expected one JSON object a line with {', '.join(FIELDS)}.",
        hint="Name the fields of another catalogue with --field title=NAME",
    )
