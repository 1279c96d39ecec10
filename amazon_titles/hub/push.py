"""One visible step: the data goes up unseen, then a single commit shows all of it, or nothing was changed.

`upload_folder` of huggingface_hub 2.x may make several commits, and `upload_large_folder` is not in it any more. So a
push is made of what both generations have: `preupload_lfs_files`, which stores contents that no revision names yet, and
one `create_commit` on the parent that the push has looked at. A killed push leaves the old revision; contents that are
up stay up, and the next run finds them there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from amazon_titles.errors import InputError, PublishError
from amazon_titles.hub.client import TRIES, Client, RepoState, quiet_client
from amazon_titles.hub.contents import Content, LeftOut
from amazon_titles.hub.report import PushedFile, PushReport, megabytes
from amazon_titles.hub_errors import is_transient, status_of
from amazon_titles.progress import lines, say

if TYPE_CHECKING:
    from huggingface_hub import CommitOperationAdd

KEPT = frozenset({".gitattributes"})
"""Files of a repository that a push neither writes nor deletes."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What goes up: made by the rooms of datasets and adapters, carried out here.

    Attributes:
        contents: Everything that the repository will hold, `KEPT` aside.
        left_out: Files of the folder that stay here.
        belongs_here: Says whether what stands in the repository is of the same sort, by its paths.
        sort: What that is, in words, for the message where it is not.
        load_back: Loads the repository at a commit, and says in words what it got; raises PublishError.
        warnings: For the report.
    """

    contents: Sequence[Content]
    left_out: Sequence[LeftOut]
    belongs_here: Callable[[Mapping[str, Any]], bool]
    sort: str
    load_back: Callable[[Client, str], str]
    warnings: tuple[str, ...] = ()

    def report(self, client: Client, **more: Any) -> PushReport:  # noqa: ANN401 - the report's own fields
        """The report of this plan; `more` are the fields that only the push knows."""
        card = next((content.read().decode() for content in self.contents if content.path == "README.md"), "")
        return PushReport(
            repo_id=client.repo_id,
            kind=client.kind,
            files=tuple(PushedFile(c.path, c.size, c.sha256) for c in self.contents),
            left_out=tuple(self.left_out),
            card=card,
            warnings=self.warnings,
            **more,
        )


@lines("publishing", announce=False)
def publish(
    plan: Plan, client: Client, *, private: bool, message: str, tag: str | None, dry_run: bool = False
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
        PublishError: It could not be done; the message says what stands there now.
    """
    if dry_run:
        return plan.report(client, url="", commit=None, changed=False, private=private, tag=tag, dry_run=True)
    with quiet_client(client.token):
        before = _open(plan, client, private)
        _check_tag(client, tag, plan, before)
        writes, deletes = _difference(plan, before)
        commit = _send(plan, client, before, writes, deletes, message) if writes or deletes else before.commit
        loaded_back = _verify(plan, client, commit)
        if tag is not None:
            _tag(client, tag, commit)
        if before.private and not private:
            say("making it public …")
            client.call(
                "making it public",
                lambda: client.api.update_repo_settings(client.repo_id, repo_type=client.kind, private=False),
            )
    changed = bool(writes or deletes)
    say(f"{'published' if changed else 'nothing to do: the same stands there already'}: {client.url} at {commit[:12]}")
    return plan.report(
        client,
        url=client.url,
        commit=commit,
        changed=changed,
        private=private,
        written=tuple(content.path for content in writes),
        deleted=tuple(deletes),
        tag=tag,
        loaded_back=loaded_back,
    )


def _open(plan: Plan, client: Client, private: bool) -> RepoState:
    """The repository as it stands, made if there is none. New ones are private until they are verified."""
    standing = client.standing()
    if standing is None:
        client.call(
            "making the repository",
            lambda: client.api.create_repo(
                client.repo_id,
                repo_type=client.kind,
                private=True,
                exist_ok=True,
                space_sdk="gradio" if client.kind == "space" else None,
            ),
        )
        standing = client.standing()
    if standing is None:
        raise PublishError(f"{client.repo_id} was made, but cannot be read.", hint="Run the same command again.")
    others = {path: value for path, value in standing.files.items() if path not in KEPT}
    if others and set(others) != {"README.md"} and not plan.belongs_here(others):
        raise PublishError(
            f"{client.repo_id} exists and holds something else than {plan.sort} "
            f"({len(others)} files, such as {sorted(others)[0]!r}); nothing was changed.",
            hint="Choose another name.",
        )
    if private and not standing.private:
        raise PublishError(
            f"{client.repo_id} is public, and a push is private unless it says otherwise; nothing was changed.",
            hint=f"Add --public, or make it private first at {client.url}/settings.",
        )
    return standing


