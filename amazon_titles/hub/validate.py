"""What must never be published, in any folder: tokens, paths of a machine, what cannot be read, blanks in a card."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from amazon_titles import secrets
from amazon_titles.errors import PublishError
from amazon_titles.hub.contents import LINK, Content, LeftOut


@dataclass(frozen=True, slots=True)
class ValidationIssue:
    """A file that must not be published, and why. The reason never repeats a secret."""

    path: str
    reason: str


def refuse(refusals: Iterable[ValidationIssue], folder: Path | str) -> None:
    """Stops a push, with every reason at once.

    Raises:
        PublishError: There is at least one.
    """
    found = list(refusals)
    if found:
        lines = secrets.redact("".join(f"\n  - {refusal.path}: {refusal.reason}" for refusal in found))
        raise PublishError(
            f"{folder} must not be published as it is, and nothing was sent:{lines}",
            hint="Mend these and run the same command again; --dry-run shows what would go up.",
        )


def secrets_in(contents: Iterable[Content], token: str | None) -> Iterator[ValidationIssue]:
    """Tokens and keys, in any file."""
    known = secrets.known_secrets(token)
    for content in contents:
        try:
            found = secrets.find_in_file(content.source, known)
        except (ValueError, OSError) as error:  # Arrow's errors are of these
            yield ValidationIssue(
                content.path, f"it cannot be read, so it cannot be searched for tokens ({_line(error)})"
            )
            continue
        if found:
            yield ValidationIssue(content.path, f"it holds {found}: take it out, and revoke it if it was ever shared")


def words(contents: Iterable[Content], *, message: str, tag: str | None) -> list[Content]:
    """What goes up besides contents, to be searched for secrets as they are."""
    names = "\n".join(content.path for content in contents)
    texts = {"the commit message": message, "the tag": tag or "", "a file's name": names}
    return [Content(name, text.encode(), len(text.encode()), "", "") for name, text in texts.items() if text]


# Texts that begin like this are paths, whatever follows.
_PATH = re.compile(r"(?:/(?!/)|~[/\\]|\.{1,2}[/\\]|[A-Za-z]:[\\/]|\\\\|file:)\S")
# In running text only what begins at a machine's root counts: neither `/dp/B00…` nor `--out ./merged`.
_ROOTS = r"home|Users|root|tmp|var|private|mnt|media|opt|srv|usr|etc|data|workspace|content|kaggle|scratch|work|app|nfs"
_PATH_IN_TEXT = re.compile(rf"(?<![\w/.:}}-])(?:/(?:{_ROOTS})/[\w.@~-]+|~/\.?[\w-]+/|[A-Za-z]:\\\w|file://)[^\s\"'`)]*")


def local_paths_in(contents: Iterable[Content]) -> Iterator[ValidationIssue]:
    """Paths of a machine in a JSON, a YAML or a Markdown file; the tokenizer's vocabulary is no place to look."""
    for content in contents:
        kind = content.path.rpartition(".")[2]
        if content.path in ("tokenizer.json", "vocab.json") or kind not in ("json", "yml", "yaml", "md"):
            continue
        text = content.read().decode("utf-8", "replace")
        if kind == "md":
            paths = [match.group() for match in _PATH_IN_TEXT.finditer(text)]
        else:
            told = _parsed(text, kind)
            if content.path.startswith("eval/") and isinstance(told, dict):
                told.pop("examples", None)  # what a model says may begin with a slash and is no path
            paths = [value for value in _strings(told) if _PATH.match(value)]
            paths += [match.group() for match in _PATH_IN_TEXT.finditer(text)] if kind != "json" else []
        if paths:
            yield ValidationIssue(content.path, f"it names a path of this machine, {paths[0]!r}, which is nowhere else")


def _parsed(text: str, kind: str) -> Any:  # noqa: ANN401 - JSON and YAML hold anything
    try:
        return json.loads(text) if kind == "json" else yaml.safe_load(text)
    except (ValueError, yaml.YAMLError):
        return None  # `unreadable` names it


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)


def unreadable(contents: Iterable[Content]) -> Iterator[ValidationIssue]:
    """JSON and YAML that cannot be parsed."""
    for content in contents:
        kind = content.path.rpartition(".")[2]
        try:
            if kind == "json":
                json.loads(content.read())
            elif kind in ("yml", "yaml"):
                yaml.safe_load(content.read())
        except (ValueError, yaml.YAMLError) as error:
            yield ValidationIssue(content.path, f"it is not {kind.upper()} ({_line(error)})")


def _line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def missing(
    contents: Iterable[Content], left_out: Iterable[LeftOut], needed: Iterable[str], made_by: str
) -> Iterator[ValidationIssue]:
    """Files without which the folder is not what it says."""
    there = {content.path for content in contents}
    links = {row.path for row in left_out if row.reason == LINK}
    for path in needed:
        if path in links:
            yield ValidationIssue(path, f"it is {LINK}: put the file itself there")
        elif path not in there:
            yield ValidationIssue(path, f"it is missing; {made_by} writes it")


def metadata(card: bytes) -> dict[str, Any] | None:
    """The YAML at the head of a card; None where it is missing or is no mapping."""
    head = re.match(r"\A---\r?\n(.*?)\r?\n---\r?\n", card.decode("utf-8", "replace"), re.S)
    try:
        value = yaml.safe_load(head.group(1)) if head else None
    except yaml.YAMLError:
        return None
    return value if isinstance(value, dict) else None


def card_in(contents: Iterable[Content]) -> Iterator[ValidationIssue]:
    """A card without metadata, or with blanks that nobody filled in."""
    for content in contents:
        if content.path == "README.md":
            text = content.read()
            if metadata(text) is None:
                yield ValidationIssue("README.md", "the YAML at its head is missing or cannot be read")
            if b"[More Information Needed]" in text:
                yield ValidationIssue("README.md", "it says [More Information Needed]")
