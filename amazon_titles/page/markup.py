"""The page's HTML. Whatever comes from a user, a catalogue or a model passes `text`: it is shown, and never acts."""

from __future__ import annotations

import html
import os
import re
import traceback
from difflib import SequenceMatcher
from functools import partial
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from amazon_titles import names
from amazon_titles.errors import AmazonTitlesError, InputError
from amazon_titles.evaluation.refusal import refuses
from amazon_titles.page.pair import MAX_QUESTION_CHARS, Turn
from amazon_titles.page.texts import Texts
from amazon_titles.progress import say

_WORD = re.compile(r"\w+(?:[.,/-]\d+)*")
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[\w.-]{1,96}", re.ASCII)
# Shorter runs of words that answer and record share are chance; a shared number never is.
_RUN = 3
# The component that shows the HTML has templates of its own (`${…}`, `{{…}}`).
_TEMPLATE_SIGNS = str.maketrans({sign: f"&#{ord(sign)};" for sign in "${}`"})


def text(value: object) -> str:
    """A text as HTML that shows it letter by letter; half a sign of UTF-16, which JSON can hold, is a "?"."""
    return html.escape(str(value).encode("utf-8", "replace").decode()).translate(_TEMPLATE_SIGNS)


def link(url: str, label: str) -> Markup:
    """A link that opens beside the page; the bare label where the address is none of the web."""
    if not re.match(r"https?://", url):
        return Markup(f"<span>{text(label)}</span>")
    return Markup(f'<a href="{text(url)}" target="_blank" rel="noopener noreferrer">{text(label)}</a>')


def highlighted(record: str, answer: str) -> Markup:
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
    return Markup("".join([*pieces, text(record[at:])]))


def hub_link(name: object, *, kind: str = "") -> Markup:
    """A Hub id as a link to its page; of a folder the name alone.

    Args:
        name: Folder or Hub id.
        kind: "" for a model, `datasets/` or `spaces/`.
    """
    shown = place(name)
    return link(f"https://huggingface.co/{kind}{shown}" if _HUB_ID.fullmatch(shown) else "", shown)


def place(path: object) -> str:
    """A Hub id as it is, a folder by its name: a page shows no path of a machine."""
    name = str(path or "")
    # Path.is_dir raises where a name is longer than a name can be.
    return Path(name).name if Path(name).is_absolute() or os.path.isdir(name) else name  # noqa: PTH112


def number(value: float, texts: Texts, *, places: int = 0, sign: str = "") -> str:
    """A number of so many decimals as the language of the texts has it."""
    return names.number(value, "en" if texts.decimal == "." else "pt", places=places, sign=sign)


def part(macro: str, /, **values: Any) -> str:  # noqa: ANN401 - whatever the part shows
    """A part of the page: a macro of `page.html.jinja`, with its arguments."""
    filled = getattr(_HTML.get_template("page.html.jinja").module, macro)(**values)
    return re.sub(r">\s+<", "><", filled).strip()  # lines between two tags would be shown as gaps


def answered(
    turn: Turn | None, texts: Texts, before: str | None, after: str, *, stopped: bool = False
) -> tuple[str, str, str]:
    """The three parts of the page, before, after and sources, as both models write and when they have ended.

    Args:
        turn: The state; None where nothing was asked yet.
        texts: Of the page's language.
        before: Name of the base; None where there is none.
        after: Name of the fine-tuned model.
        stopped: Whether somebody stopped it: what is not finished never will be.
    """
    side = partial(part, "side", turn=turn, stopped=stopped, texts=texts)
    heading = texts.after if before else texts.answer
    left = side(kind="before", heading=texts.before, name=before, said=turn and turn.before)
    right = side(kind="after", heading=heading, name=after, said=turn and turn.after)
    return left, right, part("sources", turn=turn, texts=texts)


def failed(error: Exception, texts: Texts) -> str:
    """What went wrong, as sentences for the page; what who asked cannot mend is told to the terminal as well.

    A hint is a command of this machine, which a page's reader does not have.
    """
    if not isinstance(error, AmazonTitlesError):
        say("".join(traceback.format_exception(error)).rstrip())
        return str(texts.unexpected.format(error=type(error).__name__))
    if not isinstance(error, InputError):
        say(str(error))
    return error.message


def refused(question: str, texts: Texts) -> str:
    """Says that a question is empty, or longer than `MAX_QUESTION_CHARS`; "" where it is neither."""
    if not question.strip():
        return str(texts.empty_question)
    too_long = len(question) > MAX_QUESTION_CHARS
    return texts.too_long.format(found=len(question), limit=MAX_QUESTION_CHARS) if too_long else ""


_HTML = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent), undefined=jinja2.StrictUndefined, autoescape=True,
    finalize=lambda value: value if isinstance(value, Markup) else Markup(text(value)),
    trim_blocks=True, lstrip_blocks=True,
)  # fmt: skip
_HTML.globals |= {
    "link": link, "hub_link": hub_link, "highlighted": highlighted, "place": place, "number": number,
    "refuses": refuses,
}  # fmt: skip
