"""A product, and the stream of clean products that a catalogue file becomes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from amazon_titles.catalog.cleaning import CHARACTER_RULES, CONTENT_RULES, clean, drop_reason
from amazon_titles.catalog.sources import open_lines
from amazon_titles.errors import InputError
from amazon_titles.sentences import cut_text


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


@dataclass(slots=True)
class Counts:
    """Where the rows of a catalogue went.

    Attributes:
        rows_read: Lines that hold a product. `rows_read == kept + sum(dropped.values())`.
        kept: Rows that passed.
        dropped: Rows that did not, by reason.
        bad_lines: Lines that hold no product, by reason; they are not among `rows_read`.
        cleaned: Rows that a rule changed, by the rule's name.
    """

    rows_read: int = 0
    kept: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    bad_lines: Counter[str] = field(default_factory=Counter)
    cleaned: Counter[str] = field(default_factory=Counter)


def read_products(
    source: str | Path,
    *,
    counts: Counts | None = None,
    rules: str = "amazon",
    min_content_chars: int = 40,
    max_content_chars: int = 2000,
) -> Iterator[Product]:
    """Yields the clean products of a catalogue file in file order, one at a time.

    Judges each row on itself alone; what stands twice is for `build_dataset`, which sees all rows.

    Args:
        source: A file of JSON lines with `uid`, `title` and `content`: plain, gzipped, or in a zip.
        counts: Takes the counts while the stream runs.
        rules: `amazon` or `generic`.
        min_content_chars: A shorter description drops the row.
        max_content_chars: A longer one is cut at the end of a sentence.

    Raises:
        InputError: No such file, an empty one, not JSON lines, or rows without a title.
    """
    counts = counts if counts is not None else Counts()
    decode = msgspec.json.Decoder().decode
    for number, line in enumerate(open_lines(source), start=1):
        try:
            row = decode(line)
            raw = (str(row["uid"]), row["title"], row["content"])
            if not all(isinstance(value, str) for value in raw):
                raise TypeError
        except (msgspec.DecodeError, KeyError, TypeError, UnicodeDecodeError) as error:
            if counts.rows_read == 0:
                raise InputError(
                    f"Line {number} of {source} is not a product: expected a JSON object with uid, title and content.",
                    hint="Name the fields of another catalogue with --field title=NAME.",
                ) from error
            counts.bad_lines[type(error).__name__] += 1
            continue
        counts.rows_read += 1
        applied: set[str] = set()
        title = clean(raw[1], CHARACTER_RULES, applied)
        content = clean(raw[2], CONTENT_RULES[rules], applied)
        counts.cleaned.update(applied)
        reason = drop_reason(title, content, min_chars=min_content_chars)
        if reason:
            counts.dropped[reason] += 1
            continue
        counts.kept += 1
        yield Product(raw[0].strip(), title, cut_text(content, max_content_chars))
    if counts.rows_read == 0:
        raise InputError(f"{source} is empty.", hint="Expected one JSON object a line, with uid, title and content.")
