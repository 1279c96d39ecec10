"""What tells products of one title apart: a colour, a size, a binding, an edition; as their descriptions have it.

The words stand in `variants.json`, folded as words are compared: in lower case, without accents and apostrophes.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from amazon_titles.io import read_object
from amazon_titles.text import words_of

_LISTS = read_object(Path(__file__).with_suffix(".json"))
COLOURS = {word: line.split()[0] for line in _LISTS.pop("colours") for word in line.split()}
"""Each word for a colour, with the one that stands for all of its names, in both languages."""

MORE, SIZES, BINDINGS, LABELS, UNITS = (frozenset(" ".join(lines).split()) for lines in _LISTS.values())
"""Words that make another size of the one that follows ("X-Large" is not "Large"), sizes, what a book or a film comes
as, words beside which a number tells one product of a series from the next, and units that variants differ in."""

VARIANTS = (frozenset(COLOURS), SIZES | MORE, BINDINGS)
"""Two products that differ in a word of one of these are two products."""

_MORE, _SIZES, _LABELS, _UNITS = map("|".join, (MORE, SIZES, LABELS, UNITS))
_KINDS = {
    "colour": "|".join(COLOURS),
    "unit": rf"\d[\d.,]* ?(?:{_UNITS})",
    "label": rf"(?:{_LABELS})[ :.]+\d[\d.]*|\d+\w{{0,2}} edi(?:tion|cao)|(?:size|tamanho):? (?:x*[lgmps]|pp|gg)",
    "size": rf"(?:(?:{_MORE})[ -])?(?:{_SIZES})",
    "binding": "|".join(BINDINGS - {"print", "audio", "capa"}),  # which also stand for other things
}
_KIND = re.compile("|".join(rf"(?P<{kind}>\b(?:{pattern})\b)" for kind, pattern in _KINDS.items()))
_MOST = 2  # words of a kind: a text with more does not say which one is the product's


def told_apart(contents: Sequence[str]) -> list[str]:
    """What tells each of some products of one title apart from the others, such as "red, 110 V".

    A kind (colour, size, binding, edition) counts where two products at least have different words of it. What all
    descriptions have, and what one has several of, tells nothing.

    Args:
        contents: Their descriptions.

    Returns:
        Of each the words as they stand in its description; "" of one that nothing tells apart.
    """
    told, labels = [_attributes(content) for content in contents], [list[str]() for _ in contents]
    for kind in _KINDS:
        shared = Counter(word for one in told for word in one[kind])
        own = [{word: as_is for word, as_is in one[kind].items() if shared[word] < len(told)} for one in told]
        if len({tuple(sorted(words)) for words in own if 0 < len(words) <= _MOST}) > 1:
            for label, words in zip(labels, own, strict=True):
                label += words.values() if len(words) <= _MOST else ()
    return [", ".join(label) for label in labels]


def colours_of(text: str) -> set[str]:
    """The colours that a text tells of, each by its one name."""
    return {COLOURS[word] for word in words_of(text) if word in COLOURS}


def _attributes(content: str) -> dict[str, dict[str, str]]:
    """By kind, what a description tells of it: folded, and as it stands there, in its order."""
    found: dict[str, dict[str, str]] = {kind: {} for kind in _KINDS}
    for match in _KIND.finditer("".join(unicodedata.normalize("NFD", letter.lower())[0] for letter in content)):
        word = re.sub(r"[\W_]+", "", match.group())
        found[str(match.lastgroup)].setdefault(COLOURS.get(word, word), content[slice(*match.span())])
    return found
