"""The dataset card: the document of the data's selection and preparation."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from amazon_titles.cards.rendering import render

TRN_ROWS = 2_248_619
"""Rows of trn.json, as those published who counted it."""

# What the Hub takes as `license:` without a name beside it, of what catalogues are published under.
_LICENCES = {
    "unknown", "mit", "apache-2.0", "cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "cc-by-nc-sa-4.0", "odbl",
    "pddl", "odc-by",
}  # fmt: skip
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


def dataset_card(report: Mapping[str, Any], *, language: str = "en") -> str:
    """The card of a dataset: the document of its selection and preparation, every number of it from the report.

    Args:
        report: What `report.json` holds.
        language: `en` or `pt`; the wording of both stands in `hub_cards/dataset_card.yml`.

    Returns:
        Markdown with YAML at its head.
    """
    catalogue = report["catalogue"]
    made_up, license = bool(catalogue.get("made_up")), catalogue["license"] or ""
    rows = sum(sum(split["rows"].values()) for split in report["splits"].values())
    shown = report.get("conversations") or {}
    tasks = ["recall", "grounded", "abstain", "property", *(["general"] if report["options"]["general"] else [])]
    context = {
        "card_language": language, "report": report, "example": shown.get(language) or next(iter(shown.values()), None),
        "catalogue": catalogue, "options": report["options"],
        # The sample is cleaned as trn.json, whose defects it has, and is not Amazon's for that.
        "amazon": catalogue["rules"] == "amazon" and not made_up, "made_up": made_up,
        "text_language": catalogue.get("language"), "published": TRN_ROWS, "rows": rows, "tasks": tasks,
        "size": next((name for most, name in _SIZES if rows < most), "1M<n<10M"),
        "splits": {name: split for name, split in report["splits"].items() if split["products"]},
        "license": license if license in _LICENCES else license and "other",
        "license_name": re.sub(r"[^a-z0-9.-]+", "-", license.lower()).strip("-") or "other",
    }  # fmt: skip
    return render("dataset_card", context)
