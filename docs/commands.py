"""Writes docs/commands.md, the command reference, from `--help`: `make docs`; with --check it only compares."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from amazon_titles.cli import cli

PAGE = Path(__file__).with_suffix(".md")
HEAD = """# Commands

Generated from `--help` by `make docs`. Results go to stdout, progress and messages to stderr. The exit code is 0 on
success, 1 on failure and 2 for wrong usage. `AMAZON_TITLES_DEBUG=1` shows the traceback of an error.
"""


def reference() -> str:
    """The page: the help of the program, then of each command in the order of the help."""
    settings = {**cli.context_settings, "terminal_width": 110}
    with click.Context(cli, info_name="amazon-titles", **settings) as context:
        parts = [HEAD, _help("amazon-titles", context)]
        for name, command in cli.commands.items():
            with click.Context(command, info_name=name, parent=context, **settings) as inner:
                parts.append(_help(f"amazon-titles {name}", inner))
    return "\n".join(parts)


def _help(name: str, context: click.Context) -> str:
    lines = [line.rstrip() for line in context.get_help().splitlines()]
    return "\n".join([f"## {name}\n", "```text", *lines, "```", ""])


if __name__ == "__main__":
    if sys.argv[1:] != ["--check"]:
        PAGE.write_text(reference(), encoding="utf-8")
    elif PAGE.read_text(encoding="utf-8") != reference():
        sys.exit("docs/commands.md does not match --help. Update it: make docs")
