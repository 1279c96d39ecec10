"""What the loopback Hub holds: accounts, repositories, commits, LFS contents; and who may do what."""

from __future__ import annotations

import fnmatch
import hashlib
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.loopback_hub.objects import Commit, Entry, blob_id, lfs_entry, make_commit

KINDS = {"model": "models", "dataset": "datasets", "space": "spaces"}

# As the Hub's first commit marks them (the patterns that our files can meet).
GITATTRIBUTES = "".join(
    f"*.{ending} filter=lfs diff=lfs merge=lfs -text\n"
    for ending in ("7z", "arrow", "bin", "bz2", "ckpt", "gz", "h5", "model", "npy", "npz", "onnx", "parquet", "pickle",
                   "pkl", "pt", "pth", "safetensors", "tar", "tflite", "tgz", "zip", "zst", "png", "jpg", "mp4")
).encode()  # fmt: skip
LFS_FROM_BYTES = 10_000_000


class HubError(Exception):
    """An answer that is an error: status, the Hub's error code, and a message."""

    def __init__(self, status: int, message: str, code: str | None = None, **headers: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}
        self.body: dict[str, object] = {"error": message}


@dataclass(slots=True)
class Account:
    """A user with one token. `role` is the token's: `write` or `read`; `quota` is in bytes."""

    name: str
    token: str
    role: str = "write"
    organizations: tuple[str, ...] = ()
    quota: int | None = None

    def owns(self, namespace: str) -> bool:
        return namespace == self.name or namespace in self.organizations


@dataclass(slots=True)
class Repo:
    """A repository. `gated` asks for acceptance; `accepted` are the users who gave it."""

    kind: str
    id: str
    private: bool
    gated: bool = False
    accepted: set[str] = field(default_factory=set)
    commits: dict[str, Commit] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def namespace(self) -> str:
        return self.id.split("/")[0]

    def resolve(self, revision: str) -> Commit:
        """The commit of a branch, a tag or a commit id."""
        for name in (revision, revision.removeprefix("refs/heads/"), revision.removeprefix("refs/tags/")):
            oid = self.branches.get(name) or self.tags.get(name) or (name if name in self.commits else None)
            if oid:
                return self.commits[oid]
        raise HubError(404, f"Invalid rev id: {revision}", "RevisionNotFound")

    def files(self, revision: str = "main") -> dict[str, Entry]:
        """Every file of a revision by its path."""
        return dict(self.resolve(revision).files)


class State:
    """All of it, behind one lock.

    Args:
        folder: Where LFS contents lie, each named by its SHA-256.
    """

    def __init__(self, folder: Path) -> None:
        self.lock = threading.RLock()
        self.accounts: dict[str, Account] = {}
        self.repos: dict[tuple[str, str], Repo] = {}
        self.blobs: dict[str, bytes] = {}
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    # Accounts and rights

    def add_account(
        self,
        name: str,
        token: str,
        *,
        role: str = "write",
        organizations: tuple[str, ...] = (),
        quota: int | None = None,
    ) -> Account:
        account = Account(name, token, role, organizations, quota)
        self.accounts[token] = account
        return account

    def account(self, token: str | None) -> Account | None:
        """Who sends this token; None for nobody."""
        if token is None:
            return None
        if token not in self.accounts:
            raise HubError(401, "Invalid username or password.")
        return self.accounts[token]

    def readable(self, kind: str, repo_id: str, account: Account | None) -> Repo:
        """The repository, where this account may know of it."""
        repo = self.repos.get((kind, repo_id))
        if repo is None or (repo.private and not (account and account.owns(repo.namespace))):
            raise HubError(404 if account else 401, "Repository not found", "RepoNotFound")
        return repo

    def contents(self, kind: str, repo_id: str, account: Account | None) -> Repo:
        """The repository, where this account may read its files."""
        repo = self.readable(kind, repo_id, account)
        if repo.gated and not (account and (account.owns(repo.namespace) or account.name in repo.accepted)):
            raise HubError(
                403 if account else 401,
                f"Access to {kind} {repo_id} is restricted and you are not in the authorized list.",
                "GatedRepo",
            )
        return repo

    def writable(self, kind: str, repo_id: str, account: Account | None) -> Repo:
        """The repository, where this account may write to it."""
        repo = self.readable(kind, repo_id, account)
        self.may_write(repo.namespace, account)
        return repo

    def may_write(self, namespace: str, account: Account | None) -> None:
        if account is None:
            raise HubError(401, "Invalid username or password.")
        if account.role == "read" or not account.owns(namespace):
            raise HubError(403, f"You don't have the rights to create or write under the namespace {namespace!r}.")

    # Repositories

    def create(self, kind: str, repo_id: str, *, private: bool, author: str) -> Repo:
        if (kind, repo_id) in self.repos:
            raise HubError(409, f"You already created this {kind} repo")
        repo = Repo(kind, repo_id, private)
        self.repos[(kind, repo_id)] = repo
        self.commit(
            repo, "main", {".gitattributes": self.regular(GITATTRIBUTES)}, title="initial commit", author=author
        )
        return repo

    def commit(
        self, repo: Repo, branch: str, files: dict[str, Entry], *, title: str, author: str, message: str = ""
    ) -> Commit:
        """Moves the branch to a new commit that holds exactly `files`."""
        parent = repo.branches.get(branch)
        commit = make_commit(files, parent=parent, title=title, message=message, author=author, moment=int(time.time()))
        repo.commits[commit.oid] = commit
        repo.branches[branch] = commit.oid
        return commit

    # Contents

    def regular(self, content: bytes) -> Entry:
        oid = blob_id(content)
        self.blobs[oid] = content
        return Entry(oid, len(content))

    def lfs_path(self, sha256: str) -> Path:
        return self.folder / sha256

    def lfs(self, sha256: str, size: int) -> Entry:
        """An entry for a content that has been uploaded."""
        path = self.lfs_path(sha256)
        if not path.is_file() or path.stat().st_size != size:
            raise HubError(400, f"LFS pointer pointed to a file that does not exist: {sha256}")
        return lfs_entry(sha256, size)

    def read(self, entry: Entry) -> bytes:
        return self.lfs_path(entry.sha256).read_bytes() if entry.sha256 else self.blobs[entry.oid]

    def keep(self, sha256: str, part: Path) -> None:
        """Takes an uploaded file in, if its content is what its name says."""
        digest = hashlib.sha256(part.read_bytes()).hexdigest()
        if digest != sha256:
            part.unlink()
            raise HubError(400, f"uploaded content has SHA-256 {digest}, announced was {sha256}")
        part.replace(self.lfs_path(sha256))

    def upload_mode(self, repo: Repo, revision: str, path: str, size: int, sample: bytes) -> str:
        """`lfs` or `regular`, as .gitattributes, the size and the first bytes say."""
        entry = repo.files(revision).get(".gitattributes")
        lines = self.read(entry).decode().splitlines() if entry else []
        patterns = [line.split()[0] for line in lines if "filter=lfs" in line]
        name = path.rpartition("/")[2]
        if size > LFS_FROM_BYTES or any(fnmatch.fnmatch(name, pattern) for pattern in patterns) or b"\0" in sample:
            return "lfs"
        return "regular"

    def used(self, namespace: str) -> int:
        """Bytes of LFS content that a namespace's private repositories hold."""
        return sum(
            entry.size
            for repo in self.repos.values()
            if repo.private and repo.namespace == namespace
            for entry in repo.files().values()
            if entry.sha256
        )
