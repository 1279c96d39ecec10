"""The forms that a catalogue may have beside JSON lines: its first bytes tell which, and a library reads its rows.

Every row becomes one line of JSON with all its columns, so that what comes after reads JSON lines alone. A row that is
none becomes a line that holds no product, which is counted where the others are.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
from collections import deque
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import IO, Any

import msgspec

from amazon_titles.errors import InputError, require
from amazon_titles.io import read_object

LINES, JSON, CSV, PARQUET, EXCEL = "lines", "json", "csv", "parquet", "excel"

FORMS = "JSON lines, a JSON array, CSV, TSV, Parquet or .xlsx, plain or in gzip, zstd or a zip"
"""What can be read, for sentences."""

SUFFIXES = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".txt", ".parquet", ".xlsx")
"""Of the files that are looked for in a zip and in a dataset on the Hub, plain or packed."""

_ROWS = 2000  # of a block
_LOOK_AHEAD = 1 << 20  # characters of one JSON object, where it cannot be decoded
_SEPARATORS = ",;\t|"
_MARKS = {codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16",
          codecs.BOM_UTF16_BE: "utf-16"}  # fmt: skip


def may_be_catalogue(path: str) -> bool:
    """Whether a file's name is that of a catalogue, plain or packed."""
    return path.lower().removesuffix(".gz").removesuffix(".zst").endswith(SUFFIXES)


def known_encoding(encoding: str) -> str:
    """The name of an encoding as Python has it.

    Raises:
        InputError: There is none of this name.
    """
    try:
        # What is called Latin-1 was written by Windows, as a rule: browsers read it so, too.
        return {"iso8859-1": "cp1252"}.get(name := codecs.lookup(encoding).name, name)
    except (LookupError, ValueError):
        raise InputError(f"There is no encoding {encoding!r}.", hint="Usual ones: utf-8, latin-1, utf-16.") from None


def form_of(head: bytes, name: str, encoding: str | None) -> tuple[str, str]:
    """What a catalogue is: one of `LINES`, `JSON`, `CSV`, `PARQUET`, `EXCEL`, and the encoding of its text.

    Args:
        head: Its first bytes, unpacked.
        name: Of the source, for sentences.
        encoding: As given; by default UTF-8, or what its byte-order mark says.

    Raises:
        InputError: It is something that is not read, such as a PDF.
    """
    if head.startswith(b"PAR1"):
        return PARQUET, ""
    if head.startswith(b"PK\3\4"):
        return EXCEL, ""
    for other in msgspec.yaml.decode(Path(__file__).with_suffix(".yml").read_bytes()):
        if re.match(rf"(?s:\s*{other['begins']})", head[:500].decode("latin-1")):
            raise InputError(f"{name} is {other['is']}.", hint=other["then"])
    marked = next((found for mark, found in _MARKS.items() if head.startswith(mark)), None)
    chosen = marked or encoding or "utf-8"
    if chosen.startswith(("utf-8", "cp")) and head[:1000].count(0) > 50:
        raise InputError(
            f"{name} holds bytes of value 0, as no text in UTF-8 does.",
            hint=f"Where it is UTF-16 without its mark: --encoding utf-16-le. Else expected {FORMS}.",
        )
    return _kind_of_text(codecs.getincrementaldecoder(chosen)("replace").decode(head).lstrip()), chosen


def _kind_of_text(text: str) -> str:
    """Whether it is JSON, and whether that stands in lines, of which one may be bad."""
    if not text.startswith(("{", "[")):
        return CSV if text else LINES
    line = text.partition("\n")[0].strip()
    if line[0] == "[" or line == "{":
        return JSON
    try:
        json.JSONDecoder(strict=False).raw_decode(text)
    except (ValueError, RecursionError):
        return LINES
    return LINES if read_object(line.encode()) else JSON


def blocks(file: IO[bytes], kind: str, encoding: str, name: str, sheet: str | None, *, size: int) -> Iterator[bytes]:
    """Yields a catalogue's rows as blocks of JSON lines.

    Args:
        file: It is read from its beginning, and closed.
        kind: As `form_of` tells it.
        encoding: As `form_of` tells it.
        name: Of the source, for sentences.
        sheet: Of a workbook; None for the first.
        size: Bytes of a block of text.
    """
    rows: Iterator[Any]
    if kind == PARQUET:
        rows = _parquet_rows(file)
    elif kind == EXCEL:
        rows = _excel_rows(file, name, sheet)
    else:
        # Bytes that are no character of the encoding go through as they are: they are bad in their own row alone.
        errors = "surrogateescape" if encoding.startswith("utf-8") else "replace"
        text = io.TextIOWrapper(file, encoding, errors, newline="")
        if kind == LINES:
            while block := text.read(size):
                yield _bytes(block + text.readline())
            return
        rows = _csv_rows(text, name) if kind == CSV else _json_rows(text, size)
    encoder = msgspec.json.Encoder(enc_hook=str)
    while several := list(islice(rows, _ROWS)):
        try:
            yield encoder.encode_lines(several)
        except (UnicodeEncodeError, OverflowError):  # of a number without end
            yield b"".join(_bytes(json.dumps(row, ensure_ascii=False, default=str)) + b"\n" for row in several)


