"""A real browser: the system's Chromium, driven through Playwright."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from amazon_titles.errors import InputError, MissingExtraError

if TYPE_CHECKING:
    from playwright.sync_api import Browser

VARIABLE = "AMAZON_TITLES_BROWSER"
"""Names a browser's program where none of `_NAMES` is the one."""

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "microsoft-edge")
# A browser asks its maker for updates and lists; a page that asks no other host is shown by one that does not either.
_QUIET = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--no-first-run",
    "--force-color-profile=srgb",
)


def find_browser() -> str:
    """The program of a Chromium on this machine.

    Raises:
        InputError: There is none.
    """
    if named := os.environ.get(VARIABLE):
        if shutil.which(named) is None:
            raise InputError(f"{VARIABLE} names {named!r}, and there is no such program.", hint="Correct it, or unset.")
        return named
    for name in _NAMES:
        if path := shutil.which(name):
            return path
    raise InputError(
        "There is no Chromium on this machine.",
        hint=f"Install one (Debian: apt-get install chromium), or name its program in {VARIABLE}.",
    )


@contextmanager
def browser() -> Iterator[Browser]:
    """A headless browser, for the time of a `with`.

    Raises:
        InputError: There is none on this machine.
        MissingExtraError: Playwright is not installed.
    """
    try:
        from playwright.sync_api import sync_playwright
    except ImportError as error:
        raise MissingExtraError("video", error.name or "playwright") from error
    program = find_browser()
    # Chromium refuses its sandbox to root, as in a container.
    root = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=program, args=[*_QUIET, *root])
        try:
            yield opened
        finally:
            opened.close()
