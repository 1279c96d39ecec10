"""A question taken apart: what it quotes, the codes and links in it, and its words, also where they are misspelt."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from rapidfuzz.distance import OSA

from amazon_titles.catalog.variants import COLOURS
from amazon_titles.search.stopwords import FILLER, IN, KINDS, LINKS, STOP
from amazon_titles.text import words_of

_ASKED = re.compile(r"[^\W_]+(?:['’‘`´][^\W_]+)*")
_BREAK = re.compile(r"[.:;!?<>|\n]|\s[-–—]\s|--")

# A quotation opens where no word ends and closes where none begins, so that inches and apostrophes are none.
_QUOTED = re.compile(r'(?<!\w)["“”«„](?=\S)(.+?)(?<=\S)["“”»](?!\w)')
_SINGLE = re.compile(r"(?<!\w)['‘](?=\w)([^'‘’]+(?:['’]\w[^'‘’]*)*)(?<=\S)['’](?!\w)")

_NAME_GOES_ON = re.compile(r"\s[A-Z]")

# https://www.amazon.com/Some-Title/dp/UID/ref=…, /gp/product/UID, /gp/aw/d/UID, /product/UID
_LINK = re.compile(r"\.[a-z]{2,}(?:/|/.*?/)(?:dp|gp/product|gp/aw/d|product)/([\w-]+)", re.I)
_BRACKETED = re.compile(r"\[([^\[\]]{1,200})\]")
# What Amazon calls its products: https://en.wikipedia.org/wiki/Amazon_Standard_Identification_Number
_ASIN = re.compile(r"\b(B(?=[A-Z]*[0-9])[0-9A-Z]{9}|[0-9]{9}[0-9X])\b", re.I)
_CODE = re.compile(r"[\w.-]{1,40}")
_JOINED = re.compile(r"[^\W_][-_./][^\W_]")
# A number of fewer digits is a quantity or a part of a title more likely than a code.
_DIGITS = 6
# What may stand around a code.
_EDGES = " \t\r\n\"'“”„«»‘’`()[]{}<>.,;:!?¡¿…-"

# How much of a word a mistyped one is worth.
_SLIP, _PLURAL, _TWO_SLIPS, _DOUBTFUL = 0.9, 0.97, 0.75, 0.66
# Up to so many letters a changed one makes another word as a rule: game and gate, folly and holly.
_SHORT = 5
# What is left of a word of four letters where one is lost.
_SHORTEST = 3

# What is looked at of a question: a title has at most 200 characters.
_MAX_CHARACTERS, _MAX_WORDS = 4000, 64


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a question.

    Attributes:
        text: Folded as titles are: lower case, without accents and apostrophes.
        capital: Whether it is written as a name is, where the question tells names from other words by their case.
        filler: Whether it is a filler word or a function word.
        stop: Whether it is a function word.
        breaks: Whether a sentence, or a part of one, ends before it.
        start: Its place in the question, in characters.
        end: Where it ends.
        number: Whether a digit stands in it: such words fit exactly or not at all.
        quoted: Whether it stands in a quotation, where every word is the name's, and none is filler.
    """

    text: str
    capital: bool
    filler: bool
    stop: bool
    breaks: bool
    start: int
    end: int
    number: bool
    quoted: bool


def plain(question: str) -> str:
    """What is looked at of a question, its accents one with their letters."""
    return unicodedata.normalize("NFC", question[:_MAX_CHARACTERS])


def has_digit(word: str) -> bool:
    """Whether a digit stands in a word."""
    return not word.isalpha() and any(map(str.isdecimal, word))


def quotations(question: str) -> list[str]:
    """What stands in quotation marks, of which a question may hold several."""
    for pattern in (_QUOTED, _SINGLE):
        found = [match for match in pattern.finditer(question) if words_of(match.group(1))]
        if len(found) == 1 and _NAME_GOES_ON.match(question, found[0].end()):
            return []  # a title that begins with a quotation
        if found:
            return [_with_colour(question, match) for match in found]
    return []


def _with_colour(question: str, found: re.Match[str]) -> str:
    """A quotation, and the colour that stands beside it: the red "Desk Lamp", or "Desk Lamp" in red."""
    before, after = words_of(question[: found.start()]), words_of(question[found.end() :])
    beside = before[-1:] + [word for word in after[:2] if word not in IN][:1]
    return " ".join([found.group(1).strip(), *filter(COLOURS.__contains__, beside)])


def codes(question: str) -> tuple[list[str], list[str], str]:
    """The product codes in a question.

    Returns:
        Codes that can be nothing else (of a link, in the form of an ASIN); what may be a code: the whole question, and
        words of it; and the question without the former.
    """
    links = {word: match.group(1) for word in question.split() if (match := _LINK.search(word))}
    rest = question
    for word in links:
        rest = rest.replace(word, " ")
    sure = [*links.values(), *_ASIN.findall(rest)]
    rest = _ASIN.sub(" ", rest)
    words = dict.fromkeys(word.strip(_EDGES) for word in (*rest.split(), *_CODE.findall(rest)))
    maybe = [question.strip(_EDGES), *filter(_looks_like_code, words), *_BRACKETED.findall(rest)]
    return sure, maybe[:_MAX_WORDS], rest


