"""Opens a catalogue wherever it lies, and cuts it into blocks of whole lines without unpacking it to disk."""

from __future__ import annotations

import gzip
import hashlib
import sys
import threading
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from amazon_titles.catalog.download import ARCHIVE
from amazon_titles.errors import InputError

MEMBERS = ("trn.json.gz", "trn.json")
"""What is looked for in a zip: LF-Amazon-1.3M.raw.zip holds the first, beside the test rows and the labels."""

_ARCHIVE_FOLDER = "LF-Amazon-1.3M/"

BLOCK = 4 << 20
"""Bytes of a block: some thousands of rows, so that handing blocks to workers costs nothing beside reading them."""

MAX_LINE = 16 << 20
"""Bytes of a line; the longest description of trn.json has 197,622 characters. A longer line is passed over."""

MAX_EXPANSION = 100
"""How many times its packed size a container may unpack to. JSON text packs 3 to 10 times; a zip bomb 1,000."""

_BOMB_FROM = 256 << 20
_TRUNCATED = (EOFError, zlib.error, zipfile.BadZipFile, gzip.BadGzipFile)


@dataclass(frozen=True, slots=True)
class Batch:
    """A block of whole lines.

    Attributes:
        path: The plain file it stands in, to be read where it is needed; None where `data` holds it.
        offset: Bytes before it in the plain file.
        size: Its bytes.
        data: The bytes, of a source that can be read once only.
        too_long: A line longer than `MAX_LINE`: `data` holds just its beginning.
    """

    path: Path | None
    offset: int
    size: int
    data: bytes = b""
    too_long: bool = False

    def load(self) -> bytes:
        """The block's bytes."""
        if self.path is None:
            return self.data
        with self.path.open("rb") as file:
            file.seek(self.offset)
            return file.read(self.size)


class Source:
    """An opened catalogue.

    Attributes:
        name: What the report calls it: the file's name, never its folder.
        bytes_read: Bytes of the file itself read so far, packed ones where it is packed.
        size: The file's bytes; None for a pipe.
        archive: Whether it is the archive that trn.json was published in.
    """

    def __init__(
        self,
        name: str,
        path: Path | None,
        raw: IO[bytes],
        stream: Any,  # noqa: ANN401
        plain: bool,
        archive: bool = False,
    ) -> None:
        self.name, self.archive = name, archive
        self.size = path.stat().st_size if path else None
        self.bytes_read = 0
        self._path, self._raw, self._stream, self._plain = path, raw, stream, plain
        self._digest = hashlib.sha256()
        self._hashing: threading.Thread | None = None
        if path:
            # Beside the reading: hashing lets go of the interpreter.
            self._hashing = threading.Thread(target=self._hash, args=(path,), daemon=True)
            self._hashing.start()

    def _hash(self, path: Path) -> None:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                self._digest.update(block)

    def sha256(self) -> str:
        """Of the file's bytes; of a pipe, of what was read."""
        if self._hashing:
            self._hashing.join()
        return self._digest.hexdigest()

    def batches(self) -> Iterator[Batch]:
        """Yields the blocks in order.

        Raises:
            InputError: The container is cut off or damaged, or is a zip bomb.
        """
        try:
            yield from self._batches()
        except _TRUNCATED as error:
            raise _damaged(self.name, error) from error
        except OSError as error:
            # pyarrow's word for a damaged .zst is a plain OSError.
            if self._plain:
                raise
            raise _damaged(self.name, error) from error

    def _batches(self) -> Iterator[Batch]:
        carry = b""
        start = position = 0
        skipping = False
        while block := self._read():
            position += len(block)
            end = block.rfind(b"\n") + 1
            if skipping:
                # Inside an over-long line, of which nothing more is kept.
                first = block.find(b"\n") + 1
                if not first:
                    continue
                yield Batch(None, start, 0, carry, too_long=True)
                block, start, carry, skipping = block[first:], position - len(block) + first, b"", False
                end = block.rfind(b"\n") + 1
            if end:
                yield self._batch(
                    start, position - len(block) + end - start, carry + block[:end] if not self._plain else b""
                )
                start, carry = position - len(block) + end, block[end:]
            else:
                carry += block
            if len(carry) > MAX_LINE:
                carry, skipping = carry[:200], True
        if skipping:
            yield Batch(None, start, 0, carry, too_long=True)
        elif carry:
            yield self._batch(start, len(carry), carry)

    def _batch(self, offset: int, size: int, data: bytes) -> Batch:
        return Batch(self._path, offset, size) if self._plain else Batch(None, offset, size, data)

    def _read(self) -> bytes:
        block: bytes = self._stream.read(BLOCK)
        if not self._path:
            self._digest.update(block)
        self.bytes_read = self._raw.tell() if self._path else self.bytes_read + len(block)
        if not self._plain and self._path:
            self._unpacked = getattr(self, "_unpacked", 0) + len(block)
            if self._unpacked > max(_BOMB_FROM, MAX_EXPANSION * self.bytes_read):
                raise InputError(
                    f"{self.name} unpacks to more than {MAX_EXPANSION} times its size, which no catalogue does.",
                    hint="Expected JSON lines, packed with gzip, zip or zstd.",
                )
        return block


