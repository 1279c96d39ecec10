"""A recipe's YAML as text: where each key stands, and how to change one value without touching the rest.

PyYAML forgets comments when it writes, and a recipe's comments are half of it. Its nodes know their positions in the
text, so a value is replaced in place and a new key is put in as a line.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from amazon_titles.errors import InputError

KeyPath = tuple[str, ...]
"""A key by the sections above it: `("params", "lr")`."""


def parse(text: str, path: Path) -> dict[str, Any]:
    """The mapping that `yaml.safe_load`, which AutoTrain calls, makes of the text.

    Raises:
        InputError: Not YAML, or not a mapping.
    """
    try:
        config = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError) as error:  # of brackets or of a number without end
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        reason = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise InputError(f"{path} is not YAML{where}: {reason}.", hint="Indent with spaces, two a level.") from None
    if not isinstance(config, dict):
        found = "nothing" if config is None else f"a {type(config).__name__}"
        raise InputError(
            f"{path} holds {found}; a recipe is a mapping of keys.",
            hint="Start from a shipped one: amazon-titles recipe quickstart --dataset DIR --out my.yml",
        )
    return config


def lookup(config: Any, path: KeyPath) -> Any:  # noqa: ANN401 - whatever YAML holds
    """What stands at a place in the mapping; None where it, or what it stands in, is missing or empty."""
    for name in path:
        config = config.get(name) if isinstance(config, Mapping) else None
    return config


def walk(text: str) -> Iterator[tuple[KeyPath, yaml.Node, yaml.Node]]:
    """Every key with its own node and its value's, in the order of the text; a key that stands twice comes twice."""
    yield from _walk((), yaml.compose(text, Loader=yaml.SafeLoader))


def _walk(above: KeyPath, mapping: yaml.Node | None) -> Iterator[tuple[KeyPath, yaml.Node, yaml.Node]]:
    for key, node in mapping.value if isinstance(mapping, yaml.MappingNode) else ():
        path = (*above, str(key.value))
        yield path, key, node
        yield from _walk(path, node)


def scalar(value: object) -> str:
    """A value as it is written in a recipe."""
    if value is None:
        return "null"
    # YAML's other line breaks, which PyYAML escapes only where it escapes all that is not ASCII.
    readable = not any(character in str(value) for character in "\x85\u2028\u2029")
    return yaml.safe_dump(value, allow_unicode=readable, width=10_000).removesuffix("\n").removesuffix("\n...")


def replace(text: str, path: KeyPath, value: object) -> str:
    """The text with one value changed, or with the key put in where it is missing.

    Raises:
        InputError: The key holds a section.
    """
    nodes = {found: (key, node) for found, key, node in walk(text)}
    if path not in nodes:
        return _insert(text, path, value, nodes)
    _, node = nodes[path]
    if isinstance(node, yaml.CollectionNode) and not node.flow_style:
        raise InputError(f"{'.'.join(path)} is a section, not a setting.", hint="Name one of its keys.")
    start, end = node.start_mark.index, node.end_mark.index
    gap = " " if start and text[start - 1] == ":" else ""
    return text[:start] + gap + scalar(value) + text[end:]


def _insert(text: str, path: KeyPath, value: object, nodes: dict[KeyPath, tuple[yaml.Node, yaml.Node]]) -> str:
    section, name = path[:-1], path[-1]
    rows = text.splitlines()
    if not section:
        return "\n".join([*rows, f"{name}: {scalar(value)}"]) + "\n"
    if section not in nodes:
        # The section's own line first, empty; then the key below it.
        return replace(_insert(text, section, None, nodes), path, value)
    key, node = nodes[section]
    if isinstance(node, yaml.MappingNode) and node.flow_style:
        raise InputError(f"{'.'.join(section)} is written in braces.", hint=f"Write it a key a line, then set {name}.")
    indent, line = key.start_mark.column + 2, key.start_mark.line
    if isinstance(node, yaml.MappingNode):
        indent = node.value[0][0].start_mark.column
    else:
        # Of the section's line its name stays, and a comment behind its empty value.
        rest = rows[line][node.end_mark.column :].rstrip() if node.end_mark.column else ""
        rows[line] = rows[line][: key.end_mark.column] + ":" + (rest if rest.lstrip().startswith("#") else "")
    rows.insert(line + 1, " " * indent + f"{name}: {scalar(value)}")
    return "\n".join(rows) + "\n"
