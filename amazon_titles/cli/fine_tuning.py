"""Commands of the fine-tuning: recipe → adapter folder → Hub adapter."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import click

from amazon_titles.cli import options as shared
from amazon_titles.errors import InputError, MissingExtraError


@click.command(epilog="Example:  amazon-titles recipe llama-3.2-1b-lora --dataset USER/amazon-titles --out my.yml")
@click.argument("name")
@click.option("--dataset", required=True, metavar="DIR|REPO", help="Dataset folder or Hub id.")
@click.option("--user", help="Hub user or organisation to publish under.")
@click.option("--project", help="Output folder and repo name.")
@shared.settings
@click.option("--out", metavar="FILE", help="Write it there, as UTF-8; by default it is printed.")
def recipe(name: str, settings: shared.Pairs, out: str | None, **options: Any) -> None:
    """Print a shipped recipe, filled in, or write it to a file."""
    from amazon_titles.io import write_whole
    from amazon_titles.recipes import fill_recipe

    filled = fill_recipe(name, settings=dict(settings), **options)
    if out is None:
        click.echo(filled, nl=False)
        return
    try:
        write_whole({Path(out): filled})
    except OSError as error:
        raise InputError(f"{out} cannot be written ({error.strerror}).", hint="Name a file: --out my.yml") from None
    click.echo(f"{out}  check it: amazon-titles check {out}")


@click.command(epilog="Example:  amazon-titles check my.yml --hours 4")
@click.argument("recipes", nargs=-1)
@click.option("--online", is_flag=True, help="Ask the Hub too: base, dataset, prices, the repo of a push.")
@click.option("--hours", type=float, help="Time there is; the largest --limit of `build` that it allows is named.")
@click.option("--exposures", default=100, help="How often each product is to be asked about.")
@click.option("--measure", is_flag=True, help="Time 20 steps on this machine, and price the whole run by them.")
@click.option("--json", "as_json", is_flag=True, help="Print problems and budgets as JSON.")
def check(recipes: tuple[str, ...], as_json: bool, **options: Any) -> None:
    """Name every problem of recipes at once, and what a run would take; by default of the shipped ones."""
    from amazon_titles.budget import check_recipes
    from amazon_titles.recipes import plain_run_advice

    checked = check_recipes(recipes, **options)
    click.echo(json.dumps([result.to_dict() for result in checked]) if as_json else "\n".join(map(str, checked)))
    for advice in plain_run_advice(os.environ) if recipes else ():
        click.echo(advice, err=True)
    if not all(result.ok for result in checked):
        sys.exit(1)


@click.command(epilog="Example:  amazon-titles train my.yml --set epochs=3")
@click.argument("recipe")
@click.option("--engine", type=click.Choice(["autotrain", "trl"]), default="autotrain", help="What trains.")
@click.option("--resume", is_flag=True, help="Go on from the last checkpoint, if there is one (trl).")
@click.option("--devices", default=1, help="GPUs, or processes on a CPU, that share each step (trl).")
@click.option("--launcher", metavar="COMMAND", help="What starts the processes (trl), such as: torchrun --nnodes 2 …")
@shared.autotrain_env
@shared.card_language(default="en")
@shared.settings
@click.option("--on", type=click.Choice(["local", "jobs"]), default="local", help="Where: here, or a job.")
@click.option("--flavor", metavar="NAME", help="With --on jobs: the machine, such as l4x1.")
@click.option("--dry-run", is_flag=True, help="With --on jobs: check, and say what would be sent.")
def train(recipe: str, settings: shared.Pairs, on: str, flavor: str | None, dry_run: bool, **options: Any) -> None:
    """Fine-tune as a recipe says; leaves an adapter folder, or fails with the reason.

    Plain AutoTrain trains, or this environment's TRL: loss on the answers alone, validation, checkpoints.

    With --on jobs it runs on a machine of the Hub that your account pays, and the adapter lands on the Hub, privately.
    """
    from amazon_titles.recipes import load_recipe

    wanted = load_recipe(recipe).with_settings(dict(settings))
    if on == "jobs":
        from amazon_titles.jobs import train_on_jobs

        resume, devices, launcher, _ = map(options.pop, ("resume", "devices", "launcher", "autotrain_env"))
        if resume or devices != 1 or launcher:
            raise click.UsageError("--resume, --devices and --launcher are for --on local.")
        ask = _confirm if sys.stdin.isatty() and sys.stderr.isatty() else None
        job = train_on_jobs(wanted, flavor=flavor, dry_run=dry_run, ask=ask, **options)
        if job is not None:
            click.echo("{}  job {}".format(*job))
        return
    if flavor or dry_run:
        raise click.UsageError("--flavor and --dry-run belong to --on jobs.")
    from amazon_titles.training import train as run

    trained = run(wanted, **options)
    click.echo(f"{trained.folder}  final loss {trained.final_loss:.3f}")


def _confirm(question: str) -> bool:
    """Yes or no, no by default; a second Ctrl-C means no."""
    try:
        return click.confirm(question, default=False, err=True)
    except click.Abort:
        return False


@click.command("push-adapter", epilog="Example:  amazon-titles push-adapter adapter USER/Llama-3.2-1B-amazon-titles")
@click.argument("folder")
@click.argument("repo_id")
@click.option("--base", metavar="ID", help="The base on the Hub, where the folder names a local one.")
@click.option("--dataset", metavar="ID@REV", help="The dataset on the Hub, likewise.")
@click.option("--before", metavar="FILE", help="Report of the base model; what `compare` makes of both goes along.")
@click.option("--after", metavar="FILE", help="Report of the adapter.")
@click.option("--gguf", metavar="FILE", help="What `export` made of this adapter: for Ollama, LM Studio, llama.cpp.")
@shared.card_language()
@shared.publishing
def push_adapter(folder: str, repo_id: str, public: bool, as_json: bool, **options: Any) -> None:
    """Publish an adapter on the Hugging Face Hub.

    FOLDER may also be a folder or Hub repo that plain `autotrain --config` left behind: it is finished then.
    """
    from amazon_titles.hub import push_adapter_to_hub
    from amazon_titles.io import scratch

    with scratch() as made:
        comparison = _compare(folder, options["before"], options["after"], options["card_language"], made)
        report = push_adapter_to_hub(folder, repo_id, private=not public, comparison=comparison, **options)
    click.echo(report.to_json() if as_json else report)


def _compare(folder: str, before: str | None, after: str | None, language: str | None, made: Path) -> Path | None:
    """Writes the comparison of two reports, of which one may be the adapter folder's; None where none is given.

    The page and the card show the comparison, so reports that came without it would not be seen there. It is in the
    card's language.
    """
    from amazon_titles.hub.contents import is_there

    named = {"eval/before.json": before, "eval/after.json": after}
    # A report that is named may be a link; in the folder one is as if it were not there.
    there = all(path or is_there(Path(folder), name) for name, path in named.items())
    if not (before or after) or not there:
        return None
    from amazon_titles.evaluation import EvalReport, compare, save_comparison
    from amazon_titles.io import read_object

    language = language or read_object(Path(folder, "run.json")).get("card_language") or "en"
    reports = [EvalReport.load(path or Path(folder, name)) for name, path in named.items()]
    try:
        save_comparison(compare(*reports), made, language=language)
    except MissingExtraError as error:  # publishing needs no extra; only the plots do
        click.echo(f"The comparison of the reports stays out. {error}", err=True)
        return None
    return made


@click.command(epilog="Example:  amazon-titles merge adapter --out merged")
@click.argument("adapter")
@click.option("--out", required=True, metavar="DIR", help="The folder to make.")
@shared.base
@click.option("--dtype", type=shared.DTYPE, help="By default the base's own.")
@shared.json_report
def merge(adapter: str, out: str, as_json: bool, **options: Any) -> None:
    """Merge an adapter (a folder, or USER/NAME) into its base: one model that needs no peft."""
    from amazon_titles.merge import merge_adapter

    report = merge_adapter(adapter, out, **options)
    click.echo(report.to_json() if as_json else report.to_text(), nl=False)


@click.command(epilog="Example:  amazon-titles export adapter --out titles.gguf --quantize q8_0")
@click.argument("model")
@click.option("--out", required=True, metavar="FILE.gguf", help="The file to write.")
@click.option("--quantize", default="q8_0", metavar="TYPE", help="f32, f16, bf16, q8_0, q5_1, q5_0, q4_1 or q4_0.")
@shared.base
@click.option("--ollama", is_flag=True, help="Write Ollama's Modelfile beside it.")
@click.option("--dataset", metavar="DIR", help="Whose questions check it; by default the one that MODEL names.")
@shared.json_report
def export(model: str, as_json: bool, **options: Any) -> None:
    """Write an adapter, merged, or a whole model (a folder, or USER/NAME) as GGUF: for llama.cpp, Ollama, LM Studio.

    Where llama.cpp's library is installed (the extra `export`), eight answers of the file are compared with MODEL's.
    """
    from amazon_titles.export import export_gguf

    report = export_gguf(model, **options)
    click.echo(report.to_json() if as_json else report.to_text(), nl=False)
