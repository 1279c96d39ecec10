"""Reads what lies beside a model, which anybody may have written: what is not of the expected type is not there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeGuard

import yaml

# What PyYAML raises besides its own: `!!int ""`, `!!bool x`, `!!timestamp x` and 2026-99-99 are IndexError, KeyError,
# AttributeError and ValueError there, and so is a file that is not UTF-8; brackets without an end, RecursionError.
_UNREADABLE = (yaml.YAMLError, ValueError, LookupError, AttributeError, TypeError, RecursionError, OSError)
# Larger than any count here, and small enough to be added, divided and drawn.
_LARGEST = 1e15
_PNG = b"\x89PNG"
_WORDS = ("base_model", "engine", "device")


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether it is a number that can be shown: no boolean, no NaN, not infinite."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and -_LARGEST < value < _LARGEST


def mapping(path: Path | None) -> dict[str, Any]:
    """The object in a file of JSON, or of YAML by its name; {} where there is none, or something else."""
    if path is None:
        return {}
    try:
        text = path.read_text(encoding="utf-8")
        value = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except _UNREADABLE:
        return {}
    return value if isinstance(value, dict) else {}


def picture(path: Path | None) -> bytes:
    """A PNG's bytes; none where there is no file, it cannot be read, or it only has the name of one."""
    try:
        data = path.read_bytes() if path else b""
    except OSError:
        return b""
    return data if data.startswith(_PNG) else b""


def rows(comparison: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of a `comparison.json` that a table can show, and their intervals where they are such."""
    return [row for told in _objects(comparison.get("rows")) if (row := _row(told))]


def run(told: dict[str, Any]) -> dict[str, Any]:
    """What the page shows of a `run.json`."""
    found: dict[str, Any] = {name: _words(told.get(name)) for name in _WORDS}
    found |= {name: told[name] for name in ("tokens", "seconds") if is_number(told.get(name))}
    found |= {name: _points(told.get(name)) for name in ("losses", "valid_losses")}
    if isinstance(dataset := told.get("dataset"), dict):
        found["dataset"] = {name: _words(dataset.get(name)) for name in ("path", "revision")}
    return {name: value for name, value in found.items() if value}


def params(recipe: dict[str, Any]) -> dict[str, Any]:
    """The words and numbers among the `params` of a recipe."""
    told = recipe.get("params")
    if not isinstance(told, dict):
        return {}
    kept = {name: value if is_number(value) else _words(value) for name, value in told.items()}
    return {name: value for name, value in kept.items() if value is not None}


def _row(told: dict[str, Any]) -> dict[str, Any] | None:
    row = {name: _words(told.get(name)) for name in ("set", "measure", "key")}
    numbers = {name: told.get(name) for name in ("n", "before", "after")}
    if not row["set"] or not row["measure"] or not all(map(is_number, numbers.values())):
        return None
    spans = {
        name: span
        for name in ("before_interval", "after_interval")
        if isinstance(span := told.get(name), list) and len(span) == 2 and all(map(is_number, span))
    }
    return {**row, **numbers, **spans, "headline": told.get("headline") is True}


def _points(value: object) -> list[dict[str, Any]]:
    return [point for point in _objects(value) if is_number(point.get("epoch")) and is_number(point.get("loss"))]


def _objects(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _words(value: object) -> str | None:
    """A text that can be sent to a browser: half a sign of UTF-16, which JSON can hold, cannot."""
    return value.encode("utf-8", "replace").decode() or None if isinstance(value, str) else None
