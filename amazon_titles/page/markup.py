"""The page's HTML. Whatever comes from a user, a catalogue or a model passes `text`: it is shown, and never acts."""

from __future__ import annotations

import html
import os
import re
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher
from pathlib import Path

from amazon_titles.page.texts import Texts

_WORD = re.compile(r"\w+(?:[.,/-]\d+)*")
# Shorter runs of words that answer and record share are chance; a shared number never is.
_RUN = 3
# The component that shows the HTML has templates of its own (`${…}`, `{{…}}`).
_TEMPLATE_SIGNS = str.maketrans({sign: f"&#{ord(sign)};" for sign in "${}`"})


def text(value: object) -> str:
    """A text as HTML that shows it letter by letter."""
    return html.escape(str(value)).translate(_TEMPLATE_SIGNS)


def link(url: str, label: str) -> str:
    """A link that opens beside the page; the bare label where the address is none of the web."""
    if not re.match(r"https?://", url):
        return f"<span>{text(label)}</span>"
    return f'<a href="{text(url)}" target="_blank" rel="noopener noreferrer">{text(label)}</a>'


def highlighted(record: str, answer: str) -> str:
    """The record with what the answer takes from it marked: runs of words that both have, and every shared number."""
    words = list(_WORD.finditer(record))
    there, said = ([word.lower() for word in _WORD.findall(told)] for told in (record, answer))
    known = set(said)
    shared = ["x" if word[:1].isdigit() and word in known else " " for word in there]
    for block in SequenceMatcher(None, there, said, autojunk=False).get_matching_blocks():
        if block.size >= _RUN:
            shared[block.a : block.a + block.size] = "x" * block.size
    pieces, at = [], 0
    for run in re.finditer("x+", "".join(shared)):
        start, end = words[run.start()].start(), words[run.end() - 1].end()
        pieces += [text(record[at:start]), f"<mark>{text(record[start:end])}</mark>"]
        at = end
    return "".join([*pieces, text(record[at:])])


def place(path: object) -> str:
    """A Hub id as it is, a folder by its name: a page shows no path of a machine."""
    name = str(path or "")
    # Path.is_dir raises where a name is longer than a name can be.
    return Path(name).name if Path(name).is_absolute() or os.path.isdir(name) else name  # noqa: PTH112


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


def badge(share: float | None, texts: Texts) -> str:
    """How much of an answer the sources support; nothing where that is not known."""
    if share is None:
        return ""
    kind = "good" if share >= 0.8 else "fair" if share >= 0.5 else "poor"
    return f'<p class="badge {kind}">{text(texts.supported.format(share=f"{share:.0%}"))}</p>'


def note(sentence: str) -> str:
    """A remark of the page's own."""
    return f'<p class="note">{text(sentence)}</p>'


def folded(summary: str, body: str) -> str:
    """HTML that is shown on a click."""
    return f"<details><summary>{text(summary)}</summary>{body}</details>"


def listed(label: str, items: Iterable[str]) -> str:
    """A list of HTML under its name; nothing where it is empty."""
    entries = "".join(f"<li>{item}</li>" for item in items)
    return entries and f"{note(f'{label}:')}<ul>{entries}</ul>"


def problem(heading: str, sentence: str) -> str:
    """What went wrong, in sentences."""
    lines = "<br>".join(text(line.strip()) for line in sentence.splitlines())
    return f'<div class="problem" role="alert"><strong>{text(heading)}</strong><p>{lines}</p></div>'


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; its first two columns hold words, the others numbers."""
    top = "".join(f'<th scope="col">{text(cell)}</th>' for cell in head)
    body = "".join(f"<tr>{''.join(f'<td>{text(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'
