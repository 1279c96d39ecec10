"""Fills `hub_cards/`: the documents that travel with a dataset and an adapter."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import yaml

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


def model_card(run: Mapping[str, Any], recipe: str, *, comparison: str | None = None, plots: Sequence[str] = ()) -> str:
    """The card of an adapter: the document of the fine-tuning.

    Args:
        run: `run.json`.
        recipe: Text of the recipe.
        comparison: The table of before and after, as Markdown; without it the card says that none was made.
        plots: Paths of plots, relative to the card.

    Returns:
        Markdown with YAML at its head.
    """
    metadata: dict[str, Any] = {
        "library_name": "peft",
        "pipeline_tag": "text-generation",
        "tags": ["lora", "autotrain", "amazon-titles"],
    }
    if run["publishable"]:
        metadata |= {"base_model": run["base_model"], "base_model_relation": "adapter"}
        metadata["datasets"] = [run["dataset"]["path"]]
    return (
        _environment()
        .get_template("model_card.md.jinja")
        .render(
            metadata=yaml.safe_dump(metadata, sort_keys=False).strip(),
            run=run,
            recipe=recipe.strip(),
            comparison=comparison,
            plots=plots,
            # A folder of this machine is nobody else's business: its name is enough.
            base=_name(run["base_model"]),
            dataset=_name(run["dataset"]["path"]),
        )
    )


def _name(path: str) -> str:
    return Path(path).name if Path(path).is_absolute() else path
