"""What a push did, for programs and for people."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from amazon_titles.hub.contents import LeftOut


@dataclass(frozen=True, slots=True)
class PushedFile:
    """A file of a push: its path in the repository, its bytes, and its SHA-256."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class PushReport:
    """What a push did, or with `dry_run` would do.

    Attributes:
        repo_id: The repository.
        kind: `model` or `dataset`.
        url: Its page; "" for a dry run that asked nobody.
        commit: The commit that holds the files; None for a dry run.
        changed: Whether this push made that commit; False where the same stood there already.
        private: Whether only its owners see it.
        files: Everything that stands there now.
        written: Paths that this push wrote.
        deleted: Paths of an older revision that this push took away.
        left_out: Files of the folder that never go up, and why.
        tag: The tag that names the commit, if one was asked for.
        loaded_back: What the repository gave when it was loaded by its id.
        warnings: What is allowed, but worth a thought.
        card: The card, as it stands there.
        dry_run: Nothing was sent.
    """

    repo_id: str
    kind: str
    url: str
    commit: str | None
    changed: bool
    private: bool
    files: tuple[PushedFile, ...]
    written: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    tag: str | None = None
    loaded_back: str = ""
    warnings: tuple[str, ...] = ()
    card: str = ""
    dry_run: bool = False

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    def to_json(self) -> str:
        """The report as one JSON object."""
        return json.dumps(asdict(self) | {"size": self.size}, ensure_ascii=False, indent=2)

    def __str__(self) -> str:
        """The report as a person reads it: files and sizes, what was left out and why; the card too in a dry run."""
        who = "private" if self.private else "public"
        head = f"{self.repo_id} ({self.kind}, {who}): {len(self.files)} files, {megabytes(self.size)}"
        wide = max((len(file.path) for file in self.files), default=0)
        lines = [head, *(f"  {file.path:<{wide}}  {megabytes(file.size):>12}" for file in self.files)]
        lines += [f"  left out: {row.path} ({row.reason})" for row in self.left_out]
        lines += [f"  taken away: {path} (of an older revision)" for path in self.deleted]
        lines += [f"  warning: {warning}" for warning in self.warnings]
        if self.dry_run:
            return "\n".join([*lines, "", "The card:", "", self.card, "Nothing was sent: this was a dry run."])
        lines.append(f"  loaded back by its id: {self.loaded_back}")
        done = "published" if self.changed else "unchanged: the same stood there already"
        return "\n".join([*lines, f"{done}: {self.url} at {self.commit}{f' ({self.tag})' if self.tag else ''}"])


def megabytes(size: int) -> str:
    """A size in bytes, as people read it."""
    return f"{size / 1e6:.1f} MB" if size >= 100_000 else f"{size} bytes"
