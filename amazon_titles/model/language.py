"""What depends on the language, English or Portuguese, and which one a question or a text is in."""

from __future__ import annotations

import locale
import os
import re
from pathlib import Path
from typing import Any

from amazon_titles.io import read_object

LANGUAGES: dict[str, dict[str, Any]] = read_object(Path(__file__).with_name("languages.json"))
"""By language: `framing`, the words that questions are framed with, without articles and prepositions, of which titles
are full in either language; `prose`, the commonest words of running text that the other language does not have;
`openers`, first words of questions; `notes`, our own words around an answer."""

_FRAMING, _PROSE = (
    {code: frozenset(" ".join(told[name]).split()) for code, told in LANGUAGES.items()} for name in ("framing", "prose")
)
# Words of both: "do" is a verb here and a preposition there.
_BOTH = frozenset(("do", "me"))
_QUOTED = re.compile(r'["“”«»][^"“”«»]*["“”«»]')
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
# What stands before the first word of a sentence: nothing, or one of these.
_OPENING = ("", *".!?:;¿¡")


def question_language(question: str, default: str = "en") -> str:
    """The language that a question is asked in, `en` or `pt`; the default where nothing tells, as of a bare title.

    Quoted titles do not count, and inside a sentence capitalised words do not: they belong to a title. Where both
    languages have as many words, the one that speaks first counts.
    """
    text = _QUOTED.sub(" ", question)
    text = text.lower() if text.isupper() else text
    spoken = [
        found[0].lower().replace("’", "'")
        for found in _WORD.finditer(text)
        if found[0][0].islower() or text[: found.start()].rstrip()[-1:] in _OPENING
    ]
    told = [code for word in spoken if word not in _BOTH for code, words in _FRAMING.items() if word in words]
    return max(told, key=told.count, default=default)


def locale_language() -> str:
    """The language of who sits at this machine, `en` or `pt`, as the environment or the system has it."""
    names = [os.environ.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG")]  # as gettext looks for it
    spoken = next(filter(None, [*names, locale.getlocale()[0]]), "")
    return "pt" if spoken.lower().startswith(("pt", "portuguese")) else "en"  # Windows has Portuguese_Brazil


def prose_language(text: str) -> str | None:
    """The language of running text, `en` or `pt`; None where too little tells."""
    words = _WORD.findall(text.lower())
    english, portuguese = (sum(word in _PROSE[code] for word in words) for code in ("en", "pt"))
    if max(english, portuguese) < 2 or english == portuguese:
        return None
    return "en" if english > portuguese else "pt"
