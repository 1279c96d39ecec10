"""The command line: one function a command, without logic; what works is imported when a command runs."""

from __future__ import annotations

import codecs
import errno
import io
import json
import os
import re
import sys
from collections.abc import Sequence
from contextlib import redirect_stderr, suppress

import click

from amazon_titles import __version__
from amazon_titles.cli import answers, data, fine_tuning, show
from amazon_titles.errors import AmazonTitlesError, InputError
from amazon_titles.progress import lines, say
from amazon_titles.text import printable


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs a command: exit 0 done, 1 failed, 2 wrong usage; no traceback for what a user can cause."""
    # A pipe on Windows is in cp1252, which lacks most of the world's letters; in JSON an escape is the letter itself.
    codecs.register_error("escape", _escaped)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="escape")
        if sys.stdout.isatty():
            write = sys.stdout.write
            sys.stdout.write = lambda text: write(printable(text))  # type: ignore[method-assign]
    try:
        _require_text(sys.argv[1:] if arguments is None else arguments)
        cli.main(arguments, prog_name="amazon-titles", standalone_mode=False)
    except click.exceptions.Abort:
        raise SystemExit(130) from None
    except click.ClickException as error:
        with redirect_stderr(io.StringIO()) as said:
            error.show()
        say(said.getvalue().rstrip())
        raise SystemExit(error.exit_code) from None
    except Exception as error:
        if os.environ.get("AMAZON_TITLES_DEBUG"):
            raise
        told = error if isinstance(error, AmazonTitlesError) else _sentence(error)
        say(f"Error: {told}" if told.exit_code else str(told))
        raise SystemExit(told.exit_code) from None


def _require_text(arguments: Sequence[str]) -> None:
    """Refuses arguments that are no text: they reach reports, cards and models, which are in UTF-8."""
    for argument in arguments:
        try:
            argument.encode()
        except UnicodeEncodeError:
            shown = os.fsencode(argument).decode("latin-1")
            said = f"An argument is not in UTF-8; in Latin-1 it reads {shown!r}."
            raise InputError(said, hint="Give the file another name, or set the terminal to UTF-8.") from None


_LOOK = "See whether it is there, and whether it is a file or a folder, as is wanted."
_ADVICE = {
    **dict.fromkeys(
        (errno.ENOSPC, errno.EDQUOT, errno.EFBIG), "Make room there, or choose another place, and run it again."
    ),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), "Choose a place that this account may write to."),
    errno.ENAMETOOLONG: "Choose a shorter name.",
}


def _sentence(error: Exception) -> AmazonTitlesError:
    """What the system refused, where nothing nearer to it has a better sentence; or what nobody thought of.

    Whoever mends the latter needs the traceback, and finds it in a file.
    """
    import tempfile
    import traceback

    from amazon_titles.secrets import redact

    # As libraries in Rust tell the number, and numpy a file that was cut off.
    if found := re.search(r"\(os error (\d+)\)|\d+ requested and \d+ written", str(error)):
        error = OSError(number := int(found[1] or errno.ENOSPC), os.strerror(number))
    if isinstance(error, OSError):
        told = [*filter(None, (error.filename, error.filename2))] or [type(error).__name__]
        said = f"{' and '.join(map(os.fsdecode, map(str, told)))}: {error.strerror or error}."
        hint = _ADVICE.get(error.errno or 0, _LOOK)
        return AmazonTitlesError(redact(f"The system refuses: {said}"), hint=hint)
    what = f"{type(error).__name__}: {error}".strip().partition("\n")[0][:300]
    hint = "Run it with AMAZON_TITLES_DEBUG=1 to see the traceback."
    with suppress(OSError):
        number, path = tempfile.mkstemp(prefix="amazon-titles-", suffix=".traceback.txt")
        with os.fdopen(number, "w", encoding="utf-8", errors="replace") as file:
            file.write(redact("".join(traceback.format_exception(error))))
        hint = f"The traceback is in {path}: please report it, once you have seen that nothing private stands in it."
    return AmazonTitlesError(redact(f"Something that amazon-titles did not foresee: {what}"), hint=hint)


def _escaped(error: UnicodeError) -> tuple[str, int]:
    """What stands for letters that the output's encoding lacks: a backslash, u, and the number."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return json.dumps(error.object[error.start : error.end])[1:-1], error.end


class _InOrder(click.Group):
    def list_commands(self, _: click.Context) -> list[str]:
        return list(self.commands)


@click.group(
    cls=_InOrder,
    commands=[
        show.quickstart, data.download, data.build, data.push_dataset, fine_tuning.recipe, fine_tuning.check,
        answers.evaluate, fine_tuning.train, answers.compare, fine_tuning.push_adapter, answers.ask, show.demo,
        show.push_space, show.api, fine_tuning.merge, fine_tuning.export, show.video, show.handin,
    ],
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110, "show_default": True},
    epilog="Start here, without an account or a GPU:  amazon-titles quickstart",
)  # fmt: skip
@click.version_option(__version__, "--version", message="%(version)s")
@click.pass_context
def cli(context: click.Context) -> None:
    """Turn a product catalogue into a chat dataset, fine-tune Llama on it, and get answers with sources."""
    # Whatever a command does: into a file or a notebook it is never silent for long. A page and an API wait for theirs.
    if context.invoked_subcommand not in ("demo", "api"):
        context.with_resource(lines(str(context.invoked_subcommand), announce=False))
