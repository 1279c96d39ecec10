"""The command line: one function a command, without logic. Rooms are imported when a command runs."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from amazon_titles import __version__
from amazon_titles.errors import AmazonTitlesError, InputError


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs a command: exit 0 done, 1 failed, 2 wrong usage; no traceback for what a user can cause."""
    try:
        cli.main(args=None if arguments is None else list(arguments), prog_name="amazon-titles", standalone_mode=False)
    except click.exceptions.Abort:
        raise SystemExit(130) from None
    except click.ClickException as error:
        error.show()
        raise SystemExit(error.exit_code) from None
    except AmazonTitlesError as error:
        if os.environ.get("AMAZON_TITLES_DEBUG"):
            raise
        click.echo(f"Error: {error}", err=True)
        raise SystemExit(error.exit_code) from None


_SETTINGS: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


@click.group(context_settings=_SETTINGS, epilog="Start here, with no account and no GPU:  amazon-titles quickstart")
@click.version_option(__version__, "--version", message="%(version)s")
def cli() -> None:
    """A product catalogue becomes a chat dataset, a fine-tuned Llama, and answers with their sources."""


def _pairs(settings: Sequence[str], option: str = "--set", example: str = "lr=1e-4") -> dict[str, str]:
    pairs = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals:
            raise InputError(f"{option} {setting!r} has no '='.", hint=f"Write it as: {option} {example}")
        pairs[key.strip()] = value
    return pairs


_set = click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Change a value of the recipe.")
_dataset = click.option("--dataset", metavar="DIR|REPO", help="Dataset; by default the one that the model names.")
_card_language = click.option("--card-language", type=click.Choice(["en", "pt"]), help="Of the model card.")
_autotrain_env = click.option("--autotrain-env", metavar="DIR", help="Virtual environment that has AutoTrain.")


@cli.command(epilog="Example:  amazon-titles download --out data")
@click.option("--out", default=".", show_default=True, metavar="DIR", help="Folder for the archive.")
@click.option(
    "--mirror", metavar="USER/REPO", help="Dataset on the Hub that holds the archive, instead of the Drive file."
)
def download(out: str, mirror: str | None) -> None:
    """Fetch the archive that holds trn.json; an interrupted download goes on."""
    from amazon_titles.catalog import download as fetch

    done = fetch(out, mirror=mirror)
    click.echo(f"{done.path}  {done.bytes} bytes  sha256 {done.sha256}")


