"""Folders that are made once a machine and kept: whole or not at all, whoever else makes the same one."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from amazon_titles.errors import AmazonTitlesError


def make_once(
    kind: str, name: str, fill: Callable[[Path], None], *, is_whole: Callable[[Path], bool], cache_dir: Path | None
) -> Path:
    """The folder of a base as it stands, or made: beside its place, then renamed.

    Of two processes that want it at once the second waits for the first. What a killed one left is removed.

    Args:
        kind: The folder for all bases of this kind.
        name: The path of this one in there; folders on the way are made too.
        fill: Makes its files in the empty folder that it is given, which stands beside its place.
        is_whole: Whether what stands there can be used; what cannot is replaced.
        cache_dir: Where all is kept; by default where huggingface_hub keeps what libraries make: `HF_HOME/assets`.

    Raises:
        AmazonTitlesError: The disk is full, or the folder may not be written.
    """
    from huggingface_hub.constants import HF_ASSETS_CACHE

    target = (cache_dir or Path(HF_ASSETS_CACHE, "amazon_titles", "bases")) / kind / name
    if is_whole(target):
        return target
    making = target.with_name(f".{target.name}.making")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(target.with_name(f".{target.name}.lock")):
            if not is_whole(target):
                shutil.rmtree(making, ignore_errors=True)
                making.mkdir()
                try:
                    fill(making)
                    shutil.rmtree(target, ignore_errors=True)
                    making.rename(target)
                finally:
                    shutil.rmtree(making, ignore_errors=True)
    except OSError as error:
        if error.errno is None:  # not the system's: transformers raises it for a file that it cannot read
            raise
        raise not_written(error, target.parent) from None
    return target


def not_written(error: OSError, place: str | Path) -> AmazonTitlesError:
    """The sentence for what the system says of a folder that bases are written to."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return no_space(place)
    return AmazonTitlesError(
        f"A base cannot be written to {error.filename or place}: {error.strerror or error}.",
        hint="Choose another folder: HF_HOME=DIR",
    )


def no_space(place: str | Path) -> AmazonTitlesError:
    """The sentence for a full disk."""
    return AmazonTitlesError(
        f"There is no space for a base in {place}: it takes about 1 GB while it is made.",
        hint="Make room there and run the same command again, or choose another folder: HF_HOME=DIR",
    )