@contextmanager
def open_source(source: str | Path) -> Iterator[Source]:
    """Opens a catalogue.

    Args:
        source: A file of JSON lines, plain or packed with gzip or zstd; the zip as downloaded; `-` for stdin; or
            `hf://datasets/USER/REPO[@REVISION]/PATH`.

    Yields:
        The opened source.

    Raises:
        InputError: There is no such file, or the zip holds no `trn.json`.
    """
    with ExitStack() as stack:
        if str(source) == "-":
            yield Source("stdin", None, sys.stdin.buffer, sys.stdin.buffer, plain=False)
            return
        path = _from_hub(str(source)) if str(source).startswith("hf://") else Path(source)
        if not path.is_file():
            raise InputError(
                f"There is no file {path}.", hint="Expected a catalogue; fetch trn.json with: amazon-titles download"
            )
        raw = stack.enter_context(path.open("rb"))
        try:
            stream, member = _unpacked(raw, path.name, stack)
        except _TRUNCATED as error:
            raise _damaged(path.name, error) from error
        archive = bool(member) and (path.name == ARCHIVE or member.startswith(_ARCHIVE_FOLDER))
        yield Source(path.name, path, raw, stream, plain=stream is raw, archive=archive)


def _damaged(name: str, error: Exception) -> InputError:
    return InputError(f"{name} ends too early or is damaged ({error}).", hint="Fetch it again: amazon-titles download")


def _from_hub(address: str) -> Path:
    # Imported here: 0.3 s that no local build pays.
    from huggingface_hub import hf_hub_download

    parts = address.removeprefix("hf://").split("/")
    if len(parts) < 4 or parts[0] != "datasets":
        raise InputError(f"{address} is no address of a file.", hint="Expected hf://datasets/USER/REPO/trn.json")
    repo, _, revision = "/".join(parts[1:3]).partition("@")
    return Path(hf_hub_download(repo, "/".join(parts[3:]), repo_type="dataset", revision=revision or None))


def _unpacked(raw: IO[bytes], name: str, stack: ExitStack) -> tuple[Any, str]:
    """The stream of the lines, and of a zip the name of the member that holds them."""
    magic = raw.read(4)
    raw.seek(0)
    if magic[:2] == b"\x1f\x8b":
        return stack.enter_context(gzip.GzipFile(fileobj=raw)), ""
    if magic == b"\x28\xb5\x2f\xfd":
        import pyarrow as pa

        return stack.enter_context(pa.CompressedInputStream(pa.PythonFile(raw, "r"), "zstd")), ""
    if magic in (b"PK\x03\x04", b"PK\x05\x06"):
        archive = stack.enter_context(zipfile.ZipFile(raw))
        for wanted in MEMBERS:
            for entry in archive.namelist():
                if entry.rsplit("/", 1)[-1] == wanted:
                    member: Any = stack.enter_context(archive.open(entry))
                    if wanted.endswith(".gz"):
                        member = stack.enter_context(gzip.GzipFile(fileobj=member))
                    return member, entry
        held = ", ".join(archive.namelist()[:5]) or "nothing"
        raise InputError(
            f"{name} holds no {MEMBERS[0]} but {held}.", hint="Expected LF-Amazon-1.3M.raw.zip as downloaded."
        )
    return raw, ""
