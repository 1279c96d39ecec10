"""One property of a product: how it is asked for, and which words of the description answer it.

An answer is never made up: it is a piece of the description. A kind is passed over where the words around a number
leave open what it measures ("carries 40 kg" is no weight), and where two values are told.
Looked for in every product that a build draws, so the searches are made to cost little.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from amazon_titles.conversations.wording import PROPERTIES

_WORDS = msgspec.yaml.decode(Path(__file__).with_suffix(".yml").read_bytes())
_NUMBER = r"\d+(?:[.,]\d+)*"
_WEIGHT, _VOLUME, _DISTANCE, _MATERIAL_EN, _MATERIAL_PT = (
    f"(?:{'|'.join(_WORDS[name].split())})" for name in ("weight", "volume", "distance", "material", "material_pt")
)
_YEAR = r"(?:1[5-9]|20)\d\d"
_ENDS = r"(?![\w-])"
# An item of a list of measures: "900 rpm, 7.1 kg."
_LISTED, _NEXT = r"(?<=[,;:] )", r"(?=[,.;)]|$| in all| no total)"


def _after(*words: str) -> str:
    """A lookbehind for any of some words, each in small letters and with a capital."""
    both = (word for lower in words for word in (lower, lower.capitalize()))
    return f"(?:{'|'.join(f'(?<={word} )' for word in both)})"


# Kinds that begin with a number; all are tried where a number stands.
_MEASURED = {
    "size": rf"{_NUMBER}(?: ?(?:x|×|by|por) ?{_NUMBER}){{1,2}} ?{_DISTANCE}{_ENDS}",
    "height": rf"{_NUMBER}[ -]?{_DISTANCE}[ -](?:high|tall|in height|de altura){_ENDS}",
    "width": rf"{_NUMBER}[ -]?{_DISTANCE}[ -](?:wide|in width|de largura){_ENDS}",
    "length": rf"{_NUMBER}[ -]?{_DISTANCE}[ -](?:long|in length|de comprimento){_ENDS}",
    "weight": rf"{_after('weighs', 'weighs only', 'weighs just', 'weighing', 'pesa', 'pesa só', 'pesa apenas')}"
    rf"{_NUMBER} ?{_WEIGHT}{_ENDS}|{_LISTED}{_NUMBER} ?{_WEIGHT}{_NEXT}",
    "capacity": rf"{_after('holds', 'holding', 'capacity of', 'comporta', 'cabem', 'capacidade de', 'capacidade para')}"
    rf"{_NUMBER}[ -]?{_VOLUME}{_ENDS}|{_NUMBER}[ -]?{_VOLUME} capacity{_ENDS}",
    "power": rf"{_NUMBER}[ -]?watts?{_ENDS}|{_NUMBER}W{_ENDS}",
    "speed": rf"{_NUMBER} ?(?:rpm|mph|km/h){_ENDS}",
    "pages": rf"{_NUMBER}[ -](?:pages?|páginas){_ENDS}(?! (?:of|de) )",
    "pieces": rf"{_NUMBER}[ -](?:pieces?|peças){_ENDS}",
    "battery": rf"{_NUMBER} (?:hours?|horas?)"
    r"(?= (?:on one charge|on a charge|per charge|of battery|of play|de bateria|de autonomia|por carga|com uma carga))",
}  # fmt: skip
_MEASURE = re.compile("|".join(f"(?P<{kind}>{pattern})" for kind, pattern in _MEASURED.items()))
_DIGITS = re.compile(r"[0-9][0-9.,]*")
# A part of another number, or one of several: 1-2, 3/4, "3 to 5", "2 or 3", "up to 9".
_JOINED = re.compile(r"(?:[\w.,/–-]|\d (?:to|or|and|a|ou|e) |\b[Uu]p to |\b[Aa]té )$")

_WORD = r"[A-ZÀ-Ý][\w-]*(?:['’][A-ZÀ-Ý][\w-]+)?"
_PARTICLE = r"(?:[A-ZÀ-Ý]\. ?|(?:de|da|do|dos|von|van|der|den|del|di|la|le) )"
_NAME = rf"(?:[A-ZÀ-Ý]\. ?)*{_WORD}(?: {_PARTICLE}*{_WORD})*"
# Not the beginning of a longer name, of a list of names, or of "Ana's team".
_WHOLE = r"(?![\w'’-]|,? (?:and |e |& ?)?[A-ZÀ-Ý]| &)"
_KIND_OF = {verb: kind for kind, verbs in _WORDS["verbs"].items() for verb in verbs.split()}
# "designed by Ana Kloiv in 1967", "woven by hand in Porto since 1930": found by the small word before a name, which
# costs a tenth of a search for all the verbs.
_LINK = re.compile(r" (by|por|in|em) (?=[A-ZÀ-Ý])")
_DONE_BY = re.compile(rf"\b({'|'.join(_KIND_OF)})$", re.IGNORECASE)
_DONE_IN = re.compile(
    r"\b(?:made|woven|built|handmade|handcrafted|manufactured|workshop|feit[oa]|fabricad[oa]|tecid[oa]|oficina)"
    r"(?: by hand| à mão)?$", re.IGNORECASE,
)  # fmt: skip
_NAMED = re.compile(rf"({_NAME}(?: (?:and|&|e) {_NAME})?){_WHOLE}(?: (?:in|since|em|desde) ({_YEAR}){_ENDS})?")
_MONTH = re.compile("January|February|March|April|May|June|July|August|September|October|November|December")
# A year is the product's where it stands beside who made it, or where: most years of descriptions are of a story.
_EDITION = re.compile(rf"(?:edition of|edição de) ({_YEAR}){_ENDS}")
_WRITTEN = r"['’]s (?:novel|memoir|autobiography|poems|short stories)"
_NOVEL = re.compile(
    rf"(?:^|(?<=[.!?,;:] ))(?!(?:In|The|This|That|With|From|And|But|Like|Of|An?) )({_NAME}){_WRITTEN}"
    r"(?=[,.;:)]| (?:is|was|has|tells|takes|follows|about)\b)"
)
_WROTE = re.compile(_WRITTEN)
_MATERIAL = re.compile(
    rf"\b[Mm]ade (?:of|from) (?:[a-z-]+ ){{0,2}}{_MATERIAL_EN}(?![\w/-]| (?:and|with|or|&)\b|, [a-z]+ and\b)"
    rf"|\b[Ff]eit[oa] (?:de|em) {_MATERIAL_PT}(?: (?:inoxidável|fundido|maciç[ao]|orgânico|natural|reciclad[oa]))?"
    r"(?![\w/-]| (?:e|com|ou)\b)"
)
_AGE = re.compile(
    r"\b[Aa]ges? (?:[\d.]+(?: months)?[-–][\d.]+(?: years| months)?"
    rf"|[\d.]+(?: years| months)? (?:and|&) (?:up|older|over)){_ENDS}"
)
_AGED = re.compile(r"ges? [0-9]")


def properties(text: str) -> dict[str, str]:
    """What a description tells of a product's properties: kind → the words that say it, as they stand there.

    A kind of which two different values are told is left out.
    """
    found: dict[str, str] = {}
    twice = set()
    for kind, span in _spans(text):
        if found.setdefault(kind, span).casefold() != span.casefold():
            twice.add(kind)
    return {kind: found[kind] for kind in PROPERTIES if kind in found and kind not in twice}


def _spans(text: str) -> Iterator[tuple[str, str]]:
    end = 0
    for number in _DIGITS.finditer(text):
        start = number.start()
        match = _MEASURE.match(text, start) if start >= end else None
        if match and match.lastgroup and not _JOINED.search(text, max(start - 7, 0), start):
            end = match.end()
            yield match.lastgroup, match.group()
    for link in _LINK.finditer(text):
        person = link[1] in ("by", "por")
        done = (_DONE_BY if person else _DONE_IN).search(text, max(link.start() - 24, 0), link.start())
        named = _NAMED.match(text, link.end()) if done else None
        if done and named and (person or not _MONTH.match(named[1])):
            yield _KIND_OF[done[1].lower()] if person else "place", text[done.start() : named.end(1)]
            if named[2]:
                yield "year", named[2]
    # What a description does not hold is not looked for: these searches cost more than a look for a word.
    if "edi" in text:
        yield from (("year", match[1]) for match in _EDITION.finditer(text))
    if _WROTE.search(text):
        yield from (("written", match[1]) for match in _NOVEL.finditer(text))
    if any(word in text for word in ("ade of", "ade from", "eito ", "eita ")):
        yield from (("material", match.group()) for match in _MATERIAL.finditer(text))
    if _AGED.search(text):
        yield from (("age", match.group()) for match in _AGE.finditer(text))
