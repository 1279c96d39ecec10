"""Fetches trn.json as its makers published it."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple
from zipfile import is_zipfile

from amazon_titles.catalog.sources import ARCHIVE, sha256_of
from amazon_titles.errors import AmazonTitlesError, InputError, require
from amazon_titles.hub_errors import explain
from amazon_titles.progress import lines, on_terminal, say

DRIVE_ID = "12zH4mL2RX8iSvH0VCNnd3QxO4DzuHWnK"
"""The Drive file that the Extreme Classification Repository links for LF-AmazonTitles-1.3M's raw text."""
MIRRORS = ("rrantz/LF-Amazon-1.3M", "lilmonteiro/amazon-titles")
"""Datasets of the Hub that hold the same rows, put there by others; asked in this order where Drive gives no file."""

# The archive, or what is taken out of it: how its name ends on a mirror, and what it is called here.
_NAMES = {".zip": ARCHIVE, "trn.json.gz": "trn.json.gz", "trn.json": "trn.json"}


class Download(NamedTuple):
    """What was fetched.

    Attributes:
        path: The file.
        bytes: Its size.
        sha256: Of its bytes.
    """

    path: Path
    bytes: int
    sha256: str


def download(out_dir: str | Path, *, mirror: str | None = None) -> Download:
    """Fetches the archive that holds trn.json, or finds that it is there; an interrupted download goes on.

    Where too many people fetched the file from Drive lately, it gives none for a day: then `MIRRORS` are asked.

    Args:
        out_dir: Folder for it.
        mirror: `USER/REPO` of a dataset on the Hub that holds the archive or trn.json, instead of the Drive file.

    Returns:
        What was fetched.

    Raises:
        MissingExtraError: gdown, which speaks with Drive, is not installed.
        InputError: The download broke off, the mirror holds no such file, or neither Drive nor a mirror gave one.
        AmazonTitlesError: The mirror that was named cannot be reached; the message says why.
    """
    folder = Path(out_dir)
    folder.mkdir(parents=True, exist_ok=True)
    target = next((folder / name for name in _NAMES.values() if (folder / name).is_file()), None)
    if target is None:
        target = _from_mirror(mirror, folder) if mirror else _from_drive(folder)
    return Download(target, target.stat().st_size, sha256_of(target))


def _from_drive(folder: Path) -> Path:
    """The archive as Drive has it; where its quota is used up, what a mirror holds."""
    require("download", "gdown")
    import gdown

    # gdown goes on with the `.part` file that it left.
    partial = folder / f".{ARCHIVE}.download"
    with lines(f"downloading {ARCHIVE}", unit="MB", measure=lambda: _megabytes(folder, f"{partial.name}*")):
        try:
            got = gdown.download(id=DRIVE_ID, output=str(partial), resume=True, quiet=not on_terminal())
        except Exception as error:  # gdown's, and those of the client that it asks with
            if type(error).__name__ != "FileURLRetrievalError":  # gdown's for a quota, since 5.0
                found = f"The download from Google Drive was interrupted: {type(error).__name__}."
                raise InputError(found, hint="Run the same command again to resume.") from None
            got = None
    if got is None or not (partial.is_file() and is_zipfile(partial)):  # a page, where the quota is used up
        partial.unlink(missing_ok=True)
        return _from_mirrors(folder, "Drive returned no zip: the file was downloaded too often lately.")
    return partial.replace(folder / ARCHIVE)


def _from_mirrors(folder: Path, refused: str) -> Path:
    for mirror in MIRRORS:
        say(f"{refused} Trying the mirror {mirror} …")
        try:
            return _from_mirror(mirror, folder)
        except AmazonTitlesError as error:
            refused = error.message
    said = f"Neither Drive nor a mirror gave {ARCHIVE}. {refused}"
    raise InputError(said, hint="Try again tomorrow, or name another mirror: amazon-titles download --mirror USER/REPO")


def _from_mirror(mirror: str, folder: Path) -> Path:
    from huggingface_hub import HfApi, constants, hf_hub_download

    # Where the Hub's client keeps what it has of a file: https://huggingface.co/docs/huggingface_hub/guides/manage-cache
    cache = Path(constants.HF_HUB_CACHE) / f"datasets--{mirror.replace('/', '--')}" / "blobs"
    try:
        tree = list(HfApi().list_repo_tree(mirror, recursive=True, repo_type="dataset"))
        there = ((entry, name) for end, name in _NAMES.items() for entry in tree if entry.path.endswith(end))
        found, name = next(there, (None, ""))
        if found is None:
            raise InputError(f"{mirror} holds no zip and no trn.json.", hint=f"Expected a dataset with {ARCHIVE}.")
        size = getattr(found, "size", 0) / 1e6
        with lines(f"downloading {found.path}", size, unit="MB", measure=lambda: _megabytes(cache, "*.incomplete")):
            fetched = hf_hub_download(mirror, found.path, repo_type="dataset")
    except Exception as error:
        raise explain(error, mirror, "dataset") from None
    return Path(shutil.copyfile(fetched, folder / f".{name}.download")).replace(folder / name)


def _megabytes(folder: Path, pattern: str) -> float:
    """What lies in a folder of files that are being fetched; one that gets its name meanwhile counts no more."""
    with suppress(OSError):
        return sum(path.stat().st_size for path in folder.glob(pattern)) / 1e6
    return 0.0
