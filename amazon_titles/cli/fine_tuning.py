"""Commands of the fine-tuning: recipe → adapter folder → Hub adapter."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import click

from amazon_titles.cli import options as shared


@click.command(epilog="Example:  amazon-titles recipe llama-3.2-1b-lora --dataset USER/amazon-titles --out my.yml")
@click.argument("name")
@click.option("--dataset", required=True, metavar="DIR|REPO", help="Dataset folder or Hub id.")
@click.option("--user", help="Hub user or organisation that will own the adapter.")
@click.option("--project", help="Name of the output folder and repository.")
@shared.settings
@click.option("--out", type=shared.FILE, metavar="FILE", help="File to write; by default the recipe is printed.")
def recipe(name: str, settings: shared.Pairs, out: str | None, **options: Any) -> None:
    """Fill in a shipped recipe, and print it or write it."""
    from amazon_titles.io import write_whole
    from amazon_titles.recipes import fill_recipe

    filled = fill_recipe(name, settings=dict(settings), **options)
    if out is None:
        click.echo(filled, nl=False)
        return
    write_whole({Path(out): filled})
    click.echo(f"{out}  Next: amazon-titles check {out}")


@click.command(epilog="Example:  amazon-titles check my.yml --hours 4")
@click.argument("recipes", nargs=-1)
@click.option("--online", is_flag=True, help="Also query the Hub: base, dataset, prices, target repository.")
@click.option("--hours", type=float, help="Time available; shows the largest `build --limit` that fits.")
@click.option("--exposures", default=100, help="Target number of questions about each product.")
@click.option("--measure", is_flag=True, help="Time 20 steps on this machine, and use that speed.")
@click.option("--json", "as_json", is_flag=True, help="Print problems and budgets as JSON.")
def check(recipes: tuple[str, ...], as_json: bool, **options: Any) -> None:
    """List the problems of recipes, and estimate time and cost.

    Without RECIPES, the shipped ones are checked.
    """
    from amazon_titles.budget import check_recipes
    from amazon_titles.recipes import plain_run_advice

    checked = check_recipes(recipes, **options)
    click.echo(json.dumps([result.to_dict() for result in checked]) if as_json else "\n".join(map(str, checked)))
    if recipes and (advice := plain_run_advice(os.environ)):
        click.echo(
            "\n  ".join(["`train` sets these; to run `autotrain --config` yourself, first set:", *advice]), err=True
        )
    if not all(result.ok for result in checked):
        sys.exit(1)


@click.command(epilog="Example:  amazon-titles train my.yml --set epochs=3")
@click.argument("recipe")
@click.option("--engine", type=click.Choice(["autotrain", "trl"]), default="autotrain", help="Training library.")
@click.option("--resume", is_flag=True, help="Resume from the last checkpoint, if there is one (trl).")
@click.option("--devices", default=1, help="Number of GPUs, or of processes on a CPU (trl).")
@click.option("--launcher", metavar="COMMAND", help="Command that starts the processes (trl): torchrun --nnodes 2 …")
@shared.autotrain_env
@shared.card_language(default="en")
@shared.settings
@click.option("--on", type=click.Choice(["local", "jobs"]), default="local", help="Train here, or in a Hub Job.")
@click.option("--flavor", metavar="NAME", help="Machine for --on jobs, such as l4x1.")
@click.option("--dry-run", is_flag=True, help="With --on jobs: check, and show what would be sent.")
def train(recipe: str, settings: shared.Pairs, on: str, flavor: str | None, dry_run: bool, **options: Any) -> None:
    """Fine-tune a model with a recipe; writes an adapter folder.

    The engine is plain AutoTrain, or TRL in this environment, with loss on the answers only, validation and
    checkpoints.

    With --on jobs, training runs as a Hub Job, billed to your account, and the adapter is published privately.
    """
    from amazon_titles.recipes import load_recipe

    wanted = load_recipe(recipe).with_settings(dict(settings))
    if on == "jobs":
        from amazon_titles.jobs import train_on_jobs

        resume, devices, launcher, _ = map(options.pop, ("resume", "devices", "launcher", "autotrain_env"))
        if resume or devices != 1 or launcher:
            raise click.UsageError("--resume, --devices and --launcher need --on local.")
        ask = _confirm if sys.stdin.isatty() and sys.stderr.isatty() else None
        job = train_on_jobs(wanted, flavor=flavor, dry_run=dry_run, ask=ask, **options)
        if job is not None:
            click.echo("{}  job {}".format(*job))
        return
    if flavor or dry_run:
        raise click.UsageError("--flavor and --dry-run need --on jobs.")
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
@click.option("--base", metavar="ID", help="Hub id of the base, if the folder names a local one.")
@click.option("--dataset", metavar="ID@REV", help="Hub id of the dataset, if the folder names a local one.")
@click.option("--before", metavar="FILE", help="Report of the base model; the comparison is published too.")
@click.option("--after", metavar="FILE", help="Report of the adapter.")
@click.option("--gguf", metavar="FILE", help="GGUF file that `export` wrote from this adapter.")
@shared.card_language()
@shared.publishing
def push_adapter(folder: str, repo_id: str, public: bool, as_json: bool, **options: Any) -> None:
    """Publish an adapter on the Hugging Face Hub.

    FOLDER may also be the output of plain `autotrain --config`, a folder or a Hub repository; it is completed first.
    """
    from amazon_titles.hub import push_adapter_to_hub

    report = push_adapter_to_hub(folder, repo_id, private=not public, **options)
    click.echo(report.to_json() if as_json else report)


@click.command(epilog="Example:  amazon-titles merge adapter --out merged")
@click.argument("adapter")
@click.option("--out", required=True, metavar="DIR", help="Folder to create.")
@shared.base
@click.option("--dtype", type=shared.DTYPE, help="By default that of the base.")
@shared.json_report
def merge(adapter: str, out: str, as_json: bool, **options: Any) -> None:
    """Merge an adapter into its base: a model without peft.

    ADAPTER is a folder or a Hub id.
    """
    from amazon_titles.merge import merge_adapter

    report = merge_adapter(adapter, out, **options)
    click.echo(report.to_json() if as_json else report.to_text(), nl=False)


@click.command(epilog="Example:  amazon-titles export adapter --out titles.gguf --quantize q8_0")
@click.argument("model")
@click.option("--out", required=True, metavar="FILE.gguf", help="File to write.")
@click.option("--quantize", default="q8_0", metavar="TYPE", help="f32, f16, bf16, q8_0, q5_1, q5_0, q4_1 or q4_0.")
@shared.base
@click.option("--ollama", is_flag=True, help="Also write a Modelfile for Ollama.")
@click.option("--dataset", metavar="DIR", help="Dataset with the test questions; by default the one named by MODEL.")
@shared.json_report
def export(model: str, as_json: bool, **options: Any) -> None:
    """Export as GGUF for llama.cpp, Ollama and LM Studio.

    MODEL is an adapter, which is merged, or a whole model; a folder or a Hub id. With the extra `export`, llama.cpp
    answers eight questions from the file, and the answers are compared with those of MODEL.
    """
    from amazon_titles.export import export_gguf

    report = export_gguf(model, **options)
    click.echo(report.to_json() if as_json else report.to_text(), nl=False)
