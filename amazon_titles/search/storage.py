"""An index on disk: what tantivy finds rows by, and the products themselves, read by row and never all at once."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import tantivy

from amazon_titles.catalog import Product
from amazon_titles.progress import bar
from amazon_titles.search.words import words_of

_TITLES, _TEXTS, _WORDS = "titles.arrow", "texts.arrow", "words"
_TITLE_ROWS = 65_536
# A text is read with the others of its block, which are unpacked together: 160 kB at trn.json's lengths, 0.3 ms.
# Blocks of texts divide those of titles, so that they are even throughout, too.
_TEXT_ROWS = 256
# Bytes of words that tantivy gathers before it writes a segment; the memory of a build is about twice as much.
_HEAP = 200_000_000

_TITLE_FIELDS = pa.schema([("uid", pa.string()), ("title", pa.string())])
_TEXT_FIELDS = pa.schema([("content", pa.string()), ("related", pa.list_(pa.string()))])
SCHEMA = pa.schema([*_TITLE_FIELDS, *_TEXT_FIELDS])
"""The columns of a catalogue."""

Term = tuple[str, float, int]
"""A word to look for: the word, how much it counts, and how many strokes of it may be wrong."""


def write(folder: Path, tables: Iterable[pa.Table]) -> int:
    """Writes the index of a catalogue.

    Args:
        folder: An empty one.
        tables: The catalogue, with the columns of `SCHEMA`.

    Returns:
        How many products it holds.
    """
    (folder / _WORDS).mkdir()
    writer: Any = tantivy.Index(_schema(), path=str(folder / _WORDS)).writer(heap_size=_HEAP, num_threads=2)
    add, document = writer.add_document, tantivy.Document
    packed = pa.ipc.IpcWriteOptions(compression="zstd")
    row = 0
    with (
        pa.ipc.new_file(str(folder / _TITLES), _TITLE_FIELDS) as titles,
        pa.ipc.new_file(str(folder / _TEXTS), _TEXT_FIELDS, options=packed) as texts,
        bar("indexing", unit="products", announce=False) as advance,
    ):
        for table in _even(tables):
            titles.write_table(table.select(_TITLE_FIELDS.names))
            texts.write_table(table.select(_TEXT_FIELDS.names), max_chunksize=_TEXT_ROWS)
            for uid, title in zip(table["uid"].to_pylist(), table["title"].to_pylist(), strict=True):
                add(document(row=row, uid=uid, title=" ".join(words_of(title))))
                row += 1
            advance(table.num_rows)
        writer.commit()
        writer.wait_merging_threads()
    return row


def _schema() -> Any:  # noqa: ANN401 - tantivy has no types
    builder = tantivy.SchemaBuilder()
    builder.add_integer_field("row", stored=False, indexed=False, fast=True)
    builder.add_text_field("uid", stored=False, tokenizer_name="raw", index_option="basic")
    builder.add_text_field("title", stored=False, tokenizer_name="whitespace", index_option="freq")
    return builder.build()


def _even(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """The same rows by `_TITLE_ROWS` in one piece, the last ones aside, so that a row's place tells its block."""
    held = SCHEMA.empty_table()
    for table in tables:
        held = pa.concat_tables([held, table])
        while held.num_rows >= _TITLE_ROWS:
            yield held.slice(0, _TITLE_ROWS).combine_chunks()
            held = held.slice(_TITLE_ROWS)
    if held.num_rows:
        yield held.combine_chunks()


def as_tables(products: Iterable[Product]) -> Iterator[pa.Table]:
    """Products as tables."""
    rows = [{name: getattr(product, name) for name in SCHEMA.names} for product in products]
    yield pa.Table.from_pylist(rows, schema=SCHEMA)


def _link(source: str, target: str) -> None:
    try:
        Path(target).symlink_to(Path(source).resolve())
    except (OSError, NotImplementedError):  # Windows asks for a privilege
        shutil.copyfile(source, target)


def _open_words(words: Path) -> tuple[Any, Any]:
    """What tantivy finds rows by, and the scratch folder that it needs where nobody may write beside the index.

    It takes a lock for as long as it opens the files, in their own folder.
    """
    try:
        return tantivy.Index.open(str(words)), None
    except ValueError as error:
        if "Lockfile" not in str(error):
            raise
    scratch = tempfile.TemporaryDirectory(prefix="amazon-titles-", ignore_cleanup_errors=True)
    locks = shutil.ignore_patterns("*.lock")
    shutil.copytree(words, scratch.name, ignore=locks, copy_function=_link, dirs_exist_ok=True)
    return tantivy.Index.open(scratch.name), scratch


class Store:
    """An index as `write` left it; its files are mapped, not loaded.

    Args:
        folder: Where it is.
    """

    def __init__(self, folder: Path) -> None:
        index, self._scratch = _open_words(folder / _WORDS)
        self._schema: Any = index.schema
        self._searcher: Any = index.searcher()
        self._uids, self._titles = pa.ipc.open_file(pa.memory_map(str(folder / _TITLES))).read_all().columns
        alone = pa.ipc.IpcReadOptions(use_threads=False)
        self._texts = pa.ipc.open_file(pa.memory_map(str(folder / _TEXTS)), options=alone)

    def __len__(self) -> int:
        return len(self._titles)

    def title(self, row: int) -> str:
        """The title of a row."""
        return str(self._titles[row])

    def product(self, row: int) -> Product:
        """The product of a row."""
        block = self._texts.get_batch(row // _TEXT_ROWS)
        content, related = (column[row % _TEXT_ROWS].as_py() for column in block.columns)
        return Product(str(self._uids[row]), self.title(row), content, tuple(related or ()))

    def frequency(self, word: str) -> int:
        """How many titles have a word."""
        return int(self._searcher.doc_freq("title", word))

    def rows_of(self, uid: str) -> list[int]:
        """The rows of a uid: one, or none; a catalogue that was not made by this library may have several."""
        if not self._searcher.doc_freq("uid", uid):
            return []
        return self._rows(tantivy.Query.term_query(self._schema, "uid", uid, "basic"), 3)

    def find(self, terms: Sequence[Term], most: int) -> list[int]:
        """The rows whose titles have the most of some words, the best first (BM25).

        Args:
            terms: The words.
            most: At most so many rows.
        """
        clauses = []
        for word, weight, typos in terms:
            if typos:
                query = tantivy.Query.fuzzy_term_query(self._schema, "title", word, typos, True)
            else:
                query = tantivy.Query.term_query(self._schema, "title", word, "freq")
            if weight != 1:
                query = tantivy.Query.boost_query(query, weight)
            clauses.append((tantivy.Occur.Should, query))
        return self._rows(tantivy.Query.boolean_query(clauses), most) if clauses else []

    def _rows(self, query: Any, most: int) -> list[int]:  # noqa: ANN401
        hits = self._searcher.search(query, most, count=False).hits
        return [int(row) for row in self._searcher.fast_field_values("row", [address for _, address in hits])]
