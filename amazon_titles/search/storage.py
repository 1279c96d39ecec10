"""An index on disk: where it is kept, when it is built again, what it holds, and how its products are read.

It holds what tantivy finds rows by, and the products themselves, which are read by row and never all at once.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from functools import lru_cache
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa
import tantivy
from filelock import FileLock, Timeout

from amazon_titles.catalog import Product
from amazon_titles.errors import InputError
from amazon_titles.io import shards
from amazon_titles.parquet import read_shards
from amazon_titles.progress import bar, say
from amazon_titles.text import words_of

FORMAT = 3
"""Counts up when what `write` writes changes."""

_TITLES, _TEXTS, _WORDS, _CHECKSUM = "titles.arrow", "texts.arrow", "words", "checksum"
_TITLE_FIELDS = pa.schema([("uid", pa.string()), ("title", pa.string())])
_TEXT_FIELDS = pa.schema([("content", pa.string()), ("related", pa.list_(pa.string()))])
_SCHEMA = pa.schema([*_TITLE_FIELDS, *_TEXT_FIELDS])
# A text is read with the others of its block, which are unpacked together: 160 kB at trn.json's lengths, 0.3 ms.
# A row's number is its block's, times this, and its place there: a file's last block has fewer rows, and leaves a gap.
_BLOCK = 256
# Blocks of texts that stay unpacked once they are read, 10 MB: all of a catalogue of 16,000 products.
_UNPACKED = 64
# Bytes of words that tantivy gathers before it writes a segment, at most; 100,000 titles take some 27 MB. What is in
# one segment, written by one thread, is found in the order of the rows where scores are equal: alike in every build.
_HEAP = 600_000_000
_UNUSED_DAYS = 30
_AGAIN = "Build the dataset again: amazon-titles build SOURCE --out DIR"

Term = tuple[str, float, int]
"""A word to look for: the word, how much it counts, and how many strokes of it may be wrong."""


def cache_folder() -> Path:
    """Where indexes are kept: `AMAZON_TITLES_CACHE`, else beside the Hub's cache, else where the system keeps caches.

    The system's are those of https://specifications.freedesktop.org/basedir-spec, macOS and Windows. The Hub's own
    folder for other libraries' files, `cached_assets_path`, would be elsewhere, and huggingface_hub slow to import.
    """
    if own := os.environ.get("AMAZON_TITLES_CACHE"):
        return Path(own).expanduser()
    systems = {"win32": ("LOCALAPPDATA", "~/AppData/Local"), "darwin": ("", "~/Library/Caches")}
    variable, usual = systems.get(sys.platform, ("XDG_CACHE_HOME", "~/.cache"))
    base = os.environ.get("HF_HOME") or os.environ.get(variable) or usual
    return Path(base).expanduser() / "amazon_titles"


def index_folder(dataset: Path) -> Path:
    """The folder of a dataset's index, which is built where there is none, or a damaged one.

    Two processes that ask at once get the same: the second waits for the first. What is built becomes visible whole.

    Raises:
        InputError: The dataset holds no catalogue, an empty or a damaged one, or the cache cannot be written.
    """
    files = shards(dataset, "catalog", "train")
    if not files:
        said = f"{dataset} holds no catalog/train-*.parquet."
        raise InputError(said, hint="Make a dataset with: amazon-titles build SOURCE --out DIR")
    # Without one of its files a catalogue would say that products do not exist.
    count = files[-1].stem.rpartition("-of-")[2]
    for number in range(int(count) if count.isdigit() else 0):
        if (path := dataset / "catalog" / f"train-{number:05}-of-{count}.parquet") not in files:
            raise InputError(f"{path} is missing.", hint=_AGAIN)
    seen = _states(files)
    key = blake2b(f"{FORMAT} {version('tantivy')} {seen}".encode(), digest_size=16).hexdigest()
    folder = cache_folder() / "indexes" / key
    if _intact(folder):
        with suppress(OSError):  # a cache that others own can be read all the same
            os.utime(folder / _CHECKSUM)
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        for left in folder.parent.glob(".*.building-*"):  # by processes that were killed: they hold no lock any more
            with suppress(OSError, Timeout), FileLock(folder.parent / f"{left.name[1:].split('.')[0]}.lock", timeout=0):
                shutil.rmtree(left, ignore_errors=True)
        with FileLock(folder.with_suffix(".lock")):
            if not _intact(folder):
                _build(folder, dataset, files, seen)
    except (OSError, ValueError) as error:  # the second one is tantivy's
        where = getattr(error, "filename", None) or folder
        said = f"The index of {dataset} cannot be written to {where}: {getattr(error, 'strerror', None) or error}."
        raise InputError(said, hint="Choose a folder with room for it: AMAZON_TITLES_CACHE=DIR") from None
    _remove_unused(folder)
    return folder


def _states(files: Sequence[Path]) -> list[tuple[str, int, int, int, int]]:
    """What tells of each file that it is as it was: name, size, times of content and of state, place on the disk."""
    stats = [(path.name, path.stat()) for path in files]
    return [(name, at.st_size, at.st_mtime_ns, at.st_ctime_ns, at.st_ino) for name, at in stats]


def _build(folder: Path, dataset: Path, files: Sequence[Path], seen: object) -> None:
    start, prefix = time.perf_counter(), f".{folder.name}.building-"
    with tempfile.TemporaryDirectory(prefix=prefix, dir=folder.parent, ignore_cleanup_errors=True) as place:
        building = Path(place) / "index"
        building.mkdir()
        products = write(building, read_shards(files, _SCHEMA, _BLOCK))
        if not products:
            raise InputError(f"The catalogue of {dataset} is empty.", hint=_AGAIN)
        if _states(files) != seen:  # an index under the name of another content would be wrong for good
            raise InputError(f"The catalogue of {dataset} was changed while it was read.", hint="Do it again.")
        (building / _CHECKSUM).write_text(_checksum(building), encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        building.rename(folder)
    if (seconds := time.perf_counter() - start) > 3:
        say(f"Indexed {products:,} products in {seconds:.0f} s; the index is kept in {folder}.")


def _checksum(folder: Path) -> str:
    """Of the name and every byte of an index's files; the locks that tantivy takes are none of them."""
    crc = 0
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix != ".lock" and path.name != _CHECKSUM:
            crc = zlib.crc32(path.name.encode(), crc)
            with path.open("rb") as file:
                while block := file.read(1 << 20):
                    crc = zlib.crc32(block, crc)
    return str(crc)


