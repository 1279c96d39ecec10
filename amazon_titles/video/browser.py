"""A real browser: the system's Chromium, driven through Playwright."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

from amazon_titles.errors import AmazonTitlesError, InputError, MissingExtraError

if TYPE_CHECKING:
    from playwright.sync_api import Browser

VARIABLE = "AMAZON_TITLES_BROWSER"
"""Names a browser's program where none of `_NAMES` is the one."""

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "microsoft-edge")


def find_browser() -> str:
    """The program of a Chromium on this machine.

    Raises:
        MissingExtraError: Playwright, which drives it, or ffmpeg is not installed.
        InputError: There is none.
    """
    if missing := [package for package in ("playwright", "imageio_ffmpeg") if find_spec(package) is None]:
        raise MissingExtraError("video", missing[0])
    named = os.environ.get(VARIABLE)
    if found := next(filter(None, map(shutil.which, [named] if named else _NAMES)), None):
        return found
    raise InputError(
        f"{VARIABLE} names {named!r}, and there is no such program." if named else "There is no Chromium here.",
        hint=f"Install one (Debian: apt-get install chromium), or name its program in {VARIABLE}.",
    )


@contextmanager
def browser() -> Iterator[Browser]:
    """A headless browser, for the time of a `with`.

    Playwright itself keeps it from asking its maker for updates, and starts it without a sandbox, which root needs.

    Raises:
        InputError: There is none on this machine.
        MissingExtraError: Playwright is not installed.
        AmazonTitlesError: It did not start, or something failed in it within the `with`; whatever Playwright raises
            there becomes a sentence here.
    """
    program = find_browser()
    from playwright.sync_api import Error, sync_playwright

    problem = f"{program} did not start as a Chromium that can be driven"
    hint = f"See what it says: {program} --version; or name another program in {VARIABLE}."
    try:
        with sync_playwright() as playwright, playwright.chromium.launch(executable_path=program) as opened:
            problem = f"The browser ({program}) ended, or did not show what was waited for"
            hint = "Look at the page yourself: amazon-titles demo --model DIR|REPO. Is it slow? Film a smaller model."
            yield opened
    except Error as error:  # its later lines are a log
        first = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".: ")
        raise AmazonTitlesError(f"{problem}: {first}.", hint=hint) from error
