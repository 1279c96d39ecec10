"""What a build may be told, and whether it makes sense."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from math import inf
from pathlib import Path
from typing import Any

from amazon_titles.catalog import Counts, Reader
from amazon_titles.catalog.cleaning import CONTENT_RULES
from amazon_titles.catalog.columns import Columns
from amazon_titles.catalog.products import read_labels
from amazon_titles.conversations import ROW_CHARS, GeneralRow, MixtureConfig
from amazon_titles.conversations.wording import wording
from amazon_titles.errors import InputError
from amazon_titles.templates import get_template

AMAZON = {"name": "AmazonTitles-1.3MM", "license": "unknown", "url": "https://www.amazon.com/dp/{uid}"}
"""What is said of trn.json: the mirrors on the Hub give its licence as unknown, and an ASIN has this address."""

AUTO = "auto"
"""The rules that are chosen by what the catalogue is: `amazon` for trn.json, `generic` for any other."""

MOST_ABSTAIN = 4
"""Refusals a product: with more, a model is taught little else."""

_OF_THE_FILE = ("encoding", "fix_encoding", "sheet")
_SHARE, _SOME = (0, 1), (1, inf)
_RANGES: dict[str, tuple[float, float]] = {
    "limit": _SOME, "phrasings": _SOME, "min_content_chars": (0, inf), "max_content_chars": (100, inf),
    "grounded": _SHARE, "abstain": (0, MOST_ABSTAIN), "property": _SHARE, "recall_products": _SOME,
    "validation": _SHARE, "test": _SHARE, "max_bad": _SHARE,
}  # fmt: skip
_OF_THE_CATALOGUE = ("rules", "fields", "name", "license", "url", "made_up", "numbers", *_OF_THE_FILE)


@dataclass(slots=True, kw_only=True)
class BuildOptions(MixtureConfig):
    """What a build may be told: which rows a product becomes, and what follows.

    Attributes:
        limit: Keep this many products, sampled evenly over the whole file.
        min_content_chars: A shorter description drops the product.
        max_content_chars: A longer one is cut at the end of a sentence.
        recall_products: Products of the train split that become recall rows, sampled evenly; all by default. The others
            become rows of the other kinds alone. Those of validation and test keep their recall rows.
        general: Questions that have nothing to do with the catalogue, with their answers, for the train split alone: a
            model that is trained on them forgets less.
        general_source: Who wrote them; the card says it.
        validation: Share of the products, 0 to 1.
        test: Share of the products, 0 to 1.
        render: Chat templates to make `text-<template>` configs for.
        rules: Cleaning rules: `amazon`, with which goes all that is said of trn.json, or `generic`; `auto` takes the
            first for trn.json alone, known by its archive or by the fields and uids of its first rows.
        fields: `uid`, `title` and `content` to the names that another catalogue has for them, one or several, with dots
            where they are nested; by default usual names are found.
        encoding: Of the catalogue's text; by default UTF-8, or what its byte-order mark says.
        fix_encoding: Mend UTF-8 that was read as Latin-1 when the catalogue was written.
        sheet: Of a workbook; by default the first.
        labels: lbl.json, for related products.
        name: What the catalogue is called; by default as its file.
        license: Its licence; by default none is named.
        url: Address of a product, with `{uid}` in it; by default there are no links.
        card_language: Of the dataset card: `en` or `pt`.
        max_bad: Share of lines that may hold no product.
        made_up: Whether the products are the sample's; found out from the first rows.
        numbers: Whether uids are numbers; found out from the first rows.
    """

    limit: int | None = None
    min_content_chars: int = 40
    max_content_chars: int = 2000
    recall_products: int | None = None
    general: Sequence[GeneralRow] = ()
    general_source: str = ""
    validation: float = 0.02
    test: float = 0.02
    render: Sequence[str] = ("llama3",)
    rules: str = AUTO
    fields: Mapping[str, str | Sequence[str]] = field(default_factory=dict)
    encoding: str | None = None
    fix_encoding: bool = False
    sheet: str | None = None
    labels: str | Path | None = None
    name: str | None = None
    license: str | None = None
    url: str | None = None
    card_language: str = "en"
    max_bad: float = 0.001
    made_up: bool = False
    numbers: bool = False

    def __post_init__(self) -> None:
        """Holds every option to its range."""
        # A string is a sequence of letters too, and nobody means those.
        self.languages = [self.languages] if isinstance(self.languages, str) else list(self.languages)
        self.render = [self.render] if isinstance(self.render, str) else list(self.render)
        for name, (least, most) in _RANGES.items():
            value = getattr(self, name)
            if value is not None and not least <= value <= most:
                expected = f"{least} or more" if most == inf else f"{least} to {most}"
                raise InputError(f"{name} is {value}.", hint=f"Expected {expected}.")
        if self.validation + self.test >= 1:
            raise InputError("validation and test leave nothing to train on.", hint="Their sum must be below 1.")
        for language in (*self.languages, self.card_language, *(row.language for row in self.general)):
            wording(language)
        most = sum(len(wording(language).questions) for language in self.languages)
        if self.phrasings > most:
            said = f"{self.phrasings} phrasings are asked for, of {most} in {', '.join(self.languages)}."
            raise InputError(said, hint=f"Ask for fewer, --phrasings {most}, or in more languages.")
        if self.general and not self.general_source:
            raise InputError("The source of the general rows is missing.", hint="Name it: general_source=TEXT")
        if self.rules not in (AUTO, *CONTENT_RULES):
            raise InputError(f"There are no rules {self.rules!r}.", hint=f"Choose: auto, {', '.join(CONTENT_RULES)}.")
        for template in self.render:
            get_template(template)
        if self.url is not None and "{uid}" not in self.url:
            raise InputError(f"The address {self.url} has no place for the uid.", hint="Write {uid} in it.")

    def resolved(self, columns: Columns, *, amazon: bool, made_up: bool, numbers: bool) -> BuildOptions:
        """The options for a catalogue: which rules clean it, which columns it has, and whether it is made up.

        Args:
            columns: Those that are a product's fields.
            amazon: Whether it is trn.json.
            made_up: Whether it is the sample.
            numbers: Whether uids are numbers.

        Raises:
            InputError: Links are asked for to products that do not exist.
        """
        if made_up and self.url:
            raise InputError("The products of this catalogue are made up, without address.", hint="Leave --url out.")
        # The sample has trn.json's defects, and nothing else of it.
        chosen = "amazon" if amazon or made_up else "generic"
        rules = chosen if self.rules == AUTO else self.rules
        return replace(self, rules=rules, fields=columns.recorded, made_up=made_up, numbers=numbers)

    def reader(self, renamed: Mapping[str, str]) -> Reader:
        """How rows are read, whose fields have these other names."""
        labels: Any = read_labels(self.labels) if self.labels else ()
        lengths = self.min_content_chars, self.max_content_chars
        return Reader(self.rules, renamed, *lengths, labels, self.numbers, self.fix_encoding)

    def catalogue(self, source_name: str, counts: Counts) -> dict[str, Any]:
        """What the card, answers and the page say of the catalogue: nothing of Amazon's where it is another's."""
        own = "Made-up sample" if self.made_up else source_name.split(".")[0] or source_name
        amazon = self.rules == "amazon" and not self.made_up
        known = AMAZON if amazon else {"name": own, "license": None, "url": None}
        told = {name: getattr(self, name) or known[name] for name in known}
        given = {name: value for name in ("made_up", *_OF_THE_FILE) if (value := getattr(self, name))}
        double = {"double_encoded": counts.double_encoded} if counts.double_encoded else {}
        return {**told, "rules": self.rules, "fields": dict(self.fields), **given, **double}

    def recorded(self) -> dict[str, Any]:
        """The options that a report keeps: no path of a machine, and nothing that `catalogue` says."""
        options = {one.name: getattr(self, one.name) for one in fields(self) if one.name not in _OF_THE_CATALOGUE}
        labels = Path(self.labels).name if self.labels else None
        return options | {"general": len(self.general), "labels": labels, "row_chars": ROW_CHARS}
