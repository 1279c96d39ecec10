"""`train --on jobs`: the options, and the question that Ctrl-C asks."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from amazon_titles.recipes import Recipe

F = TypeVar("F", bound=Callable[..., Any])


def jobs_options(command: F) -> F:
    """`--on`, `--flavor` and `--dry-run`."""
    dry_run = click.option("--dry-run", is_flag=True, help="With --on jobs: check, and say what would be sent.")
    flavor = click.option("--flavor", metavar="NAME", help="With --on jobs: the machine, such as l4x1.")
    on = click.option(
        "--on", type=click.Choice(["local", "jobs"]), default="local", show_default=True, help="Where: here, or a job."
    )
    return on(flavor(dry_run(command)))


def train_there(recipe: Recipe, engine: str, card_language: str | None, flavor: str | None, dry_run: bool) -> None:
    """Trains on a machine of the Hub; says where the adapter stands."""
    from amazon_titles.jobs import train_on_jobs

    ask = _ask if sys.stdin.isatty() and sys.stderr.isatty() else None
    language = card_language or "en"
    run = train_on_jobs(recipe, flavor=flavor, engine=engine, card_language=language, ask=ask, dry_run=dry_run)
    if run.id is not None:
        click.echo(f"{run.repo_id}  job {run.id}")


def _ask(question: str) -> bool:
    """Yes or no, no by default; a second Ctrl-C means no."""
    try:
        return click.confirm(question, default=False, err=True)
    except click.Abort:
        return False
