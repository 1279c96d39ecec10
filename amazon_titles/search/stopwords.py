"""Words that a question is made of, in English and Portuguese; none of them names a product by itself.

They stand in `stopwords.json`, folded as words are compared: in lower case, without accents and apostrophes. They were
written by hand from what people ask of shops and libraries, not from any list of questions that a test asks.
"""

from __future__ import annotations

from pathlib import Path

from amazon_titles.io import read_object

_LISTS = read_object(Path(__file__).with_name("stopwords.json"))


def _words(name: str) -> frozenset[str]:
    return frozenset(word for lines in _LISTS[name].values() for line in lines for word in line.split())


STOP = _words("stop")
"""Function words: no evidence for or against a product, unless they are all that a question has, or are quoted."""

FILLER = _words("filler")
"""What a question says of a product or of its asker besides. Evidence only where it stands in the name.

A plural needs no entry of its own where it is the singular with an "s".
"""

KINDS = _words("kinds")
"""What Portuguese calls kinds of products. Titles are English as a rule: beside one, such a word names nothing more."""

OF = _words("of")
LINKS = OF | _words("links")
"""Function words that also stand within a name: "The Garden of Orsk", "Nice for Mice"; those of `OF` do little else."""

IN = OF | _words("in")
"""Function words by which a colour is joined to what has it: "the lamp in red"."""