def _looks_like_code(word: str) -> bool:
    """Whether a word may be a product's code: letters with digits, many digits, joined parts, or capitals alone."""
    if _JOINED.search(word):
        return True
    return len(word) >= _DIGITS or any(map(str.isalpha, word)) if has_digit(word) else len(word) > 2 and word.isupper()


def question_words(text: str, *, quoted: bool = False) -> list[Word]:
    """The words of a question, at most `_MAX_WORDS`.

    Args:
        text: The question, or a quotation in it.
        quoted: Whether it is a quotation, in which every word counts.
    """
    mixed = not text.isupper() and not text.islower()
    words: list[Word] = []
    end = 0
    for match in _ASKED.finditer(text):
        between, raw, end = text[end : match.start()], match.group(), match.end()
        if not (folded := "".join(words_of(raw))):
            continue
        capital = mixed and not raw.islower() and any(map(str.isalpha, raw))
        stop = folded in STOP and not quoted
        filler = stop or (not quoted and (folded in FILLER or folded in KINDS or not FILLER.isdisjoint(_stems(folded))))
        breaks = not words or bool(_BREAK.search(between))
        words.append(Word(folded, capital, filler, stop, breaks, match.start(), end, has_digit(folded), quoted))
        if len(words) == _MAX_WORDS:
            break
    return words


def _stems(word: str) -> set[str]:
    """What a word is a plural or a superlative of, if it is one: "prices", "cheapest", "largest"."""
    return {word.removesuffix(ending) for ending in ("s", "est", "st")}


def name_in(question: str) -> str:
    """What an unquoted question seems to name: its longest run of words that are no filler; "" where there is none."""
    runs: list[list[Word]] = [[]]
    for word in question_words(question):
        if word.breaks or (word.text not in LINKS and (word.stop or (word.filler and not word.capital))):
            runs.append([])
        if not word.filler or (runs[-1] and (word.capital or word.text in LINKS)):
            runs[-1].append(word)
    for run in runs:
        while run and run[-1].filler:
            run.pop()
    best = max(runs, key=lambda run: sum(not word.filler for word in run))
    return question[best[0].start : best[-1].end] if best else ""


def allowed_typos(word: str) -> int:
    """Strokes that may be wrong in a word: none in short ones and in numbers, where another stroke is another word."""
    if len(word) < 4 or has_digit(word):
        return 0
    return 1 if len(word) < 9 else 2


@lru_cache(maxsize=1 << 16)
def similarity(asked: str, word: str, *, known: bool = True) -> float:
    """How much of a title's word a question's word is worth: 1 for the word itself, 0 for another word.

    A letter left out, doubled or swapped is a slip; a changed one is, too, unless the word is short. Few slip in the
    first letter. Numbers are never mistyped: another digit is another product.

    Args:
        asked: The question's word.
        word: The title's.
        known: Whether some title has the question's word. What none has, and one stroke makes the title's, is a slip
            wherever that stroke is.
    """
    short, long = sorted((asked, word), key=len)
    most = allowed_typos(asked if known else long)
    # Optimal string alignment: letters added, left out, changed or swapped with the next.
    strokes = OSA.distance(asked, word, score_cutoff=most)
    if strokes == 0:
        return 1.0
    if long == short + "s" and len(short) >= _SHORTEST and short.isalpha():
        return _PLURAL
    if strokes > most or has_digit(asked + word):
        return 0.0
    if strokes == 2:
        return _TWO_SLIPS if asked[0] == word[0] and not known else 0.0
    if not known:
        return _SLIP
    if asked[0] != word[0]:
        return _DOUBTFUL if len(word) > _SHORT else 0.0
    changed = len(short) == len(long) and sorted(asked) != sorted(word)
    return _DOUBTFUL if changed and len(word) <= _SHORT else _SLIP


def closest(asked: str, words: Iterable[str], *, known: bool) -> tuple[float, str]:
    """The word that a mistyped one is most like, and how much of it that is worth; 0 where it is like none.

    Args:
        asked: The mistyped word.
        words: Those of a title.
        known: As for `similarity`.
    """
    size, first, last = len(asked), asked[0], asked[-1]
    most = allowed_typos(asked) or int(size == _SHORTEST and asked.isalpha())
    # One stroke leaves the beginning or the end; two leave the beginning.
    near = [word for word in words if abs(len(word) - size) <= most and (word[0] == first or word[-1] == last)]
    return max(((similarity(asked, word, known=known), word) for word in near), default=(0.0, ""))
