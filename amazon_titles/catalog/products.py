"""A line of JSON becomes a clean product, or is counted by the reason why not; what is no row is never guessed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from os.path import commonprefix
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from amazon_titles.catalog.cleaning import CHARACTER_RULES, CONTENT_RULES, TITLE_RULES, Rule, clean, fix_encoding
from amazon_titles.catalog.columns import text_of
from amazon_titles.catalog.filters import drop_reason
from amazon_titles.catalog.forms import FORMS, in_latin1, not_utf8
from amazon_titles.catalog.sources import MAX_LINE, open_source
from amazon_titles.errors import InputError
from amazon_titles.io import read_object
from amazon_titles.text import cut_text

MAX_TITLE = 200
"""Characters of a title; p95 of trn.json is 125, its maximum 1,999. A longer one is cut between two words."""

_SHOWN = 200
# UnicodeError also of half a character beside a NaN; RecursionError of brackets without an end.
_UNREADABLE = (msgspec.MsgspecError, UnicodeError, RecursionError)


@dataclass(frozen=True, slots=True)
class Product:
    """One clean product.

    Attributes:
        uid: Its name in the catalogue: the ASIN in trn.json. A string, since leading zeros count.
        title: One line.
        content: Its description, one line.
        related: uids of related products.
    """

    uid: str
    title: str
    content: str
    related: tuple[str, ...] = ()


class BadLine(msgspec.Struct):
    """A line that holds no product.

    Attributes:
        line: Its number in the source, from 1.
        reason: `not_json`, `missing_field`, `wrong_type`, `wrong_cells`, `bad_utf8` or `too_long`.
        detail: What the decoder said.
        text: The line's first characters.
    """

    line: int
    reason: str
    detail: str
    text: str


@dataclass(slots=True)
class Counts:
    """Where the rows of a catalogue went.

    Attributes:
        rows_read: Lines that hold a product: those that passed, and `sum(dropped.values())`.
        dropped: Rows that did not, by reason.
        bad_lines: Lines that hold no product, by reason; they are not among `rows_read`.
        cleaned: Rows that a rule changed, by the rule's name.
        double_encoded: Rows of another catalogue than trn.json that hold UTF-8 read as Latin-1, and stay as they are.
        examples: By rule or reason, `{"uid", "before", "after"}` of the first row that a rule changed, as an excerpt
            before and after; or that a reason dropped, as its title and text.
    """

    rows_read: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    bad_lines: Counter[str] = field(default_factory=Counter)
    cleaned: Counter[str] = field(default_factory=Counter)
    double_encoded: int = 0
    examples: dict[str, dict[str, str]] = field(default_factory=dict)

    def add(self, later: Counts) -> None:
        """Takes over the counts of rows that come later in the source."""
        self.rows_read += later.rows_read
        self.dropped.update(later.dropped)
        self.bad_lines.update(later.bad_lines)
        self.cleaned.update(later.cleaned)
        self.double_encoded += later.double_encoded
        self.examples = later.examples | self.examples


@dataclass(frozen=True, slots=True)
class Reader:
    """How lines become clean products.

    Attributes:
        rules: `amazon` or `generic`; `amazon` also holds trn.json's types.
        fields: Our field names to the catalogue's.
        numbers: Whether uids may be numbers, in other catalogues than trn.json.
        fix_encoding: Whether UTF-8 that was read as Latin-1 is mended.
        min_content_chars: A shorter description drops the row.
        max_content_chars: A longer one is cut at the end of a sentence.
        labels: From `read_labels`, for `target_ind`; without any, `related` stays empty.
    """

    rules: str = "amazon"
    fields: Mapping[str, str] = field(default_factory=dict)
    min_content_chars: int = 40
    max_content_chars: int = 2000
    labels: Sequence[bytes] = ()
    numbers: bool = True
    fix_encoding: bool = False

    def read(self, data: bytes, counts: Counts) -> tuple[list[Product], list[BadLine]]:
        """The clean products of a block of lines, each judged on itself alone.

        Args:
            data: Whole lines; blank ones are nothing.
            counts: Takes the counts.

        Returns:
            The products that may stay, in order, and the lines that hold none, numbered from 1 within the block.
        """
        decoder = self._decoder()
        rows, bad = list[Any](), list[BadLine]()
        try:
            rows = decoder.decode_lines(data)
        except _UNREADABLE:
            # Some line is bad: one by one, to know which.
            for number, line in enumerate(data.split(b"\n"), start=1):
                try:
                    if line.strip():
                        rows.append(_decoded(decoder, line))
                except _UNREADABLE as error:
                    bad.append(BadLine(number, *_reason(error, line), line[:_SHOWN].decode(errors="replace")))
        counts.rows_read += len(rows)
        counts.bad_lines.update(line.reason for line in bad)
        return [product for row in rows if (product := self._product(row, counts)) is not None], bad

    def _decoder(self) -> msgspec.json.Decoder[Any]:
        """A decoder of one line, or of a block of lines, that skips every field it was not asked for."""
        # A number as uid has lost its leading zeros. In other catalogues it may be fine, as is any JSON as text.
        strict = self.rules == "amazon"
        uid: Any = str if strict else str | int | float | None if self.numbers else str | None
        text: Any = str | None if strict else Any
        columns: list[Any] = [("uid", uid), ("title", text), ("content", text)]
        if not strict:
            columns = [(*column, None) for column in columns]
        if len(self.labels):
            columns.append(("target_ind", list[int], msgspec.field(default_factory=list)))
        return msgspec.json.Decoder(msgspec.defstruct("Row", columns, rename=dict(self.fields), gc=False))

    def _product(self, row: Any, counts: Counts) -> Product | None:  # noqa: ANN401 - a struct made at run time
        applied: dict[str, tuple[str, str]] = {}
        uid = text_of(int(row.uid) if isinstance(row.uid, float) and row.uid.is_integer() else row.uid)
        if not uid.isprintable() or uid != uid.strip(" "):
            uid = clean(uid, CHARACTER_RULES, {})
        title = clean(text_of(row.title), self._rules(TITLE_RULES), applied)
        raw = text_of(row.content)
        content = clean(raw, self._rules(CONTENT_RULES[self.rules]), applied) if raw else ""
        reason = drop_reason(title, content, min_chars=self.min_content_chars) if uid else "empty_uid"
        if reason:
            counts.dropped[reason] += 1
            counts.examples.setdefault(reason, {"uid": uid, "before": title[:80], "after": raw[:160]})
        else:
            if len(title) > MAX_TITLE:
                applied["cut_title"] = (title, title := cut_text(title, MAX_TITLE))
            if len(content) > self.max_content_chars:
                applied["cut"] = (content, content := cut_text(content, self.max_content_chars))
        for name, (before, after) in applied.items():
            counts.cleaned[name] += 1
            if name not in counts.examples:
                # Both texts around their first difference.
                start = len(commonprefix((before, after)))  # noqa: RUF071 - by the character, as it should
                shown = slice(max(start - 40, 0), start + 80)
                counts.examples[name] = {"uid": uid, "before": before[shown], "after": after[shown]}
        if reason:
            return None
        if self.rules != "amazon" and (odd := next((one for one in (title, content) if fix_encoding(one) != one), "")):
            counts.double_encoded += 1
            example = {"uid": uid, "before": odd[:80], "after": fix_encoding(odd)[:80]}
            counts.examples.setdefault("double_encoded", example)
        known = len(self.labels)
        related = [self.labels[index].decode() for index in row.target_ind if 0 <= index < known] if known else ()
        return Product(uid, title, content, tuple(related))

    def _rules(self, rules: dict[str, Rule]) -> dict[str, Rule]:
        return {"encoding": fix_encoding, **rules} if self.fix_encoding else rules


def _decoded(decoder: msgspec.json.Decoder[Any], line: bytes) -> Any:  # noqa: ANN401 - a struct made at run time
    try:
        return decoder.decode(line)
    except msgspec.DecodeError:
        # pandas and Python write NaN, which is no JSON: the library reads it, and writes null.
        if b"NaN" in line and (row := read_object(line)):
            return decoder.decode(msgspec.json.encode(row))
        raise


def _reason(error: Exception, line: bytes) -> tuple[str, str]:
    if len(line) > MAX_LINE:
        return "too_long", f"longer than {MAX_LINE >> 20} MiB"
    if line.decode(errors="ignore").encode() != line:
        return "bad_utf8", in_latin1(line)
    if line.startswith(b"["):  # of CSV
        return "wrong_cells", "more or fewer cells than the header has"
    if line.startswith(b'"'):  # of JSON that is not in lines
        return "not_json", "no JSON object"
    if isinstance(error, msgspec.ValidationError):
        return "missing_field" if "missing required field" in str(error) else "wrong_type", str(error)
    return "not_json", str(error)


def explain(bad: BadLine, name: str) -> InputError:
    """What to tell somebody whose file has no product at all, from its first line."""
    if bad.reason == "bad_utf8":
        return not_utf8(name, bad.detail)
    return InputError(
        f"Line {bad.line} of {name} is no product ({bad.reason}): {bad.detail}. It begins: {bad.text[:60]!r}.",
        hint=f"Expected {FORMS}, with uid, title and content.",
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
        except (msgspec.MsgspecError, RecursionError, ValueError) as error:  # the latter of no block, too
            said = f"{source.name} is empty, or has a line without a uid ({error})."
            raise InputError(said, hint="Expected lbl.json of the archive that trn.json came in.") from error
