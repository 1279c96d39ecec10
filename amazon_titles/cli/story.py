"""Commands that tell the whole story."""

from __future__ import annotations

from typing import Any

import click

from amazon_titles.cli.options import autotrain_env_option, dataset_option, language_option
from amazon_titles.default_model import DEFAULT_MODEL


@click.command(epilog="Example:  amazon-titles quickstart --catalog trn.json --products 32")
@click.option("--out", default="quickstart", show_default=True, metavar="DIR", help="The folder to make.")
@click.option(
    "--base",
    default="smollm2",
    show_default=True,
    metavar="smollm2|tiny|ID|DIR",
    help="SmolLM2-135M-Instruct; a tiny Llama made here (a smoke test of three minutes); a Hub id; a folder.",
)
@click.option("--catalog", metavar="FILE", help="A catalogue of your own; by default a sample is made.")
@click.option("--products", type=click.IntRange(min=1), help="Products to learn by heart.  [default: 24; of tiny 48]")
@language_option
@autotrain_env_option
def quickstart(**options: Any) -> None:  # noqa: ANN401
    """Run the full pipeline on this machine: no account, no GPU, about twelve minutes on two cores."""
    from amazon_titles.quickstart import quickstart as run

    result = run(options.pop("out"), **options)
    click.echo(result.comparison.to_markdown(full=False), nl=False)


@click.command(epilog="Example:  amazon-titles handin work --video https://… --repo https://… --member 'Ada Lovelace'")
@click.argument("folder")
@click.option("--model", default=DEFAULT_MODEL, show_default=True, metavar="DIR|REPO", help="The adapter.")
@dataset_option
@click.option("--video", metavar="URL", help="Address of the video, of at most 10 minutes.")
@click.option("--repo", "repository", metavar="URL", help="Address of the source code.")
@click.option("--member", "members", multiple=True, metavar="NAME", help="Who hands it in (repeatable).")
@click.option("--language", type=click.Choice(["pt", "en"]), default="pt", show_default=True, help="Of the documents.")
def handin(folder: str, **options: Any) -> None:  # noqa: ANN401
    """Gather in FOLDER what the assignment asks for, and list what is still missing."""
    from amazon_titles.handin import hand_in

    click.echo(hand_in(folder, **options).to_text(), nl=False)
