"""The Hub's errors as sentences, each with the next command; in none of them a token.

The two generations of huggingface_hub raise errors of different HTTP libraries, so errors are known here by their
status and by the names of their classes, never by an import.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version

from amazon_titles.errors import AmazonTitlesError, PublishError
from amazon_titles.secrets import redact

_RETRIED_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
# requests' names and httpx's
_RETRIED_CLASSES = frozenset(
    {"ConnectionError", "ChunkedEncodingError", "Timeout", "TimeoutException", "NetworkError", "RemoteProtocolError"}
)


def login_command() -> str:
    """How the installed client logs in: `hf` since 0.34, `huggingface-cli` before (removed in 1.0)."""
    numbers = tuple(int(part) for part in version("huggingface_hub").split(".")[:2])
    return "hf auth login" if numbers >= (0, 34) else "huggingface-cli login"


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and what caused it: the upload threads wrap the Hub's answer in a RuntimeError."""
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__


def status_of(error: BaseException) -> int | None:
    """The HTTP status behind an error; None where there was no answer."""
    for link in _chain(error):
        status = getattr(getattr(link, "response", None), "status_code", None)
        if isinstance(status, int):
            return status
    return None


def is_a(error: BaseException, *names: str) -> bool:
    """Whether an error, or what caused it, is of a class of one of these names."""
    return any(kind.__name__ in names for link in _chain(error) for kind in type(link).__mro__)


def is_transient(error: BaseException) -> bool:
    """Whether trying again may help: a busy or broken server, a lost connection."""
    status = status_of(error)
    if status is not None:
        return status in _RETRIED_STATUSES
    return is_a(error, *_RETRIED_CLASSES) and not is_a(error, "OfflineModeIsEnabled")


def retry_after(error: BaseException) -> float | None:
    """The seconds that the server asked to wait; None where it did not say."""
    for link in _chain(error):
        value = getattr(getattr(link, "response", None), "headers", {}).get("Retry-After", "")
        if value.isdigit():
            return float(value)
    return None


def _what_the_hub_said(error: BaseException) -> str:
    """The Hub's own words, in one line."""
    for link in _chain(error):
        response = getattr(link, "response", None)
        if response is None:
            continue
        said = getattr(response, "headers", {}).get("X-Error-Message")
        if said:
            return str(said)
    return " ".join(str(error).split())[:300]


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
    status, said = status_of(error), _what_the_hub_said(error)
    login = login_command()
    if is_a(error, "OfflineModeIsEnabled"):
        return "The Hub is switched off here: HF_HUB_OFFLINE is set.", "Unset HF_HUB_OFFLINE and run it again."
    if is_a(error, "LocalTokenNotFoundError"):
        return "You are not logged in to the Hub.", f"Run: {login} (or set HF_TOKEN)."
    if is_a(error, "GatedRepoError"):
        return (
            f"The {kind} {repo_id} is gated, and this account has not been let in.",
            f"Accept its conditions at {_page(repo_id, kind)} and run it again.",
        )
    if is_a(error, "RevisionNotFoundError"):
        return f"The {kind} {repo_id} has no such revision ({said}).", f"See its revisions at {_page(repo_id, kind)}."
    if is_a(error, "RepositoryNotFoundError"):
        return (
            f"There is no {kind} {repo_id} on the Hub, or this account may not see it.",
            f"Check the name; if it is private, log in with an account that may read it: {login}",
        )
    if is_a(error, "EntryNotFoundError", "RemoteEntryNotFoundError") and not is_a(error, "LocalEntryNotFoundError"):
        return f"The {kind} {repo_id} lacks a file ({said}).", f"See its files at {_page(repo_id, kind)}."
    if is_a(error, "HFValidationError"):
        return f"{repo_id!r} is no id of the Hub.", "Write USER/NAME, of letters, digits, '-', '_' and '.'."
    if status in (402, 403, 413) and any(word in said.lower() for word in ("storage", "quota", "upgrade", "too large")):
        return (
            f"The Hub has no room left for {repo_id}: {said}",
            "Free space, or upgrade, and run the same command again.",
        )
    if status == 401:
        return "The Hub does not know this token.", f"Log in again: {login}"
    if status == 403:
        return f"This login may not write to {repo_id}: {said}", f"Log in with a token that has write access: {login}"
    if status == 412:
        return f"Somebody else changed {repo_id} while this push was under way.", "Look at it, then run it again."
    if is_a(error, "ValueError") and "metadata" in str(error):
        return f"The Hub refuses the card of {repo_id}: {said}", "Mend README.md's metadata and run it again."
    if status is not None:
        return (
            f"The Hub answered {status} for {repo_id}: {said}",
            "Run the same command again: it goes on where it stopped.",
        )
    if is_transient(error) or is_a(error, "LocalEntryNotFoundError"):
        return f"The Hub cannot be reached ({said}).", "Check the network, then run the same command again: it goes on."
    return f"The Hub's client failed for {repo_id}: {type(error).__name__}: {said}", "Run the same command again."


def _page(repo_id: str, kind: str) -> str:
    from huggingface_hub import constants

    return f"{constants.ENDPOINT}/{'' if kind == 'model' else kind + 's/'}{repo_id}"
