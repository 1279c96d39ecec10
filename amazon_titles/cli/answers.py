"""Commands that ask a model: one question, or the sets of an evaluation."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from amazon_titles.cli import options as shared
from amazon_titles.errors import InputError
from amazon_titles.text import printable

if TYPE_CHECKING:
    from amazon_titles.model import Answer


@click.command(epilog="Example:  amazon-titles evaluate adapter --out after.json")
@click.argument("model", metavar=shared.MODELS)
@shared.model_name
@shared.parallel
@shared.dataset
@click.option("--sets", default="seen,unseen,grounded,property,invented,general", help="Which to ask.")
@click.option("--limit", type=shared.POSITIVE, help="At most N products a set.")
@shared.batch_size(default=16)
@shared.max_new_tokens
@click.option("--out", required=True, metavar="FILE", help="The report to write, as JSON; every example beside it.")
def evaluate(
    model: str, dataset: str | None, sets: str, model_name: str | None, parallel: int, **options: Any
) -> None:  # fmt: skip
    """Ask a base model or an adapter the questions of named sets, and score the answers.

    The model is a folder, a Hub id, or http://host/v1: an OpenAI-compatible server (vLLM, llama.cpp), whose models
    before and after the fine-tuning are told apart by --model-name. Interrupted, the same command goes on where it
    stopped.
    """
    from amazon_titles.evaluation import evaluate_model, weights_of
    from amazon_titles.model import CatalogModel

    loaded = CatalogModel.from_pretrained(model, dataset=dataset, name=model_name, parallel=parallel)
    if loaded.dataset_folder is None:
        raise InputError(f"{model} names no dataset to take questions from.", hint="Name it: --dataset DIR")
    asked = [name.strip() for name in sets.split(",")]
    report = evaluate_model(loaded, loaded.dataset_folder, sets=asked, weights=weights_of(model), **options)
    click.echo(json.dumps(report.scores()))


@click.command(epilog="Example:  amazon-titles compare before.json after.json --out comparison")
@click.argument("before")
@click.argument("after")
@click.option("--out", metavar="DIR", help="Write the table, the examples, JSON and plots there too.")
@shared.card_language(default="en")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def compare(before: str, after: str, out: str | None, card_language: str, as_json: bool) -> None:
    """Print the table of before and after from two reports of `evaluate`."""
    from amazon_titles.evaluation import EvalReport, save_comparison
    from amazon_titles.evaluation import compare as side_by_side

    comparison = side_by_side(EvalReport.load(before), EvalReport.load(after))
    if out is not None:
        save_comparison(comparison, out, language=card_language)
    click.echo(comparison.to_json() if as_json else comparison.to_markdown(language=card_language), nl=False)


@click.command(epilog="""Example:  amazon-titles ask 'What is "The Prophet"?' --model adapter""")
@click.argument("question", required=False)
@click.option("--model", required=True, metavar=shared.MODELS, help="Adapter, base model, or http://host/v1.")
@shared.model_name
@shared.parallel
@shared.base
@shared.dataset
@click.option("--closed-book", is_flag=True, help="Answer from the fine-tuning alone, without the records in view.")
@click.option("-k", default=3, type=shared.POSITIVE, help="At most K records in view.")
@click.option("--language", type=shared.LANGUAGE, help="Of the answer; by default the question's or this system's.")
@shared.max_new_tokens
@click.option("--temperature", type=float, help="Draw the words of the answer; by default the likeliest are taken.")
@shared.seed(default=0, help="Of the drawing.")
@click.option("--device", help="As in torch: cpu, cuda, mps. By default the best there is.")
@click.option("--dtype", type=shared.DTYPE, help="By default what fits the device.")
@click.option("--questions", metavar="FILE", help="JSONL, a question a line, instead of QUESTION.")
@click.option("--out", metavar="FILE", help="Where their answers go, as JSONL; run it again to go on.")
@shared.batch_size(default=32)
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON (docs/ask-json.md).")
def ask(question: str | None, model: str, questions: str | None, out: str | None, **options: Any) -> None:
    """Answer a question about a product, with its sources."""
    from amazon_titles.model import CatalogModel, Sampling
    from amazon_titles.model.language import locale_language

    if (question is None) == (questions is None) or (questions and not out):
        hint = "--questions FILE.jsonl --out ANSWERS.jsonl"
        raise InputError("Ask one QUESTION, or a file of them, whose answers need a file.", hint=hint)
    if questions:
        from amazon_titles.evaluation import weights_of
        from amazon_titles.model.files import ask_file, read_questions

        read_questions(questions)  # before a model is loaded
    temperature, seed, batch_size, as_json = map(options.pop, ("temperature", "seed", "batch_size", "as_json"))
    options["default_language"] = locale_language()
    options["sampling"] = None if temperature is None else Sampling(temperature, seed)
    where = {name: options.pop(name) for name in ("base", "dataset", "device", "dtype", "parallel")}
    loaded = CatalogModel.from_pretrained(model, name=options.pop("model_name"), **where)
    if questions and out:
        identity = f"{weights_of(model) or model} {where['base'] or ''}"
        made = ask_file(loaded, questions, out, identity=identity, batch_size=batch_size, **options)
        click.echo(f"{out}  {made} answers made")
    elif as_json:
        click.echo(loaded.ask(str(question), **options).to_json())
    elif sys.stdout.isatty():
        _say_as_it_comes(loaded.stream(str(question), **options))
    else:
        click.echo(printable(loaded.ask(str(question), **options).to_text()))


def _say_as_it_comes(pieces: Iterator[str | Answer]) -> None:
    """Prints the model's words as they come, and then the answer, or, where it is those words, what stands below it."""
    said = ""
    for piece in pieces:
        if isinstance(piece, str):
            said += piece
            click.echo(printable(piece), nl=False)
        elif piece.text == said:
            click.echo(printable("\n" + piece.notes()))
        else:
            click.echo(printable(("\n\n" if said else "") + piece.to_text()))
