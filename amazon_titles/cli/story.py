"""Commands that tell the whole story."""

from __future__ import annotations

from typing import Any

import click

from amazon_titles.cli import options as shared


@click.command(epilog="Example:  amazon-titles quickstart --catalog trn.json --products 32")
@click.option("--out", default="quickstart", metavar="DIR", help="The folder to make.")
@click.option(
    "--base", default="smollm2", metavar="smollm2|tiny|ID|DIR",
    help="SmolLM2-135M-Instruct; a tiny Llama made here (a smoke test of three minutes); a Hub id; a folder.",
)  # fmt: skip
@click.option("--catalog", metavar="FILE", help="A catalogue of your own; by default a sample is made.")
@click.option("--products", type=shared.POSITIVE, help="Products to learn by heart.  [default: 24; of tiny 48]")
@shared.languages
@shared.autotrain_env
def quickstart(**options: Any) -> None:
    """Run the full pipeline on this machine: no account, no GPU, about ten minutes on two cores."""
    from amazon_titles.quickstart import quickstart as run

    click.echo(run(**options).to_markdown(full=False), nl=False)


@click.command(epilog="Example:  amazon-titles handin work --video https://… --repo https://… --member 'Ada Lovelace'")
@click.argument("folder")
@shared.default_model(help="The adapter.")
@shared.dataset
@click.option("--video", metavar="URL", help="Address of the video, of at most 10 minutes.")
@click.option("--repo", "repository", metavar="URL", help="Address of the source code.")
@click.option("--member", "members", multiple=True, metavar="NAME", help="Who hands it in (repeatable).")
@shared.language(type=click.Choice(["pt", "en"]), default="pt", help="Of the documents.")
def handin(folder: str, **options: Any) -> None:
    """Gather in FOLDER what the assignment asks for, and list what is still missing."""
    from amazon_titles.handin import hand_in

    click.echo(hand_in(folder, **options).to_text(), nl=False)
