"""A `Turn` as HTML: what both models said, whether the source supports it, and what the catalogue says."""

from __future__ import annotations

import traceback
from functools import partial

from amazon_titles.errors import AmazonTitlesError, InputError
from amazon_titles.page import markup
from amazon_titles.page.pair import MAX_QUESTION_CHARS, Turn
from amazon_titles.page.texts import Texts
from amazon_titles.progress import say


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
    side = partial(markup.part, "side", turn=turn, stopped=stopped, texts=texts)
    heading = texts.after if before else texts.answer
    left = side(kind="before", heading=texts.before, name=before, said=turn and turn.before)
    right = side(kind="after", heading=heading, name=after, said=turn and turn.after)
    return left, right, markup.part("sources", turn=turn, texts=texts)


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
