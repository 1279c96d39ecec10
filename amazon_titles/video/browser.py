"""A real browser: a Chromium of the system's or Playwright's own, driven through Playwright."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from amazon_titles.errors import AmazonTitlesError, InputError, require

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserType

VARIABLE = "AMAZON_TITLES_BROWSER"
"""Names a browser's program where none of `_NAMES` is the one."""

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "microsoft-edge", "chrome", "msedge")


@contextmanager
def browser() -> Iterator[Browser]:
    """A headless browser, for the time of a `with`.

    Playwright itself keeps it from asking its maker for updates, and starts it without a sandbox, which root needs.

    Raises:
        InputError: There is none on this machine.
        MissingExtraError: Playwright, which drives it, or ffmpeg is not installed.
        AmazonTitlesError: It did not start, or something failed in it within the `with`; whatever Playwright raises
            there becomes a sentence here.
    """
    require("video", "playwright", "imageio_ffmpeg")
    from playwright.sync_api import Error, sync_playwright

    named, install = os.environ.get(VARIABLE), f"playwright install chromium   Or name its program in {VARIABLE}."
    program = next(filter(None, map(shutil.which, [named] if named else _NAMES)), None)
    if named and not program:
        raise InputError(f"{VARIABLE} names {named!r}, and there is no such program.", hint=f"Install one: {install}")
    problem, hint = "There is no Chromium, Chrome or Edge here, or it does not start", f"Install one: {install}"
    if program:
        problem = f"{program} did not start as a Chromium that can be driven"
        hint = f"See what it says: {program} --version; or name another program in {VARIABLE}."
    try:
        with sync_playwright() as playwright, _launched(playwright.chromium, program) as opened:
            problem = "The browser ended, or did not show what was waited for"
            hint = "Look at the page yourself: amazon-titles demo --model DIR|REPO. Is it slow? Film a smaller model."
            yield opened
    except Error as error:  # its later lines are a log
        first = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".: ")
        raise AmazonTitlesError(f"{problem}: {first}.", hint=hint) from error


def _launched(chromium: BrowserType, program: str | None) -> Browser:
    """The program; else Chrome or Edge, which Playwright finds on Windows and macOS too, or a Chromium of its own."""
    from playwright.sync_api import Error

    if program:
        return chromium.launch(executable_path=program)
    for channel in ("chrome", "msedge"):
        with suppress(Error):
            return chromium.launch(channel=channel)
    return chromium.launch()
