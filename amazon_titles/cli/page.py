"""Commands that people look at: the page, the page as a Space, and the video of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from amazon_titles.cli.options import dataset_option
from amazon_titles.default_model import DEFAULT_MODEL

_F = TypeVar("_F", bound=Callable[..., Any])


def _language(told: str) -> Callable[[_F], _F]:
    """The option `--language`, with what it means to a command."""
    return click.option("--language", type=click.Choice(["en", "pt"]), default="en", show_default=True, help=told)


@click.command(epilog="Example:  amazon-titles demo --model USER/Llama-3-2-1B-amazon-titles")
@click.option("--model", default=DEFAULT_MODEL, show_default=True, metavar="DIR|REPO", help="Adapter or base model.")
@dataset_option
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; 0.0.0.0 is everybody's.")
@click.option("--port", type=click.IntRange(1, 65535), help="By default the first free one from 7860 on.")
@_language("That the page starts in; a browser that asks for the other one gets that.")
def demo(model: str, dataset: str | None, host: str, port: int | None, language: str) -> None:
    """Show a page where a question is answered before and after the fine-tuning, side by side."""
    from amazon_titles.page import serve

    serve(model, dataset=dataset, host=host, port=port, language=language, on_ready=click.echo)


@click.command("push-space", epilog="Example:  amazon-titles push-space USER/ask --model USER/Llama-3-2-1B-titles")
@click.argument("repo_id")
@click.option("--model", required=True, metavar="REPO", help="Adapter or base model on the Hub.")
@click.option("--dataset", metavar="REPO", help="Dataset on the Hub; by default the one that the model names.")
@_language("Of the card, and that the page starts in; a browser that asks for the other one gets that.")
@click.option("--public", is_flag=True, help="Make the Space public; private otherwise.")
@click.option("--out", metavar="DIR", help="Only write the Space's folder; nothing is sent.")
@click.option("--dry-run", is_flag=True, help="Show what would be published.")
def push_space(
    repo_id: str, model: str, dataset: str | None, language: str, public: bool, out: str | None, dry_run: bool
) -> None:
    """Publish the page as a Space of the Hugging Face Hub, with this library's source beside it.

    A private model or dataset needs a secret HF_TOKEN in the Space's settings.
    """
    import tempfile
    from pathlib import Path

    from amazon_titles.page import require_gradio
    from amazon_titles.page.space import write_space

    require_gradio()
    if out:
        click.echo(write_space(out, model=model, dataset=dataset, language=language))
        return
    from amazon_titles.hub import push_space_to_hub

    with tempfile.TemporaryDirectory(prefix="amazon-titles-") as folder:
        space = write_space(Path(folder) / "space", model=model, dataset=dataset, language=language)
        click.echo(push_space_to_hub(space, repo_id, private=not public, dry_run=dry_run))


@click.command(epilog="Example:  amazon-titles video --questions questions.txt --language pt --out video.mp4")
@click.option("--model", default=DEFAULT_MODEL, show_default=True, metavar="DIR|REPO", help="Adapter or base model.")
@dataset_option
@click.option("--questions", metavar="FILE", help="Text file, a question a line; by default two products.")
@_language("Of the captions, the page and the questions.")
@click.option("--out", default="video.mp4", show_default=True, metavar="FILE", help="The MP4 to write.")
def video(model: str, dataset: str | None, questions: str | None, language: str, out: str) -> None:
    """Film the page in a real browser: an MP4 of about two minutes, a short WebP and stills beside it.

    The first question is asked from memory and then with its record in view, the others from memory.
    Needs a Chromium on this machine, and the extra `video`.
    """
    from amazon_titles.video import make_video, read_questions

    asked = read_questions(questions) if questions else ()
    click.echo(make_video(model, dataset=dataset, out=out, questions=asked, language=language).to_text())
