"""Opens a catalogue wherever it lies, and cuts it into blocks of whole lines; JSON lines are not unpacked to disk."""

from __future__ import annotations

import codecs
import csv
import hashlib
import io
import re
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from amazon_titles.catalog import forms
from amazon_titles.errors import InputError
from amazon_titles.hub_errors import explain

ARCHIVE = "LF-Amazon-1.3M.raw.zip"
"""What trn.json was published in."""

MEMBERS = ("trn.json.gz", "trn.json")
"""What is taken first in a zip: the archive holds the first, beside the test rows and the labels."""

BLOCK = 4 << 20
"""Bytes of a block: some thousands of rows, so that handing blocks to workers costs nothing beside reading them."""

MAX_LINE = 16 << 20
"""Bytes of a line; the longest description of trn.json has 197,622 characters. A longer line is passed over."""

MAX_EXPANSION = 100
"""How many times its packed size a container may unpack to. JSON text packs 3 to 10 times; a zip bomb 1,000."""

_BOMB_FROM = 256 << 20
_CODECS = {b"\x1f\x8b": "gzip", b"\x28\xb5": "zstd", b"BZ": "bz2"}
_PACKED = (*_CODECS, b"PK")
# OSError is pyarrow's, too; RuntimeError of a zip with a password, or packed in a way that Python does not know.
_DAMAGED = (EOFError, zlib.error, zipfile.BadZipFile, OSError, pa.ArrowException, UnicodeError, RuntimeError, csv.Error)
_NOT_MEMBERS = re.compile(r"(?:.*/)?(?:__MACOSX/.*|\..*|)")  # folders, and what file managers add


class Source:
    """An opened catalogue.

    Args:
        file: The file as it is, or a pipe.
        path: Of the file; None for a pipe.
        encoding: Of its text; by default UTF-8, or what its byte-order mark says.
        sheet: Of a workbook; by default the first.

    Attributes:
        name: What the report calls it: the file's name, never its folder.
        archive: Whether it is the archive that trn.json was published in, once blocks are read.
        bytes_read: Bytes of the file itself read so far, packed ones where it is packed.
        size: The file's bytes; None for a pipe, unless it had to be put aside to be unpacked.
    """

    def __init__(
        self, file: IO[bytes], path: Path | None = None, *, encoding: str | None = None, sheet: str | None = None
    ) -> None:
        self.name = path.name if path else "stdin"
        self.size = path.stat().st_size if path else None
        self.archive, self.bytes_read, self._unpacked = False, 0, 0
        self._file, self._path, self._digest = file, path, hashlib.sha256()
        self._encoding, self._sheet = encoding and forms.known_encoding(encoding), sheet

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
            head = next(lines := self._lines(stream), b"")
            if not self._path and head.startswith(_PACKED):
                self._file = self._whole(stream, head)
                self.size, self._unpacked = self._unpacked, 0
                stream = self._open(self._file)
                head = next(lines := self._lines(stream), b"")
            kind, encoding = forms.form_of(head, self.name, self._encoding)
            if kind == forms.LINES and encoding in ("utf-8", "utf-8-sig"):
                yield head.removeprefix(codecs.BOM_UTF8)
                yield from lines
                return
            file = self._whole(stream, head)
            for block in forms.blocks(file, kind, encoding, self.name, self._sheet, size=BLOCK):
                if stream is self._file and not file.closed:
                    self.bytes_read = file.tell()
                yield block
            self.bytes_read = self.size or self._unpacked
        except _DAMAGED as error:
            raise InputError(
                f"{self.name} ends too early or is damaged ({error}).",
                hint="Download or export it again; trn.json: amazon-titles download",
            ) from error

    def _lines(self, stream: Any) -> Iterator[bytes]:  # noqa: ANN401 - pyarrow has no types
        while block := self._counted(stream.read(BLOCK)):
            # The rest of the last line, and one byte more than it may have.
            most = MAX_LINE + 1 - len(block) + block.rfind(b"\n") + 1
            rest = self._counted(stream.readline(most))
            yield block + rest
            while len(rest) == most and not rest.endswith(b"\n"):
                rest = self._counted(stream.readline(most))

    def _whole(self, stream: Any, head: bytes) -> Any:  # noqa: ANN401
        """All of a stream of which the head was read, as a file: from its beginning, or put aside unpacked."""
        if stream is self._file and self.size is not None:
            stream.seek(0)
            return stream
        file = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the last reader
        while head:
            file.write(head)
            head = self._counted(stream.read(BLOCK))
        file.seek(0)
        return file

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
        if "xl/workbook.xml" in held:
            file.seek(0)
            return file
        member = self._member(held)
        self.archive = self.name == ARCHIVE or member.startswith("LF-Amazon-1.3M/")
        return self._open(archive.open(member))

    def _member(self, held: list[str]) -> str:
        wanted = [member for name in MEMBERS for member in held if member.rsplit("/", 1)[-1] == name]
        files = [member for member in held if not _NOT_MEMBERS.fullmatch(member)]
        found = wanted[:1] or list(filter(forms.may_be_catalogue, files))
        if len(found) != 1:
            raise InputError(
                f"{self.name} holds no {MEMBERS[0]} but {', '.join(found[:5] or files[:5]) or 'nothing'}.",
                hint="Expected LF-Amazon-1.3M.raw.zip as downloaded, or a zip with one catalogue: unpack it, and name"
                " the one.",
            )
        return found[0]

    def _counted(self, data: bytes) -> bytes:
        self._unpacked += len(data)
        if self.size is None:
            self._digest.update(data)
        self.bytes_read = self._unpacked if self.size is None else self._file.tell()
        if self._unpacked > max(_BOMB_FROM, MAX_EXPANSION * self.bytes_read):
            said = f"{self.name} unpacks to more than {MAX_EXPANSION} times its size; no catalogue does."
            raise InputError(said, hint=f"Expected {forms.FORMS}.")
        return data


