"""One visible step: the data goes up unseen, then a single commit shows all of it, or nothing was changed.

`upload_folder` of huggingface_hub 2.x may make several commits, and `upload_large_folder` is not in it any more. So a
push is made of what both generations have: `preupload_lfs_files`, which stores contents that no revision names yet, and
one `create_commit` on the parent that the push has looked at. A killed push leaves the old revision; contents that are
up stay up, and the next run finds them there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from amazon_titles.errors import PublishError
from amazon_titles.hub.client import Client, RepoState
from amazon_titles.hub.contents import Content, FileNote
from amazon_titles.hub.validate import folder_issues
from amazon_titles.progress import lines, say
from amazon_titles.secrets import redact

KEPT = frozenset({".gitattributes"})
"""Files of a repository that a push neither writes nor deletes."""


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
    files: tuple[Content, ...]
    written: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    left_out: tuple[FileNote, ...] = ()
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
        files = [{"path": file.path, "size": file.size, "sha256": file.sha256} for file in self.files]
        told = asdict(replace(self, files=())) | {"files": files, "size": self.size}
        return json.dumps(told, ensure_ascii=False, indent=2)

    def __str__(self) -> str:
        """The report as a person reads it: files and sizes, what was left out and why; the card too in a dry run."""
        who = "private" if self.private else "public"
        head = f"{self.repo_id} ({self.kind}, {who}): {len(self.files)} files, {megabytes(self.size)}"
        wide = max((len(file.path) for file in self.files), default=0)
        lines = [head, *(f"  {file.path:<{wide}}  {megabytes(file.size):>12}" for file in self.files)]
        lines += [f"  left out: {row.path} ({row.reason})" for row in self.left_out]
        lines += [f"  removed: {path} (of an older revision)" for path in self.deleted]
        lines += [f"  warning: {warning}" for warning in self.warnings]
        if self.dry_run:
            return "\n".join([*lines, "", "The card:", "", self.card, "Nothing was sent: this was a dry run."])
        lines.append(f"  loaded back by its id: {self.loaded_back}")
        done = "published" if self.changed else "unchanged: already published"
        return "\n".join([*lines, f"{done}: {self.url} at {self.commit}{f' ({self.tag})' if self.tag else ''}"])


def megabytes(size: int) -> str:
    """A size in bytes, as people read it."""
    return f"{size / 1e6:.1f} MB" if size >= 100_000 else f"{size} bytes"


@dataclass(frozen=True, slots=True)
class Plan:
    """What goes up: made by the modules of datasets, adapters and Spaces, carried out here.

    Attributes:
        name: Of the folder, for the message where it must not be published.
        contents: Everything that the repository will hold, `KEPT` aside.
        left_out: Files of the folder that stay here.
        mark: The path that every repository of the same sort has.
        sort: What that is, in words, for the message where it is not.
        load_back: Loads these contents from the repository at a commit, and says in words what it got; raises
            PublishError.
        needed: Paths without which the folder is not what it says.
        made_by: The command that writes those.
        may_name_paths: Paths of files whose text is not searched for paths of a machine.
        issues: Why it must not be published as it is, besides what is asked of every folder.
        warnings: For the report.
    """

    name: str | Path
    contents: Sequence[Content]
    left_out: Sequence[FileNote]
    mark: str
    sort: str
    load_back: Callable[[Client, str, Sequence[Content]], str]
    needed: Sequence[str] = ()
    made_by: str = ""
    may_name_paths: Sequence[str] = ()
    issues: Sequence[FileNote] = ()
    warnings: Sequence[str] = ()


@lines("publishing", announce=False)
def publish(
    plan: Plan, client: Client, *, private: bool, message: str, tag: str | None = None, dry_run: bool = False
) -> PushReport:
    """Carries a plan out.

    Args:
        plan: What goes up.
        client: The repository; its rights have been checked.
        private: False shows the repository to everybody, once it has been verified.
        message: The commit's.
        tag: Names the commit, if given.
        dry_run: Only reports what would go up.

    Raises:
        PublishError: It must not, or could not, be published; the message says what stands there now.
    """
    issues = [*plan.issues, *folder_issues(plan, message, tag, client.token)]
    if told := "".join(f"\n  - {issue.path}: {issue.reason}" for issue in issues):
        said = f"{plan.name} cannot be published as it is, and nothing was sent:{redact(told)}"
        raise PublishError(said, hint="Fix these and run the same command again; --dry-run shows the result.")
    report = PushReport(
        repo_id=client.repo_id, kind=client.kind, url="", commit=None, changed=False, private=private, tag=tag,
        files=tuple(plan.contents), left_out=tuple(plan.left_out),
        card="".join(c.read().decode() for c in plan.contents if c.path == "README.md"), warnings=tuple(plan.warnings),
        dry_run=dry_run,
    )  # fmt: skip
    if dry_run:
        return report
    before = _open(plan, client, private)
    writes, deletes = _difference(plan, before)
    changed = bool(writes or deletes)
    if tag is not None:
        _require_free(client, tag, None if changed else before.commit)
    commit = _send(plan, client, before, writes, deletes, message) if changed else before.commit
    loaded_back = _verify(plan, client, commit)
    if tag is not None:
        client.ask(f"tagging {tag}", client.api.create_tag, tag=tag, revision=commit, exist_ok=True)
        _require_free(client, tag, commit)
    if before.private and not private:
        say("making it public …")
        client.ask("making it public", client.api.update_repo_settings, private=False)
    say(f"{'published' if changed else 'nothing to do: already published'}: {client.url} at {commit[:12]}")
    return replace(
        report, url=client.url, commit=commit, changed=changed, loaded_back=loaded_back,
        written=tuple(content.path for content in writes), deleted=tuple(deletes),
    )  # fmt: skip


def _open(plan: Plan, client: Client, private: bool) -> RepoState:
    """The repository as it stands, made if there is none. New ones are private until they are verified."""
    state = client.state()
    if state is None:
        sdk = "gradio" if client.kind == "space" else None
        client.ask("making the repository", client.api.create_repo, private=True, exist_ok=True, space_sdk=sdk)
        state = client.look()
    others = sorted(set(state.files) - KEPT)
    if others and others != ["README.md"] and plan.mark not in others:
        there = f"{len(others)} files, such as {others[0]!r}"
        said = f"{client.repo_id} exists and contains something other than {plan.sort} ({there}); nothing was changed."
        raise PublishError(said, hint="Choose another name.")
    if private and not state.private:
        said = f"{client.repo_id} is public, but a push is private by default; nothing was changed."
        raise PublishError(said, hint=f"Add --public, or make it private first at {client.url}/settings.")
    return state


def _require_free(client: Client, tag: str, commit: str | None) -> None:
    """A tag that names something else than this commit is never moved: others rely on it."""
    refs = client.ask("looking at the tags", client.api.list_repo_refs)
    named = next((ref.target_commit for ref in refs.tags if ref.name == tag), None)
    if named and named != commit:
        said = f"The tag {tag!r} of {client.repo_id} names commit {named[:12]}, with other contents; it stays."
        raise PublishError(said, hint="Choose another tag.")


def _difference(plan: Plan, state: RepoState) -> tuple[list[Content], list[str]]:
    """What must be written, and what of an older revision must go: left there, its shards would mix with ours."""
    known = state.files
    writes = [c for c in plan.contents if known.get(c.path) not in ((c.size, c.sha256), (c.size, c.git_id))]
    return writes, sorted(set(known) - {content.path for content in plan.contents} - KEPT)


def _send(
    plan: Plan, client: Client, before: RepoState, writes: Sequence[Content], deletes: Sequence[str], message: str
) -> str:
    """Uploads, then makes the one commit. Gives its id."""
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    say(f"sending {len(writes)} files, {megabytes(sum(content.size for content in writes))}")
    adds = [CommitOperationAdd(c.path, c.source if isinstance(c.source, bytes) else str(c.source)) for c in writes]
    # Contents that are there already are not sent again.
    client.ask("sending", client.api.preupload_lfs_files, additions=adds, free_memory=False)
    for add, content in zip(adds, writes, strict=True):
        if add.upload_info.sha256.hex() != content.sha256:
            said = f"{content.path} changed while it was sent; nothing was changed on the Hub."
            raise PublishError(said, hint="Run the same command again when no other program writes to the folder.")
    operations: list[Any] = [*adds, *(CommitOperationDelete(path_in_repo=path) for path in deletes)]

    try:
        made = client.ask(
            "committing", client.api.create_commit, operations=operations, commit_message=message,
            parent_commit=before.commit,
        )  # fmt: skip
        return str(made.oid)
    except PublishError:
        # The answer may have been lost after the commit was made, and a second try finds another parent: what stands
        # there decides.
        now = client.look()
        if now.commit == before.commit:
            raise
        if not any(_difference(plan, now)):
            return now.commit
        moved = f"from {before.commit[:12]} to {now.commit[:12]}; nothing of theirs was overwritten"
        said = f"Someone else changed {client.repo_id} during this push, {moved}."
        hint = f"Look at {client.url}/commits/main; the same command then publishes on top of it."
        raise PublishError(said, hint=hint) from None


def _verify(plan: Plan, client: Client, commit: str) -> str:
    """Compares every file by size and hash with what stands at the commit, then loads it by its id."""
    writes, extra = _difference(plan, client.look(commit))
    if differing := [*(content.path for content in writes), *extra]:
        said = f"{client.repo_id} at {commit[:12]} is not what was sent: {', '.join(differing)} differ."
        raise PublishError(said, hint="Run the same command again.")
    say("loading it back by its id")
    return plan.load_back(client, commit, plan.contents)
