"""Files that appear whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from amazon_titles.errors import InputError


def require_writable(path: Path) -> None:
    """Refuses, before anything costly is done, a file that could not be written in the end.

    Raises:
        InputError: A folder, or nowhere to write.
    """
    if path.is_dir():
        raise InputError(f"{path} is a folder.", hint="Name a file: --out after.json")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{path.parent} cannot be made ({error.strerror}).", hint="Choose another --out.") from None
    if not os.access(path.parent, os.W_OK):
        raise InputError(f"{path.parent} cannot be written to.", hint="Choose another --out.")


def write_whole(files: Mapping[Path, bytes]) -> None:
    """Writes files beside where they belong, and renames them when all are there, in their order."""
    beside = {path: path.with_name(f".{path.name}.{os.getpid()}") for path in files}
    try:
        for path, data in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            beside[path].write_bytes(data)
        for path in files:
            beside[path].replace(path)
    finally:
        for path in beside.values():
            path.unlink(missing_ok=True)
