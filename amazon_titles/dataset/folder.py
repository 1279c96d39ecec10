"""A dataset folder: who may write where, and reading it back with nothing but pyarrow."""

from __future__ import annotations

import ctypes
import glob
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from amazon_titles.catalog import Product
from amazon_titles.errors import InputError

_OURS = {"README.md", "report.json", "lengths.png", "catalog", "chat", ".gitattributes", ".cache"}


def check_target(target: Path) -> None:
    """Refuses a target that holds something that is not a dataset folder of ours.

    Raises:
        InputError: A file, or a folder with other things in it.
    """
    if target.is_dir():
        held = {entry.name for entry in target.iterdir()}
        ours = {name for name in held if name in _OURS or name.startswith("text-")}
        if held and (held != ours or not {"report.json", "catalog"} <= held):
            raise InputError(
                f"{target} holds files that are not a dataset of this library"
                f" ({min(held - ours, default=min(held))}), and would be replaced.",
                hint="Choose another --out, or move what is there away.",
            )
    elif target.exists():
        raise InputError(f"{target} is a file.", hint="Choose a folder as --out.")


@contextmanager
def replaced(target: Path) -> Iterator[Path]:
    """A new folder beside the target that takes its place when the block ends well, and vanishes when it does not.

    Killed at any moment, the old folder or the new one stands there whole; what lies beside it is removed by the next
    build into the same place.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    _tidy(target)
    building = target.parent / f".{target.name}.building-{os.getpid()}"
    building.mkdir()
    try:
        yield building
        if not target.exists():
            building.rename(target)
        elif not _exchanged(building, target):
            old = target.parent / f".{target.name}.old-{os.getpid()}"
            target.rename(old)
            building.rename(target)
            shutil.rmtree(old)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _exchanged(new: Path, old: Path) -> bool:
    """Swaps two folders in one step, where the system can: Linux's `renameat2` with `RENAME_EXCHANGE`."""
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError, TypeError):
        return False
    here, exchange = -100, 2
    return bool(rename(here, os.fsencode(new), here, os.fsencode(old), exchange) == 0)


def _tidy(target: Path) -> None:
    """Removes what killed builds left, and puts back a folder that one of them had just set aside."""
    for kind in ("old", "building"):
        for left in target.parent.glob(f".{glob.escape(target.name)}.{kind}-*"):
            owner = left.name.rpartition("-")[2]
            if not owner.isdigit() or (int(owner) != os.getpid() and _runs(int(owner))):
                continue
            if kind == "old" and not target.exists():
                left.rename(target)
            else:
                shutil.rmtree(left, ignore_errors=True)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _tables(folder: str | Path, config: str, split: str) -> Iterator[dict[str, Any]]:
    files = sorted((Path(folder) / config).glob(f"{split}-*.parquet"))
    if not files:
        raise InputError(
            f"{folder} holds no {config}/{split}-*.parquet.",
            hint="Make a dataset with: amazon-titles build SOURCE --out DIR",
        )
    for path in files:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=1024):
                yield from batch.to_pylist()


def read_catalog(folder: str | Path) -> Iterator[Product]:
    """Yields the products of a dataset folder, of every split.

    Raises:
        InputError: It is not a dataset folder.
    """
    for row in _tables(folder, "catalog", "train"):
        yield Product(row["uid"], row["title"], row["content"], tuple(row["related"]))


def read_messages(folder: str | Path, split: str) -> Iterator[dict[str, Any]]:
    """Yields the chat rows of a split: `uid`, `task`, `language`, `messages`.

    Raises:
        InputError: It is not a dataset folder, or has no such split.
    """
    yield from _tables(folder, "chat", split)
