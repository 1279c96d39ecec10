"""`build_dataset`: two passes over a catalogue, and a decision between them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from amazon_titles import __version__, cards
from amazon_titles.catalog import BadLine, Batch, Counts, Source, open_source, origin_of
from amazon_titles.catalog.labels import read_labels
from amazon_titles.catalog.rows import explain
from amazon_titles.conversations import GeneralRow
from amazon_titles.conversations.examples import general_rows
from amazon_titles.dataset import extract, folder, shards
from amazon_titles.dataset.histogram import draw
from amazon_titles.dataset.options import AUTO, Options
from amazon_titles.dataset.plan import SPLITS, Plan
from amazon_titles.dataset.report import BuildReport, histograms
from amazon_titles.dataset.workers import ordered
from amazon_titles.errors import InputError
from amazon_titles.io import require_replaceable, staged
from amazon_titles.processes import cores
from amazon_titles.progress import bar, say

SMALL = 8 << 20
"""Bytes of a source that one process reads faster than two are started."""

_SHOWN = 20
_REPORT = msgspec.json.Decoder(BuildReport)


def build_dataset(
    source: str | Path,
    output_dir: str | Path,
    *,
    limit: int | None = None,
    seed: int = 42,
    languages: Sequence[str] = ("en", "pt"),
    phrasings: int = 6,
    min_content_chars: int = 40,
    max_content_chars: int = 2000,
    grounded: float = 1.0,
    abstain: float = 0.2,
    property: float = 0.5,
    recall_products: int | None = None,
    general: Sequence[GeneralRow] = (),
    general_source: str = "",
    validation: float = 0.02,
    test: float = 0.02,
    render: Sequence[str] = ("llama3",),
    rules: str = AUTO,
    fields: Mapping[str, str] | None = None,
    labels: str | Path | None = None,
    name: str | None = None,
    license: str | None = None,
    url: str | None = None,
    card_language: str = "en",
    max_bad: float = 0.001,
    force: bool = False,
    workers: int | None = None,
) -> BuildReport:
    """Builds a dataset folder from a catalogue.

    Same source, options and seed: the same bytes, whatever the number of workers. A build that is killed leaves what
    stood at `output_dir`, and the same command does it again from the start. Lines that hold no product are listed in
    `<output_dir>.rejected.jsonl`, beside the folder.

    Args:
        source: The catalogue, as `open_source` takes it.
        output_dir: The folder to make; a dataset folder that stands there is replaced, where it was made from a source
            of the same name or the same bytes.
        limit: Keep this many products, sampled evenly over the whole file.
        seed: Of every choice.
        languages: Of questions and refusals: `en`, `pt`, taken in turn.
        phrasings: Recall rows a product, each in another wording.
        min_content_chars: A shorter description drops the product.
        max_content_chars: A longer one is cut at the end of a sentence.
        grounded: Grounded rows a product, 0 to 1.
        abstain: Rows a product that ask about an invented one, 0 to 1.
        property: Rows that ask for one property in a description or two, of the products whose description tells one,
            0 to 1.
        recall_products: Products of the train split that become recall rows, sampled evenly; all by default. The others
            become rows of the other kinds alone. Those of validation and test keep their recall rows.
        general: Questions that have nothing to do with the catalogue, with their answers, for the train split alone: a
            model that is trained on them forgets less.
        general_source: Who wrote them; the card says it.
        validation: Share of the products, 0 to 1.
        test: Likewise.
        render: Chat templates to make `text-<template>` configs for.
        rules: Cleaning rules: `amazon`, with which goes all that is said of trn.json, or `generic`; `auto` takes the
            first for trn.json alone, known by its archive or by the fields and uids of its first rows.
        fields: `uid`, `title` and `content` to the names that another catalogue has for them.
        labels: lbl.json, for related products.
        name: What the catalogue is called; by default as its file.
        license: Its licence; by default none is named.
        url: Address of a product, with `{uid}` in it; by default there are no links.
        card_language: Of the dataset card: `en` or `pt`.
        max_bad: Share of lines that may hold no product.
        force: Replace a dataset that was made from something else, too; never files that no build made.
        workers: Processes; all cores by default.

    Returns:
        What went where.

    Raises:
        InputError: The source or an option is wrong, too many lines hold no product, or `output_dir` holds
            something else, or is in use.
    """
    chosen = Options(
        limit=limit, seed=seed, languages=_several(languages), phrasings=phrasings, min_content_chars=min_content_chars,
        max_content_chars=max_content_chars, grounded=grounded, abstain=abstain, property=property,
        recall_products=recall_products, general=tuple(general), general_source=general_source, validation=validation,
        test=test, render=_several(render), rules=rules, fields=fields or {}, labels=labels, name=name,
        license=license, url=url, card_language=card_language, max_bad=max_bad,
    )  # fmt: skip
    target = Path(output_dir)
    require_replaceable(target, folder.DATASET)
    folder.require_apart(target, source, labels)
    with open_source(source) as opened, staged(target, folder.DATASET) as out:
        if not force:
            folder.require_same_source(target, opened.name, size=opened.size)
        _build(opened, target, out, chosen, workers or cores(), force)
        return _REPORT.decode((out / "report.json").read_bytes())


def _several(names: Sequence[str]) -> tuple[str, ...]:
    # A string is a sequence of letters too, and nobody means those.
    return (names,) if isinstance(names, str) else tuple(names)


def _build(opened: Source, target: Path, out: Path, options: Options, workers: int, force: bool) -> None:
    processes = 1 if opened.size is not None and opened.size < SMALL else workers
    spool = out.parent / "spool"
    spool.mkdir()
    rejected = spool / "rejected.jsonl"
    batches = opened.batches()
    first = list(islice(batches, 1))
    options = _for_this(opened, first, options)
    try:
        counts, sheaves = _read(opened, chain(first, batches), options, spool, processes, rejected)
    except InputError:
        # Too many lines are bad, and somebody wants to see them.
        _publish_rejected(rejected, target)
        raise
    if not force:
        folder.require_same_source(target, opened.name, sha256=opened.sha256())
    plan = Plan(
        sheaves, limit=options.limit, seed=options.seed, validation=options.validation, test=options.test,
        recall_products=options.recall_products,
    )  # fmt: skip
    sheaves.clear()
    if not len(plan.kept):
        raise InputError(
            f"Of {counts.rows_read} products in {opened.name} none is left: {_listed(counts.dropped + plan.dropped)}.",
            hint="Expected titles with descriptions of some length; see --min-content-chars.",
        )
    splits = _write(plan, out, spool, options, processes)
    _publish_rejected(rejected, target)
    report = _report(opened, options, counts, plan, splits)
    (out / "report.json").write_text(report.to_json(), encoding="utf-8")
    card = cards.dataset_card(msgspec.to_builtins(report), language=options.card_language)
    (out / "README.md").write_text(card, encoding="utf-8")
    (out / "lengths.png").write_bytes(draw(report.lengths))


def _for_this(opened: Source, first: list[Batch], options: Options) -> Options:
    """The options for the catalogue that these first rows are of."""
    beginning = first[0].load() if first and not first[0].too_long else b""
    origin = origin_of(beginning, uid=options.fields.get("uid", "uid"), archive=opened.archive)
    if origin.number is not None and options.rules == AUTO:
        say(
            f"The uids of {opened.name} are numbers, such as {origin.number}: leading zeros that they had are lost."
            " Where they had some, make them text; in pandas: read_json(…, dtype=False)"
        )
    return options.resolved(origin)


def _publish_rejected(rejected: Path, target: Path) -> None:
    beside = folder.rejected(target)
    if rejected.exists():
        rejected.replace(beside)
    else:
        beside.unlink(missing_ok=True)


def _read(
    opened: Source, batches: Iterable[Batch], options: Options, spool: Path, processes: int, rejected: Path
) -> tuple[Counts, list[extract.BlockStats]]:
    """The first pass: every row is read, cleaned and put aside."""
    counts, sheaves, lines = Counts(), [], 0
    labels = spool / "labels.npy" if options.labels else None
    if labels and options.labels:
        np.save(labels, read_labels(options.labels))
    arguments = (options.reader(), spool, labels)
    total = None if opened.size is None else opened.size / 1e6
    with bar("reading", total, unit="MB") as advance:
        seen, start = 0, time.perf_counter()
        results = ordered(extract.extract, batches, workers=processes, setup=extract.setup, arguments=arguments)
        for sheaf in results:
            if sheaf.bad and not counts.rows_read + sheaf.counts.rows_read:
                # Not some bad lines, but another kind of file.
                raise explain(sheaf.bad[0], opened.name)
            _refuse(sheaf.bad, lines, counts, rejected)
            counts.add(sheaf.counts)
            lines += sheaf.lines
            sheaves.append(sheaf)
            speed = opened.bytes_read / 1e6 / (time.perf_counter() - start)
            advance((opened.bytes_read - seen) / 1e6, note=f"{counts.rows_read:,} rows, {speed:.0f} MB/s")
            seen = opened.bytes_read
    bad = counts.bad_lines.total()
    if not counts.rows_read and not bad:
        raise InputError(
            f"{opened.name} is empty.", hint="Expected one JSON object a line, with uid, title and content."
        )
    if bad > options.max_bad * (counts.rows_read + bad):
        raise InputError(
            f"{bad} of {counts.rows_read + bad} lines of {opened.name} hold no product: {_listed(counts.bad_lines)}.",
            hint="They are listed beside the folder, in .rejected.jsonl; a larger --max-bad passes over them.",
        )
    return counts, sheaves


def _refuse(bad: list[BadLine], before: int, counts: Counts, rejected: Path) -> None:
    if not bad:
        return
    shown = counts.bad_lines.total()
    with rejected.open("ab") as file:
        for index, line in enumerate(bad):
            line = line._replace(line=line.line + before)
            if shown + index < _SHOWN:
                say(f"  line {line.line}: {line.reason}: {line.detail}")
            file.write(msgspec.json.encode(line._asdict()) + b"\n")


def _write(plan: Plan, out: Path, spool: Path, options: Options, processes: int) -> dict[str, dict[str, Any]]:
    """The second pass: every shard becomes its files."""
    titles = spool / "titles.npy"
    np.save(titles, plan.titles)
    tasks = plan.shards()
    general = shards.spread(general_rows(options.general), tasks, options.seed)
    job = shards.Job(spool, titles, out, options.mix(), general, options.render)
    rows: dict[str, Counter[str]] = {split: Counter() for split in SPLITS}
    processes = min(processes, len(tasks))
    with bar("writing", len(plan.kept), unit="products", announce=False) as advance:
        results = ordered(shards.write_shard, tasks, workers=processes, setup=shards.setup, arguments=(job,))
        for shard, made in zip(tasks, results, strict=True):
            rows[shard.split].update(made)
            advance(len(shard.size))
    return {split: {"products": plan.count(split), "rows": dict(sorted(rows[split].items()))} for split in SPLITS}


def _report(
    opened: Source, options: Options, counts: Counts, plan: Plan, splits: dict[str, dict[str, Any]]
) -> BuildReport:
    return BuildReport(
        rows_read=counts.rows_read,
        kept=len(plan.kept),
        dropped=dict(sorted((counts.dropped + plan.dropped).items())),
        bad_lines=dict(sorted(counts.bad_lines.items())),
        cleaned=dict(sorted(counts.cleaned.items())),
        examples={name: example._asdict() for name, example in sorted(counts.examples.items())},
        lengths=histograms(plan),
        splits=splits,
        options=options.recorded(),
        source={
            "name": opened.name,
            "bytes": opened.bytes_read if opened.size is None else opened.size,
            "sha256": opened.sha256(),
        },
        catalogue=options.catalogue(opened.name),
        version=__version__,
    )


def _listed(counter: Counter[str]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in counter.most_common())
