"""The right source for a free question, and none for what is not there.

By a file of questions that was written and read before anything was tuned, and by real rows where there are some.
"""

from __future__ import annotations

import json
import os
import random
import re
from collections import Counter
from pathlib import Path

import pytest

from amazon_titles.dataset import build_dataset, read_catalog
from amazon_titles.sample import write_sample
from amazon_titles.search import CatalogIndex
from amazon_titles.search.stopwords import STOP
from amazon_titles.text import words_of

DATA = Path(__file__).parent.parent / "data"


def read(name):
    return [json.loads(line) for line in (DATA / name).read_text(encoding="utf-8").splitlines()]


QUESTIONS = read("questions.jsonl")


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    """The quickstart's catalogue, all of it, as a dataset."""
    folder = tmp_path_factory.mktemp("sample")
    write_sample(folder / "sample.json", 2000, seed=42)
    build_dataset(folder / "sample.json", folder / "dataset", seed=42, phrasings=1, grounded=0.0, abstain=0.0)
    return folder / "dataset"


def by_kind(rows, right):
    """The shares of right answers by kind, worst first, for the message of a test that fails."""
    all_of, good = Counter(row["kind"] for row in rows), Counter(row["kind"] for row in rows if right(row))
    shares = {kind: good[kind] / count for kind, count in all_of.items()}
    wrong = [row["question"] for row in rows if not right(row)]
    return f"{sorted(shares.items(), key=lambda item: item[1])}\n" + "\n".join(wrong)


def test_the_questions_are_what_they_say():
    asked = [row for row in QUESTIONS if row["uid"]]
    assert len(asked) == 300
    assert len(QUESTIONS) - len(asked) >= 100
    assert sum("typo" in row["kind"] for row in asked) == 100
    assert sum(row["language"] == "pt" for row in asked) == 75
    assert len({row["question"] for row in QUESTIONS}) == len(QUESTIONS)


def test_right_source_on_the_sample(sample):
    index = CatalogIndex.build(sample)
    known = {product.uid: product.title for product in read_catalog(sample)}
    asked = [row for row in QUESTIONS if row["uid"]]
    assert all(known[row["uid"]] == row["title"] for row in asked)
    found = {row["question"]: [hit.product.uid for hit in index.search(row["question"])] for row in QUESTIONS}

    def right(row):
        return found[row["question"]][:1] == [row["uid"]] if row["uid"] else not found[row["question"]]

    assert sum(map(right, asked)) / len(asked) >= 0.98, by_kind(asked, right)
    assert sum(not found[row["question"]] for row in asked) / len(asked) <= 0.05, by_kind(asked, right)
    others = [row for row in QUESTIONS if not row["uid"]]
    assert sum(map(right, others)) / len(others) >= 0.90, by_kind(others, right)


def test_questions_that_were_written_later(sample):
    """By hand, about other products, after the tuning; what they found when they were first asked is told here.

    Set 1: 45 of 48 found their product, 21 of 22 found nothing; it led to changes. Set 2, after those: 39 of 40, and 15
    of 15.
    """
    index = CatalogIndex.build(sample)
    rows = read("questions_later.jsonl")

    def right(row):
        return [hit.product.uid for hit in index.search(row["question"], 1)] == ([row["uid"]] if row["uid"] else [])

    assert sum(map(right, rows)) / len(rows) >= 0.95, by_kind(rows, right)


def test_slips_and_near_misses(sample, monkeypatch):
    """As `benchmarks/slips.py` measures them: drawn by a seed over the whole catalogue."""
    monkeypatch.syspath_prepend(DATA.parents[1] / "benchmarks")
    slips = pytest.importorskip("slips")
    wrong: list[str] = []
    products = {product.title: product for product in read_catalog(sample)}
    counts = slips.measure(products, CatalogIndex.build(sample), wrong)
    assert not slips.missed(slips.shares(counts)), "\n".join(wrong)


def test_scores_do_not_depend_on_the_size_of_the_catalogue(sample):
    """The same threshold on 60 products as on 1,600: most of the questions are about products that are not there."""
    products = list(read_catalog(sample))
    uids = sorted({row["uid"] for row in QUESTIONS if row["uid"]})[:60]
    index = CatalogIndex(product for product in products if product.uid in uids)
    here = [row for row in QUESTIONS if row["uid"] in uids]
    away = [row for row in QUESTIONS if row["uid"] not in uids]
    right = sum([hit.product.uid for hit in index.search(row["question"], 1)] == [row["uid"]] for row in here)
    assert right / len(here) >= 0.95
    assert sum(not index.search(row["question"]) for row in away) / len(away) >= 0.95


# Real rows. Nothing of them stands here; the questions are made of their titles when the test runs.

ASKED = (
    "who wrote {t}?", "my aunt keeps talking about {t}, what is in it?", "Any thoughts on {t}? I might order it", "{t}",
    "I need a short summary of {t} please", "Do you stock {t}?", "Looking for {t} for my father's birthday",
    "quem escreveu {t}?", "Vale a pena comprar {t}?", "Minha professora indicou {t}, quantas páginas tem?",
)  # fmt: skip


def slip(rng, word):
    """A letter left out, doubled, or swapped with the next."""
    at = rng.randrange(1, len(word) - 1)
    return rng.choice(
        (
            word[:at] + word[at + 1 :],
            word[:at] + word[at] + word[at:],
            word[:at] + word[at + 1] + word[at] + word[at + 2 :],
        )
    )


def asked_of(product, rng, unique):
    """Questions about a product: its title by other words, without its subtitle, with words left out, with a typo."""
    title = product.title
    words = title.split()
    names = [title, f'"{title}"', title.lower()]
    if (short := re.split(r": | \(| - ", title)[0]) != title and unique(short):
        names.append(short)
    content = [at for at, word in enumerate(words) if set(words_of(word)) - STOP]
    if len(content) > 3:
        drop = set(rng.sample(content, len(content) // 3))
        fewer = " ".join(word for at, word in enumerate(words) if at not in drop)
        names += [fewer] if unique(fewer) else []
    if long := [at for at, word in enumerate(words) if len(word) > 4 and word.isalpha()]:
        at = rng.choice(long)
        names.append(" ".join([*words[:at], slip(rng, words[at]), *words[at + 1 :]]))
    return [rng.choice(ASKED).replace("{t}", name) for name in names]


@pytest.mark.skipif("REAL_ROWS" not in os.environ, reason="REAL_ROWS names no file of real rows of trn.json")
def test_real_rows(tmp_path):
    build_dataset(os.environ["REAL_ROWS"], tmp_path / "real", seed=1, phrasings=1, grounded=0.0, abstain=0.0)
    products = list(read_catalog(tmp_path / "real"))
    words = [set(words_of(product.title)) for product in products]
    rng = random.Random(4)

    def unique(name):
        wanted = set(words_of(name)) - STOP
        return bool(wanted) and sum(wanted <= have for have in words) == 1

    asked = [(question, product.uid) for product in products for question in asked_of(product, rng, unique)]
    index = CatalogIndex(products)
    right = sum([hit.product.uid for hit in index.search(question, 1)] == [uid] for question, uid in asked)
    assert right / len(asked) >= 0.98
    out = {product.uid for product in rng.sample(products, len(products) // 2)}
    half = CatalogIndex(product for product in products if product.uid not in out)
    away = [question for question, uid in asked if uid in out]
    assert sum(not half.search(question) for question in away) / len(away) >= 0.90
