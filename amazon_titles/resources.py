"""Finds the files of this library, in a checkout and in an installed wheel, and says which may leave the machine."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from amazon_titles.errors import InputError

_PACKAGE = Path(__file__).resolve().parent
_FOLDERS = ("autotrain", "hub_cards")

REPOSITORY = ""
"""Address of this library's source code on the web; "" until it has one."""


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
    if f"{_PACKAGE.name}/__init__.py" not in listed:
        raise InputError(
            f"Which files of {_PACKAGE.parent} are this library's, neither an installation nor git says, and only "
            "those are sent.",
            hint=f"Install it as it is: pip install {_PACKAGE.parent}   Or work in a clone of its repository.",
        )
    roots = {_PACKAGE.name: _PACKAGE} | {f"{_PACKAGE.name}/_files/{name}": folder(name) for name in _FOLDERS}
    there = {
        f"{place}/{path.relative_to(root).as_posix()}": path
        for place, root in roots.items()
        for path in walk(root)
        if "__pycache__" not in path.parts
    }
    files, left_out = {}, {}
    for place, path in sorted(there.items()):
        if is_link(path, _PACKAGE.parent):
            left_out[place] = "a link"
        elif "/." in place:
            left_out[place] = "hidden"
        elif place not in listed:
            left_out[place] = "not one of the library's files"
        else:
            files[place] = path
    return LibraryFiles(files, left_out)


def requirements(extra: str) -> list[str]:
    """What the library depends on with an extra, as its installation says.

    Raises:
        InputError: It runs without having been installed.
    """
    try:
        needs = [need.partition(";") for need in metadata.requires("amazon-titles") or []]
    except metadata.PackageNotFoundError:
        raise InputError(
            "This library is not installed, so its dependencies are unknown.",
            hint="Install it: pip install -e . in a checkout.",
        ) from None
    wanted = re.compile(rf"""\s*(extra == ['"]{extra}['"])?""")
    return [need.strip() for need, _, condition in needs if wanted.fullmatch(condition)]


def walk(root: Path) -> list[Path]:
    """Every file below a folder; a folder that is a link comes as it is, and what it holds does not."""
    return sorted(path for path in root.rglob("*") if is_link(path, root) or not path.is_dir())


def is_link(path: Path, root: Path) -> bool:
    """Whether a file, or a folder on the way to it from `root`, is a link: what it shows may lie anywhere.

    The cache of the Hub's client is made of links from `snapshots/COMMIT/` into `blobs/` beside it: those are files.
    """
    here, real = root.resolve(), Path(os.path.realpath(path))
    if real == here / path.relative_to(root) and not path.is_symlink():  # one that leads to itself is its own real path
        return False
    return here.parent.name != "snapshots" or not real.is_relative_to(here.parents[1] / "blobs")


def _recorded() -> set[str]:
    """The places that the installation lists; none where this is no installation, or an editable one."""
    try:
        listed = {path.as_posix(): path for path in metadata.files("amazon-titles") or []}
    except metadata.PackageNotFoundError:
        return set()
    own = listed.get(f"{_PACKAGE.name}/__init__.py")
    # Another installation than the one that runs says nothing of this folder.
    return set(listed) if own and Path(str(own.locate())).resolve() == _PACKAGE / "__init__.py" else set()


def _tracked() -> set[str]:
    """The places of what git tracks of the library in its checkout; none where it is none, or there is no git."""
    inside = f"{_PACKAGE.name}/"
    command = ["git", "-C", str(_PACKAGE.parent), "ls-files", "-z", "--", inside, *_FOLDERS]
    # What a hook of another repository sets would have git look there.
    elsewhere = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE")
    variables = {name: value for name, value in os.environ.items() if name not in elsewhere}
    try:
        said = subprocess.run(command, capture_output=True, check=True, env=variables, stdin=subprocess.DEVNULL).stdout
    except (OSError, subprocess.CalledProcessError):
        return set()
    names = map(os.fsdecode, said.split(b"\0"))
    return {name if name.startswith(inside) else f"{inside}_files/{name}" for name in names}
