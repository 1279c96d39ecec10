"""A dataset folder: who may write where, what its report says, and its Parquet, written and read with pyarrow alone."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from operator import attrgetter
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from amazon_titles.catalog import Product
from amazon_titles.errors import InputError
from amazon_titles.io import FolderKind, read_object, shards
from amazon_titles.parquet import read_shards

_PARQUET = r"(?:catalog|chat|text-[\w-]+)/(?:train|validation|test)-\d{5}-of-\d{5}\.parquet"
DATASET = FolderKind(
    command="build", doing="building", files=re.compile(rf"README\.md|report\.json|lengths\.png|{_PARQUET}"),
    marks=("report.json",), hint="Choose another --out, or move its contents.",
)  # fmt: skip
"""A dataset folder, which the next build into it replaces."""

_TEXT = pa.string()
_MESSAGES = pa.list_(pa.struct({"role": _TEXT, "content": _TEXT}))
CHAT = pa.schema({"uid": _TEXT, "task": _TEXT, "language": _TEXT, "messages": _MESSAGES})
TEXT = pa.schema({"uid": _TEXT, "text": _TEXT})
CATALOG = pa.schema({"uid": _TEXT, "title": _TEXT, "content": _TEXT, "related": pa.list_(_TEXT)})


_SAMPLE = 200  # products whose language is told
_FEW = 48  # products to test with: the 95 % interval of a share is 0.28 wide at its widest
_SHOWN = 10_000  # rows, and products, among which one of each language is looked for


def require_apart(target: Path, *read: str | Path | None) -> None:
    """Refuses to replace what the build itself reads.

    Args:
        target: The folder to make.
        read: Files, or addresses of such.

    Raises:
        InputError: One of them lies in the folder, or is the list of refused lines beside it.
    """
    for path in (Path(given).resolve() for given in read if given is not None):
        within = target.exists() and any(folder.exists() and folder.samefile(target) for folder in path.parents)
        if within or path == rejected(target).resolve():
            said = f"{path.name} is the input, and it is in {target}, which would be replaced."
            raise InputError(said, hint="Choose another --out, or move the file away.")


def rejected(target: Path) -> Path:
    """Where the lines are listed that hold no product: beside the folder."""
    return target.parent / f"{target.name}.rejected.jsonl"


def require_same_source(target: Path, name: str, **known: object) -> None:
    """Refuses to replace a dataset that was made from something else: of another name, and with other bytes.

    A catalogue that was mended or has grown keeps its name, and one that was moved or renamed its bytes.

    Args:
        target: The folder to make.
        name: Of the source.
        **known: Its `bytes` or its `sha256`, as a report has them; None where that is not known yet.

    Raises:
        InputError: The dataset that stands there has another source.
    """
    report = target / "report.json"
    if not report.is_file():
        return
    told = read_object(report).get("source")
    source = told if isinstance(told, dict) else {}
    other = any(value is not None and source.get(key) != value for key, value in known.items())
    if other and (source.get("name") != name or name == "stdin"):  # what comes through a pipe has no name
        made = f"something else, {source['name']}" if "name" in source else "an unknown source: its report is damaged"
        said = f"{target} is a dataset made from {made}."
        raise InputError(said, hint="Choose another --out, or replace it: --force")


def table(rows: Sequence[Any], schema: pa.Schema) -> pa.Table:
    """Products or conversations as a table: its columns are their attributes of the same names."""
    columns: dict[str, Any] = {name: list(map(attrgetter(name), rows)) for name in schema.names if name != "messages"}
    if "messages" in schema.names:
        # Of one list of texts, for pyarrow takes longer to look through a dict for every message.
        said = list(chain.from_iterable(map(attrgetter("asked", "answer"), rows)))
        turns = pa.StructArray.from_arrays(
            [pa.array(("user", "assistant") * len(rows), _TEXT), pa.array(said, _TEXT)], fields=[*_MESSAGES.value_type]
        )
        columns["messages"] = pa.ListArray.from_arrays(pa.array(range(0, len(said) + 1, 2), pa.int32()), turns)
    return pa.table(columns, schema=schema)


def open_parquet(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    """Writes Parquet that datasets 3.2 and 5 load, the Dataset Viewer can page and the Hub deduplicates.

    Without the `huggingface` schema metadata, which datasets 3.2 cannot read when a later version wrote it. With a page
    index, so that the viewer reads a page and not a row group; chunked by content, so that a later version of the
    dataset uploads only what changed. zstd's first level: the third takes twice as long for 7 % fewer bytes.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    return pq.ParquetWriter(
        path, schema, compression="zstd", compression_level=1,
        use_dictionary=["task", "language", "messages.list.element.role"],
        write_statistics=["uid", "task", "language"], write_page_index=True,
        use_content_defined_chunking={"min_chunk_size": 64 << 10, "max_chunk_size": 256 << 10},
    )  # fmt: skip


def _rows(folder: str | Path, config: str, split: str, schema: pa.Schema) -> Iterator[dict[str, Any]]:
    files = shards(folder, config, split)
    if not files:
        raise InputError(f"{folder} holds no {config}/{split}-*.parquet.", hint="Make it with: amazon-titles build")
    for batch in read_shards(files, schema, 1024):
        yield from batch.to_pylist()


