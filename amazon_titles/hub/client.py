"""The Hub as a push sees it: who am I, what stands there, and calls that are tried again when the server is busy."""

from __future__ import annotations

import logging
import random
import re
import sys
import time
import unicodedata
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from amazon_titles.errors import AmazonTitlesError, InputError, PublishError
from amazon_titles.hub_errors import explain, is_transient, login_command, page_of, retry_after, status_of
from amazon_titles.progress import say
from amazon_titles.secrets import redact

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


def read_repo_id(name: str, kind: str) -> str:
    """The id that a person means, as `USER/NAME`, or `NAME` for the account's own.

    The address of a page is taken apart, and blanks around a name or `datasets/` in front of it are nothing to refuse.

    Args:
        name: As typed.
        kind: `model`, `dataset` or `space`.

    Raises:
        InputError: It is of another kind, or no id at all; the message has the right form.
    """
    from huggingface_hub.utils import HFValidationError, validate_repo_id  # type: ignore[attr-defined]

    text = name.strip()
    address = re.match(r"\w+://[^/]+|(?:www\.)?(?:huggingface\.co|hf\.co)(?=/)", text)
    parts = re.split("[?#]", text[address.end() :] if address else text)[0].strip("/").split("/")
    named = parts.pop(0).removesuffix("s") if parts[0] in ("models", "datasets", "spaces") and parts[1:] else kind
    parts = parts[:2] if address else parts  # behind the id of a page: tree/main
    repo_id, likely = "/".join(parts), "/".join(filter(None, map(_likely, parts[-2:]))) or "USER/NAME"
    if named != kind:
        raise InputError(f"{name!r} names a {named}, and a {kind} is wanted.", hint=f"Write: {likely}")
    try:
        validate_repo_id(repo_id)
    except HFValidationError:
        repo_id = ""
    # The client lets accents pass, the Hub does not; and `USER/` or a user's page is no repository.
    if not repo_id.isascii() or not repo_id or (len(parts) < 2 and "/" in name):
        hint = f"Write USER/NAME, of letters without accents, digits, '-', '_' and '.': {likely}"
        raise InputError(f"{name!r} is not a valid Hub id.", hint=hint)
    return repo_id


def _likely(part: str) -> str:
    """What is likely meant by a part of an id that the Hub refuses."""
    plain = unicodedata.normalize("NFKD", part).encode("ascii", "ignore").decode()
    return re.sub(r"([-.])[-.]+", r"\1", re.sub(r"[^\w.-]+", "-", plain)).removesuffix(".git").strip("-.")[:96]


