"""`build_dataset`: two passes over a catalogue, and a decision between them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec

from amazon_titles import __version__, cards
from amazon_titles.catalog import Counts, Reader, Source, open_source
from amazon_titles.catalog.columns import FIELDS, Columns, find_columns
from amazon_titles.catalog.forms import FORMS
from amazon_titles.catalog.products import explain
from amazon_titles.dataset import folder
from amazon_titles.dataset.folder import BuildReport, histogram
from amazon_titles.dataset.options import BuildOptions
from amazon_titles.dataset.passes import BlockStats, Extractor, ShardWriter, spread
from amazon_titles.dataset.plan import SplitPlan
from amazon_titles.dataset.workers import ordered
from amazon_titles.errors import InputError
from amazon_titles.io import read_object, staged
from amazon_titles.plots import plot_lengths
from amazon_titles.processes import cores
from amazon_titles.progress import bar, say
from amazon_titles.sample import is_made_up

SMALL = 8 << 20
"""Bytes of a source that one process reads faster than two are started."""

FIRST_ROWS = 100
"""So many rows decide whose catalogue it is, at most: what it is called must not depend on how it is read."""

_SHOWN = 20
_COLUMNS_OF = 1000  # rows: a column may be rare
_TRN_FIELDS = {"uid", "title", "content", "target_ind", "target_rel"}
_ASIN = re.compile(r"[0-9A-Z]{10}")
_COUNTED = ("dropped", "bad_lines", "cleaned", "examples")


def build_dataset(
    source: str | Path, output_dir: str | Path, *, force: bool = False, workers: int | None = None, **options: Any,  # noqa: ANN401
) -> BuildReport:  # fmt: skip
    """Builds a dataset folder from a catalogue.

    Same source, options and seed: the same bytes, whatever the number of workers. A build that is killed leaves what
    stood at `output_dir`, and the same command does it again from the start. Lines that hold no product are listed in
    `<output_dir>.rejected.jsonl`, beside the folder.

    Args:
        source: The catalogue, as `open_source` takes it.
        output_dir: The folder to make; a dataset folder that stands there is replaced, where it was made from a source
            of the same name or the same bytes.
        force: Replace a dataset that was made from something else, too; never files that no build made.
        workers: Processes; all cores by default.
        **options: As of `BuildOptions`, which documents each: `limit=100, languages=("en",)`.

    Returns:
        What went where.

    Raises:
        InputError: The source or an option is wrong, too many lines hold no product, or `output_dir` holds
            something else, or is in use.
    """
    chosen, target = BuildOptions(**options), Path(output_dir)
    folder.require_apart(target, source, chosen.labels)
    opening = open_source(source, encoding=chosen.encoding, sheet=chosen.sheet)
    with opening as opened, staged(target, folder.DATASET) as out:
        if not force:
            folder.require_same_source(target, opened.name, bytes=opened.size)
        processes = 1 if opened.size is not None and opened.size < SMALL else workers or cores()
        return _build(opened, target, out, chosen, processes, force)


def _build(opened: Source, target: Path, out: Path, options: BuildOptions, processes: int, force: bool) -> BuildReport:
    scratch = out.parent / "scratch"
    scratch.mkdir()
    blocks = opened.blocks()
    beginning = next(blocks, b"")
    options, columns = _resolved(opened, beginning, options)
    blocks = chain([beginning], blocks)
    blocks, renamed = (blocks, columns.recorded) if columns.plain else (columns.rewritten(blocks), {})
    counts, stats = _extract(opened, blocks, options, options.reader(renamed), scratch, target, processes)
    if counts.double_encoded:
        example = counts.examples["double_encoded"]
        say(
            f"{counts.double_encoded} products contain UTF-8 read as Latin-1, such as {example['before'][:40]!r}:"
            " --fix-encoding mends them."
        )
    sha256 = opened.sha256()
    if not force:
        folder.require_same_source(target, opened.name, sha256=sha256)
    plan = SplitPlan(stats, options, scratch)
    stats.clear()
    counts.add(plan.counts)
    if not len(plan.kept):
        empty = counts.dropped.most_common(1)[0][0].removeprefix("empty_")
        other = f"Where it is in another field: --field {empty}=NAME"
        hint = other if empty in FIELDS else "Lower --min-content-chars."
        raise InputError(f"No product is left: {_listed(counts.dropped)}.", hint=hint)
    counted: dict[str, Any] = {name: dict(sorted(getattr(counts, name).items())) for name in _COUNTED}
    source = {"name": opened.name, "bytes": opened.size or opened.bytes_read, "sha256": sha256}
    lengths = {name: histogram(plan.products[f"{name}_chars"][plan.kept]) for name in ("title", "content")}
    splits = _write(plan, out, scratch, options, processes)
    catalogue = options.catalogue(opened.name, counts)
    if options.rules != "amazon":  # trn.json and its sample are English
        catalogue["language"] = folder.language_of(out)
    report = BuildReport(
        rows_read=counts.rows_read, kept=len(plan.kept), lengths=lengths, options=options.recorded(), source=source,
        splits=splits, catalogue=catalogue, version=__version__, **counted,
        conversations=folder.first_conversations(out),
    )  # fmt: skip
    (out / "report.json").write_text(report.to_json(), encoding="utf-8")
    card = cards.dataset_card(msgspec.to_builtins(report), language=options.card_language)
    (out / "README.md").write_text(card, encoding="utf-8")
    (out / "lengths.png").write_bytes(plot_lengths(report.lengths, language=options.card_language))
    return report


def _resolved(opened: Source, beginning: bytes, options: BuildOptions) -> tuple[BuildOptions, Columns]:
    """What the first rows tell: whose catalogue it is, and which columns are a product's fields.

    It is trn.json where every row has its five fields, and an ASIN of ten characters as its uid.
    """
    lines = beginning.split(b"\n", _COLUMNS_OF)[:_COLUMNS_OF]
    rows = [row for line in lines[:FIRST_ROWS] if (row := read_object(line))]
    if not rows and (bad := Reader().read(beginning, Counts())[1]):
        raise explain(bad[0], opened.name)
    columns = find_columns(list(filter(None, map(read_object, lines))), options.fields, opened.name)
    if columns.guessed:
        say(columns.told())
    uids = [columns.value(row, "uid") for row in rows]
    fields = bool(rows) and all(row.keys() >= _TRN_FIELDS for row in rows)
    amazon = opened.archive or (fields and all(isinstance(one, str) and _ASIN.fullmatch(one) for one in uids))
    numbers = [one for one in uids if isinstance(one, int | float) and not isinstance(one, bool)]
    if most := 2 * len(numbers) > len(rows):
        message = f"The uids of {opened.name} are numbers, such as {numbers[0]}: leading zeros are lost."
        hint = (
            "Where they had some, make them text; in pandas: read_json(…, dtype=False), in Excel: the column's format."
        )
        if fields or options.rules == "amazon":
            raise InputError(message, hint=hint)
        say(f"{message} {hint}")
    return options.resolved(columns, amazon=amazon, made_up=any(map(is_made_up, uids)), numbers=most), columns


def _extract(
    opened: Source, blocks: Iterable[bytes], options: BuildOptions, reader: Reader, scratch: Path, target: Path,
    processes: int,
) -> tuple[Counts, list[BlockStats]]:  # fmt: skip
    """The first pass: every row is read, cleaned and put aside, and every line that holds none is listed."""
    counts, stats, lines, seen = Counts(), [], 0, 0
    rejected, megabytes = folder.rejected(target), opened.size and opened.size / 1e6
    with bar("reading", megabytes, unit="MB") as advance, (scratch / rejected.name).open("wb") as file:
        for block in ordered(partial(Extractor, reader, scratch), blocks, workers=processes):
            if block.bad and not counts.rows_read + block.counts.rows_read:
                # Not some bad lines, but another kind of file.
                raise explain(block.bad[0], opened.name)
            for shown, bad in enumerate(block.bad, start=counts.bad_lines.total()):
                bad.line += lines
                file.write(msgspec.json.encode(bad) + b"\n")
                if shown < _SHOWN:
                    say(f"  line {bad.line}: {bad.reason}: {bad.detail}")
            counts.add(block.counts)
            lines += block.lines
            stats.append(block)
            advance((opened.bytes_read - seen) / 1e6, note=f"{counts.rows_read:,} rows")
            seen = opened.bytes_read
    if bad_lines := counts.bad_lines.total():
        (scratch / rejected.name).replace(rejected)
    else:
        rejected.unlink(missing_ok=True)
    total = counts.rows_read + bad_lines
    if not total:
        raise InputError(f"{opened.name} is empty.", hint=f"Expected {FORMS}.")
    if bad_lines > max(options.max_bad * total, 1):
        listed = f"They are listed in {rejected.name}, next to the folder; a larger --max-bad skips them."
        latin1 = " Where they read well there: --encoding latin-1" if counts.bad_lines["bad_utf8"] else ""
        said = f"{bad_lines} of {total} lines of {opened.name} hold no product: {_listed(counts.bad_lines)}."
        raise InputError(said, hint=listed + latin1)
    return counts, stats


def _write(plan: SplitPlan, out: Path, scratch: Path, options: BuildOptions, processes: int) -> dict[str, Any]:
    """The second pass: every shard becomes its files."""
    shards = plan.shards()
    spread(options.general, shards, options.seed)
    writer = partial(ShardWriter, scratch, plan.titles, out, options, options.render)
    rows: dict[str, Counter[str]] = {split: Counter() for split in plan.splits}
    with bar("writing", len(plan.kept), unit="products", announce=False) as advance:
        results = ordered(writer, shards, workers=min(processes, len(shards)))
        for shard, made in zip(shards, results, strict=True):
            rows[shard.split].update(made)
            advance(len(shard.products))
    return {
        split: {"products": len(members), "rows": dict(sorted(rows[split].items()))}
        for split, members in plan.splits.items()
    }


def _listed(counter: Counter[str]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in counter.most_common())
