"""The page's HTML. Whatever comes from a user, a catalogue or a model passes `text`: it is shown, and never acts."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher
from itertools import groupby
from pathlib import Path

from amazon_titles.page.texts import Texts

_WORD = re.compile(r"\w+(?:[.,/-]\d+)*")
# Shorter runs of words that answer and record share are chance; a shared number never is.
_RUN = 3


def text(value: object) -> str:
    """A text as HTML that shows it letter by letter.

    Braces and dollars too, because the component that shows it has templates of its own (`${…}`, `{{…}}`).
    """
    escaped = html.escape(str(value), quote=True)
    return escaped.replace("$", "&#36;").replace("{", "&#123;").replace("}", "&#125;").replace("`", "&#96;")


def link(url: str, label: str) -> str:
    """A link that opens beside the page; the bare label where the address is none of the web."""
    if not re.match(r"https?://", url):
        return f"<span>{text(label)}</span>"
    return f'<a href="{text(url)}" target="_blank" rel="noopener noreferrer">{text(label)}</a>'


def highlighted(record: str, answer: str) -> str:
    """The record with what the answer takes from it marked: runs of words that both have, and every shared number."""
    words = list(_WORD.finditer(record))
    there = [match.group().lower() for match in words]
    said = [match.group().lower() for match in _WORD.finditer(answer)]
    known = set(said)
    marked = [word[:1].isdigit() and word in known for word in there]
    for block in SequenceMatcher(None, there, said, autojunk=False).get_matching_blocks():
        if block.size >= _RUN:
            marked[block.a : block.a + block.size] = [True] * block.size
    pieces, at = [], 0
    for yes, group in groupby(zip(marked, words, strict=True), key=lambda pair: pair[0]):
        run = [match for _, match in group]
        if yes:
            start, end = run[0].start(), run[-1].end()
            pieces += [text(record[at:start]), f"<mark>{text(record[start:end])}</mark>"]
            at = end
    return "".join([*pieces, text(record[at:])])


def place(path: object) -> str:
    """A Hub id as it is, a folder by its name: a page shows no path of a machine."""
    name = str(path or "")
    try:
        folder = Path(name).is_absolute() or Path(name).is_dir()
    except OSError:  # longer than a name can be
        folder = False
    return Path(name).name if folder else name


def whole(number: float, texts: Texts) -> str:
    """A count, its thousands apart as the language has it."""
    return f"{number:,.0f}".replace(",", "," if texts.decimal == "." else ".")


def decimals(number: float, texts: Texts, *, places: int = 2, sign: str = "") -> str:
    """A number of so many decimals, with the language's decimal sign.

    Args:
        number: To show.
        texts: Of the language.
        places: Decimals.
        sign: `+` shows the sign of a positive one too. Zero is never negative.
    """
    return f"{round(number, places) + 0.0:{sign}.{places}f}".replace(".", texts.decimal)


def column(heading: str, name: str, body: str, *, kind: str, state: str) -> str:
    """One side of the comparison.

    Args:
        heading: Before, or after.
        name: Of the model.
        body: HTML.
        kind: `before` or `after`.
        state: `waiting` for a question, `writing` (screen readers wait for its end) or `done`.
    """
    return (
        f'<section class="side {kind}" aria-live="polite" aria-busy="{str(state == "writing").lower()}"'
        f' data-state="{state}">'
        f"<h3>{text(heading)} <small>{text(name)}</small></h3>{body}</section>"
    )


def said(words: str, texts: Texts, *, busy: bool) -> str:
    """A model's words while it writes them, or when it has ended."""
    cursor = f'<span class="busy">{text(texts.writing)}</span>' if busy else ""
    shown = text(words) if words or busy else f"<em>{text(texts.empty)}</em>"
    return f'<p class="said">{shown}{cursor}</p>'


def badge(share: float | None, texts: Texts) -> str:
    """How much of an answer the sources support; nothing where that is not known."""
    if share is None:
        return ""
    label = texts.supported.format(share=f"{share:.0%}")
    kind = "good" if share >= 0.8 else "fair" if share >= 0.5 else "poor"
    return f'<p class="badge {kind}">{text(label)}</p>'


def note(sentence: str) -> str:
    """A remark of the page's own."""
    return f'<p class="note">{text(sentence)}</p>'


def details(summary: str, words: str) -> str:
    """Words that are shown on a click."""
    return folded(summary, f"<p>{text(words)}</p>")


def folded(summary: str, body: str) -> str:
    """HTML that is shown on a click."""
    return f"<details><summary>{text(summary)}</summary>{body}</details>"


def titles(label: str, names: Sequence[str]) -> str:
    """A list of titles; nothing where there are none."""
    if not names:
        return ""
    return f'<p class="note">{text(label)}:</p><ul>{"".join(f"<li>{text(name)}</li>" for name in names)}</ul>'


def problem(heading: str, sentence: str) -> str:
    """What went wrong, in sentences."""
    lines = "<br>".join(text(line.strip()) for line in sentence.splitlines())
    return f'<div class="problem" role="alert"><strong>{text(heading)}</strong><p>{lines}</p></div>'


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, numbers_from: int) -> str:
    """A table; the columns from `numbers_from` on hold numbers."""
    kinds = [' class="number"' if place >= numbers_from else "" for place in range(len(head))]
    top = "".join(f'<th scope="col"{kind}>{text(cell)}</th>' for cell, kind in zip(head, kinds, strict=True))
    body = "".join(
        "<tr>" + "".join(f"<td{kind}>{text(cell)}</td>" for cell, kind in zip(row, kinds, strict=True)) + "</tr>"
        for row in rows
    )
    return f'<div class="wide"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'


def picture(png: str, label: str) -> str:
    """A plot, inside the page itself.

    Args:
        png: In base64.
        label: What it shows, for those who do not see it.
    """
    return f'<img class="plot" src="data:image/png;base64,{png}" alt="{text(label)}">'