def _intact(folder: Path) -> bool:
    """Whether an index is there with every file as it was written."""
    try:
        return (folder / _CHECKSUM).read_bytes() == _checksum(folder).encode()
    except OSError:
        return False


def _remove_unused(kept: Path) -> None:
    """Removes indexes that nobody has asked for a month: of datasets that were built again or are gone."""
    for checksum in kept.parent.glob(f"*/{_CHECKSUM}"):
        with suppress(OSError):  # somebody else's, or in use
            if checksum.parent != kept and time.time() - checksum.stat().st_mtime > _UNUSED_DAYS * 86_400:
                shutil.rmtree(checksum.parent)


def write(folder: Path, blocks: Iterable[pa.RecordBatch]) -> int:
    """Writes the index of a catalogue.

    Args:
        folder: An empty one.
        blocks: The catalogue, at most `_BLOCK` rows at once, with the columns `uid`, `title`, `content` and `related`.

    Returns:
        How many products it holds.
    """
    (folder / _WORDS).mkdir()
    schema = tantivy.SchemaBuilder()
    schema.add_integer_field("row", stored=False, indexed=False, fast=True)
    schema.add_text_field("uid", stored=False, tokenizer_name="raw", index_option="basic")
    schema.add_text_field("title", stored=False, tokenizer_name="whitespace", index_option="freq")
    writer: Any = tantivy.Index(schema.build(), path=str(folder / _WORDS)).writer(heap_size=_HEAP, num_threads=1)
    packed, count = pa.ipc.IpcWriteOptions(compression="zstd"), 0
    with (
        pa.ipc.new_file(str(folder / _TITLES), _TITLE_FIELDS) as titles,
        pa.ipc.new_file(str(folder / _TEXTS), _TEXT_FIELDS, options=packed) as texts,
        bar("indexing", unit="products", announce=False) as advance,
    ):
        for number, block in enumerate(blocks):
            titles.write_batch(block.select(_TITLE_FIELDS.names))
            texts.write_batch(block.select(_TEXT_FIELDS.names))
            named = zip(block["uid"].to_pylist(), block["title"].to_pylist(), strict=True)
            for row, (uid, title) in enumerate(named, start=number * _BLOCK):
                writer.add_document(tantivy.Document(row=row, uid=uid, title=" ".join(words_of(title))))
            advance(block.num_rows)
            count += block.num_rows
        writer.commit()
        writer.wait_merging_threads()
    return count


