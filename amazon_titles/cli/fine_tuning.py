"""Commands of the fine-tuning: recipe → adapter folder → Hub adapter."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from amazon_titles.cli.jobs import jobs_options, train_there
from amazon_titles.cli.options import autotrain_env_option, card_language_option, pairs, set_option
from amazon_titles.errors import MissingExtraError


@click.command(epilog="Example:  amazon-titles recipe llama-3.2-1b-lora --dataset USER/amazon-titles > my.yml")
@click.argument("name")
@click.option("--dataset", required=True, metavar="DIR|REPO", help="Dataset folder or Hub id.")
@click.option("--user", help="Hub user or organisation to publish under.")
@click.option("--project", help="Output folder and repo name.")
@set_option
def recipe(name: str, dataset: str, user: str | None, project: str | None, settings: tuple[str, ...]) -> None:
    """Print a shipped recipe, filled in."""
    from amazon_titles.recipes import fill_recipe

    click.echo(fill_recipe(name, dataset=dataset, user=user, project=project, settings=pairs(settings)), nl=False)


@click.command(epilog="Example:  amazon-titles check my.yml --hours 4")
@click.argument("recipes", nargs=-1)
@click.option(
    "--online", is_flag=True, help="Ask the Hub too: base, dataset, prices, the repo that a push would go to."
)
@click.option("--hours", type=float, help="Time there is; the largest --limit of `build` that it allows is named.")
@click.option("--exposures", default=100, show_default=True, help="How often each product is to be asked about.")
@click.option("--json", "as_json", is_flag=True, help="Print problems and budgets as JSON.")
def check(recipes: tuple[str, ...], online: bool, hours: float | None, exposures: int, as_json: bool) -> None:
    """Name every problem of recipes at once, and what a run would take; by default of the shipped ones."""
    from amazon_titles.budget import check_recipes
    from amazon_titles.recipes import plain_run_advice

    checked = check_recipes(recipes, online=online, hours=hours, exposures=exposures)
    click.echo(json.dumps([result.to_dict() for result in checked]) if as_json else "\n".join(map(str, checked)))
    for advice in plain_run_advice(os.environ) if recipes else ():
        click.echo(advice, err=True)
    if not all(result.ok for result in checked):
        sys.exit(1)


@click.command(epilog="Example:  amazon-titles train my.yml --set epochs=3")
@click.argument("recipe")
@click.option(
    "--engine",
    type=click.Choice(["autotrain", "trl"]),
    default="autotrain",
    show_default=True,
    help="Plain AutoTrain, or this environment's TRL: loss on the answers alone, validation, checkpoints.",
)
@click.option("--resume", is_flag=True, help="Go on from the last checkpoint, if there is one (trl).")
@click.option(
    "--devices", default=1, show_default=True, help="GPUs, or processes on a CPU, that share each step (trl)."
)
@autotrain_env_option
@card_language_option
@set_option
@jobs_options
def train(
    recipe: str,
    engine: str,
    resume: bool,
    devices: int,
    autotrain_env: str | None,
    card_language: str | None,
    settings: tuple[str, ...],
    on: str,
    flavor: str | None,
    dry_run: bool,
) -> None:
    """Fine-tune as a recipe says; leaves an adapter folder, or fails with the reason.

    With --on jobs it runs on a machine of the Hub that your account pays, and the adapter lands on the Hub, privately.
    """
    from amazon_titles.recipes import load_recipe
    from amazon_titles.training import train as run

    loaded = load_recipe(recipe)
    if on == "jobs":
        if resume or devices != 1:
            raise click.UsageError("--resume and --devices are for --on local.")
        train_there(loaded.with_settings(pairs(settings)), engine, card_language, flavor, dry_run)
        return
    if flavor or dry_run:
        raise click.UsageError("--flavor and --dry-run belong to --on jobs.")
    trained = run(
        loaded.with_settings(pairs(settings)),
        engine=engine,
        resume=resume,
        devices=devices,
        autotrain_env=autotrain_env,
        card_language=card_language or "en",
    )
    click.echo(f"{trained.folder}  final loss {trained.final_loss:.3f}")


@click.command("push-adapter", epilog="Example:  amazon-titles push-adapter adapter USER/Llama-3.2-1B-amazon-titles")
@click.argument("folder")
@click.argument("repo_id")
@click.option("--base", metavar="ID", help="The base on the Hub, where the folder names a local one.")
@click.option("--dataset", metavar="ID@REV", help="The dataset on the Hub, likewise.")
@click.option("--before", metavar="FILE", help="Report of the base model; what `compare` makes of both goes along.")
@click.option("--after", metavar="FILE", help="Report of the adapter.")
@card_language_option
@click.option("--public", is_flag=True, help="Make the repo public; private otherwise.")
@click.option("--tag", help="Tag the revision.")
@click.option("--dry-run", is_flag=True, help="Show what would be published.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def push_adapter(folder: str, repo_id: str, public: bool, as_json: bool, **options: Any) -> None:  # noqa: ANN401
    """Publish an adapter on the Hugging Face Hub.

    FOLDER may also be a folder or Hub repo that plain `autotrain --config` left behind: it is finished then.
    """
    from amazon_titles.hub import push_adapter_to_hub

    with _compared(folder, options["before"], options["after"]) as comparison:
        report = push_adapter_to_hub(folder, repo_id, private=not public, comparison=comparison, **options)
    click.echo(report.to_json() if as_json else report)


@contextmanager
def _compared(folder: str, before: str | None, after: str | None) -> Iterator[Path | None]:
    """A folder with the comparison of two reports, of which one may be the adapter folder's; None where none is given.

    The page and the card show the comparison, so reports that came without it would not be seen there.
    """
    from amazon_titles.hub.contents import is_there

    names = {"before": before, "after": after}
    reports = [Path(given or f"{folder}/eval/{name}.json") for name, given in names.items()]
    # A report that is named may be a link; in the folder one is as if it were not there.
    found = all(given or is_there(Path(folder), f"eval/{name}.json") for name, given in names.items())
    if not (before or after) or not found or not all(path.is_file() for path in reports):
        yield None
        return
    from amazon_titles.evaluation import EvalReport, compare, save_comparison

    with tempfile.TemporaryDirectory(prefix="amazon-titles-") as made:
        comparison: Path | None = Path(made)
        try:
            save_comparison(compare(*map(EvalReport.load, reports)), made)
        except MissingExtraError as error:  # publishing needs no extra; only the plots do
            click.echo(f"The comparison of the reports stays out. {error}", err=True)
            comparison = None
        yield comparison


@click.command(epilog="Example:  amazon-titles merge adapter --out merged")
@click.argument("adapter")
@click.option("--out", required=True, metavar="DIR", help="The folder to make.")
@click.option("--dtype", type=click.Choice(["float32", "bfloat16", "float16"]), help="By default the base's own.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def merge(adapter: str, out: str, dtype: str | None, as_json: bool) -> None:
    """Merge an adapter (a folder, or USER/NAME) into its base: one model that needs no peft."""
    from amazon_titles.merge import merge_adapter

    report = merge_adapter(adapter, out, dtype=dtype)
    click.echo(report.to_json() if as_json else report.to_text(), nl=False)
