"""Fills `hub_cards/`: the documents that travel with a dataset and an adapter."""

from __future__ import annotations

import json
from typing import Any

import jinja2

from amazon_titles import resources


def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(resources.folder("hub_cards")),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # Markdown, not HTML
    )


def dataset_card(report: str, *, language: str = "en") -> str:
    """The card of a dataset: the document of its selection and preparation.

    Args:
        report: `report.json`.
        language: `en` or `pt`.

    Returns:
        Markdown with YAML at its head.
    """
    values: dict[str, Any] = json.loads(report)
    return _environment().get_template("dataset_card.md.jinja").render(report=values, language=language)
