"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial, reduce
from typing import Any, TypeVar

import click

from amazon_titles.default_model import DEFAULT_MODEL
from amazon_titles.errors import InputError

_F = TypeVar("_F", bound=Callable[..., Any])

POSITIVE = click.IntRange(min=1)
LANGUAGE = click.Choice(["en", "pt"])
DTYPE = click.Choice(["float32", "bfloat16", "float16"])


def together(*options: Callable[[_F], _F]) -> Callable[[_F], _F]:
    """Several options as one decorator, in the order in which the help has them."""
    return lambda command: reduce(lambda decorated, option: option(decorated), reversed(options), command)


def pairs(settings: Sequence[str], option: str = "--set", example: str = "lr=1e-4") -> dict[str, str]:
    """The KEY=VALUE of a repeatable option as a dict; the last of a key counts.

    Raises:
        InputError: One has no `=`.
    """
    for setting in settings:
        if "=" not in setting:
            raise InputError(f"{option} {setting!r} has no '='.", hint=f"Write it as: {option} {example}")
    return {key.strip(): value for key, _, value in (setting.partition("=") for setting in settings)}


settings = click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Change a value of the recipe.")
dataset = click.option("--dataset", metavar="DIR|REPO", help="Dataset; by default the one that the model names.")
card_language = click.option("--card-language", type=LANGUAGE, help="Of the model card.")
autotrain_env = click.option("--autotrain-env", metavar="DIR", help="Virtual environment that has AutoTrain.")
languages = click.option(
    "--language", "languages", multiple=True, default=("en", "pt"), show_default=False,
    help="Of questions and refusals: en, pt; both by default (repeatable).",
)  # fmt: skip
language = partial(click.option, "--language", type=LANGUAGE, default="en")
default_model = partial(click.option, "--model", default=DEFAULT_MODEL, metavar="DIR|REPO")
max_new_tokens = click.option("--max-new-tokens", default=256, type=POSITIVE, help="Longest answer.")
batch_size = partial(click.option, "--batch-size", type=POSITIVE, help="Questions at a time.")
json_report = click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
dry_run = click.option("--dry-run", is_flag=True, help="Show what would be published.")
publishing = together(
    click.option("--public", is_flag=True, help="Make the repo public; private otherwise."),
    click.option("--tag", help="Tag the revision."),
    dry_run,
    json_report,
)
