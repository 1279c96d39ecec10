"""Commands that ask a model: one question, or the sets of an evaluation."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from amazon_titles.cli import options as shared
from amazon_titles.default_model import DEFAULT_MODEL
from amazon_titles.errors import InputError
from amazon_titles.text import aligned, printable

if TYPE_CHECKING:
    from amazon_titles.model import Answer


@click.command(epilog="Example:  amazon-titles evaluate adapter --out after.json")
@click.argument("model", metavar=f"[{shared.MODELS}]", default=DEFAULT_MODEL)
@shared.model_name
@shared.parallel
@shared.dataset
@click.option("--sets", default="seen,unseen,grounded,property,invented,general", help="Sets of questions.")
@click.option("--limit", type=shared.POSITIVE, help="Maximum number of products per set.")
@shared.batch_size(default=16)
@shared.max_new_tokens
@click.option("--out", required=True, metavar="FILE", help="JSON report to write; examples go to a .jsonl file.")
@shared.every_measure
@click.option("--json", "as_json", is_flag=True, help="Print the scores as JSON, as in a pipe.")
def evaluate(
    model: str, dataset: str | None, sets: str, model_name: str | None, parallel: int, every: bool, as_json: bool,
    **options: Any,
) -> None:  # fmt: skip
    """Score a model's answers to the questions of a dataset.

    The model is a folder, a Hub id, or http://host/v1, an OpenAI-compatible server such as vLLM or llama.cpp; if that
    has several models, select one with --model-name. If interrupted, run the same command again to resume.
    """
    from amazon_titles.evaluation import evaluate_model, weights_of
    from amazon_titles.model import CatalogModel

    loaded = CatalogModel.from_pretrained(model, dataset=dataset, name=model_name, parallel=parallel)
    if loaded.dataset_folder is None:
        raise InputError(f"{model} names no dataset to take questions from.", hint="Name it: --dataset DIR")
    asked = [name.strip() for name in sets.split(",")]
    report = evaluate_model(loaded, loaded.dataset_folder, sets=asked, weights=weights_of(model), **options)
    if as_json or not (every or sys.stdout.isatty()):
        click.echo(json.dumps(report.scores()))
    else:
        said = f"{len(report.examples)} answers scored; the report is {options['out']}."
        click.echo(f"{aligned(report.to_markdown(full=every))}\n{said}")


@click.command(epilog="Example:  amazon-titles compare before.json after.json --out comparison")
@click.argument("before")
@click.argument("after")
@click.option("--out", metavar="DIR", help="Also write the table, examples, JSON and plots there.")
@shared.card_language(default="en")
@shared.every_measure
@shared.json_report
def compare(before: str, after: str, out: str | None, card_language: str, every: bool, as_json: bool) -> None:
    """Compare two reports of `evaluate`, before and after."""
    from amazon_titles.evaluation import EvalReport, save_comparison
    from amazon_titles.evaluation import compare as side_by_side

    comparison = side_by_side(EvalReport.load(before), EvalReport.load(after))
    if out is not None:
        save_comparison(comparison, out, language=card_language)
    terminal = sys.stdout.isatty() and not as_json
    table = comparison.to_markdown(full=every or not terminal, language=card_language)
    summary = comparison.summary(language=card_language)
    click.echo(f"{aligned(table)}\n{summary}" if terminal else comparison.to_json() if as_json else table, nl=terminal)


@click.command(epilog="""Example:  amazon-titles ask 'What is "The Prophet"?' --model adapter""")
@click.argument("question", required=False)
@shared.default_model(metavar=shared.MODELS, help="Adapter, base model, or http://host/v1.")
@shared.model_name
@shared.parallel
@shared.base
@shared.dataset
@shared.closed_book
@shared.records
@click.option("--language", type=shared.LANGUAGE, help="Language of the answer; by default that of the question.")
@shared.max_new_tokens
@click.option("--temperature", type=float, help="Sampling temperature; by default decoding is greedy.")
@shared.seed(default=0, help="Random seed for sampling.")
@click.option("--device", help="cpu, cuda or mps; by default the best available.")
@click.option("--dtype", type=shared.DTYPE, help="By default chosen for the device.")
@click.option("--questions", metavar="FILE", help="JSONL file with one question per line, instead of QUESTION.")
@click.option("--out", metavar="FILE", help="JSONL file for the answers; run again to resume.")
@shared.batch_size(default=32)
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON (docs/ask-json.md).")
def ask(question: str | None, model: str, questions: str | None, out: str | None, **options: Any) -> None:
    """Answer a question about a product, with sources."""
    from amazon_titles.model import CatalogModel, Sampling
    from amazon_titles.model.language import locale_language

    if (question is None) == (questions is None) or (questions and not out):
        hint = "--questions FILE.jsonl --out ANSWERS.jsonl"
        raise InputError("Give one QUESTION, or --questions with --out.", hint=hint)
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
        click.echo(f"{out}  {made} new answers")
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
