"""Commands that ask a model: one question, or the sets of an evaluation."""

from __future__ import annotations

import json

import click

from amazon_titles.cli.options import dataset_option
from amazon_titles.errors import InputError


@click.command(epilog="Example:  amazon-titles evaluate adapter --out after.json")
@click.argument("model")
@dataset_option
@click.option("--sets", default="seen,unseen,grounded,invented,general", show_default=True, help="Which to ask.")
@click.option("--limit", type=click.IntRange(min=1), help="At most N products a set.")
@click.option("--batch-size", default=16, show_default=True, type=click.IntRange(min=1), help="Questions at a time.")
@click.option("--max-new-tokens", default=256, show_default=True, type=click.IntRange(min=1), help="Longest answer.")
@click.option("--out", required=True, metavar="FILE", help="The report to write, as JSON; every example beside it.")
def evaluate(
    model: str, dataset: str | None, sets: str, limit: int | None, batch_size: int, max_new_tokens: int, out: str
) -> None:
    """Ask a base model or an adapter the questions of named sets, and score the answers.

    Interrupted, the same command goes on where it stopped.
    """
    from amazon_titles.evaluation import evaluate_model, weights_of
    from amazon_titles.model import CatalogModel

    loaded = CatalogModel.from_pretrained(model, dataset=dataset)
    if loaded.dataset_folder is None:
        raise InputError(f"{model} names no dataset to take questions from.", hint="Name it: --dataset DIR")
    report = evaluate_model(
        loaded,
        loaded.dataset_folder,
        sets=[name.strip() for name in sets.split(",")],
        limit=limit,
        batch_size=batch_size,
        max_new_tokens=max_new_tokens,
        out=out,
        weights=weights_of(model),
    )
    click.echo(json.dumps(report.scores()))


@click.command(epilog="Example:  amazon-titles compare before.json after.json --out comparison")
@click.argument("before")
@click.argument("after")
@click.option("--out", metavar="DIR", help="Write the table, the examples, JSON and plots there too.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def compare(before: str, after: str, out: str | None, as_json: bool) -> None:
    """Print the table of before and after from two reports of `evaluate`."""
    from amazon_titles.evaluation import EvalReport, save_comparison
    from amazon_titles.evaluation import compare as side_by_side

    comparison = side_by_side(EvalReport.load(before), EvalReport.load(after))
    if out is not None:
        save_comparison(comparison, out)
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
