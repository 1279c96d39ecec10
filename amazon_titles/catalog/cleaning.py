"""The cleaning rules: small pure functions, each behind a cheap test, because most rows need few of them.

Every rule takes a text and returns it, the same object where it has nothing to do. `clean` applies a set of them until
nothing changes, so cleaning twice changes nothing. Counts in the docstrings are from 1,000 real rows of trn.json with a
description, nearly all of them books.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache
from hashlib import blake2b

Rule = Callable[[str], str]

_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
# "&amp;amp;#8217;" in one go: unescaped level by level, a hostile chain of n levels would cost n passes.
_ESCAPED_AMPERSAND = re.compile(r"&(?:(?:amp|#0{0,4}38|#[xX]0{0,4}26);)+")


@lru_cache(maxsize=4096)
def _unescape(entity: str) -> str:
    return html.unescape(entity)


def unescape_entities(text: str) -> str:
    """Turns HTML entities into characters: 204 descriptions and 22 titles of 1,000 hold some.

    `html.unescape` follows HTML5, so the cp1252 codes that these rows are full of (`&#151;`, `&#x92;`) become the dash
    and the apostrophe that were meant. Only entities with a semicolon count: "Q&A" and "?a=1&copy=2" hold none.
    """
    if "&" not in text or ";" not in text:
        return text
    text = _ESCAPED_AMPERSAND.sub("&", text)
    return _ENTITY.sub(lambda match: _unescape(match.group()), text)


def _control_table() -> dict[int, str]:
    table = dict.fromkeys((*range(32), *range(127, 160), *range(55296, 57344)), "")
    # Line ends, tabs and form feeds part words.
    table |= dict.fromkeys((9, 10, 11, 12, 13, 133), " ")
    for code in range(0x80, 0xA0):
        # Windows text that was read as Latin-1: 0x92 is an apostrophe in cp1252 and a control in Latin-1.
        try:
            table[code] = bytes([code]).decode("cp1252")
        except UnicodeDecodeError:
            continue
    # Soft hyphen, zero-width and bidirectional marks, byte-order mark, replacement character: they show nothing.
    return table | dict.fromkeys((173, *range(8203, 8208), *range(8234, 8239), 8288, 65279, 65533), "")


_CONTROLS = _control_table()


def remove_controls(text: str) -> str:
    """Removes control and invisible characters; C1 codes become the cp1252 characters that they were.

    A text whose every character is printable, which is nearly every one, is returned as it is.
    """
    return text if text.isprintable() else text.translate(_CONTROLS)


def collapse_spaces(text: str) -> str:
    """One space between words and none at the ends: 131 of 1,000 descriptions have several in a row."""
    if text.isprintable() and "  " not in text and text[:1] != " " and text[-1:] != " ":
        return text
    return " ".join(text.split())


_GLUED = re.compile(r"(?<=[a-z0-9][a-z\)\"”’'])([.!?][\)\"”’']?)(?=[A-Z“‘][a-z]|(?:I|A)\b)(?!(?:Com|Net|Org)\b)")


def space_sentences(text: str) -> str:
    """Puts the missing space between two sentences ("the cat.Now"): 167 of 1,000, since markup was stripped upstream.

    Asks for two characters of a word before the full stop and a capitalised word after it, so initials, abbreviations,
    versions and addresses stay as they are.
    """
    for mark in ".!?":
        if mark in text and text.count(mark) != text.count(mark + " ") + (text[-1] == mark):
            return _GLUED.sub(r"\1 ", text)
    return text


_EDITION = re.compile(
    r"\s*[-–—]*\s*This text refers to (?:the|an?)[^.]{0,60}?edition(?: of this title)?\b\.?", re.DOTALL
)


def remove_edition_notes(text: str) -> str:
    """Removes "--This text refers to the … edition.": 203 of 1,000, and sometimes it is the whole description."""
    return _EDITION.sub("", text) if "This text refers to " in text else text


_COPYRIGHT = re.compile(
    r"\s*(?:\([Cc]\)\s*)?Copyright\s*(?:©|\([Cc]\))?\s*(?:\d{4})?\s*"
    r"(?:(?:Reed|Cahners) Business Information\b(?:, Inc|, a division of Reed Elsevier Inc)?"
    r"|American Library Association)\.?"
    r"(?:\s*All rights reserved\b\.?)?"
)


def remove_copyright(text: str) -> str:
    """Removes reviewers' copyright lines: 130 of 1,000 are Reed's or Cahners', some the Library Association's."""
    return _COPYRIGHT.sub(" ", text) if "Copyright" in text else text


CHARACTER_RULES: dict[str, Rule] = {
    "entities": unescape_entities,
    "controls": remove_controls,
    "spaces": collapse_spaces,
}
"""For titles and descriptions of any catalogue. They lose no letter and no digit."""

CONTENT_RULES: dict[str, dict[str, Rule]] = {
    "generic": {**CHARACTER_RULES, "sentences": space_sentences},
    "amazon": {
        **CHARACTER_RULES,
        "edition_notes": remove_edition_notes,
        "copyright": remove_copyright,
        "sentences": space_sentences,
    },
}
"""For descriptions, by the name that `--rules` takes."""


def clean(text: str, rules: dict[str, Rule], applied: set[str]) -> str:
    """Applies rules in turn until a round changes nothing.

    Args:
        text: A title or a description.
        rules: `CHARACTER_RULES`, or one of `CONTENT_RULES`.
        applied: Takes the names of the rules that changed something.

    Returns:
        The clean text: cleaned again, it is returned as it is.
    """
    while True:
        before = text
        for name, rule in rules.items():
            changed = rule(text)
            if changed is not text and changed != text:
                applied.add(name)
                text = changed
        if text == before:
            return text


_METADATA = re.compile(
    r"(?:Text|Original Language|Language|Subtitles):\s*[A-Z][\w ,()/&-]*(?:Original Language:[\w ,()-]+)?"
)
_BOILERPLATE = re.compile(
    r"(?:VHS Tape|DVD|Audio CD|Book by|Brand new|New|Used|N/?A|None|Unknown|TBA|"
    r"(?:No|Product) description(?: available| not available)?|Description not available|"
    r"(?:Please )?see (?:picture|photo|image|description|details)s?(?: for details)?|click (?:here|image).*|"
    r"(?:By|Selected by|Edited by|Illustrated by|Written by) [A-Z][\w.'’-]*(?: [A-Z][\w.'’-]*){0,4}"
    r"(?:, (?:Illustrated|Photographs|Edited|Selected) by [A-Z][\w.'’-]*(?: [A-Z][\w.'’-]*){0,4})?)[.!]*",
    re.IGNORECASE,
)


def drop_reason(title: str, content: str, *, min_chars: int) -> str | None:
    """Why a clean product must leave, judged on itself alone; None when it may stay.

    Args:
        title: Clean title.
        content: Clean description.
        min_chars: A shorter description says too little about its title.
    """
    if not title:
        return "empty_title"
    if not content:
        return "empty_content"
    if len(content) < 200:
        if title_key(title) == title_key(content):
            return "same_as_title"
        if _METADATA.fullmatch(content):
            return "metadata_only"
        if _BOILERPLATE.fullmatch(content):
            return "boilerplate"
        if len(content) < min_chars:
            return "too_short"
    return None


_NOT_ALPHANUMERIC = bytes(code for code in range(128) if not chr(code).isalnum())


def title_key(text: str) -> bytes:
    """The one normalisation of deduplication and splits: compatibility form, lower case, letters and digits alone.

    "Mog's Kittens" and "MOG’S KITTENS!" have the same key. A text without a letter or digit is its own key.
    """
    if not text.isascii():
        text = "".join(c for c in unicodedata.normalize("NFKC", text).casefold() if c.isalnum() or c.isascii())
    return text.lower().encode(errors="surrogatepass").translate(None, _NOT_ALPHANUMERIC) or text.encode()


def key_hash(text: str) -> int:
    """64 bits of the text's key: with 1.3 million texts, a chance of 1 in 20 million that any two meet."""
    return int.from_bytes(blake2b(title_key(text), digest_size=8).digest(), "little")
