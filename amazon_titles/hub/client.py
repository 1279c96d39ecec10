"""The Hub as a push sees it: who am I, what stands there, and calls that are tried again when the server is busy."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from amazon_titles.errors import AmazonTitlesError, PublishError
from amazon_titles.hub_errors import explain, is_transient, login_command, retry_after, status_of
from amazon_titles.progress import say
from amazon_titles.secrets import redact

if TYPE_CHECKING:
    from huggingface_hub import HfApi

T = TypeVar("T")

TRIES = 6
"""Tries of one call: with the waits below a server may be away for a good half minute."""
FIRST_WAIT, LONGEST_WAIT = 1.0, 30.0
"""Seconds; each wait is twice the one before, and a quarter of it is random so that clients do not return together."""


@dataclass(frozen=True, slots=True)
class RepoState:
    """What stands in a repository at one commit.

    Attributes:
        commit: The commit's id.
        private: Whether only its owners see it.
        files: Path → (bytes, id): the id is the SHA-256 for LFS, git's blob id for other files.
    """

    commit: str
    private: bool
    files: Mapping[str, tuple[int, str]]


class Client:
    """Talks to the Hub about one repository.

    Args:
        repo_id: `USER/NAME`; `NAME` alone means the account's own.
        kind: `model` or `dataset`.
        token: A token; None takes the one of the login or of HF_TOKEN.
    """

    def __init__(self, repo_id: str, kind: str, token: str | None) -> None:
        from huggingface_hub import HfApi, get_token

        self.token = token or get_token()
        self.api: HfApi = HfApi(token=self.token)
        self.repo_id = repo_id
        self.kind = kind

    @property
    def url(self) -> str:
        """The repository's page."""
        return f"{self.api.endpoint}/{'' if self.kind == 'model' else self.kind + 's/'}{self.repo_id}"

    def call(self, what: str, function: Callable[[], T], *, tries: int = TRIES) -> T:
        """Calls the Hub, and again where that may help; any other error becomes a sentence.

        Args:
            what: For the line that says that it is tried again.
            function: The call; it must be safe to repeat.
            tries: How often in all.

        Raises:
            PublishError: It failed for good.
        """
        for number in range(1, tries + 1):
            try:
                return function()
            except Exception as error:
                if number == tries or not is_transient(error):
                    raise self.explain(error) from None
                self.pause(what, error, number)
        raise AssertionError("unreachable: the last try returns or raises")

    def pause(self, what: str, error: BaseException, number: int) -> None:
        """Waits before the next try, as long as the server asked for or longer each time."""
        asked = retry_after(error)
        wait = min(LONGEST_WAIT, FIRST_WAIT * 2 ** (number - 1)) * random.uniform(0.75, 1.0)
        wait = max(wait, min(asked, 300.0)) if asked is not None else wait
        reason = f"the Hub answered {status_of(error)}" if status_of(error) else "the connection was lost"
        say(f"  {what}: {reason}; trying again in {wait:.0f} s")
        time.sleep(wait)

    def explain(self, error: BaseException) -> AmazonTitlesError:
        """The sentence for an error of the Hub."""
        return explain(error, self.repo_id, self.kind, token=self.token)

    def check_rights(self) -> None:
        """Finds out before the work whether this account may write there; completes a name without a namespace.

        Raises:
            PublishError: Not logged in, a token that only reads, somebody else's namespace, a name that is no id.
        """
        from huggingface_hub import utils

        login = login_command()
        if self.token is None:
            raise PublishError("You are not logged in to the Hub.", hint=f"Run: {login} (or set HF_TOKEN).")
        me = self.call("asking who is logged in", lambda: self.api.whoami(token=self.token))
        if "/" not in self.repo_id:
            self.repo_id = f"{me['name']}/{self.repo_id}"
        self.call("checking the name", lambda: utils.validate_repo_id(self.repo_id))  # type: ignore[attr-defined]
        namespace = self.repo_id.split("/")[0]
        mine = [me["name"], *(row["name"] for row in me.get("orgs", []))]
        if namespace not in mine:
            raise PublishError(
                f"{self.repo_id} belongs to {namespace!r}, and this login is {me['name']!r}.",
                hint=f"Choose one of: {', '.join(f'{name}/…' for name in mine)}; or log in as another: {login}",
            )
        role = me.get("auth", {}).get("accessToken", {}).get("role")
        if role == "read":
            raise PublishError(
                f"The token of {me['name']!r} may only read.", hint=f"Make one that may write, then: {login}"
            )

    def standing(self, revision: str | None = None) -> RepoState | None:
        """What stands in the repository; None where there is none (or none that this account may see)."""
        from huggingface_hub.hf_api import RepoFile

        def look() -> RepoState | None:
            try:
                info = self.api.repo_info(self.repo_id, repo_type=self.kind, revision=revision)
            except Exception as error:
                if type(error).__name__ == "RepositoryNotFoundError":
                    return None
                raise
            rows = self.api.list_repo_tree(self.repo_id, repo_type=self.kind, revision=info.sha, recursive=True)
            files = {
                row.path: (row.size, row.lfs.sha256 if row.lfs else row.blob_id)
                for row in rows
                if isinstance(row, RepoFile)
            }
            return RepoState(str(info.sha), bool(info.private), files)

        return self.call("looking at the repository", look)

    def tags(self) -> dict[str, str]:
        """Tag → the commit that it names."""

        def look() -> dict[str, str]:
            refs = self.api.list_repo_refs(self.repo_id, repo_type=self.kind)
            return {ref.name: ref.target_commit for ref in refs.tags}

        return self.call("looking at the tags", look)


class _Redacting(logging.Filter):
    """Takes secrets out of what the client's own log says: it repeats answers of the server."""

    def __init__(self, token: str | None) -> None:
        super().__init__()
        self.token = token

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = redact(record.getMessage(), self.token), ()
        return True


@contextmanager
def quiet_client(token: str | None) -> Iterator[None]:
    """Keeps the client's talk free of secrets, and its bars to terminals."""
    import sys
    import warnings

    from huggingface_hub import utils

    handlers = logging.getLogger("huggingface_hub").handlers
    redacting = _Redacting(token)
    bars = not utils.are_progress_bars_disabled()  # type: ignore[attr-defined]
    for handler in handlers:
        handler.addFilter(redacting)
    if bars and not sys.stderr.isatty():
        utils.disable_progress_bars()  # type: ignore[attr-defined]
    try:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            yield
            for warning in said:
                if "README.md" in str(warning.message):  # what the Hub thinks of the card
                    say(f"  {redact(' '.join(str(warning.message).split()), token)}")
    finally:
        for handler in handlers:
            handler.removeFilter(redacting)
        if bars and not sys.stderr.isatty():
            utils.enable_progress_bars()  # type: ignore[attr-defined]
