"""Fills `hub_cards/`: the documents that travel with a dataset and an adapter."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import yaml

from amazon_titles import resources

TRN_ROWS = 2_248_619
"""Rows of trn.json, as those published who counted it."""

# What the Hub takes as `license:` without a name beside it, of what catalogues are published under.
_LICENCES = {
    "unknown", "mit", "apache-2.0", "cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "cc-by-nc-sa-4.0", "odbl",
    "pddl", "odc-by",
}  # fmt: skip
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


def _code(text: object) -> str:
    """Text as a code span of a table's cell: no entity, no tag and no bar of it acts."""
    shown = str(text).replace("`", "'").replace("|", "\\|")
    return f"`{shown}`" if shown.strip() else "—"


@jinja2.pass_context
def _number(context: jinja2.runtime.Context, value: float) -> str:
    """1,234.5, and in Portuguese 1.234,5."""
    text = f"{value:,}"
    return text.translate(str.maketrans(",.", ".,")) if context.get("card_language") == "pt" else text


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(resources.folder("hub_cards")),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # Markdown, not HTML
    )
    environment.filters["code"] = _code
    environment.filters["number"] = _number
    return environment


def dataset_card(report: Mapping[str, Any], *, language: str = "en") -> str:
    """The card of a dataset: the document of its selection and preparation, every number of it from the report.

    Args:
        report: What `report.json` holds.
        language: `en` or `pt`; the wording of both stands in `hub_cards/dataset_card.yml`.

    Returns:
        Markdown with YAML at its head.
    """
    environment = _environment()
    wording = yaml.safe_load((resources.folder("hub_cards") / "dataset_card.yml").read_text(encoding="utf-8"))
    rows = sum(sum(split["rows"].values()) for split in report["splits"].values())
    values = {
        "card_language": language,
        "report": report,
        "catalogue": report["catalogue"],
        "options": report["options"],
        "amazon": report["catalogue"]["rules"] == "amazon",
        "published": TRN_ROWS,
        "rows": rows,
        "size": next((name for most, name in _SIZES if rows < most), "1M<n<10M"),
        "splits": {name: split for name, split in report["splits"].items() if split["products"]},
        "license": report["catalogue"]["license"] if report["catalogue"]["license"] in _LICENCES else "other",
        "license_name": re.sub(r"[^a-z0-9.-]+", "-", report["catalogue"]["license"].lower()).strip("-") or "other",
    }
    # The wording holds numbers of the report, so each piece is a small template itself.
    said = {key: environment.from_string(text[language]).render(values).strip() for key, text in wording.items()}
    return environment.get_template("dataset_card.md.jinja").render(values, say=said)


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
