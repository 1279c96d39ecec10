"""A `Turn` as HTML: both answers, how far they are supported, and their sources with the supporting text marked."""

from __future__ import annotations

from amazon_titles.errors import AmazonTitlesError, InputError
from amazon_titles.model import Answer, Source
from amazon_titles.page import markup
from amazon_titles.page.pair import MAX_QUESTION_CHARS, Side, Turn
from amazon_titles.page.texts import Texts
from amazon_titles.progress import say


def waiting(texts: Texts, before: str | None, after: str) -> tuple[str, str, str]:
    """The three parts of the page, before, after and sources, when nothing was asked yet."""
    empty = markup.note(texts.waiting)
    return (
        markup.column(texts.before, before, empty, kind="before", state="waiting")
        if before
        else markup.note(texts.no_base),
        markup.column(_heading(texts, before), after, empty, kind="after", state="waiting"),
        "",
    )


def answered(turn: Turn, texts: Texts, before: str | None, after: str) -> tuple[str, str, str]:
    """The same three parts as both models write, and when they have ended.

    Args:
        turn: The state.
        texts: Of the page's language.
        before: Name of the base; None where there is none.
        after: Name of the fine-tuned model.
    """
    answer = turn.after.answer
    left = markup.note(texts.no_base)
    if turn.before is not None and before:
        body = _own_words(turn.before, texts)
        left = markup.column(texts.before, before, body, kind="before", state=_state(turn.before))
    body = _own_words(turn.after, texts) if answer is None else _answer(answer, turn.after.words, texts)
    right = markup.column(_heading(texts, before), after, body, kind="after", state=_state(turn.after))
    return left, right, "" if answer is None else _sources(turn, answer, texts)


def failed(error: Exception, texts: Texts) -> str:
    """What went wrong, as sentences on the page; what who asked cannot mend is told to the terminal as well.

    A hint is a command of this machine, which a page's reader does not have.
    """
    if isinstance(error, AmazonTitlesError):
        if not isinstance(error, InputError):
            say(str(error))
        return markup.problem(texts.error, error.message)
    import traceback

    say("".join(traceback.format_exception(error)).rstrip())
    return markup.problem(texts.error, texts.unexpected.format(error=type(error).__name__))


def refused(question: str, texts: Texts) -> str:
    """Says that a question is empty, or longer than `MAX_QUESTION_CHARS`; "" where it is neither."""
    if not question.strip():
        return markup.problem(texts.error, texts.empty_question)
    if len(question) <= MAX_QUESTION_CHARS:
        return ""
    return markup.problem(texts.error, texts.too_long.format(found=len(question), limit=MAX_QUESTION_CHARS))


def _heading(texts: Texts, before: str | None) -> str:
    """Above the only answer, or above the one after the fine-tuning."""
    return texts.after if before else texts.answer


def _state(side: Side) -> str:
    return "writing" if side.answer is None else "done"


def _own_words(side: Side, texts: Texts) -> str:
    """A model's words as they are, and when it has ended how far the record supports them."""
    if side.answer is None:
        return markup.said(side.words, texts, busy=True)
    if not side.answer.sources and not side.words:
        return markup.note(texts.refused)
    return markup.said(side.words, texts, busy=False) + markup.badge(side.answer.grounded, texts)


def _answer(answer: Answer, words: str, texts: Texts) -> str:
    shown = markup.said(answer.text, texts, busy=False)
    if not answer.sources:
        why = texts.said_no if words else texts.refused
        return shown + markup.note(why) + markup.titles(texts.nearest, answer.nearest)
    if answer.quoted:
        return shown + markup.note(texts.quoted) + markup.details(texts.own_words, words or texts.empty)
    return shown + markup.badge(answer.grounded, texts) + ("" if answer.finished else markup.note(texts.cut))


def _sources(turn: Turn, answer: Answer, texts: Texts) -> str:
    if not answer.sources:
        return ""
    items = "".join(_source(source, turn, answer, texts) for source in answer.sources)
    others = "".join(f"<li>{markup.link(other.url, other.title)}</li>" for other in answer.others)
    more = f'<p class="note">{markup.text(texts.others)}:</p><ul>{others}</ul>' if others else ""
    return f'<section class="sources"><h3>{markup.text(texts.sources)}</h3><ol>{items}</ol>{more}</section>'


def _source(source: Source, turn: Turn, answer: Answer, texts: Texts) -> str:
    record = turn.records.get(source.uid)
    supporting = f"<blockquote>{markup.highlighted(record.content, answer.text)}</blockquote>" if record else ""
    seen = texts.shown if source.shown else texts.not_shown
    where = (
        f"<code>{markup.text(source.uid)}</code> · {markup.text(markup.place(source.dataset))} · {markup.text(seen)}"
    )
    return f'<li>{markup.link(source.url, source.title)}<p class="note">{where}</p>{supporting}</li>'