def _check_tag(client: Client, tag: str | None, plan: Plan, before: RepoState) -> None:
    """A tag that names something else is never moved: others rely on it."""
    if tag is None:
        return
    named = client.tags().get(tag)
    if named is not None and (named != before.commit or any(_difference(plan, before))):
        raise PublishError(
            f"The tag {tag!r} of {client.repo_id} names commit {named[:12]} already, which holds something else; "
            "nothing was changed.",
            hint="Choose another tag.",
        )


def _difference(plan: Plan, standing: RepoState) -> tuple[list[Content], list[str]]:
    """What must be written, and what of an older revision must go: left there, its shards would mix with ours."""
    writes = [
        content
        for content in plan.contents
        if standing.files.get(content.path) not in ((content.size, content.sha256), (content.size, content.git_id))
    ]
    ours = {content.path for content in plan.contents}
    return writes, sorted(path for path in standing.files if path not in ours and path not in KEPT)


def _send(
    plan: Plan, client: Client, before: RepoState, writes: Sequence[Content], deletes: Sequence[str], message: str
) -> str:
    """Uploads, then makes the one commit. Gives its id."""
    from huggingface_hub import CommitOperationAdd, CommitOperationCopy, CommitOperationDelete

    say(f"sending {len(writes)} files, {megabytes(sum(content.size for content in writes))}")
    adds = [
        CommitOperationAdd(content.path, content.source if isinstance(content.source, bytes) else str(content.source))
        for content in writes
    ]
    client.call("sending", lambda: _upload(client, adds))
    for add, content in zip(adds, writes, strict=True):
        if add.upload_info.sha256.hex() != content.sha256:
            raise PublishError(
                f"{content.path} changed while it was sent; nothing was changed on the Hub.",
                hint="Run the same command again when nothing writes to the folder.",
            )
    removals = (CommitOperationDelete(path_in_repo=path) for path in deletes)
    operations: list[CommitOperationAdd | CommitOperationCopy | CommitOperationDelete] = [*adds, *removals]
    for number in range(1, TRIES + 1):
        try:
            made = client.api.create_commit(
                client.repo_id,
                operations,
                commit_message=message,
                repo_type=client.kind,
                parent_commit=before.commit,
            )
            return str(made.oid)
        except Exception as error:
            if status_of(error) != 412 and not is_transient(error):
                raise client.explain(error) from None
            # The answer may have been lost after the commit was made, so what stands there decides.
            now = client.standing()
            if now is not None and now.commit != before.commit:
                if not any(_difference(plan, now)):
                    return now.commit
                raise PublishError(
                    f"Somebody else changed {client.repo_id} while this push was under way: it stood at "
                    f"{before.commit[:12]} and stands at {now.commit[:12]}. Nothing of theirs was overwritten.",
                    hint=f"Look at {client.url}/commits/main; the same command then publishes on top of it.",
                ) from None
            if number == TRIES:
                raise client.explain(error) from None
            client.pause("committing", error, number)
    raise AssertionError("unreachable: the last try returns or raises")


def _upload(client: Client, adds: Sequence[CommitOperationAdd]) -> None:
    """Stores contents that no revision names yet; those that are there already are not sent again."""
    client.api.preupload_lfs_files(client.repo_id, additions=adds, repo_type=client.kind, free_memory=False)


def _verify(plan: Plan, client: Client, commit: str) -> str:
    """Compares every file by size and hash with what stands at the commit, then loads it by its id."""
    now = client.standing(commit)
    writes, extra = _difference(plan, now) if now else (list(plan.contents), [])
    if writes or extra:
        names = ", ".join([content.path for content in writes] + extra)
        raise PublishError(
            f"{client.repo_id} at {commit[:12]} is not what was sent: {names} differ.",
            hint="Run the same command again.",
        )
    say("loading it back by its id")
    try:
        return plan.load_back(client, commit)
    except PublishError:
        raise
    except Exception as error:
        raise client.explain(error) from None


def _tag(client: Client, tag: str, commit: str) -> None:
    client.call(
        f"tagging {tag}",
        lambda: client.api.create_tag(client.repo_id, tag=tag, revision=commit, repo_type=client.kind, exist_ok=True),
    )
    if client.tags().get(tag) != commit:
        raise InputError(f"The tag {tag!r} was taken by somebody else meanwhile.", hint="Choose another tag.")
