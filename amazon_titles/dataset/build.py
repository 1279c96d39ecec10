"""`build_dataset`: reads a catalogue, decides, writes the folder."""

from __future__ import annotations

import hashlib
import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from amazon_titles import __version__, cards
from amazon_titles import conversations as talk
from amazon_titles.catalog import Counts, Product, key_hash, read_products
from amazon_titles.dataset import folder, tables
from amazon_titles.dataset.plan import SPLITS, sampling_rank, split_of
from amazon_titles.dataset.report import BuildReport
from amazon_titles.errors import InputError
from amazon_titles.templates import get_template


def build_dataset(
    source: str | Path,
    output_dir: str | Path,
    *,
    limit: int | None = None,
    seed: int = 42,
    languages: Sequence[str] = ("en",),
    phrasings: int = 3,
    min_content_chars: int = 40,
    max_content_chars: int = 2000,
    grounded: float = 1.0,
    abstain: float = 0.2,
    validation: float = 0.02,
    test: float = 0.02,
    render: Sequence[str] = ("llama3",),
    rules: str = "amazon",
) -> BuildReport:
    """Builds a dataset folder from a catalogue.

    Args:
        source: The catalogue: plain, gzipped, or the zip as downloaded.
        output_dir: The folder to make; a dataset folder that stands there is replaced.
        limit: Keep this many products, sampled evenly over the whole file.
        seed: Of every choice.
        languages: Of questions and refusals.
        phrasings: Recall rows a product.
        min_content_chars: A shorter description drops the product.
        max_content_chars: A longer one is cut at the end of a sentence.
        grounded: Grounded rows a product, 0 to 1.
        abstain: Rows a product that ask about an invented one, 0 to 1.
        validation: Share of the products, 0 to 1.
        test: Likewise.
        render: Chat templates to render `text-<template>` for.
        rules: Cleaning rules: `amazon` or `generic`.

    Returns:
        What went where.

    Raises:
        InputError: The source or an option is wrong, or `output_dir` holds something else.
    """
    target = Path(output_dir)
    for language in languages:
        talk.wording(language)
    templates = {name: get_template(name) for name in render}
    folder.check_target(target)
    counts = Counts()
    found = list(
        read_products(
            source, counts=counts, rules=rules, min_content_chars=min_content_chars, max_content_chars=max_content_chars
        )
    )
    kept = _distinct(found, counts)
    if limit is not None and len(kept) > limit:
        kept = sorted(kept, key=lambda product: sampling_rank(product.title, seed=seed))
        counts.dropped["not_sampled"] = len(kept) - limit
        kept = kept[:limit]
    if not kept:
        raise InputError(
            f"No product of {source} is left after cleaning.", hint="See which rule drops them with --json."
        )
    titles = {key_hash(product.title) for product in found}
    splits: dict[str, list[Product]] = defaultdict(list)
    for product in kept:
        splits[split_of(product.title, validation=validation, test=test)].append(product)
    summary: dict[str, dict[str, Any]] = {}
    with folder.replaced(target) as out:
        _write_catalog(out, kept)
        for split in SPLITS:
            rows = [
                row
                for product in splits[split]
                for row in _conversations(product, splits[split], titles, languages, phrasings, grounded, abstain, seed)
            ]
            random.Random(f"{seed} {split}").shuffle(rows)
            _write_rows(out, split, rows, templates)
            tasks = Counter(row.task for row in rows)
            summary[split] = {"products": len(splits[split]), "rows": dict(sorted(tasks.items()))}
        report = BuildReport(
            rows_read=counts.rows_read,
            kept=len(kept),
            dropped=dict(sorted(counts.dropped.items())),
            bad_lines=dict(sorted(counts.bad_lines.items())),
            cleaned=dict(sorted(counts.cleaned.items())),
            splits=summary,
            options={
                "limit": limit, "seed": seed, "languages": list(languages), "phrasings": phrasings,
                "min_content_chars": min_content_chars, "max_content_chars": max_content_chars, "grounded": grounded,
                "abstain": abstain, "validation": validation, "test": test, "render": list(render),
            },
            source={"name": Path(source).name, "bytes": Path(source).stat().st_size, "sha256": _sha256(Path(source))},
            catalogue={"name": "AmazonTitles-1.3MM", "url": "https://www.amazon.com/dp/{uid}", "rules": rules},
            version=__version__,
        )  # fmt: skip
        (out / "report.json").write_text(report.to_json())
        (out / "README.md").write_text(cards.dataset_card(report.to_json()))
    return report


def _distinct(found: list[Product], counts: Counts) -> list[Product]:
    by_title: dict[int, Product] = {}
    under: dict[int, set[int]] = defaultdict(set)
    for product in found:
        under[key_hash(product.content)].add(key_hash(product.title))
    for product in found:
        title, content = key_hash(product.title), key_hash(product.content)
        if len(under[content]) > 1:
            counts.dropped["shared_blurb"] += 1
            continue
        rival = by_title.get(title)
        if rival is not None:
            counts.dropped["duplicate" if key_hash(rival.content) == content else "duplicate_title"] += 1
            if len(rival.content) >= len(product.content):
                continue
        by_title[title] = product
    counts.kept = len(by_title)
    return list(by_title.values())


def _conversations(
    product: Product,
    pool: list[Product],
    titles: set[int],
    languages: Sequence[str],
    phrasings: int,
    grounded: float,
    abstain: float,
    seed: int,
) -> Iterator[talk.Conversation]:
    yield from talk.recall(product, languages=languages, phrasings=phrasings, seed=seed)
    rng = random.Random(f"{seed} distractors {product.uid}")
    others = [other for other in rng.sample(pool, min(5, len(pool))) if other is not product][: rng.randint(2, 4)]
    if talk.fraction(product.uid, "grounded", seed) < grounded:
        yield talk.grounded(product, others, languages=languages, seed=seed)
    if talk.fraction(product.uid, "abstain", seed) < abstain:
        invented = talk.invented_title(product.title, others[0].title if others else product.title, rng)
        if key_hash(invented) not in titles:
            shown = others if rng.random() < 0.5 else []
            yield talk.abstain(product, invented, shown, languages=languages, seed=seed)


def _write_catalog(out: Path, products: list[Product]) -> None:
    rows = [{"uid": p.uid, "title": p.title, "content": p.content, "related": list(p.related)} for p in products]
    with tables.open_writer(out / "catalog" / "train-00000-of-00001.parquet", tables.CATALOG) as writer:
        writer.write_table(pa.Table.from_pylist(rows, schema=tables.CATALOG))


def _write_rows(out: Path, split: str, rows: list[talk.Conversation], templates: dict[str, Any]) -> None:
    name = f"{split}-00000-of-00001.parquet"
    chat = [{"uid": r.uid, "task": r.task, "language": r.language, "messages": r.messages} for r in rows]
    with tables.open_writer(out / "chat" / name, tables.CHAT) as writer:
        writer.write_table(pa.Table.from_pylist(chat, schema=tables.CHAT))
    for key, template in templates.items():
        text = [{"uid": r.uid, "text": template.training_text(r.messages)} for r in rows]
        with tables.open_writer(out / f"text-{key}" / name, tables.TEXT) as writer:
            writer.write_table(pa.Table.from_pylist(text, schema=tables.TEXT))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
