"""Finds a file of `autotrain/` or `hub_cards/`, in a checkout and in an installed wheel."""

from __future__ import annotations

from pathlib import Path

from amazon_titles.errors import InputError

_PACKAGE = Path(__file__).resolve().parent


def folder(name: str) -> Path:
    """The folder `autotrain` or `hub_cards`.

    A wheel carries both under `amazon_titles/_files/`; in a checkout they stand beside the package.

    Args:
        name: `autotrain` or `hub_cards`.

    Raises:
        InputError: Neither place holds it, so the installation is damaged.
    """
    for candidate in (_PACKAGE / "_files" / name, _PACKAGE.parent / name):
        if candidate.is_dir():
            return candidate
    raise InputError(
        f"The library's folder {name!r} is missing from this installation.", hint="Install amazon-titles again."
    )


def recipes() -> dict[str, Path]:
    """Every shipped recipe by its name: the file's name without `.yml`."""
    return {path.stem: path for path in sorted(folder("autotrain").rglob("*.yml"))}
