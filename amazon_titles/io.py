"""Files and folders: what JSON says, which shards a split has, and how a new folder takes the place of an old one.

A folder is built beside its place and put there in one step, by one process at a time, and over nothing foreign.
"""

from __future__ import annotations

import codecs
import ctypes
import glob
import json
import os
import re
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid4

from filelock import FileLock, Timeout

from amazon_titles.errors import InputError
from amazon_titles.progress import say

MODEL_FILES: dict[str, Any] = {
    "allow_patterns": [
        "*.json", "*.safetensors", "*.model", "*.jinja", "*.txt", "adapter_model.bin", "LICEN[CS]E*", "NOTICE*",
        "USE_POLICY*",
    ],
    "ignore_patterns": ["*/*"],
}  # fmt: skip
"""What `local_folder` gets of a model: what transformers and peft load, and the licence; no original checkpoints, no
other formats and no pickle but an adapter's, of which peft reads weights alone."""

_NEW, _OLD = "new", "old"
_LEFT_SECONDS = 60.0  # no file takes so long to be written, so nobody writes it any more
_SCRATCH = "amazon-titles-scratch-"
_PATIENCE_SECONDS = 0.5  # a holder that is on its way out is gone by then
# What file managers leave everywhere, and what huggingface_hub writes beside what it downloads into a folder.
_NOBODYS = re.compile(
    r"(?:.*/)?(?:\.DS_Store|Thumbs\.db|desktop\.ini)|\.gitattributes"
    r"|\.cache/huggingface/(?:\.gitignore|CACHEDIR\.TAG|(?:[^/]+/)*(?:[^/]+\.(?:metadata|lock|incomplete))?)"
)


def read_object(source: Path | bytes) -> dict[str, Any]:
    """The JSON object in a file or in its bytes; {} where there is none: whoever needs a key says what is missing."""
    try:
        value = json.loads(source if isinstance(source, bytes) else source.read_bytes())
    except (OSError, ValueError, RecursionError):  # the last one of brackets without an end
        return {}
    return value if isinstance(value, dict) else {}


def read_text(path: Path) -> str:
    """A text that a person or PowerShell wrote: UTF-8 with or without BOM, or UTF-16, which has one.

    Raises:
        OSError: It cannot be read.
        UnicodeError: It is neither.
    """
    data = path.read_bytes()
    encoding = "utf-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    return data.decode(encoding).replace("\r\n", "\n")


def to_json(value: Any) -> str:  # noqa: ANN401 - whatever JSON holds
    """JSON as this library writes it for people: indented, in UTF-8, with a line's end."""
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"


def is_local(name: str | Path) -> bool:
    """Whether a model or a dataset is a folder here; else its name is a Hub id, or of a folder that is missing."""
    return Path(name).is_dir()


def may_be_hub_id(name: str) -> bool:
    """Whether a name has the form of a Hub id, `USER/NAME`, and not that of a path."""
    return name.count("/") == 1 and not re.match(r"[./~]|[A-Za-z]:", name) and not Path(name).exists()


def local_folder(name: str | Path, **options: Any) -> Path:  # noqa: ANN401
    """The folder of a model or a dataset: itself where it is one, else what the Hub's cache has of it, or gets.

    Args:
        name: A folder or a Hub id.
        **options: As of `huggingface_hub.snapshot_download`: what to fetch, and from which revision.
    """
    if is_local(name):
        return Path(name)
    from huggingface_hub import snapshot_download

    return Path(snapshot_download(str(name), **options))


def shards(folder: str | Path, config: str, split: str) -> list[Path]:
    """The Parquet files of a split in a dataset folder, in their order; none where it has no such split."""
    return sorted((Path(folder) / config).glob(f"{split}-*.parquet"))


