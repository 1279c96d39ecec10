"""Finds the blocks of code in Markdown, and the commands in them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

_BLOCK = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```$", re.M | re.S)
# `amazon-titles`, or the one of an environment.
_OURS = re.compile(r"(?:[\w./\\-]*/)?amazon-titles")


@dataclass(frozen=True)
class Block:
    kind: str
    text: str

    @property
    def offline(self) -> bool:
        return "# offline" in self.text.splitlines()


def blocks(markdown: str, *kinds: str) -> list[Block]:
    """Every fenced block of these kinds; the kind of a fence without one is ""."""
    return [Block(*found) for found in _BLOCK.findall(markdown) if found[0] in kinds]


def python(markdown: str) -> str:
    """All Python of a document as one program, for later blocks use what earlier ones made."""
    return "\n".join(block.text for block in blocks(markdown, "python"))


def commands(text: str) -> Iterator[list[str]]:
    """Each command of a shell block in words; comments, prompts and redirections left out."""
    for line in text.replace("\\\n", " ").splitlines():
        for part in re.split(r"\s&&\s", line.strip().removeprefix("$ ")):
            try:
                words = shlex.split(part, comments=True)
            except ValueError:
                continue  # output of a program, with an apostrophe in it
            words = words[: words.index(">")] if ">" in words else words
            if words:  # "> …" alone is a question in a program's output
                yield words


def ours(text: str) -> Iterator[list[str]]:
    """The arguments of every `amazon-titles` command of a text."""
    yield from (words[1:] for words in commands(text) if _OURS.fullmatch(words[0]))
