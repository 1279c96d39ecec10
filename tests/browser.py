"""The browser that tests use: without one a tier is skipped with a sentence, unless REQUIRE_BROWSER wants it."""

from __future__ import annotations

import os

import pytest

from amazon_titles.errors import AmazonTitlesError


def require_browser() -> None:
    """Skips the test where the page cannot be shown; fails it where REQUIRE_BROWSER is set, as in CI."""
    from amazon_titles.page import require_gradio
    from amazon_titles.video import browser

    try:
        require_gradio()
        with browser():
            pass
    except AmazonTitlesError as error:
        if os.environ.get("REQUIRE_BROWSER"):
            pytest.fail(str(error))
        pytest.skip(str(error))
