"""Commands that people look at: the page, the page as a Space, and the video of it."""

from __future__ import annotations

import click

from amazon_titles.cli.options import dataset_option

# The default of `amazon_titles.page`, which is too heavy to import for a help page.
_DEFAULT_MODEL = "quickstart/adapter"
_language = click.option("--language", type=click.Choice(["en", "pt"]), default="en", show_default=True)


@click.command(epilog="Example:  amazon-titles demo --model USER/Llama-3-2-1B-amazon-titles")
@click.option("--model", default=_DEFAULT_MODEL, show_default=True, metavar="DIR|REPO", help="Adapter or base model.")
@dataset_option
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; 0.0.0.0 is everybody's.")
@click.option("--port", type=click.IntRange(1, 65535), help="By default the first free one from 7860 on.")
@_language
def demo(model: str, dataset: str | None, host: str, port: int | None, language: str) -> None:
    """Show a page where a question is answered before and after the fine-tuning, side by side."""
    from amazon_titles.page import serve

    serve(model, dataset=dataset, host=host, port=port, language=language, on_ready=click.echo)
