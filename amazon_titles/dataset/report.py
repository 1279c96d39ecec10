"""What a build did: the numbers behind the dataset card."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np


@dataclass(frozen=True, slots=True)
class BuildReport:
    """Where every row of the source went, and how the dataset was made. No times: same input, same bytes.

    Attributes:
        rows_read: Lines that hold a product; `kept + sum(dropped.values())`.
        kept: Products in the dataset.
        dropped: Products that left, by reason.
        bad_lines: Lines that hold no product, by reason; not among `rows_read`.
        cleaned: Products that a rule changed, by rule.
        examples: By rule or reason: `{"uid", "before", "after"}` of the first product concerned.
        lengths: By `title` and `content`: `{"mean", "p5", "p25", "p50", "p75", "p95", "max", "edges", "counts"}` of the
            kept products' characters.
        splits: By split: `{"products": n, "rows": {task: n}}`.
        options: What `build_dataset` was given, folders aside.
        source: `{"name", "bytes", "sha256"}`.
        catalogue: `{"name", "license", "url", "rules", "fields"}`: what the card, answers and the page say of it;
            of the made-up sample also `"made_up": true`.
        version: The library's.
    """

    rows_read: int
    kept: int
    dropped: dict[str, int]
    bad_lines: dict[str, int]
    cleaned: dict[str, int]
    examples: dict[str, dict[str, str]]
    lengths: dict[str, dict[str, Any]]
    splits: dict[str, dict[str, Any]]
    options: dict[str, Any]
    source: dict[str, Any]
    catalogue: dict[str, Any]
    version: str

    def to_text(self) -> str:
        """The funnel for people."""
        lines = [f"{self.rows_read:>9} rows read"]
        lines += [f"{-n:>9} {reason}" for reason, n in sorted(self.dropped.items(), key=lambda item: -item[1])]
        lines.append(f"{self.kept:>9} products kept")
        if bad := sum(self.bad_lines.values()):
            lines.append(f"{bad:>9} lines that hold no product")
        for name, split in self.splits.items():
            rows = ", ".join(f"{n} {task}" for task, n in split["rows"].items())
            lines.append(f"{split['products']:>9} in {name}: {rows or 'no rows'}")
        return "\n".join(lines) + "\n"

    def to_json(self) -> str:
        """The report as indented JSON, as `report.json` holds it."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2).decode() + "\n"


def histogram(values: Any) -> dict[str, Any]:  # noqa: ANN401 - an array of integers
    """Percentiles, and 20 bins, of some lengths in characters, as `BuildReport.lengths` has them."""
    counts, edges = np.histogram(values, bins=20, range=(0, max(int(np.percentile(values, 99)), 20)))
    return {
        "mean": round(float(values.mean()), 1),
        **{f"p{share}": int(np.percentile(values, share, method="nearest")) for share in (5, 25, 50, 75, 95)},
        "max": int(values.max()),
        "edges": [round(float(edge)) for edge in edges],
        "counts": counts.tolist(),
    }
