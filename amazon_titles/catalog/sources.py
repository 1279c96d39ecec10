"""Opens a catalogue wherever it lies: plain, compressed, in a zip."""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

from amazon_titles.errors import InputError

MEMBERS = ("trn.json.gz", "trn.json")
"""What to look for in a zip; LF-Amazon-1.3M.raw.zip holds the first, beside the test rows and the labels."""


def open_lines(source: str | Path) -> Iterator[bytes]:
    """Yields the lines of a catalogue file.

    Raises:
        InputError: There is no such file.
    """
    path = Path(source)
    if not path.is_file():
        raise InputError(f"There is no file {path}.", hint="Fetch the real one with: amazon-titles download")
    with path.open("rb") as file:
        for line in _decompressed(file, path.name):
            if line.strip():
                yield line


def _decompressed(file: IO[bytes], name: str) -> IO[bytes]:
    magic = file.read(4)
    file.seek(0)
    if magic[:2] == b"\x1f\x8b":
        return io.BufferedReader(gzip.GzipFile(fileobj=file), 1 << 20)
    if magic == b"PK\x03\x04":
        archive = zipfile.ZipFile(file)
        found = [entry for entry in archive.namelist() if entry.rsplit("/", 1)[-1] in MEMBERS]
        if not found:
            raise InputError(f"{name} holds no {MEMBERS[0]}.", hint="Expected LF-Amazon-1.3M.raw.zip.")
        member = archive.open(found[0])
        return cast("IO[bytes]", gzip.GzipFile(fileobj=member)) if found[0].endswith(".gz") else member
    return file
