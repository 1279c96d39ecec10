"""Commands that ask a model: one question, or the sets of an evaluation."""

from __future__ import annotations

import json

import click

from amazon_titles.cli.options import dataset_option
from amazon_titles.errors import InputError


@click.command(epilog="Example:  amazon-titles evaluate adapter --out after.json")
@click.argument("model")
@dataset_option
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


@click.command(epilog="Example:  amazon-titles compare before.json after.json")
@click.argument("before")
@click.argument("after")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def compare(before: str, after: str, as_json: bool) -> None:
    """Print the table of before and after from two reports of `evaluate`."""
    from amazon_titles.evaluation import EvalReport
    from amazon_titles.evaluation import compare as side_by_side

    comparison = side_by_side(EvalReport.load(before), EvalReport.load(after))
    click.echo(comparison.to_json() if as_json else comparison.to_markdown(), nl=False)


@click.command(epilog="""Example:  amazon-titles ask 'What is "The Prophet"?' --model adapter""")
@click.argument("question")
@click.option("--model", required=True, metavar="DIR|REPO", help="Adapter or base model.")
@dataset_option
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
