"""The cleaning rules: small pure functions, each behind a cheap test, because most rows need few of them.

Every rule takes a text and returns it, the same object where it has nothing to do. `clean` applies a set of them until
nothing changes, so cleaning twice changes nothing. Counts in the docstrings are from 1,000 real rows of trn.json with a
description, nearly all of them books.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from html.entities import html5

Rule = Callable[[str], str]

_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
# "&amp;amp;#8217;" in one go: unescaped level by level, a hostile chain of n levels would cost n passes.
_ESCAPED_AMPERSAND = re.compile(r"&(?:(?:amp|AMP|#0{0,4}38|#[xX]0{0,4}26);)+")


@lru_cache(maxsize=4096)
def _unescape(entity: str) -> str:
    # Whole names only: html.unescape makes "¬yet;" of "&notyet;".
    return html.unescape(entity) if entity[1] == "#" or entity[1:] in html5 else entity


def unescape_entities(text: str) -> str:
    """Turns HTML entities into characters: 204 descriptions and 22 titles of 1,000 hold some.

    `html.unescape` follows HTML5, so the cp1252 codes that these rows are full of (`&#151;`, `&#x92;`) become the dash
    and the apostrophe that were meant. Only entities with a semicolon count: "Q&A" and "?a=1&copy=2" hold none.
    """
    if "&" not in text or ";" not in text:
        return text
    while True:
        # What was escaped twice is an entity again.
        after = _ENTITY.sub(lambda match: _unescape(match.group()), _ESCAPED_AMPERSAND.sub("&", text))
        if after == text:
            return text
        text = after


_CONTROLS = {
    **dict.fromkeys((*range(32), *range(127, 160), *range(55296, 57344)), ""),
    # Line ends, tabs and form feeds part words.
    **dict.fromkeys((9, 10, 11, 12, 13), " "),
    # Windows text that was read as Latin-1: 0x92 is an apostrophe in cp1252 and a control in Latin-1.
    **{code: bytes([code]).decode("cp1252", "ignore") for code in range(0x80, 0xA0)},
    # Soft hyphen, zero-width and bidirectional marks, byte-order mark, replacement character, tags: they show nothing.
    **dict.fromkeys(
        (173, 0x61C, *range(8203, 8208), *range(8234, 8239), 8288, *range(0x2066, 0x206A), 65279, 65533), ""
    ),
    **dict.fromkeys(range(0xE0000, 0xE0080), ""),
}


def remove_controls(text: str) -> str:
    """Removes control and invisible characters; C1 codes become the cp1252 characters that they were.

    A text whose every character is printable, which is nearly every one, is returned as it is.
    """
    # U+FFFD alone of these counts as printable.
    return text if text.isprintable() and "\ufffd" not in text else text.translate(_CONTROLS)


_CONTROLS_IN_LINES = _CONTROLS | {10: "\n", 13: "\n"}


def remove_controls_in_lines(text: str) -> str:
    """As `remove_controls`, and line breaks stay."""
    return text if text.isprintable() and "\ufffd" not in text else text.translate(_CONTROLS_IN_LINES)


def collapse_spaces(text: str) -> str:
    """One space between words and none at the ends: 131 of 1,000 descriptions have several in a row."""
    # Of ASCII, `remove_controls` has left no other space than this one.
    if "  " not in text and text[:1] != " " and text[-1:] != " " and (text.isascii() or text.isprintable()):
        return text
    return " ".join(text.split())


def collapse_spaces_in_lines(text: str) -> str:
    """As `collapse_spaces`, within each line; empty lines go."""
    if "\n" not in text:
        return collapse_spaces(text)
    return "\n".join(filter(None, (" ".join(line.split()) for line in text.split("\n"))))


_INLINE = "a abbr b big code del em font i ins mark q s small span strike strong sub sup tt u wbr"  # "H<sub>2</sub>O"
_APART = "button embed iframe img input label link meta source td th video"
_BLOCKS = (
    "address article aside blockquote body br caption center dd details div dl dt figcaption figure footer h1 h2 h3 h4"
    " h5 h6 head header hr html main nav ol p pre section summary table tbody tfoot thead tr ul"
)
_TAGS = {
    **dict.fromkeys(_INLINE.split(), ""), **dict.fromkeys(_APART.split(), " "), **dict.fromkeys(_BLOCKS.split(), "\n"),
    "li": "\n- ",
}  # fmt: skip
_TAG = re.compile(
    r"<!--[^<>]*-->|<(style|script)\b[^<>]*>[^<]*</\1\s*>"
    rf"|<(?P<end>/?)(?P<name>{'|'.join(sorted(_TAGS, key=len, reverse=True))})(?:\s[^<>=]*=[^<>]*|\s*/?)>",
    re.IGNORECASE,
)


def _instead(tag: re.Match[str]) -> str:
    name = (tag["name"] or "br").lower()
    return "\n" if tag["end"] and name == "li" else _TAGS[name]


def remove_tags(text: str) -> str:
    """Removes HTML: blocks and `<br>` become line breaks, `<li>` becomes a dash at the beginning of its line.

    Only what HTML calls so is a tag: "a<b and c>d", "<3" and "<your name>" stay. Entities are characters by
    now, so tags that were escaped go, too.
    """
    return _TAG.sub(_instead, text) if "<" in text and ">" in text else text


# What "ã", "Â°" or "’" look like in UTF-8 that was read as Latin-1; no letter follows so in a word.
_DOUBLE = re.compile("[ÂÃâ](?=[^\x00-\x7f])(?![^\\W\\d_ƒŠšŒœŽžŸˆªºµ])")


def fix_encoding(text: str) -> str:
    """Mends UTF-8 that was read as Latin-1 ("CoraÃ§Ã£o"), where ftfy finds that it makes no sense as it is."""
    if text.isascii() or not _DOUBLE.search(text):
        return text
    import ftfy  # 50 ms that few builds need

    return str(ftfy.fix_encoding(text))


# The mark stands first, so that the search stops at marks alone; what precedes it is looked at afterwards.
_GLUED = re.compile(r"[.!?](?<=[a-z0-9][a-z)\"”’'][.!?])[)\"”’']?(?=[A-Z“‘][a-z]|[IA]\b)(?!(?:Com|Net|Org)\b)")
_GLUED_QUOTE = re.compile(r"[“‘](?<=[.!?:a-z][“‘])(?=[A-Z])")


def space_sentences(text: str) -> str:
    """Puts the missing space between two sentences ("the cat.Now"): 167 of 1,000, since markup was stripped upstream.

    Asks for two characters of a word before the mark and a capitalised word after it, so initials, abbreviations,
    versions and addresses stay as they are. An opening quotation mark that touches the word before it is parted too.
    """
    if "“" in text or "‘" in text:
        text = _GLUED_QUOTE.sub(r" \g<0>", text)
    for mark in ".!?":
        if mark in text and text.count(mark) != text.count(mark + " ") + (text[-1] == mark):
            return _GLUED.sub(r"\g<0> ", text)
    return text


_EDITION = re.compile(r"This text refers to (?:the|an?)[^.]{0,60}?edition(?: of this title)?\b\.?\s*")


def remove_edition_notes(text: str) -> str:
    """Removes "--This text refers to the … edition.": 203 of 1,000, and sometimes it is the whole description."""
    return _without(text, "This text refers to ", _EDITION, lambda before: before.rstrip(" -–—"))


_COPYRIGHT = re.compile(
    r"Copyright\s*(?:©|\([Cc]\))?\s*(?:\d{4})?\s*(?:by )?"
    r"(?:(?:Reed|Cahners) Business Information\b(?:, Inc|, a division of Reed Elsevier Inc)?"
    r"|American Library Association|Amazon\.com|AudioFile[^.]{0,40}|School Library Journal|Library Journal)\.?"
    r"(?:\s*All rights reserved\b\.?)?\s*"
)


def remove_copyright(text: str) -> str:
    """Removes reviewers' copyright lines: 130 of 1,000 are Reed's or Cahners', some the Library Association's."""
    return _without(
        text, "Copyright", _COPYRIGHT,
        lambda before: before.rstrip(" -–—").removesuffix("(c)").removesuffix("(C)").rstrip(),
    )  # fmt: skip


def _without(text: str, beginning: str, pattern: re.Pattern[str], tidy: Rule) -> str:
    """A text without a pattern, which is tried only where its beginning stands; `tidy` ends what stood before it."""
    while beginning in text and (match := pattern.search(text)):  # what stands on both sides may be one now
        text = " ".join(filter(None, (tidy(text[: match.start()]), text[match.end() :])))
    return text


CHARACTER_RULES: dict[str, Rule] = {
    "entities": unescape_entities, "controls": remove_controls, "spaces": collapse_spaces,
}  # fmt: skip
"""For ids of any catalogue. They lose no letter and no digit."""

TITLE_RULES: dict[str, Rule] = {"entities": unescape_entities, "html": remove_tags, **CHARACTER_RULES}
"""For titles, which are one line."""

CONTENT_RULES: dict[str, dict[str, Rule]] = {
    "generic": {
        "entities": unescape_entities, "html": remove_tags, "controls": remove_controls_in_lines,
        "spaces": collapse_spaces_in_lines, "sentences": space_sentences,
    },
    "amazon": {
        **TITLE_RULES, "edition_notes": remove_edition_notes, "copyright": remove_copyright,
        "sentences": space_sentences,
    },
}  # fmt: skip
"""For descriptions, by the name that `--rules` takes."""


def clean(text: str, rules: Mapping[str, Rule], applied: dict[str, tuple[str, str]]) -> str:
    """Applies rules in turn, round and round, until none of them changes anything.

    Args:
        text: A title or a description.
        rules: `CHARACTER_RULES`, `TITLE_RULES`, or one of `CONTENT_RULES`. No rule of them has anything to do on its
            own result.
        applied: Takes, by the name of each rule that changed something, the text before and after its first change.

    Returns:
        The clean text: cleaned again, it is returned as it is. Every rule but `sentences` makes a text shorter, and
        `sentences` cannot match twice at one place, so the rounds end.
    """
    last = None
    while True:
        for name, rule in rules.items():
            if name == last:
                # All the others have seen what this one left.
                return text
            after = rule(text)
            if after is not text and after != text:
                applied.setdefault(name, (text, after))
                text, last = after, name
        if last is None:
            return text
