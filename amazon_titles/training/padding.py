"""A base as AutoTrain should read it: with a pad token that is not the end of a turn.

Llama 3's instruct models have no pad token, and SmolLM2's is the end of a turn. AutoTrain takes the EOS where there is
none. A collator that leaves every pad token out of the loss then trains no end of a turn. With the packing that
AutoTrain 0.8.36 hard-codes, its trl collates otherwise, and the end of a turn is in the labels all the same
(tests/integration/test_base.py holds it); a pad token of its own keeps that so, whatever collates.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

from amazon_titles.io import is_local, local_folder, read_object
from amazon_titles.training.caching import make_once

# Tokens that no conversation holds, the first that the tokenizer has: Llama 3.1's own pad, Llama 3.0's spare, SmolLM2's
# end of a document.
_PADS = ("<|finetune_right_pad_id|>", "<|reserved_special_token_0|>", "<|endoftext|>", "<unk>")
_PATCHED = ("tokenizer_config.json", "special_tokens_map.json")
# What transformers loads; not the original checkpoints, other formats and pickles.
_NEEDED: dict[str, Any] = {
    "allow_patterns": ["*.json", "*.safetensors", "*.model", "*.jinja", "*.txt"], "ignore_patterns": ["*/*"],
}  # fmt: skip


class SpecialTokens(NamedTuple):
    """What a tokenizer's files say of its special tokens: pad, end of a turn, and all that it has."""

    pad: str | None
    eos: str | None
    known: frozenset[str]


def with_pad_token(base: str, cache_dir: Path | None = None) -> str:
    """The base itself where its pad token is one, else a folder with its files and another pad token.

    Args:
        base: A folder, or a Hub id, which is downloaded as AutoTrain would.
        cache_dir: Where copies are kept; by default see `make_once`.

    Returns:
        What AutoTrain is to be given as base.
    """
    # A base with a pad token of its own is left for AutoTrain to download.
    if missing_pad(local_folder(base, allow_patterns=[*_PATCHED, "tokenizer.json"])) is None:
        return base
    return str(padded(Path(base) if is_local(base) else snapshot(base), Path(base).name, cache_dir))


def snapshot(repo: str, *, local_files_only: bool = False) -> Path:
    """The files of a Hub model that transformers loads, in the Hub's cache."""
    from huggingface_hub import snapshot_download

    return Path(snapshot_download(repo, local_files_only=local_files_only, **_NEEDED))


def padded(folder: Path, name: str, cache_dir: Path | None = None) -> Path:
    """The folder of a base itself where its pad token is one, else a copy with another, which is kept.

    Args:
        folder: The base, or its snapshot in the Hub's cache.
        name: What the copy is called.
        cache_dir: Where copies are kept; by default see `make_once`. The weights in them are links.
    """
    pad = missing_pad(folder)
    if pad is None:
        return folder
    files = [path for path in sorted(folder.iterdir()) if path.is_file()]

    def fill(copy: Path) -> None:
        for path in files:
            if path.name not in _PATCHED:
                _link(path.resolve(), copy / path.name)
        for patched in _PATCHED:
            content = read_object(folder / patched) | {"pad_token": pad}
            (copy / patched).write_text(json.dumps(content), encoding="utf-8")

    def is_whole(copy: Path) -> bool:
        # A link leads nowhere when the Hub's cache was emptied.
        return all((copy / path.name).exists() for path in files) and special_tokens(copy).pad == pad

    return make_once("padded", f"{_key(folder, files)}/{name}", fill, is_whole=is_whole, cache_dir=cache_dir)


def missing_pad(base: Path) -> str | None:
    """The pad token that a base should have; None where it has one of its own, or has none to take."""
    tokens = special_tokens(base)
    if tokens.pad not in (None, tokens.eos):
        return None
    return next((pad for pad in _PADS if pad in tokens.known and pad != tokens.eos), None)


def special_tokens(base: Path) -> SpecialTokens:
    """Reads the tokenizer's files of a base; what they do not say is missing."""
    config = read_object(base / _PATCHED[1]) | read_object(base / _PATCHED[0])
    added = read_object(base / "tokenizer.json").get("added_tokens", [])
    # Each is a text, or a mapping that has it.
    pad, eos, *known = (
        token.get("content") if isinstance(token, dict) else token
        for token in (config.get("pad_token"), config.get("eos_token"), *added)
    )
    return SpecialTokens(pad, eos, frozenset(filter(None, known)))


def _key(folder: Path, files: list[Path]) -> str:
    """Names what a copy is of: the commit of a snapshot, else the folder and its files as they are now."""
    if re.fullmatch("[0-9a-f]{40}", folder.name):
        return folder.name
    stats = [(path.name, path.stat()) for path in files]
    state = str(folder.resolve()) + "".join(f"{name} {stat.st_size} {stat.st_mtime_ns} " for name, stat in stats)
    return blake2b(state.encode(), digest_size=16).hexdigest()


def _link(source: Path, target: Path) -> None:
    with suppress(OSError):  # Windows without the right to
        return target.symlink_to(source)
    with suppress(OSError):  # on another disk
        return os.link(source, target)
    shutil.copyfile(source, target)