def as_blocks(products: Iterable[Product]) -> Iterator[pa.RecordBatch]:
    """Products as `write` takes them."""
    yield from pa.Table.from_pylist(list(map(asdict, products)), schema=_SCHEMA).to_batches(max_chunksize=_BLOCK)


class Store:
    """An index as `write` left it; its files are mapped, not loaded.

    Args:
        folder: Where it is.
    """

    def __init__(self, folder: Path) -> None:
        try:
            index: Any = tantivy.Index.open(str(folder / _WORDS))
        except ValueError:
            # Tantivy takes a lock for as long as it opens the files, in their own folder, where nobody may write.
            self._scratch = tempfile.TemporaryDirectory(prefix="amazon-titles-", ignore_cleanup_errors=True)
            locks = shutil.ignore_patterns("*.lock")
            shutil.copytree(folder / _WORDS, self._scratch.name, ignore=locks, dirs_exist_ok=True)
            index = tantivy.Index.open(self._scratch.name)
        self._schema: Any = index.schema
        self._searcher: Any = index.searcher()
        mapped = pa.ipc.open_file(pa.memory_map(str(folder / _TITLES))).read_all()
        self._uids, self._titles = (column.chunks for column in mapped.columns)
        alone = pa.ipc.IpcReadOptions(use_threads=False)
        texts = pa.ipc.open_file(pa.memory_map(str(folder / _TEXTS)), options=alone)
        self._texts_of = lru_cache(_UNPACKED)(texts.get_batch)

    def __len__(self) -> int:
        return int(self._searcher.num_docs)

    def title(self, row: int) -> str:
        """The title of a row."""
        return str(self._titles[row // _BLOCK][row % _BLOCK])

    def product(self, row: int) -> Product:
        """The product of a row."""
        number, place = divmod(row, _BLOCK)
        content, related = (column[place].as_py() for column in self._texts_of(number).columns)
        return Product(str(self._uids[number][place]), self.title(row), content, tuple(related or ()))

    def frequency(self, word: str) -> int:
        """How many titles have a word."""
        return int(self._searcher.doc_freq("title", word))

    def rows_of(self, uid: str) -> list[int]:
        """The rows of a uid: one, or none; a catalogue that was not made by this library may have several."""
        known = self._searcher.doc_freq("uid", uid)
        return self._rows(tantivy.Query.term_query(self._schema, "uid", uid, "basic"), 3) if known else []

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
            clauses.append((tantivy.Occur.Should, tantivy.Query.boost_query(query, weight)))
        return self._rows(tantivy.Query.boolean_query(clauses), most) if clauses else []

    def _rows(self, query: Any, most: int) -> list[int]:  # noqa: ANN401
        hits = self._searcher.search(query, most, count=False).hits
        return [int(row) for row in self._searcher.fast_field_values("row", [address for _, address in hits])]