def write_whole(files: Mapping[Path, str | bytes]) -> None:
    """Writes files, each whole or not at all: beside where they belong, then renamed when all are there, in order."""
    beside = {path: path.with_name(f".{path.name}.{os.getpid()}.writing") for path in files}
    try:
        for path, data in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            for left in path.parent.glob(f".{glob.escape(path.name)}.*.writing"):
                if time.time() - left.stat().st_mtime > _LEFT_SECONDS:  # by a process that was killed
                    left.unlink(missing_ok=True)
            beside[path].write_bytes(data.encode() if isinstance(data, str) else data)
        for path, written in beside.items():
            written.replace(path)
    finally:
        for written in beside.values():
            written.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class FolderKind:
    """How the folders that a command makes are told from all others.

    Attributes:
        command: That makes them: `train`.
        doing: What it does meanwhile, in one word: `training`.
        files: The paths of the files in them, at every depth, with forward slashes.
        marks: Files that each of them has.
        hint: What to do where another folder stands in the way.
    """

    command: str
    doing: str
    files: re.Pattern[str]
    marks: tuple[str, ...]
    hint: str


def require_replaceable(target: Path, kind: FolderKind) -> None:
    """Refuses a target that holds anything that the command did not make.

    Raises:
        InputError: A file, the current folder, or a folder with other things in it, at whatever depth.
    """
    if not target.exists():
        return
    if not target.is_dir():
        raise InputError(f"{target} is a file.", hint=kind.hint)
    if target.resolve() in (Path.cwd(), *Path.cwd().parents):
        raise InputError(f"{target} is the current folder, and would be replaced.", hint=kind.hint)
    held = _paths(target)
    foreign = [path for path in held if not kind.files.fullmatch(path)]
    if not foreign and not all((target / mark).is_file() for mark in kind.marks):
        foreign = held
    if foreign:
        shown = ", ".join(foreign[:3]) + (f" and {len(foreign) - 3} more" if len(foreign) > 3 else "")
        said = f"{target} holds what `amazon-titles {kind.command}` did not make ({shown}), and would be replaced."
        raise InputError(said, hint=kind.hint)


def _paths(folder: Path) -> list[str]:
    """What a folder holds at every depth: files, links with "@" at their end, and empty folders with a slash."""
    found = []
    for path in sorted(folder.rglob("*")):
        link, directory = path.is_symlink(), path.is_dir()
        # No command makes links, and what "@" ends fits no kind.
        name = path.relative_to(folder).as_posix() + ("@" if link else "/" if directory else "")
        if not _NOBODYS.fullmatch(name) and (link or not directory or not any(path.iterdir())):
            found.append(name)
    return found


@contextmanager
def staged(target: Path, kind: FolderKind) -> Iterator[Path]:
    """A new folder that takes the target's place in one step when the block ends well, and vanishes when it does not.

    Killed at any moment, the old folder or the new one stands there whole, on a system that can exchange two folders
    (Linux, macOS). Elsewhere there is a moment between two renames; what was killed there, the next call finishes.

    Yields:
        The folder, empty. What is put beside it, into its parent, goes away when the block ends.

    Raises:
        InputError: Another process works at the target, or it holds something foreign. Where that is found out in the
            end only, the new folder stays, beside the target.
    """
    place = target.resolve()
    with held(place, kind.doing, hint=kind.hint):
        _tidy(place)
        require_replaceable(target, kind)
        stage = Path(tempfile.mkdtemp(prefix=f".{place.name}.{kind.doing}-", dir=place.parent))
        try:
            new = stage / _NEW
            new.mkdir()
            yield new
            try:
                require_replaceable(target, kind)  # hours may have passed
                _put(new, place)
            except (InputError, OSError) as error:
                reason = error.message if isinstance(error, InputError) else error
                spare = new.rename(_free(place))
                said = f"{target} was not replaced: {reason}"
                raise InputError(said, hint=f"The complete result is in {spare}.") from None
        finally:
            shutil.rmtree(stage, ignore_errors=True)


