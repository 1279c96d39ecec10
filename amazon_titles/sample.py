"""A sample catalogue in trn.json's exact format: made-up products, seeded, with the defects of the real file.

Nothing here is copied from anywhere: brands, people and books are put together from syllables. The uids say so, and so
does every document, page and answer that is made from the sample. Each product has facts that can be checked in an
answer (sizes, weights, years, names), because that is what the evaluation counts.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

PREFIX = "MADEUP"
"""What uids of the sample begin with: they are what is left of it in whatever form it is passed on."""

_UID = re.compile(rf"{PREFIX}[0-9]{{5,}}")


def is_made_up(uid: object) -> bool:
    """Whether a uid is one of the sample: `MADEUP00042`."""
    return isinstance(uid, str) and _UID.fullmatch(uid) is not None


@cache
def _words() -> Any:  # noqa: ANN401 - what YAML holds
    return msgspec.yaml.decode(Path(__file__).with_suffix(".yml").read_bytes())


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
        kind = rng.choice(list(_words()["kinds"]))
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
    parts = ("onsets", "vowels", "onsets", "vowels", "codas")
    return "".join(rng.choice(_words()[part]) for part in parts).capitalize()


def _product(rng: random.Random, kind: str) -> tuple[str, str]:
    words = _words()
    described = words["kinds"][kind]
    noun = rng.choice(described["noun"])
    brand = _name(rng)
    title = f"The {noun} of {brand}" if kind == "book" else f"{brand} {_name(rng)} {noun}"
    facts = {
        "title": title, "material": rng.choice(described["material"]), "use": rng.choice(described["use"]),
        "colour": rng.choice(words["colours"]), "person": f"{rng.choice(words['first_names'])} {_name(rng)}",
        "place": _name(rng),
    }  # fmt: skip
    for name, parts in words["numbers"].items():
        facts[name] = ".".join(str(rng.randrange(*drawn)) for drawn in parts)
    return title, rng.choice(described["text"]).format(**facts).replace("The The ", "The ")


def _unusable(rng: random.Random, title: str, content: str, earlier: list[str]) -> tuple[str, str]:
    """Turns about a fifth of the rows into ones that a dataset must not hold."""
    draw = rng.random()
    if draw < 0.08:
        return title, ""
    if draw < 0.11 and earlier:
        return rng.choice(earlier), content
    if draw < 0.14:
        return title, _words()["blurb"]
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
        content += rng.choice(_words()["tails"])
    return content
