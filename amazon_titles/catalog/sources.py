"""Opens a catalogue wherever it lies, and cuts it into blocks of whole lines without unpacking it to disk.

The first rows tell whose it is: trn.json's, the made-up sample's, or anybody else's.
"""

from __future__ import annotations

import hashlib
import io
import re
import sys
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

import pyarrow as pa

from amazon_titles.errors import InputError
from amazon_titles.io import read_object
from amazon_titles.sample import is_made_up

ARCHIVE = "LF-Amazon-1.3M.raw.zip"
"""What trn.json was published in."""

MEMBERS = ("trn.json.gz", "trn.json")
"""What is looked for in a zip: the archive holds the first, beside the test rows and the labels."""

BLOCK = 4 << 20
"""Bytes of a block: some thousands of rows, so that handing blocks to workers costs nothing beside reading them."""

MAX_LINE = 16 << 20
"""Bytes of a line; the longest description of trn.json has 197,622 characters. A longer line is passed over."""

MAX_EXPANSION = 100
"""How many times its packed size a container may unpack to. JSON text packs 3 to 10 times; a zip bomb 1,000."""

FIRST_ROWS = 100
"""So many rows decide whose catalogue it is, at most: what it is called must not depend on how it is read."""

_TRN_FIELDS = {"uid", "title", "content", "target_ind", "target_rel"}
_ASIN = re.compile(r"[0-9A-Z]{10}")
_BOMB_FROM = 256 << 20
_CODECS = {b"\x1f\x8b": "gzip", b"\x28\xb5": "zstd"}


class Source:
    """An opened catalogue.

    Args:
        file: The file as it is, or a pipe.
        path: Of the file; None for a pipe.

    Attributes:
        name: What the report calls it: the file's name, never its folder.
        archive: Whether it is the archive that trn.json was published in, once blocks are read.
        bytes_read: Bytes of the file itself read so far, packed ones where it is packed.
        size: The file's bytes; None for a pipe.
    """

    def __init__(self, file: IO[bytes], path: Path | None = None) -> None:
        self.name = path.name if path else "stdin"
        self.size = path.stat().st_size if path else None
        self.archive, self.bytes_read, self._unpacked = False, 0, 0
        self._file, self._path, self._digest = file, path, hashlib.sha256()

    def sha256(self) -> str:
        """Of the file's bytes; of a pipe, of what was read."""
        return sha256_of(self._path) if self._path else self._digest.hexdigest()

    def blocks(self) -> Iterator[bytes]:
        """Yields whole lines, block by block; of a line longer than `MAX_LINE` its beginning, so that it is no JSON.

        Raises:
            InputError: It holds no catalogue, is cut off or damaged, or is a zip bomb.
        """
        try:
            stream = self._open(self._file) if self._path else self._file
            while block := self._counted(stream.read(BLOCK)):
                # The rest of the last line, and one byte more than it may have.
                most = MAX_LINE + 1 - len(block) + block.rfind(b"\n") + 1
                rest = self._counted(stream.readline(most))
                yield block + rest
                while len(rest) == most and not rest.endswith(b"\n"):
                    rest = self._counted(stream.readline(most))
        except (EOFError, zlib.error, zipfile.BadZipFile, OSError) as error:  # the last one is pyarrow's
            raise InputError(
                f"{self.name} ends too early or is damaged ({error}).", hint="Fetch it again: amazon-titles download"
            ) from error

    def _open(self, file: IO[bytes]) -> Any:  # noqa: ANN401 - pyarrow has no types
        """The lines, unpacked."""
        magic = file.read(2)
        file.seek(0)
        if codec := _CODECS.get(magic):
            return io.BufferedReader(pa.input_stream(file, compression=codec))
        if magic != b"PK":
            return file
        archive = zipfile.ZipFile(file)
        held = archive.namelist()
        member = next((member for wanted in MEMBERS for member in held if member.rsplit("/", 1)[-1] == wanted), None)
        if member is None:
            raise InputError(
                f"{self.name} holds no {MEMBERS[0]} but {', '.join(held[:5]) or 'nothing'}.",
                hint="Expected LF-Amazon-1.3M.raw.zip as downloaded.",
            )
        self.archive = self.name == ARCHIVE or member.startswith("LF-Amazon-1.3M/")
        return self._open(archive.open(member))

    def _counted(self, data: bytes) -> bytes:
        self._unpacked += len(data)
        self.bytes_read = self._file.tell() if self._path else self._unpacked
        if not self._path:
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
        InputError: There is no such file.
    """
    if str(source) == "-":
        yield Source(sys.stdin.buffer)
        return
    path = _from_hub(str(source)) if str(source).startswith("hf://") else Path(source)
    if not path.is_file():
        raise InputError(f"There is no file {path}.", hint="trn.json is fetched with: amazon-titles download")
    with path.open("rb") as file:
        yield Source(file, path)


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _from_hub(address: str) -> Path:
    # Imported here: 0.3 s that no local build pays.
    from huggingface_hub import hf_hub_download

    found = re.fullmatch(r"hf://datasets/([^/]+/[^/@]+)(?:@([^/]+))?/(.+)", address)
    if not found:
        raise InputError(f"{address} is no address of a file.", hint="Expected hf://datasets/USER/REPO/trn.json")
    return Path(hf_hub_download(found[1], found[3], repo_type="dataset", revision=found[2]))


class Origin(NamedTuple):
    """Whose catalogue it is.

    Attributes:
        amazon: It is trn.json: every row has its five fields, and an ASIN of ten characters as its uid.
        made_up: A row of the sample stands in it.
        number: The first uid that is a number, as far as leading zeros went; None where all are text.
    """

    amazon: bool
    made_up: bool
    number: int | None


def origin_of(data: bytes, *, uid: str = "uid", archive: bool = False) -> Origin:
    """Tells it from the beginning of a catalogue; lines that hold no JSON object decide nothing.

    Args:
        data: Whole lines.
        uid: The catalogue's name of the field.
        archive: Whether they stand in the archive that trn.json was published in.
    """
    rows = [row for line in data.split(b"\n", FIRST_ROWS)[:FIRST_ROWS] if (row := read_object(line))]
    uids = [row.get(uid) for row in rows]
    asins = all(isinstance(one, str) and _ASIN.fullmatch(one) for one in uids)
    trn = bool(rows) and asins and all(row.keys() >= _TRN_FIELDS for row in rows)
    made_up = any(map(is_made_up, uids))
    number = next((one for one in uids if isinstance(one, int) and not isinstance(one, bool)), None)
    return Origin((archive or trn) and not made_up, made_up, number)
