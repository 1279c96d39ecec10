"""Why a clean product must leave, and the one normalisation by which two texts are the same."""

from __future__ import annotations

import re
import unicodedata
from hashlib import blake2b

_METADATA = re.compile(
    r"(?:(?:Text|Original Language|Language|Languages|Subtitles|Format|Publisher|Pages|ISBN):[\w ,()/&-]+)+\.?"
)

_NAME = r"[A-Z][\w.'’-]*(?:,? (?:and |& )?[A-Z][\w.'’-]*){0,5}"
_BOILERPLATE = re.compile(
    r"(?i:VHS(?: Tape)?|DVD|Audio CD|CD|Book by|Brand new(?: in box)?|New|Used|N/?A|None|Unknown|TBA|"
    r"(?:no|product) description(?: is| not)?(?: yet)?(?: available)?|description (?:not available|to follow)|"
    r"(?:please )?(?:see|refer to)(?: the)? (?:picture|photo|image|description|detail|title)s?(?: for details)?|"
    r"click (?:here|on|image)[^.]*)[.!]*"
    rf"|(?i:(?:(?:selected|edited|illustrated|written|compiled) )?by) {_NAME}"
    rf"(?:[,;]? ?(?i:illustrated|photographs|edited|selected|illustrations) by {_NAME})?\.?"
)


def drop_reason(title: str, content: str, *, min_chars: int) -> str | None:
    """Why a clean product must leave, judged on itself alone; None when it may stay.

    Args:
        title: Clean title.
        content: Clean description.
        min_chars: A shorter description says too little about its title.

    Returns:
        `empty_title`, `empty_content`, `same_as_title` (1 of 1,000), `metadata_only` ("Text: English, French
        (translation)", 26 of 1,000), `boilerplate` ("VHS Tape", "Book by", "By X, illustrated by Y") or `too_short`.
    """
    if not title:
        return "empty_title"
    if not content:
        return "empty_content"
    # None of the following is ever long.
    if len(content) < 200:
        if len(content) < 2 * len(title) + 20 and text_key(title) == text_key(content):
            return "same_as_title"
        if _METADATA.fullmatch(content):
            return "metadata_only"
        if _BOILERPLATE.fullmatch(content):
            return "boilerplate"
        if len(content) < min_chars:
            return "too_short"
    return None


_NOT_ALPHANUMERIC = bytes(code for code in range(128) if not chr(code).isalnum())
_TYPOGRAPHIC = "’‘“”–—•·«»®©°"


def text_key(text: str) -> bytes:
    """The one normalisation of deduplication and splits: compatibility form, lower case, no punctuation, no spaces.

    "Mog's Kittens" and "MOG’S  KITTENS!" have the same key. A text of nothing but punctuation is its own key.
    """
    folded = text
    if not text.isascii():
        for mark in _TYPOGRAPHIC:
            folded = folded.replace(mark, "")
    # Most are ASCII by now, and spare themselves the tables of Unicode.
    folded = folded.lower() if folded.isascii() else unicodedata.normalize("NFKC", folded).casefold()
    return folded.encode(errors="replace").translate(None, _NOT_ALPHANUMERIC) or text.encode(errors="replace")


def key_hash(text: str) -> int:
    """64 bits of the text's key: with 1.4 million texts, a chance of 1 in 18 million that any two meet."""
    return hash64(text_key(text))


def hash64(data: bytes) -> int:
    """64 bits of some bytes."""
    return int.from_bytes(blake2b(data, digest_size=8).digest(), "little")
