"""Fills `hub_cards/`: the documents that travel with a dataset and an adapter."""

from __future__ import annotations

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


def dataset_card(report: dict[str, Any], *, language: str = "en") -> tuple[str, dict[str, bytes]]:
    """The card of a dataset: the document of its selection and preparation.

    Args:
        report: `report.json`.
        language: `en` or `pt`.

    Returns:
        Markdown with YAML at its head, and the pictures it shows by their names in the folder.
    """
    return _environment().get_template("dataset_card.md.jinja").render(report=report, language=language), {}
