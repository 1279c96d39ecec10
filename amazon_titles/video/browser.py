"""A real browser: a Chromium of the system's or Playwright's own, driven through Playwright."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from amazon_titles.errors import AmazonTitlesError, InputError, MissingExtraError

if TYPE_CHECKING:
    from playwright.sync_api import Browser

VARIABLE = "AMAZON_TITLES_BROWSER"
"""Names a browser's program where none of `_NAMES` is the one."""

_NAMES = (
    "chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "microsoft-edge", "chrome", "msedge",
)  # fmt: skip
# Where Windows and macOS keep them: on no PATH.
_FOLDERS = ("PROGRAMFILES", "PROGRAMFILES(X86)", "LOCALAPPDATA")
_IN_FOLDERS = ("Google/Chrome/Application/chrome.exe", "Microsoft/Edge/Application/msedge.exe")
_APPLICATIONS = ("Google Chrome", "Microsoft Edge", "Chromium")


def find_browser() -> str:
    """The program of a Chromium on this machine.

    Raises:
        MissingExtraError: Playwright, which drives it, or ffmpeg is not installed.
        InputError: There is none.
    """
    if missing := [package for package in ("playwright", "imageio_ffmpeg") if find_spec(package) is None]:
        raise MissingExtraError("video", missing[0])
    named = os.environ.get(VARIABLE)
    places = [shutil.which(named)] if named else _places()
    if found := next((place for place in places if place and Path(place).is_file()), None):
        return str(found)
    lacking = "There is no Chromium, Chrome or Edge here."
    raise InputError(
        f"{VARIABLE} names {named!r}, but there is no such program." if named else lacking,
        hint=f"Install one: playwright install chromium   Or name its program in {VARIABLE}.",
    )


def _places() -> Iterator[str | Path | None]:
    """Where a Chromium may be: on the PATH, where Windows and macOS keep them, where Playwright puts its own."""
    yield from map(shutil.which, _NAMES)
    yield from (Path(os.environ[name], place) for name in _FOLDERS if name in os.environ for place in _IN_FOLDERS)
    yield from (Path(f"/Applications/{name}.app/Contents/MacOS/{name}") for name in _APPLICATIONS)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:  # half a second, so last
        own = playwright.chromium.executable_path
    yield own


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
