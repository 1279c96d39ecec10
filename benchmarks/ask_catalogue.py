"""A made-up catalogue of any size with families of variants, and questions about it; for `ask.py`.

Titles and texts have trn.json's lengths (title: median 54 characters, 95 % below 125; text: median 398), words are as
unevenly common as those of a language, and two products of five come in families: colours, sizes, editions, volumes.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

SEED = 11
FIELDS = pa.schema(
    [("uid", pa.string()), ("title", pa.string()), ("content", pa.string()), ("related", pa.list_(pa.string()))]
)
_SHARD = 32_768

_NOUNS = (
    "Kettle", "Backpack", "Headphones", "Keyboard", "Desk Lamp", "Water Bottle", "Phone Case", "Running Shoes",
    "Camera Bag", "Coffee Grinder", "Office Chair", "Garden Hose", "Tool Box", "Yoga Mat", "Wall Clock", "Area Rug",
    "Bed Sheet Set", "Shower Curtain", "Dog Collar", "Fishing Reel", "Guitar Strings", "Toner Cartridge",
    "Battery Charger", "Brake Pads", "Oil Filter", "Wrist Watch", "Necklace", "Ring", "T-Shirt", "Hoodie",
    "Board Game", "Puzzle", "Doll", "Action Figure", "Train Set", "Bicycle Helmet", "Tent", "Sleeping Bag",
    "Flashlight", "Pocket Knife", "Vitamin C Tablets", "Shampoo", "Face Cream", "Lipstick", "Perfume", "Green Tea",
    "Dark Chocolate", "Cat Food", "Printer", "Router", "USB Cable", "Memory Card", "Hard Drive", "Monitor",
    "Tablet Sleeve", "Blender", "Toaster", "Frying Pan", "Knife Block", "Cutting Board",
)  # fmt: skip
_PLAIN = (
    "New", "Classic", "Deluxe", "Portable", "Professional", "Mini", "Heavy Duty", "Stainless Steel", "Wireless",
    "Premium", "Waterproof", "Leather", "Cotton", "Wooden", "Adjustable", "Digital", "Vintage", "Kids", "Women's",
    "Men's", "Ultra",
)  # fmt: skip
COLOURS = ("Black", "White", "Red", "Blue", "Green", "Pink", "Grey", "Brown", "Purple", "Yellow", "Orange", "Silver")
_SIZES = ("Small", "Medium", "Large", "X-Large", "XX-Large")
_TAKES = ("Hardcover", "Paperback", "Large Print", "Audio CD", "Kindle Edition", "2nd Edition", "3rd Edition")
_BOOK = (
    "Guide", "Story", "History", "Life", "World", "Love", "House", "Night", "Children", "Garden", "War", "Secrets",
    "Art", "Journey", "Shadow", "Heart", "River", "Last", "Little", "Complete", "Introduction", "Science", "Poems",
    "King", "Road",
)  # fmt: skip

EN = (
    "Could somebody tell me more about {t}?", "what do people say about {t}",
    "I've been eyeing {t} for weeks, good choice?", "{t}", "Need the essentials of {t} for a report.",
    "Is {t} still around?", "where can I read up on {t}", "My wife is after {t}. What are its features?",
    "{t}: what should I know before paying for it?", "pls describe {t}",
    "Have you come across {t}? Curious what it is.", "does {t} come with a guarantee",
)  # fmt: skip
PT = (
    "O que dizem sobre {t}?", "queria saber mais de {t}", "Minha esposa procura {t}, vocês conhecem?",
    "{t} presta?", "Pode me contar o essencial de {t}?", "me fala de {t} por favor",
)  # fmt: skip
SLIPS = ("swap", "loss", "doubling", "key", "blank lost", "blank moved")
KINDS = ("full", "partial", "three words", "family", "lower case", "other order", "uid", "link", *SLIPS)
ABSENT = ("invented", "changed number", "mixed", "left out", "colour", "brand")
_KEYS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")


class Words:
    """Made-up words; those at the front are the commonest (Zipf's law)."""

    def __init__(self, rng: random.Random, count: int) -> None:
        parts = [c + v for c in "bcdfghjklmnprstvwz" for v in ("a", "e", "i", "o", "u", "an", "er", "is", "or")]
        made: dict[str, None] = {}
        while len(made) < count:
            size = 2 + int(1.6 * (len(made) / count) ** 0.3 + rng.random() * 1.5)
            made["".join(rng.choices(parts, k=size)).capitalize()] = None
        self.all = list(made)
        self._weights = list(accumulate(1 / (rank + 20) for rank in range(count)))

    def draw(self, rng: random.Random, count: int) -> list[str]:
        """Draws `count` of them."""
        return rng.choices(self.all, cum_weights=self._weights, k=count)


def families(rng: random.Random, names: Words, vocabulary: Words) -> Iterator[list[str]]:
    """Yields families of titles, most of them of one."""
    while True:
        many = rng.randint(2, 9) if rng.random() < 0.12 else 1
        length = rng.lognormvariate(3.8, 0.6)
        if rng.random() < 0.6:
            short = length < 28
            parts = [rng.choice(_BOOK), *vocabulary.draw(rng, rng.randint(1, 1 if short else 2))]
            rng.shuffle(parts)
            title = ("The " if rng.random() < 0.4 else "") + (" of " if rng.random() < 0.3 else " ").join(parts)
            if len(title) < length:
                title += ": " + " ".join(vocabulary.draw(rng, max(1, min(12, int((length - len(title)) / 9)))))
            if not short and rng.random() < 0.2:
                title += f" ({' '.join(names.draw(rng, 2))}, Book {rng.randint(1, 30)})"
            volumes = [f", Volume {n}" for n in range(1, 10)]
            suffixes = volumes if rng.random() < 0.4 else [f" ({take})" for take in _TAKES]
        else:
            title = " ".join([*names.draw(rng, 2), rng.choice(_PLAIN), rng.choice(_NOUNS)])
            if rng.random() < 0.5:
                title += f" {''.join(rng.choices('ABCDGKLMPRSTX', k=rng.randint(1, 3)))}-{rng.randint(10, 9999)}"
            if len(title) < length:
                title += " with " + " ".join(vocabulary.draw(rng, max(1, min(12, int((length - len(title)) / 9)))))
            kinds = COLOURS if rng.random() < 0.7 else _SIZES
            suffixes = [f", {kind}" for kind in kinds]
        if many == 1:
            yield [title if rng.random() < 0.7 else title + rng.choice(suffixes)]
        else:
            yield [title + suffix for suffix in rng.sample(suffixes, min(many, len(suffixes)))]


def make(folder: Path, products: int) -> None:
    """Writes a dataset folder's catalogue, and beside it `questions.json`."""
    rng = random.Random(SEED)
    names, vocabulary = Words(rng, 60_000), Words(rng, 120_000)
    sentences = (" ".join(vocabulary.draw(rng, rng.randint(5, 20))).capitalize() + "." for _ in range(50_000))
    text = " ".join(sentences)
    (folder / "catalog").mkdir(parents=True)
    shards = -(-products // _SHARD)
    made, absent = families(rng, names, vocabulary), []
    kept: list[tuple[str, str, bool]] = []
    seen: set[str] = set()
    waiting: list[str] = []
    for shard in range(shards):
        rows = []
        while len(rows) < min(_SHARD, products - shard * _SHARD):
            if not waiting:
                waiting = [title for title in next(made) if title not in seen]
                if len(waiting) > 1 and rng.random() < 4000 / products:
                    absent.append(waiting.pop())
                continue
            title = waiting.pop()
            seen.add(title)
            start, size = rng.randrange(len(text) // 2), int(rng.lognormvariate(5.99, 0.95))
            uid = f"B{shard * _SHARD + len(rows):09d}"
            rows.append((uid, title, text[start : start + size].strip(), []))
            if rng.random() < min(1.0, 4000 / products):
                kept.append((uid, title, bool(waiting)))
        columns = [pa.array(column, field.type) for column, field in zip(zip(*rows, strict=True), FIELDS, strict=True)]
        name = f"train-{shard:05d}-of-{shards:05d}.parquet"
        table = pa.Table.from_arrays(columns, schema=FIELDS)
        pq.write_table(table, folder / "catalog" / name, compression="zstd", row_group_size=4096)
    asked = list(questions(random.Random(SEED + 1), kept, absent, seen, names))
    (folder / "questions.json").write_text(json.dumps(asked, ensure_ascii=False, indent=0), encoding="utf-8")
    (folder / "report.json").write_text(json.dumps({"made": products, "seed": SEED}), encoding="utf-8")


def typo(rng: random.Random, word: str) -> str:
    """One letter left out, doubled, swapped with the next or changed."""
    while True:
        at = rng.randrange(1, len(word))
        mistyped = (
            word[:at] + word[at + 1 :],
            word[:at] + word[at] + word[at:],
            word[:at] + word[at + 1 : at + 2] + word[at] + word[at + 2 :],
            word[:at] + rng.choice("aeiorstln") + word[at + 1 :],
        )[rng.randrange(4)]
        if mistyped != word:
            return mistyped


def neighbour(rng: random.Random, letter: str) -> str:
    """The key beside a letter's, or below or above it."""
    for row, keys in enumerate(_KEYS):
        if (at := keys.find(letter.lower())) >= 0:
            near = [*keys[max(at - 1, 0) : at], *keys[at + 1 : at + 2]]
            near += [other[at] for other in _KEYS[max(row - 1, 0) : row + 2] if other != keys and at < len(other)]
            key = rng.choice(near)
            return key.upper() if letter.isupper() else key
    return "e"


def slip(rng: random.Random, title: str, kind: str) -> str | None:
    """A title with one slip in it; None where it has no word that could have this one."""
    words = title.split(" ")
    long = [at for at, word in enumerate(words) if len(word) >= 4 and word.isalpha()]
    if not long:
        return None
    at = rng.choice(long)
    word, last = words[at], at + 1 == len(words)
    if kind in ("blank lost", "blank moved"):
        if len(words) < 2 or (last and not words[at - 1].isalpha()) or (not last and not words[at + 1].isalpha()):
            return None
        first, second = (words[at - 1], word) if last else (word, words[at + 1])
        both, step = first + second, rng.choice((-1, 1))
        cut = len(first) + step
        pair = both if kind == "blank lost" or not 0 < cut < len(both) else f"{both[:cut]} {both[cut:]}"
        start = at - last
        return " ".join([*words[:start], pair, *words[start + 2 :]])
    place = rng.randrange(len(word))
    if kind == "swap":
        places = [n for n in range(len(word) - 1) if word[n].lower() != word[n + 1].lower()]
        place = rng.choice(places)
        wrong = word[:place] + word[place + 1] + word[place] + word[place + 2 :]
    else:
        put = {"loss": "", "doubling": 2 * word[place], "key": neighbour(rng, word[place])}[kind]
        wrong = word[:place] + put + word[place + 1 :]
    return " ".join([*words[:at], wrong, *words[at + 1 :]])


def questions(
    rng: random.Random, kept: list[tuple[str, str, bool]], absent: list[str], titles: set[str], names: Words
) -> Iterator[dict[str, str | None]]:
    """Yields `{"question", "uid", "kind"}`: 1,400 about products of the catalogue, 600 about others (`uid` is None)."""
    rng.shuffle(kept)
    in_families = [(uid, title) for uid, title, shared in kept[2000:] if shared]
    for number, (uid, title, _) in enumerate(kept[:1400]):
        kind = KINDS[number % len(KINDS)]
        if kind == "family":
            uid, title = in_families.pop()
        if kind == "three words" and not _unique(_said(random.Random(number), title, uid, kind), titles):
            kind = "partial"
        name = _said(random.Random(number), title, uid, kind)
        yield {"question": ask(rng, name, kind), "uid": uid, "kind": kind}
    rng.shuffle(absent)
    for number, (_, title, _) in enumerate(kept[1400:2000]):
        kind = ABSENT[number % len(ABSENT)]
        name = _absent(rng, title, kept[rng.randrange(len(kept))][1], kind, names)
        if kind == "left out":
            if not absent:
                continue
            name = absent.pop()
        if name and name not in titles:
            yield {"question": ask(rng, name, kind), "uid": None, "kind": kind}


def ask(rng: random.Random, name: str, kind: str) -> str:
    """A question about a name, one in four in Portuguese."""
    question = rng.choice(PT if rng.random() < 0.25 else EN).replace("{t}", name)
    return question.lower() if kind == "lower case" else question


def _said(rng: random.Random, title: str, uid: str, kind: str) -> str:
    words = title.split()
    long = [at for at, word in enumerate(words) if len(word) >= 5 and word.isalpha()]
    if kind == "partial":
        drop = set(rng.sample(long, min(len(long) // 3, len(words) - 2)) if len(words) > 3 else [])
        return " ".join(word for at, word in enumerate(words) if at not in drop).strip(" ,:")
    if kind == "three words" and len(words) > 4:
        at = rng.randrange(len(words) - 3)
        return " ".join(words[at : at + 3]).strip(" ,:()")
    if kind == "family":  # without what tells the variants apart
        return title.rpartition(", " if title.rpartition(", ")[1] else " (")[0] or title
    if kind in SLIPS:
        return slip(rng, title, kind) or title
    if kind == "other order" and len(words) > 3:
        return " ".join([*words[2:], *words[:2]])
    if kind == "uid":
        return uid
    if kind == "link":
        return f"https://www.amazon.com/{'-'.join(words[:4])}/dp/{uid}?th=1"
    return title


def _unique(name: str, titles: set[str]) -> bool:
    """Whether only one title has all of these words."""
    words = sorted(name.split(), key=len, reverse=True)
    having = (title for title in titles if all(word in title for word in words))
    return next(having, None) is not None and next(having, None) is None


def _absent(rng: random.Random, title: str, other: str, kind: str, names: Words) -> str:
    words, others = title.split(), other.split()
    if kind == "mixed" and min(len(words), len(others)) > 3:
        return " ".join(words[: (len(words) + 1) // 2] + others[len(others) // 2 :])
    digits = [at for at, character in enumerate(title) if character.isdigit()]
    if kind == "changed number" and digits:
        at = rng.choice(digits)
        return title[:at] + str((int(title[at]) + rng.randint(1, 9)) % 10) + title[at + 1 :]
    long = [at for at, word in enumerate(words) if len(word) >= 5 and word.isalpha()]
    if kind == "colour" and (found := [word for word in words if word in COLOURS]):
        return title.replace(found[0], rng.choice([colour for colour in COLOURS if colour not in found]))
    if kind == "brand" and long:
        return " ".join([*words[: long[0]], names.draw(rng, 1)[0], *words[long[0] + 1 :]])
    maker = " ".join(typo(rng, typo(rng, name)) + rng.choice(("x", "ov", "eth")) for name in names.draw(rng, 2))
    return f"{maker} {rng.choice(_NOUNS)}" + (f" {rng.randint(10, 9999)}" if rng.random() < 0.3 else "")
