"""Git's object ids and the LFS pointer: what makes a commit of the loopback Hub a real one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

_LFS_VERSION = "https://git-lfs.github.com/spec/v1"


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of a commit: `oid` is git's blob id (of the pointer, for LFS), `sha256` the content's id for LFS."""

    oid: str
    size: int
    sha256: str | None = None
    pointer_size: int = 0


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit: every file by its path, and what `git log` shows."""

    oid: str
    files: Mapping[str, Entry]
    parent: str | None
    title: str
    message: str
    author: str
    date: str
    folders: Mapping[str, str] = field(default_factory=dict)


def blob_id(content: bytes) -> str:
    """What `git hash-object` prints."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def pointer(sha256: str, size: int) -> bytes:
    """The text that git stores in place of an LFS file."""
    return f"version {_LFS_VERSION}\noid sha256:{sha256}\nsize {size}\n".encode()


def lfs_entry(sha256: str, size: int) -> Entry:
    """An LFS file's entry."""
    text = pointer(sha256, size)
    return Entry(blob_id(text), size, sha256, len(text))


def tree_ids(files: Mapping[str, Entry]) -> dict[str, str]:
    """The tree id of every folder; the root's key is ""."""
    children: dict[str, dict[str, tuple[bytes, str]]] = {"": {}}
    for path, entry in files.items():
        folder, _, name = path.rpartition("/")
        children.setdefault(folder, {})[name] = (b"100644", entry.oid)
        while folder:
            folder = folder.rpartition("/")[0]
            children.setdefault(folder, {})
    ids: dict[str, str] = {}
    for folder in sorted(children, key=lambda path: path.count("/") + bool(path), reverse=True):
        content = b"".join(
            b"%s %s\0" % (mode, name.encode()) + bytes.fromhex(oid)
            # git sorts a folder as if its name ended in a slash
            for name, (mode, oid) in sorted(
                children[folder].items(), key=lambda item: item[0] + ("/" if item[1][0] == b"40000" else "")
            )
        )
        ids[folder] = hashlib.sha1(b"tree %d\0" % len(content) + content).hexdigest()
        if folder:
            above, _, name = folder.rpartition("/")
            children[above][name] = (b"40000", ids[folder])
    return ids


def make_commit(
    files: Mapping[str, Entry], *, parent: str | None, title: str, message: str, author: str, moment: int
) -> Commit:
    """A commit with its real id. `moment` is in seconds since 1970, UTC."""
    from datetime import datetime, timezone

    folders = tree_ids(files)
    who = f"{author} <{author}@users.noreply> {moment} +0000"
    text = f"{title}\n\n{message}".strip() + "\n"
    lines: Iterable[str] = (
        f"tree {folders['']}",
        *([f"parent {parent}"] if parent else []),
        f"author {who}",
        f"committer {who}",
        "",
        text,
    )
    content = "\n".join(lines).encode()
    oid = hashlib.sha1(b"commit %d\0" % len(content) + content).hexdigest()
    date = datetime.fromtimestamp(moment, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    return Commit(oid, dict(files), parent, title, message, author, date, folders)
