"""English or Portuguese: of a question by its frame, of a text by its commonest words."""

from __future__ import annotations

import re

_QUOTED = re.compile(r'["“”«»][^"“”«»]*["“”«»]')
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
# What stands before the first word of a sentence: nothing, or one of these.
_OPENING = ("", *".!?:;¿¡")


def _words(**texts: str) -> dict[str, frozenset[str]]:
    return {language: frozenset(text.split()) for language, text in texts.items()}


# What questions are framed with. Articles and prepositions are left out: titles are full of those of either language.
_FRAMES = _words(
    en="about any anything are can could describe did do does explain find give has have heard hello hey hi how i i'd "
    "i'm is it its it's know like looking me my need please say says show tell that there this want what what's whats "
    "when where which who whose why would you your",
    pt="algum alguma alguém conhece conhecem conta conte coisa dele dela descreva descreve descrever descrição diga "
    "dizer ela ele essa esse esta este eu existe explica explique fala falar fale favor gostaria há isso mostra "
    "mostre me meu minha não oi ola olá onde pode poderia possível preciso procurando procuro produto quais qual "
    "quando quanto quantos quem que quero queria quê saber sabe serve sobre tem têm trata vi você voce vocês é",
)
# Words of both: "do" is a verb here and a preposition there.
_BOTH = frozenset(("do", "me"))

# The commonest words of running text that the other language does not have.
_PROSE = _words(
    en="the of and is with for to in by from that this it are was on an at or your its",
    pt="de que e um uma com para em por não os as da dos das na pelo pela ao é são foi sua seu",
)


def question_language(question: str) -> str:
    """The language that a question is asked in, `en` or `pt`; English where nothing tells.

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
    told = [code for word in spoken if word not in _BOTH for code, words in _FRAMES.items() if word in words]
    portuguese = told.count("pt")
    if not told or portuguese * 2 < len(told):
        return "en"
    return "pt" if portuguese * 2 > len(told) else told[0]


def prose_language(text: str) -> str | None:
    """The language of running text, `en` or `pt`; None where too little tells."""
    words = _WORD.findall(text.lower())
    english, portuguese = (sum(word in _PROSE[code] for word in words) for code in ("en", "pt"))
    if max(english, portuguese) < 2 or english == portuguese:
        return None
    return "en" if english > portuguese else "pt"
