"""Which files of a folder go up, and what each of them is on the Hub: its size and its two ids."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

_PIECE = 1 << 20

_PICTURES = r"(?:[\w-]+/)?[\w.-]+\.(?:png|svg|jpe?g)"
_LEGAL = r"(?:LICENSE|LICENCE|NOTICE|USE_POLICY)(?:\.(?:md|txt))?"

LEGAL_FILES = re.compile(_LEGAL)
"""What a base's licence comes in; it travels with every adapter of it."""

DATASET_FILES = re.compile(
    rf"README\.md|report\.json|(?:chat|catalog|text-[\w-]+)/[\w.-]+\.parquet|{_PICTURES}|{_LEGAL}"
)
"""What a dataset folder holds."""

ADAPTER_FILES = re.compile(
    r"README\.md|adapter_config\.json|adapter_model\.safetensors|recipe\.yml|run\.json"
    r"|eval/(?:[\w-]+/)*[\w.-]+\.(?:json|md|csv|png|svg)"
    # what tokenizers of the last years are made of, by transformers' VOCAB_FILES_NAMES
    r"|(?:tokenizer|tokenizer_config|special_tokens_map|added_tokens|vocab|generation_config|chat_template)\.json"
    r"|chat_template\.jinja|merges\.txt|vocab\.txt|tokenizer\.model|spiece\.model"
    rf"|{_PICTURES}|{_LEGAL}"
)
"""What an adapter folder holds."""

# Left out by rule, with the reason that the report gives. The first that fits counts.
_NEVER: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(?:.*/)?(?:\.git|\.cache|__pycache__|\.ipynb_checkpoints)/.*|(?:.*/)?\.[^/]*"), "hidden or a cache"),
    (re.compile(r"(?:.*/)?checkpoint-\d+/.*"), "a checkpoint"),
    (re.compile(r"(?:.*/)?runs/.*|.*\.tfevents\..*"), "a log of training"),
    (re.compile(r".*\.(?:bin|pkl|pickle|pt|pth|ckpt|joblib|npy|npz)"), "a pickle, which runs code when it is loaded"),
    (re.compile(r"(?:.*/)?(?:training_params|trainer_state)\.json"), "AutoTrain's own; run.json and recipe.yml say it"),
)


@dataclass(frozen=True, slots=True)
class Content:
    """A file as it will stand in the repository.

    Attributes:
        path: In the repository, with forward slashes.
        source: The file on disk, or its bytes where the push rewrites it.
        size: Bytes.
        sha256: The content's SHA-256: LFS knows it by this.
        git_id: What `git hash-object` gives: the Hub knows small files by this.
    """

    path: str
    source: Path | bytes
    size: int
    sha256: str
    git_id: str

    def read(self) -> bytes:
        """The whole content."""
        return self.source if isinstance(self.source, bytes) else self.source.read_bytes()


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A file that stays here, and why."""

    path: str
    reason: str


def gather(
    folder: Path,
    belongs: re.Pattern[str],
    rewritten: Mapping[str, bytes] | None = None,
    *,
    without: Mapping[str, str] | None = None,
) -> tuple[list[Content], list[LeftOut]]:
    """Takes the files that belong into a published folder, and names the others.

    Args:
        folder: A dataset or an adapter folder.
        belongs: `DATASET_FILES` or `ADAPTER_FILES`.
        rewritten: Path in the repository → bytes that replace, or add to, what lies in the folder.
        without: Path of a file that stays here this time → why.

    Returns:
        The contents and what is left out, both sorted by path.
    """
    rewritten, without = rewritten or {}, without or {}
    contents = [_content(path, value) for path, value in rewritten.items()]
    left_out = []
    for file in _files(folder):
        path = file.relative_to(folder).as_posix()
        if path in rewritten or path == ".gitattributes":  # the repository has its own
            continue
        reason = without.get(path) or next((why for pattern, why in _NEVER if pattern.fullmatch(path)), None)
        if reason is None and belongs.fullmatch(path):
            contents.append(_content(path, file))
        else:
            left_out.append(LeftOut(path, reason or "not part of such a folder"))
    return sorted(contents, key=lambda c: c.path), sorted(left_out, key=lambda f: f.path)


def _files(folder: Path) -> Iterable[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _content(path: str, source: Path | bytes) -> Content:
    """Reads a file once for both of its ids."""
    size = len(source) if isinstance(source, bytes) else source.stat().st_size
    sha256, git_id = hashlib.sha256(), hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
    if isinstance(source, bytes):
        sha256.update(source)
        git_id.update(source)
    else:
        with source.open("rb") as file:
            while piece := file.read(_PIECE):
                sha256.update(piece)
                git_id.update(piece)
    return Content(path, source, size, sha256.hexdigest(), git_id.hexdigest())
