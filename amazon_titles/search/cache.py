"""Where indexes are kept, and when one is built again: another dataset, another version, or damage."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock

from amazon_titles.errors import InputError
from amazon_titles.io import read_object, shards
from amazon_titles.progress import say
from amazon_titles.search.storage import SCHEMA, write

FORMAT = 1
"""Counts up when what `storage.write` writes changes."""

_MANIFEST = "index.json"
# A file that was written so shortly before it was read may be written again without its time telling: 2 s on FAT.
_SETTLED_NS = 2_000_000_000
_UNUSED_DAYS = 30
_BATCH = 8192
_AGAIN = "Build the dataset again: amazon-titles build SOURCE --out DIR"


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
        raise InputError(
            f"{dataset} holds no catalog/train-*.parquet.",
            hint="Make a dataset with: amazon-titles build SOURCE --out DIR",
        )
    seen = _states(files)
    folder = cache_folder() / "indexes" / _key(dataset, files, seen)
    if intact(folder):
        with suppress(OSError):  # a cache that others own can be read all the same
            os.utime(folder / _MANIFEST)
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_suffix(".lock")):
            if not intact(folder):
                _build(folder, dataset, files, seen)
    except OSError as error:
        raise InputError(
            f"The index of {dataset} cannot be written to {error.filename or folder}: {error.strerror or error}.",
            hint="Choose a folder with room for it: AMAZON_TITLES_CACHE=DIR",
        ) from None
    _remove_unused(folder)
    return folder


def _states(files: Sequence[Path]) -> dict[str, list[int]]:
    """What tells of each file that it is as it was: size, times of content and of state, place on the disk."""
    stats = {path.name: path.stat() for path in files}
    return {name: [at.st_size, at.st_mtime_ns, at.st_ctime_ns, at.st_ino] for name, at in stats.items()}


def _key(dataset: Path, files: Sequence[Path], seen: dict[str, list[int]]) -> str:
    """Names an index by the content that it is made of, which is read once for as long as the files stay as they are.

    Args:
        dataset: Its folder.
        files: Of its catalogue.
        seen: Their states before they are read.
    """
    place = blake2b(os.fsencode((dataset / "catalog").resolve()), digest_size=16).hexdigest()
    record = cache_folder() / "catalogues" / f"{place}.json"
    known = read_object(record)
    if known.get("files") != seen or "content" not in known:
        start = time.time_ns()
        known = {"content": _digest(files), "files": seen}
        if start - max(max(times) for _, *times, _ in seen.values()) > _SETTLED_NS and _states(files) == seen:
            beside = record.with_suffix(f".{os.getpid()}")
            with suppress(OSError):  # a cache that others own can be read all the same
                record.parent.mkdir(parents=True, exist_ok=True)
                beside.write_text(json.dumps(known), encoding="utf-8")
                beside.replace(record)
    return blake2b(f"{FORMAT} {version('tantivy')} {known['content']}".encode(), digest_size=16).hexdigest()


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from iter(partial(file.read, 1 << 20), b"")


def _digest(files: Sequence[Path]) -> str:
    """Of the files' names and of every byte in them."""
    digest = blake2b(digest_size=16)
    for path in files:
        digest.update(f"{path.name} {path.stat().st_size} ".encode())
        for block in _blocks(path):
            digest.update(block)
    return digest.hexdigest()


def _build(folder: Path, dataset: Path, files: Sequence[Path], seen: dict[str, list[int]]) -> None:
    for left in folder.parent.glob(f".{folder.name}.building-*"):  # of a process that was killed: the lock is ours
        shutil.rmtree(left, ignore_errors=True)
    building = folder.parent / f".{folder.name}.building-{os.getpid()}"
    building.mkdir()
    try:
        start = time.perf_counter()
        products = write(building, _tables(files))
        if not products:
            raise InputError(f"The catalogue of {dataset} is empty.", hint=_AGAIN)
        if _states(files) != seen:  # an index under the name of another content would be wrong for good
            raise InputError(f"The catalogue of {dataset} was changed while it was read.", hint="Do it again.")
        written = [path for path in sorted(building.rglob("*")) if path.is_file() and path.suffix != ".lock"]
        sums = {path.relative_to(building).as_posix(): [path.stat().st_size, _crc(path)] for path in written}
        manifest = {"format": FORMAT, "products": products, "files": sums}
        (building / _MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")
        if folder.exists():
            shutil.rmtree(folder)
        building.rename(folder)
        if (seconds := time.perf_counter() - start) > 3:
            say(f"Indexed {products:,} products in {seconds:.0f} s; the index is kept in {folder}.")
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _tables(files: Sequence[Path]) -> Iterator[pa.Table]:
    for path in files:
        try:
            with pq.ParquetFile(path) as file:
                for batch in file.iter_batches(batch_size=_BATCH, columns=SCHEMA.names):
                    yield pa.Table.from_batches([batch]).select(SCHEMA.names).cast(SCHEMA)
        except (pa.ArrowException, KeyError, OSError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise InputError(
                f"{path} is no Parquet file of a catalogue, or a damaged one: {reason}", hint=_AGAIN
            ) from None


def _crc(path: Path) -> int:
    crc = 0
    for block in _blocks(path):
        crc = zlib.crc32(block, crc)
    return crc


def intact(folder: Path) -> bool:
    """Whether an index is there with every file as it was written: sizes first, then checksums."""
    try:
        sums = {folder / name: sums for name, sums in read_object(folder / _MANIFEST)["files"].items()}
        return all(path.stat().st_size == size for path, (size, _) in sums.items()) and all(
            _crc(path) == crc for path, (_, crc) in sums.items()
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def _remove_unused(kept: Path) -> None:
    """Removes indexes that nobody has asked for a month: of datasets that were built again or are gone."""
    for manifest in kept.parent.glob(f"*/{_MANIFEST}"):
        try:
            if manifest.parent != kept and time.time() - manifest.stat().st_mtime > _UNUSED_DAYS * 86_400:
                shutil.rmtree(manifest.parent)
        except OSError:
            continue  # somebody else's, or in use
