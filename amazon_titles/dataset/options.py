"""What a build may be told, and whether it makes sense."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from amazon_titles.catalog import Origin, Reader
from amazon_titles.catalog.rows import read_labels
from amazon_titles.conversations import ROW_CHARS, WORDING, GeneralRow, MixtureConfig
from amazon_titles.conversations.wording import wording
from amazon_titles.errors import InputError
from amazon_titles.templates import get_template

AMAZON = {"name": "AmazonTitles-1.3MM", "license": "unknown", "url": "https://www.amazon.com/dp/{uid}"}
"""What is said of trn.json: the mirrors on the Hub give its licence as unknown, and an ASIN has this address."""

AUTO = "auto"
"""The rules that are chosen by what the catalogue is: `amazon` for trn.json, `generic` for any other."""

MOST_ABSTAIN = 4
"""Refusals a product: with more, a model is taught little else."""

_OF_THE_CATALOGUE = ("rules", "fields", "name", "license", "url", "made_up")


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildOptions:
    """The options of `build_dataset`, which documents them."""

    limit: int | None
    seed: int
    languages: tuple[str, ...]
    phrasings: int
    min_content_chars: int
    max_content_chars: int
    grounded: float
    abstain: float
    property: float
    recall_products: int | None
    general: tuple[GeneralRow, ...]
    general_source: str
    validation: float
    test: float
    render: tuple[str, ...]
    rules: str
    fields: Mapping[str, str]
    labels: str | Path | None
    name: str | None
    license: str | None
    url: str | None
    card_language: str
    max_bad: float
    made_up: bool = False

    def __post_init__(self) -> None:
        """Holds every option to its range."""
        for name in ("grounded", "property", "validation", "test", "max_bad"):
            if not 0 <= (value := getattr(self, name)) <= 1:
                raise InputError(f"{name} is {value}.", hint="Expected a share from 0 to 1.")
        if not 0 <= self.abstain <= MOST_ABSTAIN:
            raise InputError(f"abstain is {self.abstain}.", hint=f"Expected rows a product, 0 to {MOST_ABSTAIN}.")
        if self.validation + self.test >= 1:
            raise InputError("validation and test leave nothing to train on.", hint="Their sum must be below 1.")
        least = {"phrasings": 1, "min_content_chars": 0, "max_content_chars": 100, "limit": 1, "recall_products": 1}
        for name, low in least.items():
            if (value := getattr(self, name)) is not None and value < low:
                raise InputError(f"{name} is {value}.", hint=f"Expected {low} or more.")
        if not self.languages:
            raise InputError("No language is named.", hint=f"There is: {', '.join(WORDING)}.")
        for language in (*self.languages, self.card_language):
            most = len(wording(language).questions) * len(self.languages)
            if self.phrasings > most:
                raise InputError(
                    f"{self.phrasings} phrasings are asked for, and there are {most}.", hint=f"Expected 1 to {most}."
                )
        if self.general and not self.general_source:
            raise InputError("The general rows have no source.", hint="Say where they are from: general_source=TEXT")
        for row in self.general:
            wording(row.language)
        for template in self.render:
            get_template(template)
        if self.url is not None and "{uid}" not in self.url:
            raise InputError(
                f"The address {self.url} has no place for a product.", hint="Write {uid} where it belongs."
            )

    def resolved(self, origin: Origin) -> BuildOptions:
        """The options for a catalogue of this origin: which rules clean it, and whether it is made up.

        Raises:
            InputError: Links are asked for to products that do not exist.
        """
        if origin.made_up and self.url:
            raise InputError(
                "The products of this catalogue are made up, so they have no address.", hint="Leave --url out."
            )
        # The sample has trn.json's defects, and nothing else of it.
        chosen = "amazon" if origin.amazon or origin.made_up else "generic"
        return replace(self, rules=chosen if self.rules == AUTO else self.rules, made_up=origin.made_up)

    def reader(self) -> Reader:
        """How rows are read."""
        labels: Any = read_labels(self.labels) if self.labels else None
        return Reader(self.rules, self.fields, self.min_content_chars, self.max_content_chars, labels)

    def mix(self) -> MixtureConfig:
        """Which rows products become."""
        return MixtureConfig(self.languages, self.phrasings, self.grounded, self.abstain, self.property, self.seed)

    def catalogue(self, source_name: str) -> dict[str, Any]:
        """What the card, answers and the page say of the catalogue: nothing of Amazon's where it is another's."""
        known: Mapping[str, str | None] = AMAZON
        if self.made_up or self.rules != "amazon":
            own = "Made-up sample" if self.made_up else source_name.split(".")[0] or source_name
            known = {"name": own, "license": None, "url": None}
        told = {name: getattr(self, name) or default for name, default in known.items()}
        return {**told, "rules": self.rules, "fields": dict(self.fields)} | ({"made_up": True} if self.made_up else {})

    def recorded(self) -> dict[str, Any]:
        """The options that a report keeps: no path of a machine, and nothing that `catalogue` says."""
        options = {one.name: getattr(self, one.name) for one in fields(self) if one.name not in _OF_THE_CATALOGUE}
        labels = Path(self.labels).name if self.labels else None
        return options | {"general": len(self.general), "labels": labels, "row_chars": ROW_CHARS}