def read_catalog(folder: str | Path) -> Iterator[Product]:
    """Yields the products of a dataset folder, of every split.

    Raises:
        InputError: It is not a dataset folder.
    """
    for row in _rows(folder, "catalog", "train", CATALOG):
        yield Product(row["uid"], row["title"], row["content"], tuple(row["related"] or ()))


def read_messages(folder: str | Path, split: str) -> Iterator[dict[str, Any]]:
    """Yields the chat rows of a split: `uid`, `task`, `language`, `messages`.

    Raises:
        InputError: It is not a dataset folder, or has no such split, or a row is no question with its answer.
    """
    for row in _rows(folder, "chat", split, CHAT):
        if [turn and turn["content"] and turn["role"] for turn in row["messages"]] != ["user", "assistant"]:
            hint = "Build it again: amazon-titles build SOURCE --out DIR"
            raise InputError(f"A row of {folder}/chat is no question with its answer: {row['uid']}.", hint=hint)
        yield row


def first_conversations(folder: Path) -> dict[str, dict[str, Any]]:
    """What a card shows of a dataset's rows, as `BuildReport.conversations` has it."""
    rows = islice(read_messages(folder, "train"), _SHOWN) if shards(folder, "chat", "train") else ()
    first = {row["language"]: row for row in reversed([row for row in rows if row["task"] == "recall"])}
    products = {product.uid: product for product in islice(read_catalog(folder), _SHOWN)}
    return {
        language: {"uid": of.uid, "title": of.title, "content": of.content, "messages": row["messages"]}
        for language, row in sorted(first.items())
        if (of := products.get(row["uid"])) is not None
    }


def language_of(folder: Path) -> str | None:
    """The language of most of a dataset's first products, by its ISO 639-1 code; None where no language has half."""
    # py3langid takes a second to load its model.
    from py3langid import classify

    products = list(islice(read_catalog(folder), _SAMPLE))
    found = Counter(classify(f"{product.title}. {product.content}")[0] for product in products)
    language, votes = found.most_common(1)[0]
    return str(language) if 2 * votes > len(products) else None


@dataclass(frozen=True, slots=True)
class BuildReport:
    """Where every row of the source went, and how the dataset was made. No times: same input, same bytes.

    Attributes:
        rows_read: Lines that hold a product; `kept + sum(dropped.values())`.
        kept: Products in the dataset.
        dropped: Products that left, by reason.
        bad_lines: Lines that hold no product, by reason; not among `rows_read`.
        cleaned: Products that a rule changed, by rule.
        examples: By rule or reason: `{"uid", "before", "after"}` of the first product concerned.
        lengths: By `title` and `content`: `{"mean", "p5", "p25", "p50", "p75", "p95", "max", "edges", "counts"}` of the
            kept products' characters.
        splits: By split: `{"products": n, "rows": {task: n}}`.
        options: What `build_dataset` was given, folders aside.
        source: `{"name", "bytes", "sha256"}`.
        catalogue: `{"name", "license", "url", "rules", "fields"}`: what the card, answers and the page say of it;
            of the made-up sample also `"made_up": true`; `"encoding"`, `"sheet"` and `"fix_encoding"` where given, and
            `"double_encoded"`, products that hold UTF-8 read as Latin-1, where there are some.
        version: The library's.
        conversations: By language: `{"uid", "title", "content", "messages"}` of the first row of the train split that
            asks for a product by its title; none where there is no such row.
    """

    rows_read: int
    kept: int
    dropped: dict[str, int]
    bad_lines: dict[str, int]
    cleaned: dict[str, int]
    examples: dict[str, dict[str, str]]
    lengths: dict[str, dict[str, Any]]
    splits: dict[str, dict[str, Any]]
    options: dict[str, Any]
    source: dict[str, Any]
    catalogue: dict[str, Any]
    version: str
    conversations: dict[str, dict[str, Any]] = field(default_factory=dict)

    def to_text(self) -> str:
        """The funnel for people."""
        lines = [f"{self.rows_read:>9} rows read"]
        lines += [f"{-n:>9} {reason}" for reason, n in sorted(self.dropped.items(), key=lambda item: -item[1])]
        lines.append(f"{self.kept:>9} products kept")
        if bad := sum(self.bad_lines.values()):
            lines.append(f"{bad:>9} lines that hold no product")
        for name, split in self.splits.items():
            rows = ", ".join(f"{n} {task}" for task, n in split["rows"].items())
            lines.append(f"{split['products']:>9} in {name}: {rows or 'no rows'}")
        if 0 < self.options["test"] < 0.2 and self.splits["test"]["products"] < _FEW:
            lines.append("The test split is small: with a larger one, the evaluation says more: --test 0.2")
        return "\n".join(lines) + "\n"

    def to_json(self) -> str:
        """The report as indented JSON, as `report.json` holds it."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2).decode() + "\n"


def histogram(values: Any) -> dict[str, Any]:  # noqa: ANN401 - an array of integers
    """Percentiles, and 20 bins, of some lengths in characters, as `BuildReport.lengths` has them."""
    counts, edges = np.histogram(values, bins=20, range=(0, max(int(np.percentile(values, 99)), 20)))
    return {
        "mean": round(float(values.mean()), 1),
        **{f"p{share}": int(np.percentile(values, share, method="nearest")) for share in (5, 25, 50, 75, 95)},
        "max": int(values.max()),
        "edges": [round(float(edge)) for edge in edges],
        "counts": counts.tolist(),
    }