@cli.command(epilog="Example:  amazon-titles build LF-Amazon-1.3M.raw.zip --out dataset --limit 1000")
@click.argument("source")
@click.option("--out", "output_dir", required=True, metavar="DIR", help="The dataset folder to make.")
@click.option("--limit", type=click.IntRange(min=1), help="Keep N products, sampled evenly over the whole file.")
@click.option("--seed", default=42, show_default=True, help="Of every choice.")
@click.option("--language", "languages", multiple=True, default=("en",), help="Of the questions: en, pt (repeatable).")
@click.option("--phrasings", default=3, show_default=True, help="Recall rows a product.")
@click.option("--grounded", default=1.0, show_default=True, help="Rows a product with records in view, 0 to 1.")
@click.option("--abstain", default=0.2, show_default=True, help="Rows a product about an invented one, 0 to 1.")
@click.option("--min-content-chars", default=40, show_default=True, help="Shorter descriptions drop the product.")
@click.option("--max-content-chars", default=2000, show_default=True, help="Longer ones are cut at a sentence's end.")
@click.option("--validation", default=0.02, show_default=True, help="Share of the products.")
@click.option("--test", default=0.02, show_default=True, help="Likewise.")
@click.option("--render", multiple=True, default=("llama3",), help="Chat templates: llama3, chatml (repeatable).")
@click.option("--labels", metavar="FILE", help="lbl.json, for related products.")
@click.option("--field", "fields", multiple=True, metavar="uid=NAME", help="Another catalogue's name of a field.")
@click.option("--name", help="What the catalogue is called.")
@click.option("--license", help="Its licence.")
@click.option("--url", help="Address of a product, with {uid} in it.")
@click.option("--rules", default="amazon", show_default=True, help="Cleaning rules: amazon, generic.")
@click.option("--card-language", default="en", show_default=True, help="Of the dataset card: en, pt.")
@click.option("--max-bad", default=0.001, show_default=True, help="Share of lines that may hold no product.")
@click.option("--workers", type=click.IntRange(min=1), help="Processes; all cores by default.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def build(source: str, fields: tuple[str, ...], as_json: bool, **options: Any) -> None:  # noqa: ANN401
    """Build a dataset folder from a catalogue.

    SOURCE is trn.json, gzipped or zstandard, the zip as downloaded, - for stdin, or hf://datasets/USER/REPO/trn.json.
    """
    from amazon_titles.dataset import build_dataset

    report = build_dataset(source, fields=_pairs(fields, "--field", "uid=asin"), **options)
    click.echo(report.to_json() if as_json else report.to_text(), nl=False)


@cli.command("push-dataset", epilog="Example:  amazon-titles push-dataset dataset USER/amazon-titles")
@click.argument("folder")
@click.argument("repo_id")
@click.option("--public", is_flag=True, help="Make the repo public; private otherwise.")
@click.option("--tag", help="Tag the revision.")
@click.option("--dry-run", is_flag=True, help="Show what would be published.")
def push_dataset(folder: str, repo_id: str, public: bool, tag: str | None, dry_run: bool) -> None:
    """Publish a dataset folder on the Hugging Face Hub."""
    from amazon_titles.hub import push_dataset_to_hub

    click.echo(push_dataset_to_hub(folder, repo_id, private=not public, tag=tag, dry_run=dry_run))


@cli.command(epilog="Example:  amazon-titles recipe llama-3.2-1b-lora --dataset USER/amazon-titles > my.yml")
@click.argument("name")
@click.option("--dataset", required=True, metavar="DIR|REPO", help="Dataset folder or Hub id.")
@click.option("--user", help="Hub user or organisation to publish under.")
@click.option("--project", help="Output folder and repo name.")
@_set
def recipe(name: str, dataset: str, user: str | None, project: str | None, settings: tuple[str, ...]) -> None:
    """Print a shipped recipe, filled in."""
    from amazon_titles.recipes import fill_recipe

    click.echo(fill_recipe(name, dataset=dataset, user=user, project=project, settings=_pairs(settings)), nl=False)


@cli.command(epilog="Example:  amazon-titles check my.yml --hours 4")
@click.argument("recipes", nargs=-1)
@click.option(
    "--online", is_flag=True, help="Ask the Hub too: base, dataset, prices, the repo that a push would go to."
)
@click.option("--hours", type=float, help="Time there is; the largest --limit of `build` that it allows is named.")
@click.option("--exposures", default=100, show_default=True, help="How often each product is to be asked about.")
@click.option("--json", "as_json", is_flag=True, help="Print problems and budgets as JSON.")
def check(recipes: tuple[str, ...], online: bool, hours: float | None, exposures: int, as_json: bool) -> None:
    """Name every problem of recipes at once, and what a run would take; by default of the shipped ones."""
    from amazon_titles.budget import examine
    from amazon_titles.recipes import plain_run_advice

    checked = examine(recipes, online=online, hours=hours, exposures=exposures)
    click.echo(json.dumps([result.to_dict() for result in checked]) if as_json else "\n".join(map(str, checked)))
    for advice in plain_run_advice(os.environ) if recipes else ():
        click.echo(advice, err=True)
    if not all(result.ok for result in checked):
        sys.exit(1)


@cli.command(epilog="Example:  amazon-titles train my.yml --set epochs=3")
@click.argument("recipe")
@click.option("--engine", default="autotrain", show_default=True, help="What trains: autotrain.")
@_autotrain_env
@_card_language
@_set
def train(
    recipe: str, engine: str, autotrain_env: str | None, card_language: str | None, settings: tuple[str, ...]
) -> None:
    """Fine-tune as a recipe says; leaves an adapter folder, or fails with the reason."""
    from amazon_titles.recipes import load_recipe
    from amazon_titles.training import train as run

    loaded = load_recipe(recipe)
    trained = run(
        loaded.with_settings(_pairs(settings)),
        engine=engine,
        autotrain_env=autotrain_env,
        card_language=card_language or "en",
    )
    click.echo(f"{trained.folder}  final loss {trained.final_loss:.3f}")


@cli.command(epilog="Example:  amazon-titles evaluate adapter --out after.json")
@click.argument("model")
@_dataset
@click.option("--sets", default="seen,unseen,invented", show_default=True, help="Which questions to ask.")
@click.option("--limit", type=click.IntRange(min=1), help="At most N products a set.")
@click.option("--out", required=True, metavar="FILE", help="The report to write, as JSON.")
def evaluate(model: str, dataset: str | None, sets: str, limit: int | None, out: str) -> None:
    """Ask a base model or an adapter the questions of named sets, and score the answers."""
    from pathlib import Path

    from amazon_titles.evaluation import evaluate_model
    from amazon_titles.model import CatalogModel

    loaded = CatalogModel.from_pretrained(model, dataset=dataset)
    if loaded.dataset_folder is None:
        raise InputError(f"{model} names no dataset to take questions from.", hint="Name it: --dataset DIR")
    report = evaluate_model(loaded, loaded.dataset_folder, sets=sets.split(","), limit=limit)
    Path(out).write_text(report.to_json(), encoding="utf-8")
    click.echo(json.dumps(report.scores()))


@cli.command(epilog="Example:  amazon-titles compare before.json after.json")
@click.argument("before")
@click.argument("after")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def compare(before: str, after: str, as_json: bool) -> None:
    """Print the table of before and after from two reports of `evaluate`."""
    from amazon_titles.evaluation import EvalReport
    from amazon_titles.evaluation import compare as side_by_side

    comparison = side_by_side(EvalReport.load(before), EvalReport.load(after))
    click.echo(comparison.to_json() if as_json else comparison.to_markdown(), nl=False)


@cli.command("push-adapter", epilog="Example:  amazon-titles push-adapter adapter USER/Llama-3.2-1B-amazon-titles")
@click.argument("folder")
@click.argument("repo_id")
@click.option("--base", metavar="ID", help="The base on the Hub, where the folder names a local one.")
@click.option("--dataset", metavar="ID@REV", help="The dataset on the Hub, likewise.")
@click.option("--before", metavar="FILE", help="Report of the base model.")
@click.option("--after", metavar="FILE", help="Report of the adapter.")
@_card_language
@click.option("--public", is_flag=True, help="Make the repo public; private otherwise.")
@click.option("--tag", help="Tag the revision.")
@click.option("--dry-run", is_flag=True, help="Show what would be published.")
def push_adapter(folder: str, repo_id: str, public: bool, **options: Any) -> None:  # noqa: ANN401
    """Publish an adapter on the Hugging Face Hub.

    FOLDER may also be a folder or Hub repo that plain `autotrain --config` left behind: it is finished then.
    """
    from amazon_titles.hub import push_adapter_to_hub

    click.echo(push_adapter_to_hub(folder, repo_id, private=not public, **options))


@cli.command(epilog="Example:  amazon-titles merge adapter --out merged")
@click.argument("adapter")
@click.option("--out", required=True, metavar="DIR", help="The folder to make.")
@click.option("--dtype", type=click.Choice(["float32", "bfloat16", "float16"]), help="By default the base's own.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def merge(adapter: str, out: str, dtype: str | None, as_json: bool) -> None:
    """Merge an adapter (a folder, or USER/NAME) into its base: one model that needs no peft."""
    from amazon_titles.merge import merge_adapter

    report = merge_adapter(adapter, out, dtype=dtype)
    click.echo(report.to_json() if as_json else report.to_text(), nl=False)


@cli.command(epilog="""Example:  amazon-titles ask 'What is "The Prophet"?' --model adapter""")
@click.argument("question")
@click.option("--model", required=True, metavar="DIR|REPO", help="Adapter or base model.")
@_dataset
@click.option(
    "--closed-book", is_flag=True, help="Answer from what the fine-tuning taught, without the records in view."
)
@click.option("-k", default=3, show_default=True, type=click.IntRange(min=1), help="At most K sources.")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
def ask(question: str, model: str, dataset: str | None, closed_book: bool, k: int, as_json: bool) -> None:
    """Answer a question about a product, with its sources."""
    from dataclasses import asdict

    from amazon_titles.model import CatalogModel

    answer = CatalogModel.from_pretrained(model, dataset=dataset).ask(question, k=k, closed_book=closed_book)
    click.echo(json.dumps(asdict(answer), ensure_ascii=False) if as_json else answer.to_text())


@cli.command(epilog="Example:  amazon-titles quickstart --catalog trn.json --products 32")
@click.option("--out", default="quickstart", show_default=True, metavar="DIR", help="The folder to make.")
@click.option("--catalog", metavar="FILE", help="A catalogue of your own; by default a sample is made.")
@click.option("--products", type=click.IntRange(min=1), help="Products to train on.  [default: 48]")
@_autotrain_env
def quickstart(out: str, catalog: str | None, products: int | None, autotrain_env: str | None) -> None:
    """Run the whole story on this machine: no account, no GPU, about six minutes."""
    from amazon_titles.quickstart import PRODUCTS
    from amazon_titles.quickstart import quickstart as run

    result = run(out, catalog=catalog, products=products or PRODUCTS, autotrain_env=autotrain_env)
    click.echo(result.comparison.to_markdown(), nl=False)
