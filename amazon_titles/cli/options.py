"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Sequence

import click

from amazon_titles.errors import InputError


def pairs(settings: Sequence[str], option: str = "--set", example: str = "lr=1e-4") -> dict[str, str]:
    """The KEY=VALUE of a repeatable option as a dict; the last of a key counts.

    Raises:
        InputError: One has no `=`.
    """
    found = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals:
            raise InputError(f"{option} {setting!r} has no '='.", hint=f"Write it as: {option} {example}")
        found[key.strip()] = value
    return found


set_option = click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Change a value of the recipe.")
dataset_option = click.option("--dataset", metavar="DIR|REPO", help="Dataset; by default the one that the model names.")
card_language_option = click.option("--card-language", type=click.Choice(["en", "pt"]), help="Of the model card.")
autotrain_env_option = click.option("--autotrain-env", metavar="DIR", help="Virtual environment that has AutoTrain.")
language_option = click.option(
    "--language",
    "languages",
    multiple=True,
    default=("en", "pt"),
    help="Of questions and refusals: en, pt; both by default (repeatable).",
)
