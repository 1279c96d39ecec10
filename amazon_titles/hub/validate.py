"""What must never be published, in any folder: tokens, paths of a machine, what cannot be read, blanks in a card."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from amazon_titles import secrets
from amazon_titles.errors import PublishError
from amazon_titles.hub.contents import LINK, Content

if TYPE_CHECKING:
    from amazon_titles.hub.push import Plan


@dataclass(frozen=True, slots=True)
class ValidationIssue:
    """A file that must not be published, and why. The reason never repeats a secret."""

    path: str
    reason: str


def refuse(issues: Iterable[ValidationIssue], folder: Path | str) -> None:
    """Stops a push, with every reason at once.

    Raises:
        PublishError: There is at least one.
    """
    if lines := secrets.redact("".join(f"\n  - {issue.path}: {issue.reason}" for issue in issues)):
        raise PublishError(
            f"{folder} must not be published as it is, and nothing was sent:{lines}",
            hint="Mend these and run the same command again; --dry-run shows what would go up.",
        )


def folder_issues(plan: Plan, message: str, tag: str | None, token: str | None) -> Iterator[ValidationIssue]:
    """What no published folder may have, whatever it is.

    Args:
        plan: What goes up.
        message: The commit's, which goes up too.
        tag: The commit's, if it gets one.
        token: That the push uses.
    """
    files = {content.path: content for content in plan.contents}
    links = {row.path for row in plan.left_out if row.reason == LINK}
    for path in plan.needed:
        if path in links:
            yield ValidationIssue(path, f"it is {LINK}: put the file itself there")
        elif path not in files:
            yield ValidationIssue(path, f"it is missing; {plan.made_by} writes it")
    words = {"the commit message": message, "the tag": tag or "", "a file's name": "\n".join(files)}
    said = [Content.of(name, text.encode()) for name, text in words.items() if text]
    yield from secrets_in([*files.values(), *said], token)
    for path, content in files.items():
        yield from document_issues(content, may_name_paths=path in plan.may_name_paths)
    if card := files.get("README.md"):
        if metadata(card.read()) is None:
            yield ValidationIssue("README.md", "the YAML at its head is missing or cannot be read")
        if b"[More Information Needed]" in card.read():
            yield ValidationIssue("README.md", "it says [More Information Needed]")


def secrets_in(contents: Iterable[Content], token: str | None) -> Iterator[ValidationIssue]:
    """Tokens and keys, in any file."""
    known = secrets.known_secrets(token)
    for content in contents:
        try:
            if found := secrets.find_in_file(content.source, known):
                reason = f"it holds {found}: take it out, and revoke it if it was ever shared"
                yield ValidationIssue(content.path, reason)
        except (ValueError, OSError) as error:  # Arrow's errors are of these
            reason = f"it cannot be read, so it cannot be searched for tokens ({first_line(error)})"
            yield ValidationIssue(content.path, reason)


# Texts that begin like this are paths, whatever follows.
_PATH = re.compile(r"(?:/(?!/)|~[/\\]|\.{1,2}[/\\]|[A-Za-z]:[\\/]|\\\\|file:)\S")
# In running text only what begins at a machine's root counts: neither `/dp/B00…` nor `--out ./merged`.
_ROOTS = r"home|Users|root|tmp|var|private|mnt|media|opt|srv|usr|etc|data|workspace|content|kaggle|scratch|work|app|nfs"
_PATH_IN_TEXT = re.compile(rf"(?<![\w/.:}}-])(?:/(?:{_ROOTS})/[\w.@~-]+|~/\.?[\w-]+/|[A-Za-z]:\\\w|file://)[^\s\"'`)]*")


def document_issues(content: Content, *, may_name_paths: bool = False) -> Iterator[ValidationIssue]:
    """JSON and YAML that cannot be parsed; and paths of a machine, there and in Markdown."""
    kind = content.path.rpartition(".")[2]
    if kind not in ("json", "yml", "yaml", "md"):
        return
    data, value = content.read(), None
    try:
        value = json.loads(data) if kind == "json" else yaml.safe_load(data) if kind != "md" else None
    except (ValueError, yaml.YAMLError) as error:
        yield ValidationIssue(content.path, f"it is not {kind.upper()} ({first_line(error)})")
    # A vocabulary may hold anything, and so may what a model says.
    if may_name_paths or content.path in ("tokenizer.json", "vocab.json"):
        return
    if content.path.startswith("eval/") and isinstance(value, dict):
        value.pop("examples", None)
    paths = [text for text in _strings(value) if _PATH.match(text)]
    if kind != "json":
        paths += [match.group() for match in _PATH_IN_TEXT.finditer(data.decode("utf-8", "replace"))]
    if paths:
        yield ValidationIssue(content.path, f"it names a path of this machine, {paths[0]!r}, which is nowhere else")


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _strings(item)


def first_line(error: Exception) -> str:
    """What an error says, in one line."""
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def metadata(card: bytes) -> dict[str, Any] | None:
    """The YAML at the head of a card; None where it is missing or is no mapping."""
    head = re.match(r"\A---\r?\n(.*?)\r?\n---\r?\n", card.decode("utf-8", "replace"), re.S)
    try:
        value = yaml.safe_load(head.group(1)) if head else None
    except yaml.YAMLError:
        return None
    return value if isinstance(value, dict) else None