class Client:
    """Talks to the Hub about one repository.

    Args:
        repo_id: What `read_repo_id` takes.
        kind: `model`, `dataset` or `space`.
        token: A token; None takes the one of the login or of HF_TOKEN.

    Raises:
        InputError: It is no id.
    """

    def __init__(self, repo_id: str, kind: str, token: str | None) -> None:
        from huggingface_hub import HfApi, get_token

        self.repo_id, self.kind, self.token = read_repo_id(repo_id, kind), kind, token or get_token()
        self.api = HfApi(token=self.token)
        self.seen: RepoState

    @property
    def url(self) -> str:
        """The repository's page."""
        return page_of(self.repo_id, self.kind)

    def call(self, what: str, function: Callable[[], T]) -> T:
        """Calls the Hub, and again where that may help; any other error becomes a sentence.

        Args:
            what: For the line that says that it is tried again.
            function: The call; it must be safe to repeat.

        Raises:
            PublishError: It failed for good.
        """
        number = 1
        while True:
            try:
                with quiet_client(self.token):
                    return function()
            except Exception as error:
                if number == TRIES or not is_transient(error):
                    raise self.explain(error) from None
                wait = min(LONGEST_WAIT, FIRST_WAIT * 2 ** (number - 1)) * random.uniform(0.75, 1.0)
                wait = max(wait, min(retry_after(error) or 0, 300.0))
                status = status_of(error)
                reason = f"the Hub answered {status}" if status else "the connection was lost"
                say(f"  {what}: {reason}; trying again in {wait:.0f} s")
                time.sleep(wait)
            number += 1

    def ask(self, what: str, method: Callable[..., T], *arguments: str, **options: Any) -> T:  # noqa: ANN401
        """Calls a method of the Hub's client about this repository, in the same way.

        Args:
            what: As of `call`.
            method: Takes the repository's id, and its kind as `repo_type`.
            *arguments: What else it takes.
            **options: What it takes by name.
        """
        return self.call(what, lambda: method(self.repo_id, *arguments, repo_type=self.kind, **options))

    def explain(self, error: BaseException) -> AmazonTitlesError:
        """The sentence for an error of the Hub."""
        return explain(error, self.repo_id, self.kind, token=self.token)

    def check_rights(self) -> None:
        """Finds out before the work whether this account may write there; completes a name without a namespace.

        Raises:
            PublishError: Not logged in, a token that only reads, somebody else's namespace.
        """
        login = login_command()
        me = self.call("asking who is logged in", self.api.whoami)
        if "/" not in self.repo_id:
            self.repo_id = f"{me['name']}/{self.repo_id}"
        namespace = self.repo_id.split("/")[0]
        mine = [me["name"], *(row["name"] for row in me.get("orgs", []))]
        if namespace not in mine:
            raise PublishError(
                f"{self.repo_id} belongs to {namespace!r}, and you are logged in as {me['name']!r}.",
                hint=f"Choose one of: {', '.join(f'{name}/…' for name in mine)}; or log in as another: {login}",
            )
        if me.get("auth", {}).get("accessToken", {}).get("role") == "read":
            said = f"The token of {me['name']!r} may only read."
            raise PublishError(said, hint=f"Make one that may write, then: {login}")

    def state(self) -> RepoState | None:
        """What stands in the repository now; None where there is none (or none that this account may see)."""
        there = self.ask(f"looking for {self.repo_id}", self.api.repo_exists)
        return self.look() if there else None

    def look(self, revision: str | None = None) -> RepoState:
        """What stands in the repository, at a commit or now; it is kept in `seen`, too.

        Raises:
            PublishError: There is none, or it could not be had; `__context__` is the client's own error.
        """
        info: Any = self.ask(f"looking at {self.repo_id}", self.api.repo_info, revision=revision, files_metadata=True)
        files = {row.rfilename: (row.size, row.lfs.sha256 if row.lfs else row.blob_id) for row in info.siblings or ()}
        self.seen = RepoState(str(info.sha), bool(info.private), files)
        return self.seen

    def download(self, path: str, revision: str | None = None, *, cache_dir: str | None = None) -> Path:
        """Fetches a file of the repository.

        Args:
            path: In the repository.
            revision: The commit; by default the one in `seen`.
            cache_dir: Where it goes; by default the cache of the Hub's client.

        Raises:
            PublishError: It could not be had; `__context__` is the client's own error.
        """
        from huggingface_hub import hf_hub_download

        options = {"revision": revision or self.seen.commit, "cache_dir": cache_dir, "token": self.token}
        return Path(self.ask(f"reading {path} of {self.repo_id}", hf_hub_download, path, **options))


@contextmanager
def quiet_client(token: str | None) -> Iterator[None]:
    """Keeps the client's own log to itself, for it repeats what the server answers, and its bars to terminals."""
    from huggingface_hub import utils

    log = logging.getLogger("huggingface_hub")
    with ExitStack() as stack:
        stack.callback(log.setLevel, log.level)
        log.setLevel(logging.CRITICAL)
        if not sys.stderr.isatty() and not utils.are_progress_bars_disabled():  # type: ignore[attr-defined]
            utils.disable_progress_bars()  # type: ignore[attr-defined]
            stack.callback(utils.enable_progress_bars)  # type: ignore[attr-defined]
        said = stack.enter_context(warnings.catch_warnings(record=True))
        warnings.simplefilter("always")
        yield
        for warning in said:
            if "README.md" in str(warning.message):  # what the Hub thinks of the card
                say(f"  {redact(' '.join(str(warning.message).split()), token)}")
