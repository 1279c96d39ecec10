"""Lines of JSON become rows with a uid, a title and a content, or labels; what is no row is named, never guessed.

The first rows tell whose catalogue it is: trn.json's, the made-up sample's, or anybody else's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from amazon_titles.catalog.sources import MAX_LINE, open_source
from amazon_titles.errors import InputError
from amazon_titles.io import read_object
from amazon_titles.sample import is_made_up

FIELDS = ("uid", "title", "content")
"""What every product has; `--field` names them in another catalogue."""

FIRST_ROWS = 100
"""So many rows decide whose catalogue it is, at most: what it is called must not depend on how it is read."""

_SHOWN = 200
_TRN_FIELDS = {"uid", "title", "content", "target_ind", "target_rel"}
_ASIN = re.compile(r"[0-9A-Z]{10}")


class Origin(NamedTuple):
    """Whose catalogue it is.

    Attributes:
        amazon: It is trn.json: every row has its five fields, and an ASIN of ten characters as its uid.
        made_up: A row of the sample stands in it.
        number: The first uid that is a number, as far as leading zeros went; None where all are text.
    """

    amazon: bool
    made_up: bool
    number: int | None


def origin_of(data: bytes, *, uid: str = "uid", archive: bool = False) -> Origin:
    """Tells it from the beginning of a catalogue; lines that hold no JSON object decide nothing.

    Args:
        data: Whole lines.
        uid: The catalogue's name of the field.
        archive: Whether they stand in the archive that trn.json was published in.
    """
    rows = [row for line in data.split(b"\n", FIRST_ROWS)[:FIRST_ROWS] if (row := read_object(line))]
    uids = [row.get(uid) for row in rows]
    asins = all(isinstance(one, str) and _ASIN.fullmatch(one) for one in uids)
    trn = bool(rows) and asins and all(row.keys() >= _TRN_FIELDS for row in rows)
    made_up = any(map(is_made_up, uids))
    number = next((one for one in uids if isinstance(one, int) and not isinstance(one, bool)), None)
    return Origin((archive or trn) and not made_up, made_up, number)


class BadLine(msgspec.Struct):
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
    return msgspec.json.Decoder(msgspec.defstruct("Row", columns, rename=dict(fields), gc=False))


def as_text(value: object) -> str:
    """A field's value as text: null is empty, the strings of a list are joined."""
    if isinstance(value, str):
        return value
    return " ".join(value) if isinstance(value, list) else "" if value is None else str(value)


def decode_lines(data: bytes, decoder: msgspec.json.Decoder[Any]) -> tuple[list[Any], list[BadLine]]:
    """Decodes a block of lines.

    Args:
        data: Whole lines.
        decoder: From `row_decoder`.

    Returns:
        The rows in order, and the lines that are none, numbered from 1 within the block. Blank lines are neither.
    """
    try:
        return decoder.decode_lines(data), []
    except (msgspec.MsgspecError, UnicodeDecodeError):
        # Some line is bad: one by one, to know which.
        rows, bad = list[Any](), list[BadLine]()
        for number, line in enumerate(data.split(b"\n"), start=1):
            try:
                if line.strip():
                    rows.append(decoder.decode(line))
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                reason, detail = _reason(error, line)
                bad.append(BadLine(number, reason, detail, line[:_SHOWN].decode(errors="replace")))
        return rows, bad


def _reason(error: Exception, line: bytes) -> tuple[str, str]:
    if len(line) > MAX_LINE:
        return "too_long", f"longer than {MAX_LINE >> 20} MiB"
    if line.decode(errors="ignore").encode() != line:
        return "bad_utf8", str(error)
    if isinstance(error, msgspec.ValidationError):
        return "missing_field" if "missing required field" in str(error) else "wrong_type", str(error)
    return "not_json", str(error)


def explain(bad: BadLine, name: str) -> InputError:
    """What to tell somebody whose file has no product at all, from its first line."""
    fields = ", ".join(read_object(bad.text.encode()))
    named = bad.reason == "missing_field" and fields
    found = f"has the fields {fields}, and not those of a product" if named else f"is no product ({bad.reason})"
    return InputError(
        f"Line {bad.line} of {name} {found}: {bad.detail}. Expected one JSON object a line with {', '.join(FIELDS)}.",
        hint="Name the fields of another catalogue with --field title=NAME",
    )


def read_labels(path: str | Path) -> np.ndarray[Any, np.dtype[np.bytes_]]:
    """The uid of every row of lbl.json: the products that `target_ind` of trn.json points at by row number.

    Args:
        path: lbl.json, plain or packed.

    Returns:
        Array of bytes, one a row in file order: 13 MB for 1,305,265 rows, where a list of strings takes 100.

    Raises:
        InputError: A line without a uid: every later number would point at the wrong product.
    """
    decode: Any = msgspec.json.Decoder(msgspec.defstruct("Label", [("uid", str)])).decode_lines
    with open_source(path) as source:
        try:
            blocks = [np.array([row.uid.encode() for row in decode(block)], np.bytes_) for block in source.blocks()]
            return np.concatenate(blocks)
        except (msgspec.MsgspecError, ValueError) as error:  # the latter of no block, too
            raise InputError(
                f"{source.name} is empty, or has a line without a uid ({error}).",
                hint="Expected lbl.json of the archive that trn.json came in.",
            ) from error
