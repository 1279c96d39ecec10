"""What must never be published, in any folder: tokens, paths of a machine, what cannot be read, blanks in a card."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import yaml

from amazon_titles import secrets
from amazon_titles.hub.contents import LEGAL_FILES, LINK, Content, FileNote

if TYPE_CHECKING:
    from amazon_titles.hub.push import Plan


def folder_issues(plan: Plan, message: str, tag: str | None, token: str | None) -> Iterator[FileNote]:
    """What no published folder may have, whatever it is.

    Args:
        plan: What goes up.
        message: The commit's, which goes up too.
        tag: The commit's, if it gets one.
        token: That the push uses.
    """
    files = {content.path: content.source for content in plan.contents}
    links = {row.path for row in plan.left_out if row.reason == LINK}
    for path in plan.needed:
        if path in links:
            yield FileNote(path, f"it is {LINK}: replace it with the file")
        elif path not in files:
            yield FileNote(path, f"it is missing; {plan.made_by} writes it")
    words = {"the commit message": message, "the tag": tag or "", "a file's name": "\n".join(files)}
    known = secrets.known_secrets(token)
    for path, source in (files | {name: text.encode() for name, text in words.items()}).items():
        try:
            if found := secrets.find_in_file(source, known):
                yield FileNote(path, f"it holds {found}: take it out, and revoke it if it was ever shared")
        except (ValueError, OSError) as error:  # Arrow's errors are of these
            yield FileNote(path, f"it cannot be read, so it cannot be searched for tokens ({first_line(error)})")
    for content in plan.contents:
        yield from document_issues(content, may_name_paths=content.path in plan.may_name_paths)
        if content.path == "README.md":
            if not metadata(content.read()):
                yield FileNote("README.md", "the YAML at its head is missing or cannot be read")
            if b"[More Information Needed]" in content.read():
                yield FileNote("README.md", "it says [More Information Needed]")


# Texts that begin like this are paths, whatever follows.
_PATH = re.compile(r"(?:/(?!/)|~[/\\]|\.{1,2}[/\\]|[A-Za-z]:[\\/]|\\\\|file:)\S")
# In running text only what begins at a machine's root counts: neither `/dp/B00…` nor `--out ./merged`.
_ROOTS = r"home|Users|root|tmp|var|private|mnt|media|opt|srv|usr|etc|data|workspace|content|kaggle|scratch|work|app|nfs"
_PATH_IN_TEXT = re.compile(rf"(?<![\w/.:}}-])(?:/(?:{_ROOTS})/[\w.@~-]+|~/\.?[\w-]+/|[A-Za-z]:\\\w|file://)[^\s\"'`)]*")


_PARSERS: dict[str, Callable[[bytes], Any]] = {
    "json": json.loads, "yml": yaml.safe_load, "yaml": yaml.safe_load, "md": lambda _: None,
}  # fmt: skip


def document_issues(content: Content, *, may_name_paths: bool = False) -> Iterator[FileNote]:
    """JSON and YAML that cannot be parsed; and paths of a machine, there and in Markdown."""
    kind = content.path.rpartition(".")[2]
    if kind not in _PARSERS:
        return
    data, value = content.read(), None
    try:
        value = _PARSERS[kind](data)
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        yield FileNote(content.path, f"it is not {kind.upper()} ({first_line(error)})")
    # A vocabulary may hold anything, and so may what a model says; the text of a licence is its author's.
    if may_name_paths or content.path in ("tokenizer.json", "vocab.json") or LEGAL_FILES.fullmatch(content.path):
        return
    if content.path.startswith("eval/") and isinstance(value, dict):
        value.pop("examples", None)
    paths = [text for text in _strings(value) if _PATH.match(text)]
    if kind != "json":
        paths += [match.group() for match in _PATH_IN_TEXT.finditer(data.decode("utf-8", "replace"))]
    if paths:
        yield FileNote(content.path, f"it names a path of this machine, {paths[0]!r}, which exists nowhere else")


def _strings(value: object) -> Iterator[str]:
    held = [value]  # no recursion: what JSON nests may be deeper than Python calls
    while held:
        value = held.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, (dict, list)):
            held += reversed([*value.values()] if isinstance(value, dict) else value)


def first_line(error: Exception) -> str:
    """What an error says, in one line."""
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def metadata(card: bytes) -> dict[str, Any]:
    """The YAML at the head of a card; {} where it is missing or is no mapping."""
    head = re.match(r"\A---\r?\n(.*?)\r?\n---\r?\n", card.decode("utf-8", "replace"), re.S)
    try:
        value = yaml.safe_load(head.group(1)) if head else None
    except (yaml.YAMLError, RecursionError, ValueError):
        value = None
    return value if isinstance(value, dict) else {}
