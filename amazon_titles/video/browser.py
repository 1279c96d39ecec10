"""A real browser: the system's Chromium, driven through Playwright."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from amazon_titles.errors import AmazonTitlesError, InputError, MissingExtraError

if TYPE_CHECKING:
    from playwright.sync_api import Browser

VARIABLE = "AMAZON_TITLES_BROWSER"
"""Names a browser's program where none of `_NAMES` is the one."""

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "microsoft-edge")
# A browser asks its maker for updates and lists; a page that asks no other host is shown by one that does not either.
_QUIET = (
    "--disable-background-networking", "--disable-component-update", "--disable-default-apps", "--disable-sync",
    "--no-first-run", "--force-color-profile=srgb",
)  # fmt: skip


def find_browser() -> str:
    """The program of a Chromium on this machine.

    Raises:
        InputError: There is none.
    """
    named = os.environ.get(VARIABLE)
    if found := next(filter(None, map(shutil.which, [named] if named else _NAMES)), None):
        return named or found
    if named:
        raise InputError(f"{VARIABLE} names {named!r}, and there is no such program.", hint="Correct it, or unset.")
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
        AmazonTitlesError: It did not start, or something failed in it within the `with`; whatever Playwright raises
            there becomes a sentence here.
    """
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError as error:
        raise MissingExtraError("video", error.name or "playwright") from error
    program = find_browser()
    # Chromium refuses its sandbox to root, as in a container.
    root = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    problem = f"{program} did not start as a Chromium that can be driven"
    hint = f"See what it says: {program} --version; or name another program in {VARIABLE}."
    try:
        with (
            sync_playwright() as playwright,
            playwright.chromium.launch(executable_path=program, args=[*_QUIET, *root]) as opened,
        ):
            problem = f"The browser ({program}) ended, or did not show what was waited for"
            hint = "Look at the page yourself: amazon-titles demo --model DIR|REPO; if it is well, run this again."
            yield opened
    except Error as error:  # its later lines are a log
        first = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".: ")
        raise AmazonTitlesError(f"{problem}: {first}.", hint=hint) from error
