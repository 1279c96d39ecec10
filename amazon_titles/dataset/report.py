"""What a build did: the numbers behind the dataset card."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec


@dataclass(frozen=True, slots=True)
class BuildReport:
    """Where every row of the source went, and how the dataset was made. No times: same input, same bytes.

    Attributes:
        rows_read: Lines that hold a product; `kept + sum(dropped.values())`.
        kept: Products in the dataset.
        dropped: Products that left, by reason.
        bad_lines: Lines that hold no product, by reason; not among `rows_read`.
        cleaned: Products that a rule changed, by rule.
        splits: By split: `{"products": n, "rows": {task: n}}`.
        options: What `build_dataset` was given, paths aside.
        source: `{"name", "bytes", "sha256"}`.
        catalogue: `{"name", "license", "url", "rules", "fields"}`: what the card, answers and the page say of it.
        version: The library's.
    """

    rows_read: int
    kept: int
    dropped: dict[str, int]
    bad_lines: dict[str, int]
    cleaned: dict[str, int]
    splits: dict[str, dict[str, Any]]
    options: dict[str, Any]
    source: dict[str, Any]
    catalogue: dict[str, Any]
    version: str
    details: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> str:
        """The report as indented JSON, as `report.json` holds it."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2).decode() + "\n"
