"""A product, and the reader that makes clean ones of a block of lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from os.path import commonprefix
from typing import Any

from amazon_titles.catalog.cleaning import CHARACTER_RULES, CONTENT_RULES, clean
from amazon_titles.catalog.filters import drop_reason
from amazon_titles.catalog.rows import BadLine, as_text, decode_lines, row_decoder
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


@dataclass(slots=True)
class Counts:
    """Where the rows of a catalogue went.

    Attributes:
        rows_read: Lines that hold a product: those that passed, and `sum(dropped.values())`.
        dropped: Rows that did not, by reason.
        bad_lines: Lines that hold no product, by reason; they are not among `rows_read`.
        cleaned: Rows that a rule changed, by the rule's name.
        examples: By rule or reason, `{"uid", "before", "after"}` of the first row that a rule changed, as an excerpt
            before and after; or that a reason dropped, as its title and text.
    """

    rows_read: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    bad_lines: Counter[str] = field(default_factory=Counter)
    cleaned: Counter[str] = field(default_factory=Counter)
    examples: dict[str, dict[str, str]] = field(default_factory=dict)

    def add(self, later: Counts) -> None:
        """Takes over the counts of rows that come later in the source."""
        self.rows_read += later.rows_read
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
        labels: From `read_labels`, for `target_ind`; without any, `related` stays empty.
    """

    rules: str = "amazon"
    fields: Mapping[str, str] = field(default_factory=dict)
    min_content_chars: int = 40
    max_content_chars: int = 2000
    labels: Sequence[bytes] = ()

    def read(self, data: bytes, counts: Counts) -> tuple[list[Product], list[BadLine]]:
        """The clean products of a block of lines, each judged on itself alone.

        Args:
            data: Whole lines.
            counts: Takes the counts.

        Returns:
            The products that may stay, in order, and the lines that hold none, numbered from 1 within the block.
        """
        decoder = row_decoder(self.fields, strict=self.rules == "amazon", related=len(self.labels) > 0)
        rows, bad = decode_lines(data, decoder)
        counts.rows_read += len(rows)
        counts.bad_lines.update(line.reason for line in bad)
        return [product for row in rows if (product := self._product(row, counts)) is not None], bad

    def _product(self, row: Any, counts: Counts) -> Product | None:  # noqa: ANN401 - a struct made at run time
        applied: dict[str, tuple[str, str]] = {}
        uid = str(row.uid)
        if not uid.isprintable() or uid != uid.strip(" "):
            uid = clean(uid, CHARACTER_RULES, {})
        title = clean(as_text(row.title), CHARACTER_RULES, applied)
        raw = as_text(row.content)
        content = clean(raw, CONTENT_RULES[self.rules], applied)
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
        known = len(self.labels)
        related = [self.labels[index].decode() for index in row.target_ind if 0 <= index < known] if known else ()
        return Product(uid, title, content, tuple(related))
