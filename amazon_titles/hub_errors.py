"""The Hub's errors as sentences, each with the next command; in none of them a token.

The two generations of huggingface_hub raise errors of different HTTP libraries, so errors are known here by their
status and by the names of their classes, never by an import.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

from amazon_titles.errors import AmazonTitlesError, PublishError
from amazon_titles.secrets import redact

_RETRIED_STATUSES = {408, 425, 429, 500, 502, 503, 504}
# requests' names and httpx's
_RETRIED_CLASSES = (
    "ConnectionError", "ChunkedEncodingError", "Timeout", "TimeoutException", "NetworkError", "RemoteProtocolError",
)  # fmt: skip


def login_command() -> str:
    """How the installed client logs in: `hf` since 0.34, `huggingface-cli` before (removed in 1.0)."""
    numbers = tuple(int(part) for part in version("huggingface_hub").split(".")[:2])
    return "hf auth login" if numbers >= (0, 34) else "huggingface-cli login"


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and what caused it: the upload threads wrap the Hub's answer in a RuntimeError."""
    link: BaseException | None = error
    while link is not None:
        yield link
        link = link.__cause__


def _response(error: BaseException) -> Any:  # noqa: ANN401 - of requests or of httpx
    """The server's answer behind an error; None where there was none."""
    answers = (getattr(link, "response", None) for link in _chain(error))
    return next((answer for answer in answers if answer is not None), None)


def status_of(error: BaseException) -> int | None:
    """The HTTP status behind an error; None where there was no answer."""
    return getattr(_response(error), "status_code", None)


def is_a(error: BaseException, *names: str) -> bool:
    """Whether an error, or what caused it, is of a class of one of these names."""
    return any(kind.__name__ in names for link in _chain(error) for kind in type(link).__mro__)


def is_transient(error: BaseException) -> bool:
    """Whether trying again may help: a busy or broken server, a lost connection."""
    status = status_of(error)
    if status is not None:
        return status in _RETRIED_STATUSES
    return is_a(error, *_RETRIED_CLASSES) and not is_a(error, "OfflineModeIsEnabled")


def _header(error: BaseException, name: str) -> str:
    """A header of the Hub's answer; "" where there was no answer, or none of that name."""
    return str(getattr(_response(error), "headers", {}).get(name, ""))


def retry_after(error: BaseException) -> float | None:
    """The seconds that the server asked to wait; None where it did not say."""
    value = _header(error, "Retry-After")
    return float(value) if value.isdigit() else None


def explain(error: BaseException, repo_id: str, kind: str = "model", *, token: str | None = None) -> AmazonTitlesError:
    """What to tell a user about an error of the Hub.

    Args:
        error: What the client raised.
        repo_id: The repository that was read or written.
        kind: `model`, `dataset` or `space`.
        token: The token in use, so that it is never repeated.

    Returns:
        The error to raise in its place, `from None`: the original may repeat a token.
    """
    if isinstance(error, AmazonTitlesError):
        return error
    message, hint = _sentence(error, repo_id, kind)
    return PublishError(redact(message, token), hint=redact(hint, token))


def _sentence(error: BaseException, repo_id: str, kind: str) -> tuple[str, str]:
    """What happened, and what to do: the first row that fits."""
    status, login, page = status_of(error), login_command(), page_of(repo_id, kind)
    said = _header(error, "X-Error-Message") or " ".join(str(error).split())[:300]
    full = status in (402, 403, 413) and re.search("storage|quota|upgrade|too large", said.lower())
    lost = is_a(error, "LocalEntryNotFoundError")
    rows: tuple[tuple[object, str, str], ...] = (
        (is_a(error, "OfflineModeIsEnabled"),
         "The Hub is disabled: HF_HUB_OFFLINE is set.", "Unset HF_HUB_OFFLINE and run it again."),
        (is_a(error, "LocalTokenNotFoundError"),
         "You are not logged in to the Hub.", f"Run: {login} (or set HF_TOKEN)."),
        (is_a(error, "GatedRepoError"),
         f"The {kind} {repo_id} is gated, and this account has no access.",
         f"Accept its conditions at {page} and run it again."),
        (is_a(error, "RevisionNotFoundError"),
         f"The {kind} {repo_id} has no such revision ({said}).", f"See its revisions at {page}."),
        (is_a(error, "RepositoryNotFoundError"),
         f"There is no {kind} {repo_id} on the Hub, or this account cannot see it.",
         f"Check the name; if it is private, log in with an account that can read it: {login}"),
        (is_a(error, "EntryNotFoundError", "RemoteEntryNotFoundError") and not lost,
         f"The {kind} {repo_id} lacks a file ({said}).", f"See its files at {page}."),
        (is_a(error, "HFValidationError"),
         f"{repo_id!r} is not a valid Hub id.", "Write USER/NAME, of letters, digits, '-', '_' and '.'."),
        (full, f"The Hub has no room left for {repo_id}: {said}",
         "Free space, or upgrade, and run the same command again."),
        (status == 401, "The Hub rejects this token.", f"Log in again: {login}"),
        (status == 403,
         f"This login cannot write to {repo_id}: {said}", f"Log in with a token that has write access: {login}"),
        (is_a(error, "ValueError") and "metadata" in str(error),
         f"The Hub refuses the card of {repo_id}: {said}", "Fix the metadata in README.md and run it again."),
        (status is not None, f"The Hub answered {status} for {repo_id}: {said}",
         "Run the same command again to resume."),
        (is_transient(error) or lost,
         f"The Hub cannot be reached ({said}).", "Check the network, then run the same command again to resume."),
        (True,
         f"The Hub's client failed for {repo_id}: {type(error).__name__}: {said}", "Run the same command again."),
    )  # fmt: skip
    return next((message, hint) for fits, message, hint in rows if fits)


def page_of(repo_id: str, kind: str) -> str:
    """The address of a repository's page."""
    from huggingface_hub import constants

    return f"{constants.ENDPOINT}/{'' if kind == 'model' else kind + 's/'}{repo_id}"
