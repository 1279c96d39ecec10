"""The command line: one function a command, without logic; what works is imported when a command runs."""

from __future__ import annotations

import codecs
import io
import json
import os
import sys
from collections.abc import Sequence

import click

from amazon_titles import __version__
from amazon_titles.cli import answers, data, fine_tuning, show
from amazon_titles.errors import AmazonTitlesError
from amazon_titles.progress import lines


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs a command: exit 0 done, 1 failed, 2 wrong usage; no traceback for what a user can cause."""
    # A pipe on Windows is in cp1252, which lacks most of the world's letters; in JSON an escape is the letter itself.
    codecs.register_error("escape", _escaped)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="escape")
    try:
        cli.main(arguments, prog_name="amazon-titles", standalone_mode=False)
    except click.exceptions.Abort:
        raise SystemExit(130) from None
    except click.ClickException as error:
        error.show()
        raise SystemExit(error.exit_code) from None
    except AmazonTitlesError as error:
        if os.environ.get("AMAZON_TITLES_DEBUG"):
            raise
        click.echo(f"Error: {error}" if error.exit_code else str(error), err=True)
        raise SystemExit(error.exit_code) from None


def _escaped(error: UnicodeError) -> tuple[str, int]:
    """What stands for letters that the output's encoding lacks: a backslash, u, and the number."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return json.dumps(error.object[error.start : error.end])[1:-1], error.end


@click.group(
    commands=[
        data.download, data.build, data.push_dataset, fine_tuning.recipe, fine_tuning.check, fine_tuning.train,
        answers.evaluate, answers.compare, fine_tuning.push_adapter, fine_tuning.merge, fine_tuning.export, answers.ask,
        show.demo, show.api, show.push_space, show.video, show.quickstart, show.handin,
    ],
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110, "show_default": True},
    epilog="Start here, with no account and no GPU:  amazon-titles quickstart",
)  # fmt: skip
@click.version_option(__version__, "--version", message="%(version)s")
@click.pass_context
def cli(context: click.Context) -> None:
    """A product catalogue becomes a chat dataset, a fine-tuned Llama, and answers with their sources."""
    # Whatever a command does: into a file or a notebook it is never silent for long. A page and an API wait for theirs.
    if context.invoked_subcommand not in ("demo", "api"):
        context.with_resource(lines(str(context.invoked_subcommand), announce=False))
