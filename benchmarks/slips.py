"""One slip in a word of a title: is the product still found, and is what does not exist still refused?

    python benchmarks/slips.py                            # the made-up sample, in a minute
    REAL_ROWS=FILE python benchmarks/slips.py             # and real rows of trn.json

A slip is a swap of neighbouring letters, a letter lost, doubled or hit on the neighbouring key, a blank lost or moved,
in a word of four letters or more without digits, of a title drawn from the whole catalogue. *first*: the right product
is the first that is found; *first or asked*: or among those of "Did you mean …?". *answered*: what does not exist, and
is answered all the same; that must be rare.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from ask_catalogue import COLOURS, EN, PT, SLIPS, slip

from amazon_titles.catalog import Product
from amazon_titles.conversations.examples import invented_title
from amazon_titles.dataset import build_dataset, read_catalog
from amazon_titles.sample import write_sample
from amazon_titles.search import CatalogIndex
from amazon_titles.search.stopwords import STOP

SEED, DRAWN = 13, 500
BARS = {"first": 0.97, "first or asked": 0.99, "answered": 0.03}
NEAR = ("number", "colour", "brand", "invented")
WORDINGS = ("{t}", 'What is "{t}"?', "O que é o {t}?", "tell me about {t}", *EN, *PT)
QUICKSTART = ("{t}", "What is {t}?", "Tell me about the {t}, please", "Quero saber mais sobre {t}")
_NUMBER = re.compile(r"\d+")


def near_miss(rng: random.Random, product: Product, other: str, kind: str) -> str | None:
    """A product that is not there: another number, colour or brand in a title, or an invention; None where it cannot.

    Another colour than the title's, or where that has none than those that the description names.
    """
    title = product.title
    if kind == "number" and (numbers := list(_NUMBER.finditer(title))):
        match = rng.choice(numbers)
        return title[: match.start()] + str(int(match.group()[:9]) + rng.randint(1, 9)) + title[match.end() :]
    if kind == "colour":
        found = [colour for colour in COLOURS if re.search(rf"\b{colour}\b", title)]
        told = [colour for colour in COLOURS if re.search(rf"\b{colour}\b", product.content, re.I)]
        colour = rng.choice([colour for colour in COLOURS if colour not in found and colour not in told])
        if found:
            return re.sub(rf"\b{found[0]}\b", colour, title)
        return rng.choice((f"{title}, {colour}", f"{title} in {colour.lower()}", f"{colour} {title}")) if told else None
    if kind == "brand":
        first, words = (
            [word for word in words.split(" ") if len(word) >= 4 and word.isalpha() and word.lower() not in STOP]
            for words in (other, title)
        )
        brands = [word for word in first if word[0].isupper() and word not in title]
        return title.replace(words[0], rng.choice(brands), 1) if len(words) > 1 and brands else None
    if kind == "invented":
        return invented_title(title, other, (2, *(rng.getrandbits(32) for _ in range(3))))
    return None


def drawn(
    rng: random.Random, titles: Sequence[str], kinds: Sequence[str], made: Callable[[str, str], str | None]
) -> Iterator[tuple[str, str, str]]:
    """Yields `kind, title, what is asked for`, `DRAWN` of them, the kinds in turn where a title can have them."""
    known, count = {title.casefold() for title in titles}, 0
    while count < DRAWN:
        title, kind = rng.choice(titles), kinds[count % len(kinds)]
        for _ in range(200):
            name = made(title, kind)
            if name and name.casefold() not in known:
                break
            title = rng.choice(titles)
        else:
            kinds = [other for other in kinds if other != kind]  # a catalogue without numbers
            continue
        yield kind, title, name
        count += 1


def measure(products: Mapping[str, Product], index: CatalogIndex, wrong: list[str]) -> dict[str, dict[str, list[int]]]:
    """Asks; per kind how many were asked, right first, and first or among "did you mean", or answered."""
    rng, counts, titles = random.Random(SEED), {"slips": {}, "not there": {}}, list(products)
    for kind, title, name in drawn(rng, titles, SLIPS, lambda title, kind: slip(rng, title, kind)):
        question = rng.choice(WORDINGS).replace("{t}", name)
        hits = index.search(question)
        first = bool(hits) and hits[0].product.title == title
        asked = not hits and any(product.title == title for product in index.did_you_mean(question))
        count = counts["slips"].setdefault(kind, [0, 0, 0])
        counts["slips"][kind] = [count[0] + 1, count[1] + first, count[2] + (first or asked)]
        if not first:
            said = hits[0].product.title if hits else "did you mean" if asked else "refused"
            wrong.append(f"{kind}: {question} [{title}] → {said}")
    miss = lambda title, kind: near_miss(rng, products[title], rng.choice(titles), kind)  # noqa: E731
    for kind, title, name in drawn(rng, titles, NEAR, miss):
        question = rng.choice(WORDINGS).replace("{t}", name)
        hits = index.search(question)
        count = counts["not there"].setdefault(kind, [0, 0])
        counts["not there"][kind] = [count[0] + 1, count[1] + bool(hits)]
        if hits:
            wrong.append(f"{kind}: {question} [{title}] → {hits[0].product.title}")
    return counts


def shares(counts: dict[str, dict[str, list[int]]]) -> dict[str, float]:
    """The shares that `BARS` are of."""
    asked, first, either = (sum(column) for column in zip(*counts["slips"].values(), strict=True))
    away, answered = (sum(column) for column in zip(*counts["not there"].values(), strict=True))
    return {"first": first / asked, "first or asked": either / asked, "answered": answered / away}


def missed(found: dict[str, float]) -> list[str]:
    """The bars that were missed."""
    return [name for name, bar in BARS.items() if (found[name] - bar) * (-1 if name == "answered" else 1) < 0]


def quickstart(titles: Sequence[str], index: CatalogIndex, wrong: list[str]) -> Counter[str]:
    """40 titles of the quickstart, each with one swap, in four wordings."""
    rng, right = random.Random(SEED), Counter[str]()
    for title in rng.sample(titles, 40):
        name = slip(rng, title, "swap") or title
        for wording in QUICKSTART:
            question = wording.replace("{t}", name)
            hits = index.search(question, 1)
            right[wording] += bool(hits) and hits[0].product.title == title
            if not hits or hits[0].product.title != title:
                wrong.append(f"quickstart: {question} [{title}] → {hits[0].product.title if hits else 'refused'}")
    return right


def catalogues(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yields name and dataset folder: the sample, and the real rows where `REAL_ROWS` names a file of them."""
    write_sample(folder / "sample.json", 2000, seed=42)
    sources = {"sample": folder / "sample.json"}
    if rows := os.environ.get("REAL_ROWS"):
        sources["real rows"] = Path(rows)
    for name, source in sources.items():
        build_dataset(source, folder / name, seed=42, phrasings=1, grounded=0.0, abstain=0.0)
        yield name, folder / name


def main() -> None:
    """Prints a table a catalogue, and with `--wrong` every question that went wrong; exit 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wrong", action="store_true")
    parser.add_argument("--out", type=Path, help="write the counts there too, as JSON")
    args = parser.parse_args()
    results, below = {}, []
    with tempfile.TemporaryDirectory() as scratch:
        for name, folder in catalogues(Path(scratch)):
            wrong: list[str] = []
            products = {product.title: product for product in read_catalog(folder)}
            titles = list(products)
            index = CatalogIndex(read_catalog(folder))
            counts = measure(products, index, wrong)
            of_40 = dict(quickstart(titles, index, wrong)) if name == "sample" else {}
            results[name] = {"titles": len(titles), **shares(counts), **counts, **({"of 40": of_40} if of_40 else {})}
            print(json.dumps({name: results[name]}, indent=1, ensure_ascii=False))
            print("\n".join(wrong) if args.wrong else "")
            below += [f"{name}: {bar}" for bar in missed(shares(counts))]
    if args.out:
        args.out.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    if below:
        raise SystemExit("Missed: " + ", ".join(below))


if __name__ == "__main__":
    main()
