"""Fetches trn.json as its makers published it."""

from __future__ import annotations

import shutil
import sys
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from amazon_titles.catalog.sources import ARCHIVE, sha256_of
from amazon_titles.errors import InputError, MissingExtraError
from amazon_titles.progress import lines

DRIVE_ID = "12zH4mL2RX8iSvH0VCNnd3QxO4DzuHWnK"
"""The Drive file that the Extreme Classification Repository links for LF-AmazonTitles-1.3M's raw text."""


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

    Args:
        out_dir: Folder for it.
        mirror: `USER/REPO` of a dataset on the Hub that holds the archive, instead of the Drive file.

    Returns:
        What was fetched.

    Raises:
        MissingExtraError: gdown, which speaks with Drive, is not installed.
        InputError: Nothing came, or something that is no zip (Drive answers a page when a file's quota is used up).
    """
    folder = Path(out_dir)
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / ARCHIVE
    if not target.is_file():
        fetched = _from_mirror(mirror, folder) if mirror else _from_drive(folder)
        with fetched.open("rb") as file:
            if file.read(2) != b"PK":
                fetched.unlink()
                raise InputError(
                    "What came is no zip: most likely a page that says that too many people fetched the file lately.",
                    hint="Try again tomorrow, or take a mirror: amazon-titles download --mirror USER/REPO",
                )
        fetched.replace(target)
    return Download(target, target.stat().st_size, sha256_of(target))


def _from_drive(folder: Path) -> Path:
    try:
        import gdown
    except ImportError:
        raise MissingExtraError("download", "gdown") from None
    # gdown goes on with the `.part` file that it left.
    partial = folder / f".{ARCHIVE}.download"
    with lines(f"downloading {ARCHIVE}", unit="MB", measure=lambda: _megabytes(folder, f"{partial.name}*")):
        got = gdown.download(id=DRIVE_ID, output=str(partial), resume=True, quiet=not sys.stderr.isatty())
    if got is None or not partial.is_file():
        raise InputError("Drive gave nothing.", hint="Run the same command again: it goes on where it stopped.")
    return partial


def _from_mirror(mirror: str, folder: Path) -> Path:
    from huggingface_hub import HfApi, constants, hf_hub_download

    tree = HfApi().list_repo_tree(mirror, recursive=True, repo_type="dataset")
    found = next((entry for entry in tree if entry.path.endswith(".zip")), None)
    if found is None:
        raise InputError(f"{mirror} holds no zip.", hint=f"Expected a dataset with {ARCHIVE} in it.")
    name, size = found.path, getattr(found, "size", 0)
    # Where the Hub's client keeps what it has of a file: https://huggingface.co/docs/huggingface_hub/guides/manage-cache
    cache = Path(constants.HF_HUB_CACHE) / f"datasets--{mirror.replace('/', '--')}" / "blobs"
    with lines(f"downloading {name}", size / 1e6, unit="MB", measure=lambda: _megabytes(cache, "*.incomplete")):
        fetched = hf_hub_download(mirror, name, repo_type="dataset")
    return Path(shutil.copyfile(fetched, folder / f".{ARCHIVE}.download"))


def _megabytes(folder: Path, pattern: str) -> float:
    """What lies in a folder of files that are being fetched; one that gets its name meanwhile counts no more."""
    with suppress(OSError):
        return sum(path.stat().st_size for path in folder.glob(pattern)) / 1e6
    return 0.0
