"""Commands of what people see: the full pipeline, the page, the page as a Space, its video, and the hand-in."""

from __future__ import annotations

import sys
from typing import Any

import click

from amazon_titles.cli import options as shared


@click.command(epilog="Example:  amazon-titles quickstart --catalog trn.json --products 32")
@click.option("--out", default="quickstart", metavar="DIR", help="The folder to make.")
@click.option("--base", default="smollm2", metavar="smollm2|tiny|ID|DIR", help="The model to fine-tune.")
@click.option("--catalog", metavar="FILE", help="A catalogue of your own; by default a sample is made.")
@click.option("--products", type=shared.POSITIVE, help="Products to learn by heart.  [default: 24; of tiny 48]")
@shared.languages
@shared.autotrain_env
def quickstart(**options: Any) -> None:
    """Run the full pipeline on this machine: no account, no GPU, about ten minutes on two cores.

    The base is SmolLM2-135M-Instruct, a tiny Llama made here (a smoke test of three minutes), a Hub id, or a folder.
    """
    from amazon_titles.quickstart import quickstart as run

    click.echo(run(**options).to_markdown(full=False), nl=False)


@click.command(epilog="Example:  amazon-titles demo --model USER/Llama-3-2-1B-amazon-titles")
@shared.default_model(metavar=shared.MODELS, help="Adapter, base model, or http://host/v1.")
@shared.model_name
@click.option("--before", metavar="NAME", help="The model before the fine-tuning, on the same server at URL.")
@shared.dataset
@click.option("--host", default="127.0.0.1", help="Address to listen on; 0.0.0.0 is everybody's.")
@click.option(
    "--allow-host", "allow_hosts", multiple=True, metavar="NAME", help="Of a proxy that stands before it (repeatable)."
)
@click.option("--port", type=click.IntRange(1, 65535), help="By default the first free one from 7860 on.")
@shared.language(help="That the page starts in; a browser that asks for the other one gets that.")
@click.option("--share", is_flag=True, help="Make a public address, too: anybody with the link can ask.")
def demo(**options: Any) -> None:
    """Show a page where a question is answered before and after the fine-tuning, side by side."""
    from amazon_titles.page import serve

    serve(**options, on_ready=click.echo)


@click.command(epilog="Example:  amazon-titles api --model USER/Llama-3-2-1B-amazon-titles")
@shared.default_model(metavar=shared.MODELS, help="Adapter, base model, or http://host/v1.")
@shared.model_name
@shared.parallel
@shared.dataset
@click.option("--host", default="127.0.0.1", help="Address to listen on; 0.0.0.0 exposes it to the network.")
@click.option("--port", default=8000, type=click.IntRange(0, 65535), help="0 takes a free one.")
@click.option("--allow-host", "allow_hosts", multiple=True, metavar="NAME", help="Also answer to NAME (repeatable).")
@click.option("--allow-origin", "origins", multiple=True, metavar="URL", help="Let that web page ask (repeatable).")
@shared.closed_book
@shared.records
@click.option("--sources-in-text", is_flag=True, help="Write the sources below the answer, for clients that drop them.")
@shared.max_new_tokens
def api(**options: Any) -> None:
    """Answer OpenAI's requests with sources: for Open WebUI, LibreChat, LangChain, or a page of your own.

    POST /v1/chat/completions and GET /v1/models (docs/api.md). The environment variable AMAZON_TITLES_SERVE_KEY holds
    the key that clients must send.
    """
    from amazon_titles.api import serve

    serve(**options, on_ready=click.echo)


@click.command("push-space", epilog="Example:  amazon-titles push-space USER/ask --model USER/Llama-3-2-1B-titles")
@click.argument("repo_id")
@click.option("--model", required=True, metavar="REPO", help="Adapter or base model on the Hub.")
@click.option("--dataset", metavar="REPO", help="Dataset on the Hub; by default the one that the model names.")
@shared.language(help="Of the card, and that the page starts in; a browser that asks for the other one gets that.")
@shared.public
@click.option("--out", metavar="DIR", help="Only write the Space's folder; nothing is sent.")
@shared.dry_run
def push_space(repo_id: str, public: bool, out: str | None, dry_run: bool, **options: Any) -> None:
    """Publish the page as a Space of the Hugging Face Hub, with this library's source beside it.

    A private model or dataset needs a secret HF_TOKEN in the Space's settings.
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
@click.option("--questions", metavar="FILE", help="Text file, a question a line; by default two products.")
@shared.language(help="Of the captions, the page and the questions.")
@click.option("--out", default="video.mp4", metavar="FILE", help="The MP4 to write.")
def video(model: str, questions: str | None, **options: Any) -> None:
    """Film the page in a real browser: an MP4 of about two minutes, a short WebP and stills beside it.

    The first question is asked from memory and then with its record in view, the others from memory.
    Needs a Chromium on this machine, and the extra `video`.
    """
    from amazon_titles.video import make_video, read_questions

    asked = read_questions(questions) if questions else ()
    click.echo(make_video(model, questions=asked, **options).to_text())


@click.command(
    epilog="Example:  amazon-titles handin work --video https://… --repo https://… --member 'Ada, RM 123456'"
)
@click.argument("folder")
@shared.default_model(help="The adapter.")
@shared.dataset
@click.option("--video", metavar="URL", help="Address of the video, of at most 10 minutes.")
@click.option("--repo", "repository", metavar="URL", help="Address of the source code; others must be able to see it.")
@click.option(
    "--member", "members", multiple=True, metavar="NAME", help="Who hands it in: 'Ada, RM 123456' (repeatable)."
)
@click.option("--course", help="For the title page.")
@click.option("--phase", help="For the title page.  [default: Tech Challenge, phase 3]")
@click.option("--group", help="For the title page.")
@shared.language(type=click.Choice(["pt", "en"]), default="pt", help="Of the documents.")
def handin(folder: str, **options: Any) -> None:
    """Gather in FOLDER what the assignment asks for, as one PDF too, and list what is still missing.

    Exits with 1 while something is missing; the PDF is called draft.pdf until then.
    """
    from amazon_titles.handin import hand_in

    made = hand_in(folder, **options)
    click.echo(made.to_text(), nl=False)
    if made.missing:
        sys.exit(1)
