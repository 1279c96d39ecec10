"""Which records stand behind what a model said, and how much of it they support."""

from __future__ import annotations

import re
from collections.abc import Sequence

from amazon_titles.catalog import Product
from amazon_titles.metrics import facts, grounded_share, stated, without_citations, words
from amazon_titles.model.language import LANGUAGES, prose_language
from amazon_titles.search.stopwords import STOP

_ASIN = re.compile(r"[0-9A-Z]{10}")
_NOTES = [note for told in LANGUAGES.values() for note in told["notes"].values()]
_HEADS = "|".join(re.escape(note.partition(":")[0]) for note in _NOTES if note[0].isalpha() and ":" in note)
_ASIDES = "|".join(re.escape(note[:16]) for note in _NOTES if note[0] == "(" and note[1] != "{")
# Where a line of an answer could be taken for one of our notes, whatever markup stands before it.
_OURS = re.compile(rf"^(?!>)(?=[^\w\n(]*(?:(?:{_HEADS})\W*[:：]|{_ASIDES}|\(\d+ ?%))", re.IGNORECASE | re.MULTILINE)
_BRACKETED = re.compile(r" ?\[([^\[\]\n]{1,100})\]")
# The capitalised words that open a text or a sentence: `facts` leaves them out, because any word is capitalised there.
_OPENING = re.compile(r"(?:^|[.!?:]\s+|\n\s*)((?:[A-ZÀ-Ý][\w'’-]*\s+)*[A-ZÀ-Ý][\w'’-]*)")
# A word, and a number with its decimals, range or fraction.
_TOKEN = re.compile(r"\d+(?:[.,/-]\d+)*|\w+")
# "of iron that" is a fragment; "a kettle of iron for a large family" tells something.
_SOME_WORDS = 5


def support(text: str, products: Sequence[Product]) -> float:
    """How much of an answer these records support, 0 to 1.

    `grounded_share`; of an answer in another language than the records only its facts can be looked up, so there it is
    the share of those, and 0 for an answer that states none.
    """
    text = without_citations(text, *(product.uid for product in products))
    sources = [f"{product.title} {product.content}" for product in products]
    said, written = prose_language(text), prose_language(" ".join(sources))
    if said is None or written is None or said == written:
        return grounded_share(text, sources)
    return fact_share(text, products) or 0.0


def fact_share(text: str, products: Sequence[Product]) -> float | None:
    """The share of an answer's numbers and names that stand in these records; None where it states none."""
    text = without_citations(text, *(product.uid for product in products))
    claimed = facts(text) | opening_names(text)
    sources = [f"{product.title} {product.content}" for product in products]
    known = {word for source in sources for word in (*facts(source), *_TOKEN.findall(source.lower()))}
    # 4.1 litres are 4,1 litros.
    known |= {word.replace(".", "\0").replace(",", ".").replace("\0", ",") for word in known}
    return len(claimed & known) / len(claimed) if claimed else None


def tells(text: str, product: Product) -> bool:
    """Whether an answer says something of a product: a fact of its record, or some words that its title has not."""
    said = set(words(without_citations(text, product.uid))) - set(words(product.title))
    return bool(facts(text, title=product.title) & stated(product.content)) or len(said) >= _SOME_WORDS


def opening_names(text: str) -> frozenset[str]:
    """The words, in lower case, of names that open a text or a sentence.

    An answer usually opens with the product's name, so another product's name stands there too ("Kates Dacon Train Set
    has 350 pieces"). One capitalised word alone may be any word of the language, and is taken for a name only where
    another follows it; function words are never names.
    """
    found: set[str] = set()
    for match in _OPENING.finditer(text):
        named = [word for word in _TOKEN.findall(match.group(1).lower()) if word not in STOP]
        found.update(named if len(match.group(1).split()) > 1 else ())
    return frozenset(found)


def without_false_citations(text: str, products: Sequence[Product]) -> str:
    """The answer without codes in square brackets that name none of these products.

    A code has the form of an ASIN, or two of: a digit, no blank, the marks between words that a product's uid has. A
    bracket that a record itself holds is the record's, unless it has the form of another product's ASIN.
    """
    uids, texts = {product.uid for product in products}, " ".join(f"{one.title} {one.content}" for one in products)
    forms = {re.sub(r"\w+", "_", uid) for uid in uids} - {"_"}

    def keep(match: re.Match[str]) -> str:
        digit, asin = any(sign.isdigit() for sign in match[1]), _ASIN.fullmatch(match[1])
        code = asin or digit + (" " not in match[1]) + (re.sub(r"\w+", "_", match[1]) in forms) > 1
        record = match[0].strip() in texts and not (digit and asin)
        return match[0] if match[1] in uids or record or not code else ""

    return _BRACKETED.sub(keep, text)


def without_our_words(text: str) -> str:
    """The answer with every line quoted that looks like one of ours below an answer: "Sources:", "Fontes:"."""
    return _OURS.sub("> ", text)


def behind(text: str, products: Sequence[Product]) -> tuple[list[Product], float]:
    """The records behind an answer and how much of it they support: those cited, else the one that supports it most."""
    named = [product for product in products if f"[{product.uid}]" in text]
    sources = named or [max(products, key=lambda product: support(text, [product]))]
    return sources, support(text, sources)
