"""A product, the reader that makes clean ones of a block of lines, and the stream of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from amazon_titles.catalog.cleaning import CHARACTER_RULES, CONTENT_RULES, clean
from amazon_titles.catalog.filters import drop_reason
from amazon_titles.catalog.rows import BadLine, as_text, decode_lines, explain, row_decoder
from amazon_titles.catalog.sources import open_source
from amazon_titles.errors import InputError
from amazon_titles.text import cut_text

MAX_TITLE = 200
"""Characters of a title; p95 of trn.json is 125, its maximum 1,999. A longer one is cut between two words."""


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


class Example(NamedTuple):
    """The first product that a rule changed, an excerpt before and after; or that a reason dropped, title and text."""

    uid: str
    before: str
    after: str


@dataclass(slots=True)
class Counts:
    """Where the rows of a catalogue went.

    Attributes:
        rows_read: Lines that hold a product. `rows_read == kept + sum(dropped.values())`.
        kept: Rows that passed.
        dropped: Rows that did not, by reason.
        bad_lines: Lines that hold no product, by reason; they are not among `rows_read`.
        cleaned: Rows that a rule changed, by the rule's name.
        examples: The first row that a rule changed or a reason dropped.
    """

    rows_read: int = 0
    kept: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    bad_lines: Counter[str] = field(default_factory=Counter)
    cleaned: Counter[str] = field(default_factory=Counter)
    examples: dict[str, Example] = field(default_factory=dict)

    def add(self, later: Counts) -> None:
        """Takes over the counts of rows that come later in the source."""
        self.rows_read += later.rows_read
        self.kept += later.kept
        self.dropped.update(later.dropped)
        self.bad_lines.update(later.bad_lines)
        self.cleaned.update(later.cleaned)
        self.examples = later.examples | self.examples


@dataclass(frozen=True, slots=True)
class Reader:
    """How lines become clean products.

    Attributes:
        rules: `amazon` or `generic`; `amazon` also holds trn.json's types.
        fields: Our field names to the catalogue's.
        min_content_chars: A shorter description drops the row.
        max_content_chars: A longer one is cut at the end of a sentence.
        labels: From `read_labels`, for `target_ind`; None leaves `related` empty.
    """

    rules: str = "amazon"
    fields: Mapping[str, str] = field(default_factory=dict)
    min_content_chars: int = 40
    max_content_chars: int = 2000
    labels: Sequence[bytes] | None = None

    def __post_init__(self) -> None:
        if self.rules not in CONTENT_RULES:
            raise InputError(
                f"There are no rules {self.rules!r}.", hint=f"There are: auto, {', '.join(CONTENT_RULES)}."
            )
        row_decoder(self.fields, strict=self.rules == "amazon", related=False)

    def read(self, data: bytes, first_line: int, counts: Counts) -> tuple[list[Product], list[BadLine]]:
        """The clean products of a block of lines, each judged on itself alone.

        Args:
            data: Whole lines.
            first_line: The number of the first one.
            counts: Takes the counts.

        Returns:
            The products that may stay, in order, and the lines that hold none.
        """
        decoder = row_decoder(self.fields, strict=self.rules == "amazon", related=self.labels is not None)
        rows, bad = decode_lines(data, decoder, first_line)
        products = [product for row in rows if (product := self._product(row, counts)) is not None]
        counts.rows_read += len(rows)
        counts.kept += len(products)
        counts.bad_lines.update(line.reason for line in bad)
        return products, bad

    def _product(self, row: Any, counts: Counts) -> Product | None:  # noqa: ANN401 - a struct made at run time
        applied: dict[str, tuple[str, str]] = {}
        uid = str(row.uid)
        if not uid.isprintable() or uid[:1] == " " or uid[-1:] == " ":
            uid = clean(uid, CHARACTER_RULES, {})
        title = clean(as_text(row.title), CHARACTER_RULES, applied)
        content = as_text(row.content)
        if content:
            content = clean(content, CONTENT_RULES[self.rules], applied)
        reason = drop_reason(title, content, min_chars=self.min_content_chars) if uid else "empty_uid"
        if reason:
            counts.dropped[reason] += 1
            if reason not in counts.examples:
                counts.examples[reason] = Example(uid, title[:80], as_text(row.content)[:160])
        else:
            title = self._cut(title, MAX_TITLE, "cut_title", applied)
            content = self._cut(content, self.max_content_chars, "cut", applied)
        for name, (before, after) in applied.items():
            counts.cleaned[name] += 1
            if name not in counts.examples:
                counts.examples[name] = Example(uid, *_excerpt(before, after))
        if reason:
            return None
        if self.labels is None:
            return Product(uid, title, content)
        known = len(self.labels)
        return Product(uid, title, content, tuple(self.labels[i].decode() for i in row.target_ind if 0 <= i < known))

    @staticmethod
    def _cut(text: str, limit: int, name: str, applied: dict[str, tuple[str, str]]) -> str:
        if len(text) <= limit:
            return text
        shorter = cut_text(text, limit)
        applied[name] = (text, shorter)
        return shorter


def _excerpt(before: str, after: str, around: int = 40) -> tuple[str, str]:
    """Both texts around their first difference."""
    start = next(
        (i for i, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), min(len(before), len(after))
    )
    low = max(start - around, 0)
    return before[low : start + 2 * around], after[low : start + 2 * around]


def read_products(source: str | Path, *, counts: Counts | None = None, **options: Any) -> Iterator[Product]:  # noqa: ANN401
    """Yields the clean products of a catalogue in file order, one at a time.

    Judges each row on itself alone; what stands twice is for `build_dataset`, which sees all rows.

    Args:
        source: What `open_source` takes.
        counts: Takes the counts while the stream runs.
        **options: Those of `Reader`.

    Raises:
        InputError: No such file, an empty one, a broken container, or a file without products.
    """
    counts = counts if counts is not None else Counts()
    reader = Reader(**options)
    with open_source(source) as opened:
        line = 1
        for batch in opened.batches():
            data = batch.load()
            products, bad = reader.read(data, line, counts)
            if bad and not counts.rows_read:
                raise explain(bad[0], opened.name)
            line += data.count(b"\n")
            yield from products
    if not counts.rows_read:
        raise InputError(f"{source} is empty.", hint="Expected one JSON object a line, with uid, title and content.")
