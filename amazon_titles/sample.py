"""A sample catalogue in trn.json's exact format: made-up products, seeded, with the defects of the real file.

Nothing here is copied from anywhere: brands, people and books are put together from syllables. The uids say so, and so
does every document, page and answer that is made from the sample. Each product has facts that can be checked in an
answer (sizes, weights, years, names), because that is what the evaluation counts.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from amazon_titles.made_up import PREFIX

_ONSETS = ("b", "br", "c", "d", "dr", "f", "g", "gr", "h", "k", "l", "m", "n", "p", "r", "s", "st", "t", "tr", "v", "w",
           "z")  # fmt: skip
_VOWELS = ("a", "e", "i", "o", "u", "ea", "io")
_CODAS = ("l", "n", "r", "s", "th", "x", "nd", "rk", "lm", "st", "m", "v")
_FIRST = ("Ana", "Bruno", "Clara", "Davi", "Elisa", "Felix", "Greta", "Hugo", "Iris", "Jonas", "Karin", "Lucas", "Marta",
          "Nina", "Oscar", "Paula", "Quentin", "Rosa", "Simon", "Teresa")  # fmt: skip
_COLOURS = ("black", "white", "red", "blue", "green", "grey", "yellow", "brown")


class _Kind(NamedTuple):
    """One kind of product: its nouns, its materials, what it is for, and how it is described.

    A description opens with the title. That gives a tiny language model a reason to look back at the question, which in
    trials it otherwise did not learn in the seconds that a quickstart has.
    """

    noun: tuple[str, ...]
    material: tuple[str, ...]
    use: tuple[str, ...]
    text: tuple[str, ...]


_KINDS: dict[str, _Kind] = {
    "kitchen": _Kind(("Kettle", "Skillet", "Stock Pot", "Teapot", "Mixing Bowl", "Roasting Pan"),
        ("cast iron", "stainless steel", "copper", "stoneware", "enamel"),
        ("gas and induction", "slow cooking", "a family of five", "the open fire"),
        ("The {title} is made of {material} for {use}. It holds {litres} litres, weighs {kg} kg and was designed by {person} in {year}.",
         "{title} in {colour} {material}, designed by {person} in {year}. It weighs {kg} kg and holds {litres} litres, enough for {use}.")),
    "book": _Kind(("Lighthouse", "Orchard", "Cartographer", "Ferry", "Clockmaker", "Garden", "Winter", "Archive"),
        ("hardcover", "paperback", "illustrated", "large-print"),
        ("a lost brother", "an unpaid debt", "a forgotten map", "the last harvest", "a stolen letter"),
        ("{title} by {person} tells of {use} in the town of {place}. This {material} edition of {year} has {pages} pages.",
         "{title} takes us to the town of {place} in {year}, where {use} changes everything. {person}'s novel, {material}, has {pages} pages.")),
    "tool": _Kind(("Cordless Drill", "Jigsaw", "Bench Grinder", "Heat Gun", "Belt Sander"),
        ("die-cast aluminium", "hardened steel", "reinforced nylon"),
        ("hardwood", "concrete", "sheet metal", "narrow corners"),
        ("The {title} has a {watts} watt motor in a body of {material}. It runs at {rpm} rpm, weighs {kg} kg and is made for {use}.",
         "{title} for {use}: {watts} watts, {rpm} rpm, {kg} kg. Its body is {material} and it was tested by {person}.")),
    "toy": _Kind(("Train Set", "Puzzle", "Dollhouse", "Marble Run", "Building Blocks"),
        ("beech wood", "recycled plastic", "thick cardboard", "birch plywood"),
        ("rainy days", "small hands", "the whole family", "the playground"),
        ("The {title} has {pieces} pieces of {material} for {use}. It measures {a} x {b} cm and was invented by {person} in {year}.",
         "{title} for {use}, invented by {person} in {year}: {pieces} pieces of {material}, {grams} g in all, {a} x {b} cm.")),
    "garment": _Kind(("Rain Jacket", "Wool Scarf", "Hiking Trousers", "Cardigan", "Sun Hat"),
        ("merino wool", "waxed cotton", "organic linen", "soft fleece"),
        ("cold mornings", "long walks", "wet weather", "travel"),
        ("The {title} is made of {material} for {use}. It weighs {grams} g, is {a} cm long and has been woven in {place} since {year}.",
         "{title} in {colour} {material}, woven in {place} since {year}. It is {a} cm long, weighs {grams} g and suits {use}.")),
    "garden": _Kind(("Pruning Shears", "Watering Can", "Bird House", "Lantern", "Rain Barrel"),
        ("galvanised steel", "cedar wood", "powder-coated aluminium", "terracotta"),
        ("balconies", "roses", "small gardens", "winter"),
        ("The {title} is made of {material} for {use}. It is {a} cm high, weighs {grams} g and comes from a workshop in {place}.",
         "{title} of {material}, made by hand in {place}: {a} cm high, {b} cm wide, {grams} g. It suits {use}.")),
    "audio": _Kind(("Headphones", "Radio", "Bookshelf Speaker", "Turntable"), ("walnut", "brushed aluminium", "black lacquer"),
        ("small rooms", "the kitchen", "long journeys", "vinyl records"),
        ("The {title} in {material} gives {watts} watts from {hz} Hz for {use}. It weighs {grams} g and was tuned by {person}.",
         "{title} for {use}, tuned by {person} in {place}: {watts} watts, {hours} hours on one charge, {grams} g, in {material}.")),
}  # fmt: skip

_BLURB = "The publisher has brought fine reading to every home for over a century and ships to all countries."
_TAILS = ("--This text refers to theHardcoveredition.",
          "--This text refers to an out of print or unavailable edition of this title.")  # fmt: skip


def sample_products(count: int = 2000, *, seed: int = 42) -> Iterator[dict[str, object]]:
    """Yields `count` rows of a made-up catalogue: `uid, title, content, target_ind, target_rel`.

    About one row in five is one that cleaning must drop (no content, no title, a repeated title, a shared blurb,
    content that only names languages), and about half of the others carry a defect that cleaning must mend. The shares
    follow those counted in real rows of trn.json.

    Args:
        count: Rows.
        seed: The same seed gives the same rows.
    """
    rng = random.Random(seed)
    titles: list[str] = []
    seen: set[str] = set()
    for number in range(count):
        kind = rng.choice(list(_KINDS))
        title, content = _product(rng, kind)
        while title in seen:
            title, content = _product(rng, kind)
        seen.add(title)
        title, content = _unusable(rng, title, content, titles)
        related = sorted(rng.sample(range(count), rng.randint(0, min(4, count))))
        # Uids once ended in letters of their own; they are still drawn, so that a seed makes the products that it made.
        _ = rng.choice(range(11)) if kind == "book" else rng.choices(range(33), k=4)
        yield {
            "uid": f"{PREFIX}{number:05d}",
            "title": title,
            "content": _damaged(rng, content) if content else "",
            "target_ind": related,
            "target_rel": [1.0] * len(related),
        }
        titles.append(title)


def write_sample(path: Path, count: int = 2000, *, seed: int = 42) -> int:
    """Writes the sample catalogue as JSON Lines and returns its number of rows."""
    encode = msgspec.json.Encoder().encode
    with path.open("wb") as file:
        file.writelines(encode(row) + b"\n" for row in sample_products(count, seed=seed))
    return count


def _name(rng: random.Random) -> str:
    return "".join(map(rng.choice, (_ONSETS, _VOWELS, _ONSETS, _VOWELS, _CODAS))).capitalize()


def _product(rng: random.Random, kind: str) -> tuple[str, str]:
    described = _KINDS[kind]
    noun = rng.choice(described.noun)
    brand = _name(rng)
    title = f"The {noun} of {brand}" if kind == "book" else f"{brand} {_name(rng)} {noun}"
    facts = {
        "title": title, "material": rng.choice(described.material), "use": rng.choice(described.use),
        "colour": rng.choice(_COLOURS), "person": f"{rng.choice(_FIRST)} {_name(rng)}", "place": _name(rng),
        "year": rng.randint(1921, 2012), "a": rng.randint(12, 98), "b": rng.randint(11, 97), "pages": rng.randint(96, 880),
        "litres": f"{rng.randint(1, 9)}.{rng.randint(1, 9)}", "kg": f"{rng.randint(1, 7)}.{rng.randint(1, 9)}",
        "grams": rng.randint(12, 98) * 10, "watts": rng.randint(11, 99) * 5, "rpm": rng.randint(12, 89) * 100,
        "pieces": rng.randint(24, 480), "hz": rng.randint(18, 65), "hours": rng.randint(11, 60),
    }  # fmt: skip
    return title, rng.choice(described.text).format(**facts).replace("The The ", "The ")


def _unusable(rng: random.Random, title: str, content: str, earlier: list[str]) -> tuple[str, str]:
    """Turns about a fifth of the rows into ones that a dataset must not hold."""
    draw = rng.random()
    if draw < 0.08:
        return title, ""
    if draw < 0.11 and earlier:
        return rng.choice(earlier), content
    if draw < 0.14:
        return title, _BLURB
    if draw < 0.16:
        return title, "Text: English, French (translation)"
    if draw < 0.17:
        return title, title
    if draw < 0.18:
        return title, rng.choice(("Brand new.", "A fine gift."))
    if draw < 0.185:
        return "", content
    return title, content


def _damaged(rng: random.Random, content: str) -> str:
    """Adds what the real file's upstream did to texts; cleaning gives the same facts back."""
    if rng.random() < 0.2:
        content = content.replace("'s", rng.choice(("&#8217;s", "&#x2019;s", "&#146;s", "&rsquo;s")))
        content = content.replace(" x ", " &times; ")
    if rng.random() < 0.17:
        content = content.replace(". ", ".", 1)
    if rng.random() < 0.13:
        content = content.replace(" ", "  ", 3)
    if rng.random() < 0.1:
        content += f"Copyright (c) {rng.randint(1994, 2009)} Reed Business Information, Inc."
    if rng.random() < 0.2:
        content += rng.choice(_TAILS)
    return content