def _bytes(text: str) -> bytes:
    """What was no character when it was read is none now."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # half a character, which JSON can write
        return text.encode("utf-8", "surrogatepass")


_BETWEEN = re.compile(r"[\s,\[\]]*")
_NEXT = re.compile(r"[\n}]\s*,?\s*(?=\{)")


def _json_rows(text: IO[str], size: int) -> Iterator[Any]:
    """The objects of an array, or one after the other over several lines; what is no JSON as its text."""
    decode, held, place = json.JSONDecoder(strict=False).raw_decode, "", 0
    while True:
        place = _BETWEEN.match(held, place).end()  # type: ignore[union-attr]  # it matches nothing, too
        try:
            value, place = decode(held, place)
            yield value if isinstance(value, dict) else str(value)
        except (ValueError, RecursionError):
            if len(held) - place < _LOOK_AHEAD and (more := text.read(size)):
                held, place = held[place:] + more, 0
            elif place == len(held):
                return
            else:
                found = _NEXT.search(held, place + 1)
                yield held[place : (end := found.end() if found else len(held))]
                place = end


def _csv_rows(text: IO[str], name: str) -> Iterator[dict[str, str] | list[str]]:
    """Every cell as text. A row that has not as many cells as the header is a list."""
    csv.field_size_limit(16 << 20)
    first = text.readline()
    if told := re.fullmatch(r"\ufeff?sep=(.)\s*", first):  # as Excel writes it
        first = text.readline()
    separators = told[1] if told else _SEPARATORS
    quote = "'" if re.match(rf"\s*(?:'[^']*')+ *[{re.escape(separators)}]", first) else '"'
    # In quoted names other separators may stand.
    unquoted = re.sub(f"{quote}[^{quote}]*{quote}", "", first)
    separator = max(separators, key=unquoted.count)
    if separator not in unquoted:
        said = f"{name} is no JSON, and its first line has no separator, as a CSV's header has."
        raise InputError(said, hint=f"Expected {FORMS}.")
    blanks = unquoted.count(separator) == unquoted.count(f"{separator} ")
    used, again = list[str](), deque([first])  # the lines of a row, and those that are read again

    def line() -> str:
        used.append(again.popleft() if again else text.readline())
        return used[-1]

    how: dict[str, Any] = {"delimiter": separator, "quotechar": quote, "skipinitialspace": blanks, "strict": True}
    rows = csv.reader(iter(line, ""), **how)
    header = _without_blanks(next(rows), 0)
    if (odd := "".join(used).strip()).encode(errors="replace").decode() != odd:
        raise not_utf8(name, in_latin1(_bytes(odd)))
    while True:
        used.clear()
        try:
            row = _without_blanks(next(rows), len(header))
            swallowed = len(row) != len(header) and any(line.count(separator) >= len(header) - 1 for line in used[1:])
        except csv.Error:
            swallowed = True
        except StopIteration:
            return
        if swallowed:
            # A cell begins with a quotation mark and does not end with one: other rows must not become a part of it.
            alone = csv.reader(used[:1], delimiter=separator, quoting=csv.QUOTE_NONE)
            row = _without_blanks(next(alone), len(header))
            again.extendleft(reversed(used[1:]))
            rows = csv.reader(iter(line, ""), **how)  # the other one may have come to the end of the lines
        if any(row):
            yield dict(zip(header, row, strict=True)) if len(row) == len(header) else row


def _without_blanks(cells: list[str], most: int) -> list[str]:
    """A row without the empty cells at its end that the header has not."""
    while len(cells) > most and not cells[-1]:
        cells.pop()
    return cells


def _parquet_rows(file: IO[bytes]) -> Iterator[dict[str, Any]]:
    import pyarrow.parquet as pq

    for batch in pq.ParquetFile(file).iter_batches(batch_size=_ROWS):
        yield from batch.to_pylist()


def _excel_rows(file: IO[bytes], name: str, sheet: str | None) -> Iterator[dict[str, Any]]:
    require("excel", "openpyxl")
    import openpyxl

    try:
        book = openpyxl.load_workbook(file, read_only=True, data_only=True)
        if sheet is not None and sheet not in book.sheetnames:
            raise InputError(
                f"{name} has no sheet {sheet!r}.", hint=f"It has: {', '.join(map(repr, book.sheetnames))}."
            )
        rows = (row for row in book[sheet or book.sheetnames[0]].iter_rows(values_only=True) if any(row))
        header = [str(cell) if cell is not None else "" for cell in next(rows, ())]
        for row in rows:
            yield {column: cell for column, cell in zip(header, row, strict=False) if column}
    except InputError:
        raise
    except Exception as error:  # openpyxl raises nearly anything where a workbook is damaged
        raise OSError(error) from error


def in_latin1(data: bytes) -> str:
    """What stands around the first bytes that are no UTF-8, read in the encoding that is likely."""
    shown = data.decode("cp1252", "replace")
    odd = next((place for place, one in enumerate(shown) if not one.isascii()), 0)
    return f"in Latin-1 it reads {shown[max(odd - 20, 0) : odd + 20]!r}"


def not_utf8(name: str, reading: str) -> InputError:
    """What to tell somebody whose text is no UTF-8; the reading is as `in_latin1` gives it."""
    return InputError(
        f"{name} is not in UTF-8; {reading}.", hint="Where that is right, add the option: --encoding latin-1"
    )
