"""Texts: their words, where a long one may be cut, and what is left of one on a terminal."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_MARK = re.compile(r"[\u0300-\u036f'’‘`´]+")
_WORD = re.compile(r"[^\W_]+")
_ENDS = (". ", "! ", "? ", '." ', '!" ', '?" ', ".) ", ".” ", "!” ", "?” ")

# "Arthur C. ", "Dr. ", "e.g. ": a full stop that ends no sentence.
_ABBREVIATED = re.compile(r"(?:^|[\s.(])(?:[A-Za-z]|Mr|Mrs|Ms|Dr|St|Jr|Sr|vs|No|Vol|Prof|Inc|Ed)\.$")


def cut_text(text: str, limit: int) -> str:
    """Cuts an over-long text at the end of a sentence, or between two words where none ends in its second half.

    Args:
        text: One line, or several.
        limit: Characters; at most this many are returned, an ellipsis included.
    """
    return text if len(text) <= limit else _cut(text, limit)


@lru_cache(maxsize=64)  # a row's answer is what its passage shows, and its neighbours show the same
def _cut(text: str, limit: int) -> str:
    # One character more than fits: the space after a sentence that ends at the limit.
    head = text[: limit + 1].replace("\n", " ")
    end = len(head)
    while (end := _last_end(head, end, limit // 2)) > 0:
        if not _ABBREVIATED.search(head, max(end - 6, 0), end):
            return text[:end]
    return text[: max(head.rfind(" ", 0, limit), 1)].rstrip(" \n,;:-–—") + "…"


def aligned(table: str) -> str:
    """A Markdown table with its columns aligned, as a terminal shows it."""
    from rich.console import Console  # costs 50 ms
    from rich.markdown import Markdown

    with (console := Console(color_system=None)).capture() as shown:
        console.print(Markdown(table))
    return "\n".join(line.rstrip() for line in shown.get().splitlines())


def printable(text: str) -> str:
    """A text without the signs with which a file's name, a model or a server could command a terminal, or hide itself.

    Those are Unicode's control and format characters, halves of characters, and what has no meaning yet; line ends and
    tabs stay.
    """
    if text.isprintable():
        return text
    return "".join(sign for sign in text if sign in "\n\t" or unicodedata.category(sign)[0] != "C")


def _last_end(head: str, before: int, least: int) -> int:
    """Where the last sentence of a text ends that does so before a place, if that is beyond `least`; else 0."""
    if end := head.rfind(". ", least, before) + 1:
        return end
    # The commonest mark is not there: ask for all.
    end = max(head.rfind(mark, 0, before) + len(mark) - 1 for mark in _ENDS)
    return end if end > least else 0


def fold(text: str) -> str:
    """Lower case, without accents and apostrophes: "Mog’s Café" becomes "mogs cafe"."""
    if text.isascii():
        return text.lower().replace("'", "").replace("`", "")
    return _MARK.sub("", unicodedata.normalize("NFKD", text).lower())


def words_of(text: str) -> list[str]:
    """The words of a title, folded. Markup and query syntax are no words, so they do nothing."""
    return _WORD.findall(fold(text))
