"""Opens a catalogue wherever it lies, and cuts it into blocks of whole lines without unpacking it to disk."""

from __future__ import annotations

import hashlib
import io
import os
import re
import sys
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from amazon_titles.catalog.download import ARCHIVE, sha256_of
from amazon_titles.errors import InputError

MEMBERS = ("trn.json.gz", "trn.json")
"""What is looked for in a zip: LF-Amazon-1.3M.raw.zip holds the first, beside the test rows and the labels."""

BLOCK = 4 << 20
"""Bytes of a block: some thousands of rows, so that handing blocks to workers costs nothing beside reading them."""

MAX_LINE = 16 << 20
"""Bytes of a line; the longest description of trn.json has 197,622 characters. A longer line is passed over."""

MAX_EXPANSION = 100
"""How many times its packed size a container may unpack to. JSON text packs 3 to 10 times; a zip bomb 1,000."""

_BOMB_FROM = 256 << 20
_CODECS = {b"\x1f\x8b": "gzip", b"\x28\xb5": "zstd"}


class Source:
    """An opened catalogue.

    Args:
        name: What the report calls it: the file's name, never its folder.
        stream: The lines, unpacked.
        file: The file as it is; None for a pipe.
        archive: Whether it is the archive that trn.json was published in.

    Attributes:
        bytes_read: Bytes of the file itself read so far, packed ones where it is packed.
        size: The file's bytes; None for a pipe.
    """

    def __init__(self, name: str, stream: IO[bytes], file: IO[bytes] | None = None, archive: bool = False) -> None:
        self.name, self.archive = name, archive
        self.size = os.fstat(file.fileno()).st_size if file else None
        self.bytes_read = self._unpacked = 0
        self._stream, self._file, self._digest = stream, file, hashlib.sha256()

    def sha256(self) -> str:
        """Of the file's bytes; of a pipe, of what was read."""
        return sha256_of(Path(self._file.name)) if self._file else self._digest.hexdigest()

    def blocks(self) -> Iterator[bytes]:
        """Yields whole lines, block by block; of a line longer than `MAX_LINE` its beginning, so that it is no JSON.

        Raises:
            InputError: The container is cut off or damaged, or is a zip bomb.
        """
        with _undamaged(self.name):
            while block := self._counted(self._stream.read(BLOCK)):
                # The rest of the last line, and one byte more than it may have.
                most = MAX_LINE + 1 - len(block) + block.rfind(b"\n") + 1
                rest = self._counted(self._stream.readline(most))
                yield block + rest
                while len(rest) == most and not rest.endswith(b"\n"):
                    rest = self._counted(self._stream.readline(most))

    def _counted(self, data: bytes) -> bytes:
        self._unpacked += len(data)
        self.bytes_read = self._file.tell() if self._file else self._unpacked
        if not self._file:
            self._digest.update(data)
        if self._unpacked > max(_BOMB_FROM, MAX_EXPANSION * self.bytes_read):
            raise InputError(
                f"{self.name} unpacks to more than {MAX_EXPANSION} times its size, which no catalogue does.",
                hint="Expected JSON lines, packed with gzip, zip or zstd.",
            )
        return data


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
    if str(source) == "-":
        yield Source("stdin", sys.stdin.buffer)
        return
    path = _from_hub(str(source)) if str(source).startswith("hf://") else Path(source)
    if not path.is_file():
        raise InputError(
            f"There is no file {path}.", hint="Expected a catalogue; fetch trn.json with: amazon-titles download"
        )
    with path.open("rb") as raw:
        with _undamaged(path.name):
            stream, member = _unpacked(raw, path.name)
        archive = bool(member) and (path.name == ARCHIVE or member.startswith("LF-Amazon-1.3M/"))
        yield Source(path.name, stream, raw, archive)


@contextmanager
def _undamaged(name: str) -> Iterator[None]:
    try:
        yield
    except (EOFError, zlib.error, zipfile.BadZipFile, OSError) as error:  # the last one is pyarrow's
        raise InputError(
            f"{name} ends too early or is damaged ({error}).", hint="Fetch it again: amazon-titles download"
        ) from error


def _from_hub(address: str) -> Path:
    # Imported here: 0.3 s that no local build pays.
    from huggingface_hub import hf_hub_download

    found = re.fullmatch(r"hf://datasets/([^/]+/[^/@]+)(?:@([^/]+))?/(.+)", address)
    if not found:
        raise InputError(f"{address} is no address of a file.", hint="Expected hf://datasets/USER/REPO/trn.json")
    return Path(hf_hub_download(found[1], found[3], repo_type="dataset", revision=found[2]))


def _unpacked(raw: IO[bytes], name: str) -> tuple[Any, str]:
    """The stream of the lines, and of a zip the name of the member that holds them."""
    magic = raw.read(2)
    raw.seek(0)
    if codec := _CODECS.get(magic):
        return io.BufferedReader(pa.input_stream(raw, compression=codec)), ""
    if magic == b"PK":
        archive = zipfile.ZipFile(raw)
        held = archive.namelist()
        member = next((member for wanted in MEMBERS for member in held if member.rsplit("/", 1)[-1] == wanted), None)
        if member is None:
            raise InputError(
                f"{name} holds no {MEMBERS[0]} but {', '.join(held[:5]) or 'nothing'}.",
                hint="Expected LF-Amazon-1.3M.raw.zip as downloaded.",
            )
        return _unpacked(archive.open(member), name)[0], member
    return raw, ""
