"""`build_dataset`: two passes over a catalogue, and a decision between them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

import msgspec

from amazon_titles import __version__, cards
from amazon_titles.catalog import Batch, Counts, Source, open_source, origin_of
from amazon_titles.catalog.rows import explain
from amazon_titles.conversations import GeneralRow
from amazon_titles.conversations.examples import general_rows
from amazon_titles.dataset import folder
from amazon_titles.dataset.extract import BlockStats, Extractor
from amazon_titles.dataset.options import AUTO, BuildOptions
from amazon_titles.dataset.plan import SPLITS, SplitPlan
from amazon_titles.dataset.report import BuildReport, histogram
from amazon_titles.dataset.shards import ShardWriter, spread
from amazon_titles.dataset.workers import ordered
from amazon_titles.errors import InputError
from amazon_titles.io import require_replaceable, staged
from amazon_titles.plots import plot_lengths
from amazon_titles.processes import cores
from amazon_titles.progress import bar, say

SMALL = 8 << 20
"""Bytes of a source that one process reads faster than two are started."""

_SHOWN = 20
_REJECTED = "rejected.jsonl"


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
        seed: Decides everything that is chosen.
        languages: Of questions and refusals: `en`, `pt`, taken in turn.
        phrasings: Recall rows a product, each in another wording.
        min_content_chars: A shorter description drops the product.
        max_content_chars: A longer one is cut at the end of a sentence.
        grounded: Grounded rows a product, 0 to 1.
        abstain: Rows a product that ask about an invented one, 0 to 4.
        property: Rows that ask for one property in a description or two, of the products whose description tells one,
            0 to 1.
        recall_products: Products of the train split that become recall rows, sampled evenly; all by default. The others
            become rows of the other kinds alone. Those of validation and test keep their recall rows.
        general: Questions that have nothing to do with the catalogue, with their answers, for the train split alone: a
            model that is trained on them forgets less.
        general_source: Who wrote them; the card says it.
        validation: Share of the products, 0 to 1.
        test: Share of the products, 0 to 1.
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
    options = BuildOptions(
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
        processes = 1 if opened.size is not None and opened.size < SMALL else workers or cores()
        return _build(opened, target, out, options, processes, force)


def _several(names: Sequence[str]) -> tuple[str, ...]:
    # A string is a sequence of letters too, and nobody means those.
    return (names,) if isinstance(names, str) else tuple(names)


def _build(opened: Source, target: Path, out: Path, options: BuildOptions, processes: int, force: bool) -> BuildReport:
    scratch = out.parent / "scratch"
    scratch.mkdir()
    batches = opened.batches()
    first = list(islice(batches, 1))
    beginning = first[0].data if first and not first[0].too_long else b""
    origin = origin_of(beginning, uid=options.fields.get("uid", "uid"), archive=opened.archive)
    if origin.number is not None and options.rules == AUTO:
        say(
            f"The uids of {opened.name} are numbers, such as {origin.number}: leading zeros that they had are lost."
            " Where they had some, make them text; in pandas: read_json(…, dtype=False)"
        )
    options = options.resolved(origin)
    try:
        counts, stats = _extract(opened, chain(first, batches), options, scratch, processes)
    except InputError:
        # Too many lines are bad, and somebody wants to see them.
        _publish_rejected(scratch, target)
        raise
    if not force:
        folder.require_same_source(target, opened.name, sha256=opened.sha256())
    plan = SplitPlan(stats, options)
    stats.clear()
    if not len(plan.kept):
        raise InputError(
            f"Of {counts.rows_read} products in {opened.name} none is left: {_listed(counts.dropped + plan.dropped)}.",
            hint="Expected titles with descriptions of some length; see --min-content-chars.",
        )
    splits = _write(plan, out, scratch, options, processes)
    _publish_rejected(scratch, target)
    data = _report(opened, options, counts, plan, splits).to_json()
    report = msgspec.json.decode(data, type=BuildReport)
    (out / "report.json").write_text(data, encoding="utf-8")
    card = cards.dataset_card(msgspec.to_builtins(report), language=options.card_language)
    (out / "README.md").write_text(card, encoding="utf-8")
    (out / "lengths.png").write_bytes(plot_lengths(report.lengths))
    return report


def _publish_rejected(scratch: Path, target: Path) -> None:
    if (made := scratch / _REJECTED).exists():
        made.replace(folder.rejected(target))
    else:
        folder.rejected(target).unlink(missing_ok=True)


def _extract(
    opened: Source, batches: Iterable[Batch], options: BuildOptions, scratch: Path, processes: int
) -> tuple[Counts, list[BlockStats]]:
    """The first pass: every row is read, cleaned and put aside, and every line that holds none is listed."""
    counts, stats, lines, seen, start = Counts(), [], 0, 0, time.perf_counter()
    arguments = (options.reader(), scratch)
    with bar("reading", None if opened.size is None else opened.size / 1e6, unit="MB") as advance:
        for block in ordered(Extractor, arguments, batches, workers=processes):
            if block.bad and not counts.rows_read + block.counts.rows_read:
                # Not some bad lines, but another kind of file.
                raise explain(block.bad[0], opened.name)
            bad = [line._replace(line=line.line + lines) for line in block.bad]
            for line in bad[: max(_SHOWN - counts.bad_lines.total(), 0)]:
                say(f"  line {line.line}: {line.reason}: {line.detail}")
            if bad:
                with (scratch / _REJECTED).open("ab") as file:
                    file.writelines(msgspec.json.encode(line._asdict()) + b"\n" for line in bad)
            counts.add(block.counts)
            lines += block.lines
            stats.append(block)
            speed = opened.bytes_read / 1e6 / (time.perf_counter() - start)
            advance((opened.bytes_read - seen) / 1e6, note=f"{counts.rows_read:,} rows, {speed:.0f} MB/s")
            seen = opened.bytes_read
    bad_lines = counts.bad_lines.total()
    if not counts.rows_read and not bad_lines:
        raise InputError(
            f"{opened.name} is empty.", hint="Expected one JSON object a line, with uid, title and content."
        )
    if bad_lines > options.max_bad * (counts.rows_read + bad_lines):
        raise InputError(
            f"{bad_lines} of {counts.rows_read + bad_lines} lines of {opened.name} hold no product: "
            f"{_listed(counts.bad_lines)}.",
            hint="They are listed beside the folder, in .rejected.jsonl; a larger --max-bad passes over them.",
        )
    return counts, stats


def _write(
    plan: SplitPlan, out: Path, scratch: Path, options: BuildOptions, processes: int
) -> dict[str, dict[str, Any]]:
    """The second pass: every shard becomes its files."""
    shards = plan.shards()
    spread(general_rows(options.general), shards, options.seed)
    arguments = (scratch, plan.titles, out, options.mix(), options.render)
    rows: dict[str, Counter[str]] = {split: Counter() for split in SPLITS}
    with bar("writing", len(plan.kept), unit="products", announce=False) as advance:
        results = ordered(ShardWriter, arguments, shards, workers=min(processes, len(shards)))
        for shard, made in zip(shards, results, strict=True):
            rows[shard.split].update(made)
            advance(len(shard.recall))
    return {split: {"products": plan.count(split), "rows": dict(sorted(rows[split].items()))} for split in SPLITS}


def _report(
    opened: Source, options: BuildOptions, counts: Counts, plan: SplitPlan, splits: dict[str, dict[str, Any]]
) -> BuildReport:
    size = opened.bytes_read if opened.size is None else opened.size
    return BuildReport(
        rows_read=counts.rows_read,
        kept=len(plan.kept),
        dropped=dict(sorted((counts.dropped + plan.dropped).items())),
        bad_lines=dict(sorted(counts.bad_lines.items())),
        cleaned=dict(sorted(counts.cleaned.items())),
        examples=dict(sorted(counts.examples.items())),
        lengths={name: histogram(plan.columns[f"{name}_chars"][plan.kept]) for name in ("title", "content")},
        splits=splits,
        options=options.recorded(),
        source={"name": opened.name, "bytes": size, "sha256": opened.sha256()},
        catalogue=options.catalogue(opened.name),
        version=__version__,
    )


def _listed(counter: Counter[str]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in counter.most_common())
