"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import click

from amazon_titles.default_model import DEFAULT_MODEL

Pairs = Sequence[tuple[str, str]]
POSITIVE = click.IntRange(min=1)
LANGUAGE = click.Choice(["en", "pt"])
DTYPE = click.Choice(["float32", "bfloat16", "float16"])


def key_value(setting: str) -> tuple[str, str]:
    """The type of an option `KEY=VALUE`."""
    key, sign, value = setting.partition("=")
    if not sign:
        raise click.BadParameter(f"{setting!r} has no '='.")
    return key.strip(), value


settings = click.option(
    "--set", "settings", multiple=True, type=key_value, metavar="KEY=VALUE", help="Change a recipe's value."
)
base = click.option("--base", metavar="DIR|ID", help="Base of the adapter; by default the one that it names.")
dataset = click.option("--dataset", metavar="DIR|REPO", help="Dataset; by default the one that the model names.")
card_language = partial(click.option, "--card-language", type=LANGUAGE, help="Of the model card and its plots.")
autotrain_env = click.option("--autotrain-env", metavar="DIR", help="Virtual environment that has AutoTrain.")
languages = click.option("--language", "languages", multiple=True, default=("en", "pt"), help="Of rows (repeatable).")
language = partial(click.option, "--language", type=LANGUAGE, default="en")
default_model = partial(click.option, "--model", default=DEFAULT_MODEL, metavar="DIR|REPO")
MODELS = "DIR|REPO|URL"
model_name = click.option("--model-name", metavar="NAME", help="Of the model, where the server at URL has several.")
parallel = click.option("--parallel", default=16, type=POSITIVE, help="Requests at a time to a server at URL.")
max_new_tokens = click.option("--max-new-tokens", default=256, type=POSITIVE, help="Longest answer.")
batch_size = partial(click.option, "--batch-size", type=POSITIVE, help="Questions at a time.")
seed = partial(click.option, "--seed", type=click.IntRange(0, 2**32 - 1))
json_report = click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
public = click.option("--public", is_flag=True, help="Make the repo public; private otherwise.")
tag = click.option("--tag", help="Tag the revision.")
dry_run = click.option("--dry-run", is_flag=True, help="Show what would be published.")


def publishing(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of commands that publish a folder."""
    return public(tag(dry_run(json_report(command))))
