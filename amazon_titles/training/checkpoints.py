"""Where an unfinished run of the trl engine stands, and whether the one that is starting may go on from there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from amazon_titles.errors import InputError
from amazon_titles.io import read_object, to_json, write_whole
from amazon_titles.progress import say

COMPLETE = "complete"
"""The file that a checkpoint gets last: one without it was being written when the run ended."""
BEST = "best"
"""The folder of the best adapter so far, with `keep: best`."""
# Not run.json, which an adapter folder has.
_IDENTITY = "training.json"
_OURS = re.compile(rf"checkpoint-\d+|{BEST}|{re.escape(_IDENTITY)}|README\.md")  # trl writes a card beside them
# What transformers, peft and tokenizers put into a checkpoint, and safetensors while it writes; no note of the user's.
_FILES = re.compile(
    rf"{COMPLETE}|README\.md|(?:vocab|merges)\.txt|.*\.(?:safetensors|bin|pt|pth|json|jinja|model)|\.tmp\w*"
)


def starting_point(folder: Path, identity: Mapping[str, Any], *, resume: bool) -> Path | None:
    """The checkpoint to go on from; None to begin. Makes the folder ready for the run that `identity` describes.

    Args:
        folder: For checkpoints.
        identity: Everything that decides what is trained; JSON can hold it.
        resume: Whether to go on, if there is anything to go on from.

    Raises:
        InputError: To go on is wanted, and what stands there is another training; or it is not wanted, and what stands
            there is this very training, unfinished; or what stands there is none of this library's.
    """
    before, found = read_object(folder / _IDENTITY), latest(folder)
    if not before and (others := sorted(path.name for path in _leftovers(folder))):
        raise InputError(
            f"{folder} holds what no training of this library left ({', '.join(others[:3])}), and would be replaced.",
            hint="Choose another folder: --set checkpoint_dir=DIR",
        )
    if found is not None:
        changed = sorted(key for key in {*before, *identity} if before.get(key) != identity.get(key))
        if resume and changed:
            differences = ", ".join(f"{key} was {before.get(key)} and is {identity.get(key)}" for key in changed)
            raise InputError(
                f"The checkpoints in {folder} belong to another training: {differences}.",
                hint=f"Change it back, or start over: remove {folder}, and leave out --resume.",
            )
        if not resume and not changed:
            raise InputError(
                f"In {folder} there is an unfinished training, at {found.name.replace('-', ' ')}.",
                hint=f"Continue with --resume, or remove {folder}.",
            )
        if resume:
            return found
    elif resume:
        say(f"No checkpoint in {folder}: starting from the beginning.")
    remove(folder)
    write_whole({folder / _IDENTITY: to_json(identity)})
    return None


def latest(folder: Path) -> Path | None:
    """The newest checkpoint that was written to its end."""
    complete = [path for path in _leftovers(folder) if (path / COMPLETE).is_file()]
    return max(complete, key=step_of, default=None)


def step_of(checkpoint: Path) -> int:
    """The step behind which a checkpoint was written."""
    return int(checkpoint.name.rpartition("-")[2])


def remove(folder: Path) -> None:
    """Removes what a run needs to go on, and nothing else; an empty folder goes too."""
    # The file that shows the rest to be ours goes last: whoever is killed in between can do it again.
    for path in sorted(_leftovers(folder), key=lambda path: path.name == _IDENTITY):
        # The deepest first, so that a folder is empty by the time that it is its turn.
        inside = [] if path.is_symlink() else sorted(path.rglob("*"), reverse=True)
        for inner in (*inside, path):
            if inner.is_dir() and not inner.is_symlink():
                _remove_empty(inner)
            elif inner == path or _FILES.fullmatch(inner.name):
                inner.unlink()
    _remove_empty(folder)


def _leftovers(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if _OURS.fullmatch(path.name)] if folder.is_dir() else []


def _remove_empty(folder: Path) -> None:
    with suppress(OSError):  # it is not there, or holds something
        folder.rmdir()
