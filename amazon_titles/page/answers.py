"""A `Turn` as HTML: both answers, how far they are supported, and their sources with the supporting text marked."""

from __future__ import annotations

import traceback

from amazon_titles.errors import AmazonTitlesError, InputError
from amazon_titles.model import Answer, Source
from amazon_titles.page import markup
from amazon_titles.page.pair import MAX_QUESTION_CHARS, Side, Turn
from amazon_titles.page.texts import Texts
from amazon_titles.progress import say


def answered(turn: Turn | None, texts: Texts, before: str | None, after: str) -> tuple[str, str, str]:
    """The three parts of the page, before, after and sources, as both models write and when they have ended.

    Args:
        turn: The state; None where nothing was asked yet.
        texts: Of the page's language.
        before: Name of the base; None where there is none.
        after: Name of the fine-tuned model.
    """
    left = markup.note(texts.no_base)
    if before:
        left = _column("before", texts.before, before, turn and turn.before, texts)
    right = _column("after", texts.after if before else texts.answer, after, turn and turn.after, texts)
    return left, right, _sources(turn, turn.after.answer, texts) if turn and turn.after.answer else ""


def failed(error: Exception, texts: Texts) -> str:
    """What went wrong, as sentences on the page; what who asked cannot mend is told to the terminal as well.

    A hint is a command of this machine, which a page's reader does not have.
    """
    if not isinstance(error, AmazonTitlesError):
        say("".join(traceback.format_exception(error)).rstrip())
        return markup.problem(texts.error, texts.unexpected.format(error=type(error).__name__))
    if not isinstance(error, InputError):
        say(str(error))
    return markup.problem(texts.error, error.message)


def refused(question: str, texts: Texts) -> str:
    """Says that a question is empty, or longer than `MAX_QUESTION_CHARS`; "" where it is neither."""
    if not question.strip():
        return markup.problem(texts.error, texts.empty_question)
    if len(question) <= MAX_QUESTION_CHARS:
        return ""
    return markup.problem(texts.error, texts.too_long.format(found=len(question), limit=MAX_QUESTION_CHARS))


def _column(kind: str, heading: str, name: str, side: Side | None, texts: Texts) -> str:
    """One side of the comparison: `waiting` for a question, `writing` (screen readers wait for its end) or `done`."""
    if side is None:
        state, body = "waiting", markup.note(texts.waiting)
    elif side.answer is None:
        state, body = "writing", _said(side.words, f'<span class="busy">{markup.text(texts.writing)}</span>', texts)
    else:
        state, body = "done", (_own_words if kind == "before" else _answer)(side.answer, side.words, texts)
    return (
        f'<section class="side {kind}" aria-live="polite" aria-busy="{str(state == "writing").lower()}"'
        f' data-state="{state}"><h3>{markup.text(heading)} <small>{markup.text(name)}</small></h3>{body}</section>'
    )


def _said(words: str, cursor: str, texts: Texts) -> str:
    shown = markup.text(words) if words or cursor else f"<em>{markup.text(texts.empty)}</em>"
    return f'<p class="said">{shown}{cursor}</p>'


def _own_words(answer: Answer, words: str, texts: Texts) -> str:
    """A model's words as they are, and how far the record supports them."""
    if not answer.sources and not words:
        return markup.note(texts.refused)
    return _said(words, "", texts) + markup.badge(answer.grounded, texts)


def _answer(answer: Answer, words: str, texts: Texts) -> str:
    """What is answered with a model's words, and what it is: in them, the record in their place, or a refusal."""
    shown = _said(answer.text, "", texts)
    if not answer.sources:
        nearest = markup.listed(texts.nearest, map(markup.text, answer.nearest))
        return shown + markup.note(texts.said_no if words else texts.refused) + nearest
    if answer.quoted:
        own = markup.folded(texts.own_words, f"<p>{markup.text(words or texts.empty)}</p>")
        return shown + markup.note(texts.quoted) + own
    return shown + markup.badge(answer.grounded, texts) + ("" if answer.finished else markup.note(texts.cut))


def _sources(turn: Turn, answer: Answer, texts: Texts) -> str:
    if not answer.sources:
        return ""
    items = "".join(_source(source, turn, answer, texts) for source in answer.sources)
    others = markup.listed(texts.others, (markup.link(other.url, other.title) for other in answer.others))
    return f'<section class="sources"><h3>{markup.text(texts.sources)}</h3><ol>{items}</ol>{others}</section>'


def _source(source: Source, turn: Turn, answer: Answer, texts: Texts) -> str:
    record = turn.records.get(source.uid)
    supporting = f"<blockquote>{markup.highlighted(record.content, answer.text)}</blockquote>" if record else ""
    place, seen = markup.place(source.dataset), texts.shown if source.shown else texts.not_shown
    where = f"<code>{markup.text(source.uid)}</code> · {markup.text(place)} · {markup.text(seen)}"
    return f'<li>{markup.link(source.url, source.title)}<p class="note">{where}</p>{supporting}</li>'
