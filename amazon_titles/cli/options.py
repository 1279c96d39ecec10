"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import click

from amazon_titles.default_model import DEFAULT_MODEL

Pairs = Sequence[tuple[str, str]]
FILE = click.Path(dir_okay=False, writable=True)
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
    "--set", "settings", multiple=True, type=key_value, metavar="KEY=VALUE", help="Override a value (repeatable)."
)
base = click.option("--base", metavar="DIR|ID", help="Base of the adapter; by default the one it names.")
dataset = click.option("--dataset", metavar="DIR|REPO", help="Dataset; by default the one named by the model.")
card_language = partial(click.option, "--card-language", type=LANGUAGE, help="Language of the model card.")
autotrain_env = click.option("--autotrain-env", metavar="DIR", help="Virtual environment with AutoTrain.")
languages = click.option("--language", "languages", multiple=True, default=("en", "pt"), help="Row language.")
language = partial(click.option, "--language", type=LANGUAGE, default="en")
default_model = partial(click.option, "--model", default=DEFAULT_MODEL, metavar="DIR|REPO")
MODELS = "DIR|REPO|URL"
model_name = click.option("--model-name", metavar="NAME", help="Model name on the server at URL.")
parallel = click.option("--parallel", default=16, type=POSITIVE, help="Concurrent requests to a server at URL.")
closed_book = click.option("--closed-book", is_flag=True, help="Answer from memory: no record is shown to the model.")
records = click.option("-k", default=3, type=POSITIVE, help="Maximum number of records shown to the model.")
max_new_tokens = click.option("--max-new-tokens", default=256, type=POSITIVE, help="Maximum tokens per answer.")
batch_size = partial(click.option, "--batch-size", type=POSITIVE, help="Questions per batch.")
seed = partial(click.option, "--seed", type=click.IntRange(0, 2**32 - 1))
every_measure = click.option("--all", "every", is_flag=True, help="Show every measure.")
json_report = click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
public = click.option("--public", is_flag=True, help="Make the repository public; by default it is private.")
tag = click.option("--tag", help="Tag for the revision.")
dry_run = click.option("--dry-run", is_flag=True, help="Show what would be published, and publish nothing.")


def publishing(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of commands that publish a folder."""
    return public(tag(dry_run(json_report(command))))