@contextmanager
def scratch() -> Iterator[Path]:
    """A temporary folder that goes when the block ends; what killed processes left of such ones goes when it begins."""
    system = Path(tempfile.gettempdir())
    for left in system.glob(f"{_SCRATCH}*.lock"):
        # A folder's lock is there before it, and held for as long as it is in use.
        with suppress(OSError, Timeout), FileLock(left, timeout=0):
            shutil.rmtree(left.with_suffix(""), ignore_errors=True)
            left.unlink(missing_ok=True)
    lock = system / f"{_SCRATCH}{uuid4().hex}.lock"
    with FileLock(lock):
        folder = lock.with_suffix("")
        folder.mkdir(mode=0o700)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            with suppress(OSError):
                lock.unlink()


@contextmanager
def held(path: Path, doing: str, *, hint: str) -> Iterator[None]:
    """Keeps other processes that hold it, too, away from a path; they are told who does.

    The lock is the system's, and goes with the process however that ends. A number of a process would not do: it may
    be another machine's, or another process's by now, and on Windows asking for it is to interrupt it.

    Args:
        path: Need not exist.
        doing: What for, in one word.
        hint: What else to do than to wait.

    Raises:
        InputError: Another process holds it, or it cannot be held.
    """
    lock, holder = (path.parent / f".{path.name}.{kind}" for kind in ("lock", "holder.json"))
    # From 4.0 on filelock leaves the file where it is, so that it may be removed here, and takes no lock on a file that
    # was removed meanwhile.
    guard = FileLock(lock)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        guard.acquire(timeout=_PATIENCE_SECONDS)
    except Timeout:
        by = read_object(holder).get("held", "by an unknown process")
        raise InputError(f"{path} is in use: {by}.", hint=f"Wait until it is done, or stop it. {hint}") from None
    except OSError as error:
        raise InputError(f"{path.parent} cannot be written to ({error.strerror or error}).", hint=hint) from None
    try:
        since = datetime.now().astimezone().isoformat(" ", timespec="seconds")
        by = f"{doing} by process {os.getpid()} on {socket.gethostname()}, since {since}"
        holder.write_text(to_json({"held": by}), encoding="utf-8")
        yield
    finally:
        with suppress(OSError):
            holder.unlink(missing_ok=True)
            lock.unlink()  # Windows refuses, and filelock does it there
        guard.release()


def _tidy(place: Path) -> None:
    """Removes what killed processes left, and finishes a swap that one of them had begun. The place is held."""
    ours = re.compile(rf"\.{re.escape(place.name)}\.[a-z]+-[a-z0-9_]{{8}}")  # as `staged` names them
    for left in [path for path in place.parent.iterdir() if ours.fullmatch(path.name)]:
        if (left / _OLD).is_dir() and (left / _NEW).is_dir():  # killed between two renames: the new one is whole
            finished = (left / _NEW).rename(_free(place) if place.exists() else place)
            say(f"What was made before, and not yet put in its place, stands in {finished}.")
        shutil.rmtree(left, ignore_errors=True)


def _free(place: Path) -> Path:
    """A name beside the place that nothing has."""
    names = (f"{place.name}.new{f'-{number}' if number > 1 else ''}" for number in count(1))
    return next(spare for spare in map(place.with_name, names) if not spare.exists())


def _put(new: Path, place: Path) -> None:
    """Puts the new folder there; an old one gets a place beside where the new one was made."""
    if not place.exists():
        new.rename(place)
    elif not _exchanged(new, place):
        old = place.rename(new.with_name(_OLD))
        try:
            new.rename(place)
        except OSError:
            old.rename(place)
            raise


def _exchanged(one: Path, other: Path) -> bool:
    """Swaps two folders in one step where the system can: `RENAME_EXCHANGE` on Linux, `RENAME_SWAP` on macOS."""
    old, new = os.fsencode(one), os.fsencode(other)
    here, exchange = -100, 2
    try:
        system = ctypes.CDLL(None)
        if sys.platform == "darwin":
            return bool(system.renamex_np(old, new, exchange) == 0)
        return bool(system.renameat2(here, old, here, new, exchange) == 0)
    except (AttributeError, OSError, TypeError):
        return False