class Parts(Source):
    """Several files that hold one catalogue together, such as those of a dataset on the Hub; read one after the other.

    Args:
        name: Of the catalogue.
        parts: Its files, in order.
    """

    def __init__(self, name: str, parts: Sequence[Source]) -> None:
        self.name, self.size = name, sum(part.size or 0 for part in parts)
        self.archive, self.bytes_read, self._parts = False, 0, parts

    def sha256(self) -> str:
        """Of what the SHA-256 of each file is, in order."""
        return hashlib.sha256("".join(part.sha256() for part in self._parts).encode()).hexdigest()

    def blocks(self) -> Iterator[bytes]:
        """Yields the blocks of each file, as `Source` does."""
        for part in self._parts:
            for block in part.blocks():
                self.bytes_read = sum(one.bytes_read for one in self._parts)
                yield block


@contextmanager
def open_source(source: str | Path, *, encoding: str | None = None, sheet: str | None = None) -> Iterator[Source]:
    """Opens a catalogue.

    Args:
        source: A file in one of `forms.FORMS`; the zip as downloaded; `-` for stdin; or
            `hf://datasets/USER/REPO[@REVISION][/PATH]`. Files there that differ in their numbers alone, or
            that a pattern such as `data/train-*.parquet` fits, are one catalogue.
        encoding: Of its text; by default UTF-8, or what its byte-order mark says.
        sheet: Of a workbook; by default the first.

    Yields:
        The opened source.

    Raises:
        InputError: There is no such file, or no such encoding.
    """
    if str(source) == "-":
        yield Source(sys.stdin.buffer, encoding=encoding, sheet=sheet)
        return
    name, paths = _from_hub(str(source)) if str(source).startswith("hf://") else ("", [Path(source)])
    if paths[0].is_dir():
        raise InputError(f"{paths[0]} is a folder.", hint="Name the one file in it that holds the catalogue.")
    if not paths[0].is_file():
        raise InputError(f"There is no file {paths[0]}.", hint="Download trn.json with: amazon-titles download")
    with ExitStack() as stack:
        files = [(stack.enter_context(path.open("rb")), path) for path in paths]
        parts = [Source(file, path, encoding=encoding, sheet=sheet) for file, path in files]
        yield parts[0] if len(parts) == 1 else Parts(name, parts)


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _from_hub(address: str) -> tuple[str, list[Path]]:
    # Imported here: 0.3 s that no local build pays.
    from huggingface_hub import hf_hub_download, list_repo_files

    found = re.fullmatch(r"hf://datasets/([^/]+/[^/@]+)(?:@([^/]+))?(?:/(.+))?", address)
    if not found:
        raise InputError(f"{address} is no address of a file.", hint="Expected hf://datasets/USER/REPO/trn.json")
    repo, revision, path = found.groups()
    where: dict[str, Any] = {"repo_type": "dataset", "revision": revision}
    try:
        files = [path]
        if path is None or "*" in path:
            held = list_repo_files(repo, **where)
            files = sorted(name for name in held if fnmatchcase(name, path or "*") and forms.may_be_catalogue(name))
            # Shards of one table are named alike; other files are other tables.
            if not files or (path is None and len({re.sub(r"\d+", "", name) for name in files}) > 1):
                shown = ", ".join(files[:5] or held[:5]) or "nothing"
                address = address.removesuffix(f"/{path}")
                raise InputError(
                    f"{repo} holds {shown}.",
                    hint=f"Name one file: {address}/FILE, or shards: '{address}/data/train-*.parquet'",
                )
        return repo.rpartition("/")[2], [Path(hf_hub_download(repo, name, **where)) for name in files]
    except Exception as error:
        raise explain(error, repo, "dataset") from None
