"""Finds the files of this library, in a checkout and in an installed wheel, and says which may leave the machine."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from amazon_titles.errors import InputError

_PACKAGE = Path(__file__).resolve().parent
_FOLDERS = ("autotrain", "hub_cards")
_CACHE = "__pycache__"
# Windows' number of a junction, a folder that is a link (winnt.h); `stat` has its name on Windows only.
_JUNCTION = 0xA0000003


def folder(name: str) -> Path:
    """The folder `autotrain` or `hub_cards`.

    A wheel carries both under `amazon_titles/_files/`; in a checkout they stand beside the package.

    Args:
        name: `autotrain` or `hub_cards`.

    Raises:
        InputError: Neither place holds it, so the installation is damaged.
    """
    for candidate in (_PACKAGE / "_files" / name, _PACKAGE.parent / name):
        if candidate.is_dir():
            return candidate
    raise InputError(
        f"The library's folder {name!r} is missing from this installation.", hint="Install amazon-titles again."
    )


def recipes() -> dict[str, Path]:
    """Every shipped recipe by its name: the file's name without `.yml`."""
    return {path.stem: path for path in sorted(folder("autotrain").rglob("*.yml"))}


@dataclass(frozen=True, slots=True)
class LibraryFiles:
    """What this library is made of.

    Attributes:
        files: Place in a wheel, with forward slashes → the file.
        left_out: Place of what lies beside them, Python's own caches aside → why it is none of them.
    """

    files: Mapping[str, Path]
    left_out: Mapping[str, str]


def library_files() -> LibraryFiles:
    """The files that an installation's RECORD lists, or that git tracks in a checkout: what a job or a Space is given.

    Whatever else lies in the package's folder is somebody's own, and stays: a `.env`, notes, a link to a key.

    Raises:
        InputError: Neither is there to say what belongs to the library.
    """
    listed = _recorded() or _tracked()
    if not listed:
        raise InputError(
            f"Which files of {_PACKAGE.parent} are this library's, neither an installation nor git says, and only "
            "those are sent.",
            hint=f"Install it as it is: pip install {_PACKAGE.parent}   Or work in a clone of its repository.",
        )
    sendable = {place: path for place, path in sorted(listed.items()) if _CACHE not in path.parts and path.is_file()}
    files = {place: path for place, path in sendable.items() if _unsendable(path) is None}
    left_out = {
        f"{place}/{path.relative_to(root).as_posix()}": _unsendable(path) or "not one of the library's files"
        for place, root in _roots().items()
        for path in sorted(set(walk(root)).difference(files.values()))
        if _CACHE not in path.parts
    }
    return LibraryFiles(files, dict(sorted(left_out.items())))


def walk(root: Path) -> Iterator[Path]:
    """Every file below a folder; a folder that is a link comes as it is, and what it holds does not."""
    for place, folders, names in os.walk(root):
        linked = [name for name in folders if is_link(Path(place) / name, root)]
        folders[:] = sorted(set(folders) - set(linked))
        yield from (Path(place) / name for name in sorted([*names, *linked]))


def is_link(path: Path, root: Path) -> bool:
    """Whether a file, or a folder on the way to it from `root`, is a link: what it shows may lie anywhere.

    The cache of the Hub's client is made of links from `snapshots/COMMIT/` into `blobs/` beside it: those are files.
    """
    parts = path.relative_to(root).parts
    if not any(_links(root.joinpath(*parts[: count + 1])) for count in range(len(parts))):
        return False
    here = root.resolve()
    return here.parent.name != "snapshots" or not path.resolve().is_relative_to(here.parents[1] / "blobs")


def _links(path: Path) -> bool:
    return path.is_symlink() or (path.exists() and getattr(path.lstat(), "st_reparse_tag", 0) == _JUNCTION)


def _unsendable(path: Path) -> str | None:
    """Why a file is not sent even if it is one of the library's; None where it may be."""
    if is_link(path, _PACKAGE.parent):
        return "a link"
    return "hidden" if any(part.startswith(".") for part in path.relative_to(_PACKAGE.parent).parts) else None


def _roots() -> dict[str, Path]:
    """Where the library's files lie: the place in a wheel of each folder, and the folder."""
    roots = {f"{_PACKAGE.name}/_files/{name}": folder(name) for name in _FOLDERS}
    inside = {place for place, root in roots.items() if root.is_relative_to(_PACKAGE)}
    return {_PACKAGE.name: _PACKAGE} | {place: root for place, root in roots.items() if place not in inside}


def _recorded() -> dict[str, Path]:
    """What the installation lists of the package; {} where this is none, or an editable one."""
    try:
        listed = metadata.files("amazon-titles") or []
    except metadata.PackageNotFoundError:
        listed = []
    found = {path.as_posix(): Path(str(path.locate())) for path in listed if path.parts[0] == _PACKAGE.name}
    own = found.get(f"{_PACKAGE.name}/__init__.py")
    # Another installation than the one that runs says nothing of this folder.
    if own is None or own.resolve() != _PACKAGE / "__init__.py":
        return {}
    return {place: _PACKAGE.parent / place for place in found}


def _tracked() -> dict[str, Path]:
    """What git tracks of the library in its checkout; {} where it is none, or there is no git."""
    root = _PACKAGE.parent
    command = ["git", "-C", str(root), "ls-files", "-z", "--", _PACKAGE.name, *_FOLDERS]
    # What a hook of another repository sets would have git look there.
    elsewhere = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE")
    variables = {name: value for name, value in os.environ.items() if name not in elsewhere}
    try:
        said = subprocess.run(command, capture_output=True, check=True, env=variables, stdin=subprocess.DEVNULL).stdout
    except (OSError, subprocess.CalledProcessError):
        return {}
    names = [os.fsdecode(name) for name in said.split(b"\0") if name]
    if f"{_PACKAGE.name}/__init__.py" not in names:
        return {}
    inside = f"{_PACKAGE.name}/"
    return {name if name.startswith(inside) else f"{inside}_files/{name}": root / name for name in names}
