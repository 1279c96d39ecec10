"""Commands of what people see: the full pipeline, the page, the page as a Space, its video, and the hand-in."""

from __future__ import annotations

import sys
from typing import Any

import click

from amazon_titles.cli import options as shared
from amazon_titles.cli.data import reading


@click.command(epilog="Example:  amazon-titles quickstart --catalog trn.json --products 32")
@click.option("--out", default="quickstart", metavar="DIR", help="Folder to create.")
@click.option("--base", default="smollm2", metavar="smollm2|tiny|ID|DIR", help="Model to fine-tune.")
@click.option("--catalog", metavar="FILE", help="Your own catalogue; by default a made-up sample.")
@click.option("--products", type=shared.POSITIVE, help="Products to memorise.  [default: 24; with tiny 48]")
@reading
@shared.languages
@shared.autotrain_env
def quickstart(**options: Any) -> None:
    """Run the full pipeline here, without an account or a GPU.

    With SmolLM2-135M-Instruct, the default base, it takes 7 to 25 minutes on two cores. `tiny` is a three-minute smoke
    test with a Llama created on the spot; a Hub id or a folder works too.
    """
    from amazon_titles.quickstart import quickstart as run

    table = run(**options).to_markdown(full=False)
    if not sys.stdout.isatty():  # a terminal has shown it, before the steps that follow
        click.echo(table, nl=False)


@click.command(epilog="Example:  amazon-titles demo --model USER/Llama-3-2-1B-amazon-titles")
@shared.default_model(metavar=shared.MODELS, help="Adapter, base model, or http://host/v1.")
@shared.model_name
@click.option("--before", metavar="NAME", help="Name of the base model on the same server at URL.")
@shared.dataset
@click.option("--host", default="127.0.0.1", help="Address to listen on; 0.0.0.0 exposes it to the network.")
@click.option("--allow-host", "allow_hosts", multiple=True, metavar="NAME", help="Also accept this host (repeatable).")
@click.option("--port", type=click.IntRange(1, 65535), help="By default the first free port from 7860.")
@shared.language(help="Default language of the page; a browser's own preference wins.")
@click.option("--share", is_flag=True, help="Also create a public link: anyone who has it can ask.")
def demo(**options: Any) -> None:
    """Serve a page with answers before and after fine-tuning."""
    from amazon_titles.page import serve

    serve(**options, on_ready=click.echo)


@click.command(epilog="Example:  amazon-titles api --model USER/Llama-3-2-1B-amazon-titles")
@shared.default_model(metavar=shared.MODELS, help="Adapter, base model, or http://host/v1.")
@shared.model_name
@shared.parallel
@shared.dataset
@click.option("--host", default="127.0.0.1", help="Address to listen on; 0.0.0.0 exposes it to the network.")
@click.option("--port", default=8000, type=click.IntRange(0, 65535), help="0 selects a free port.")
@click.option("--allow-host", "allow_hosts", multiple=True, metavar="NAME", help="Also accept this host (repeatable).")
@click.option("--allow-origin", "origins", multiple=True, metavar="URL", help="Let this page ask (repeatable).")
@shared.closed_book
@shared.records
@click.option("--sources-in-text", is_flag=True, help="Append the sources to the answer, for clients that ignore them.")
@shared.max_new_tokens
def api(**options: Any) -> None:
    """Serve an OpenAI-compatible API that returns sources.

    For Open WebUI, LibreChat, LangChain or your own web page: POST /v1/chat/completions and GET /v1/models
    (docs/api.md). Set AMAZON_TITLES_SERVE_KEY to require a key from clients.
    """
    from amazon_titles.api import serve

    serve(**options, on_ready=click.echo)


@click.command("push-space", epilog="Example:  amazon-titles push-space USER/ask --model USER/Llama-3-2-1B-titles")
@click.argument("repo_id")
@click.option("--model", required=True, metavar="REPO", help="Adapter or base model on the Hub.")
@click.option("--dataset", metavar="REPO", help="Dataset on the Hub; by default the one named by the model.")
@shared.language(help="Language of the card, and default language of the page.")
@shared.public
@click.option("--out", metavar="DIR", help="Only write the folder of the Space; nothing is published.")
@shared.dry_run
def push_space(repo_id: str, public: bool, out: str | None, dry_run: bool, **options: Any) -> None:
    """Publish the page as a Space on the Hugging Face Hub.

    The source code of this library is included. A private model or dataset needs a secret HF_TOKEN in the settings of
    the Space.
    """
    from amazon_titles.hub import push_space_to_hub
    from amazon_titles.io import scratch
    from amazon_titles.page import require_gradio
    from amazon_titles.page.space import write_space

    require_gradio()
    with scratch() as folder:
        space = write_space(out or folder / "space", **options)
        click.echo(space if out else push_space_to_hub(space, repo_id, private=not public, dry_run=dry_run))


@click.command(epilog="Example:  amazon-titles video --questions questions.txt --language pt --out video.mp4")
@shared.default_model(help="Adapter or base model.")
@shared.dataset
@click.option("--questions", metavar="FILE", help="Text file with one question per line.")
@shared.language(help="Language of the captions, the page and the questions.")
@click.option("--out", default="video.mp4", metavar="FILE", help="MP4 file to write.")
def video(model: str, questions: str | None, **options: Any) -> None:
    """Record a video of the page in a real browser.

    Writes an MP4 of about two minutes, a short WebP and screenshots. The first question is answered from memory and
    then with its record, the others from memory. Needs Chromium on this machine, and the extra `video`.
    """
    from amazon_titles.video import make_video, read_questions

    asked = read_questions(questions) if questions else ()
    click.echo(make_video(model, questions=asked, **options).to_text())


@click.command(
    epilog="Example:  amazon-titles handin work --video https://… --repo https://… --member 'Ada, RM 123456'"
)
@click.argument("folder")
@shared.default_model(help="Adapter to hand in.")
@shared.dataset
@click.option("--video", metavar="URL", help="Link to the video, of at most 10 minutes.")
@click.option("--repo", "repository", metavar="URL", help="Link to the source code, which must be public.")
@click.option("--member", "members", multiple=True, metavar="NAME", help="Group member (repeatable): 'Ada, RM 123456'.")
@click.option("--course", help="Course, for the title page.")
@click.option("--phase", help="Phase, for the title page.  [default: Tech Challenge, phase 3]")
@click.option("--group", help="Group, for the title page.")
@shared.language(type=click.Choice(["pt", "en"]), default="pt", help="Language of the documents.")
def handin(folder: str, **options: Any) -> None:
    """Collect the documents of the assignment in one folder.

    Also writes them as a PDF, and lists what is still missing. While something is missing, the command exits with 1 and
    the PDF is called draft.pdf.
    """
    from amazon_titles.handin import hand_in

    made = hand_in(folder, **options)
    click.echo(made.to_text(), nl=False)
    if made.missing:
        sys.exit(1)
