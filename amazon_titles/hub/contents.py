"""Which files of a folder go up, and what each of them is on the Hub: its size and its two ids."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from amazon_titles import resources

_PICTURES = r"(?:[\w-]+/)?[\w.-]+\.(?:png|svg|jpe?g)"
_PICTURE = re.compile(_PICTURES)
_LEGAL = r"(?:LICENSE|LICENCE|NOTICE|USE_POLICY)(?:\.(?:md|txt))?"

LEGAL_FILES = re.compile(_LEGAL)
"""What a base's licence comes in; it travels with every adapter of it."""

DATASET_FILES = re.compile(
    rf"README\.md|report\.json|(?:chat|catalog|text-[\w-]+)/[\w.-]+\.parquet|{_PICTURES}|{_LEGAL}"
)
"""What a dataset folder holds."""

ADAPTER_FILES = re.compile(
    r"README\.md|adapter_config\.json|adapter_model\.safetensors|recipe\.yml|run\.json"
    r"|eval/(?:(?:before|after|comparison)\.json|comparison\.md)"
    # what tokenizers of the last years are made of, by transformers' VOCAB_FILES_NAMES
    r"|(?:tokenizer|tokenizer_config|special_tokens_map|added_tokens|vocab|generation_config|chat_template)\.json"
    r"|chat_template\.jinja|merges\.txt|vocab\.txt|tokenizer\.model|spiece\.model"
    rf"|{_PICTURES}|{_LEGAL}"
)
"""What an adapter folder holds."""

# Left out by rule, with the reason that the report gives. The first that fits counts.
_NEVER: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(?:.*/)?(?:\.[^/]*|__pycache__)(?:/.*)?"), "hidden or a cache"),
    (re.compile(r"(?:.*/)?checkpoint-\d+/.*"), "a checkpoint"),
    (re.compile(r"(?:.*/)?runs/.*|.*\.tfevents\..*"), "a log of training"),
    (re.compile(r".*\.(?:bin|pkl|pickle|pt|pth|ckpt|joblib|npy|npz)"), "a pickle, which runs code when loaded"),
    (re.compile(r"(?:.*/)?(?:training_params|trainer_state)\.json"), "replaced by run.json and recipe.yml"),
)

LINK = "a link, whose target may be someone else's"
"""Why a link stays here."""


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

    @classmethod
    def of(cls, path: str, source: Path | bytes) -> Content:
        """A file or bytes, read once for both ids."""
        from huggingface_hub.utils.sha import git_hash

        data = source if isinstance(source, bytes) else source.read_bytes()
        return cls(path, source, len(data), hashlib.sha256(data).hexdigest(), git_hash(data))


@dataclass(frozen=True, slots=True)
class FileNote:
    """What is said of a file: why it stays here, or why it must not be published. It never repeats a secret."""

    path: str
    reason: str


def gather(
    folder: Path, belongs: re.Pattern[str], rewritten: Mapping[str, bytes] | None = None, repo_id: str = "USER/NAME",
    outdated: Mapping[str, str] | None = None,
) -> tuple[list[Content], list[FileNote]]:  # fmt: skip
    """Takes the files that belong into a published folder, and names the others.

    A link is never followed, and a picture goes only where the card links it: any other is somebody's own.

    Args:
        folder: A dataset or an adapter folder.
        belongs: `DATASET_FILES` or `ADAPTER_FILES`.
        rewritten: Path in the repository → bytes that replace, or add to, what lies in the folder.
        repo_id: Filled into the card's examples, which could not know it when they were written.
        outdated: Path of a file that stays here this time → why.

    Returns:
        The contents and what is left out, both sorted by path.
    """
    rewritten, outdated = dict(rewritten or {}), outdated or {}
    card = rewritten.get("README.md") or read_file(folder, "README.md")
    if b"USER/NAME" in card:
        rewritten["README.md"] = card = card.replace(b"USER/NAME", repo_id.encode())
    contents, left_out = [Content.of(path, value) for path, value in rewritten.items()], []
    linked = _linked(card)
    for file in resources.walk(folder):
        path = file.relative_to(folder).as_posix()
        if path in rewritten or path == ".gitattributes":  # the repository has its own
            continue
        reason = LINK if resources.is_link(file, folder) else outdated.get(path)
        reason = reason or next((why for never, why in _NEVER if never.fullmatch(path)), None)
        if reason is None and _PICTURE.fullmatch(path) and path not in linked:
            reason = "a picture that the card does not link"
        if reason is None and belongs.fullmatch(path):
            contents.append(Content.of(path, file))
        else:
            left_out.append(FileNote(path, reason or "not part of this kind of folder"))
    return sorted(contents, key=lambda c: c.path), sorted(left_out, key=lambda f: f.path)


def read_file(folder: Path, path: str) -> bytes:
    """A file of a folder that is published; b"" where there is none, or it is a link to something elsewhere."""
    return (folder / path).read_bytes() if is_there(folder, path) else b""


def is_there(folder: Path, path: str) -> bool:
    """Whether a folder holds the file itself, not a link to it."""
    return (folder / path).is_file() and not resources.is_link(folder / path, folder)


def _linked(card: bytes) -> set[str]:
    """What a card links, in Markdown or in HTML."""
    text = card.decode("utf-8", "replace")
    found = re.findall(r"\]\(\s*<?([^)\s>]+)|<img\b[^>]*?\bsrc\s*=\s*[\"']?([^\"'\s>]+)", text, re.IGNORECASE)
    return {unquote(markdown or html).removeprefix("./") for markdown, html in found}
