"""The page that is filmed: captions over it, title cards before and after, and a hand that types and clicks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from amazon_titles.errors import AmazonTitlesError

if TYPE_CHECKING:
    from playwright.sync_api import Page

WIDTH, HEIGHT = 1280, 720
"""Of the film, in pixels."""

# A caption stays for as long as reading takes: about 15 characters a second, and time to find it.
_READING, _LEAST = 15.0, 2.5
_ANSWER_LIMIT = 300_000  # milliseconds that an answer may take

# What the page shows in place of answers; and that, or both answers, or one and that the model has no base.
_PROBLEM = "#problem [role=alert]"
_BEFORE, _AFTER = "#before :is(section[data-state=done], .note)", "#after section[data-state=done]"
_ENDED = f"{_PROBLEM}, body:has({_BEFORE}):has({_AFTER})"

_WRITE = "texts => { for (const id in texts) document.getElementById(`film-${id}`).textContent = texts[id]; }"
_SCROLL = "place => document.querySelector(place).scrollIntoView({behavior: 'smooth', block: 'center'})"


class PageDriver:
    """Drives the page, and writes over it.

    Args:
        page: Opened on the demo.
        stills: A folder for a picture of each scene.
        pace: Every wait is multiplied by it; tests play fast.
    """

    def __init__(self, page: Page, stills: Path, *, pace: float = 1.0) -> None:
        self._page, self._stills, self._pace = page, stills, pace
        page.locator("#question textarea").wait_for()
        overlay = Path(__file__).with_name("overlay.html").read_text(encoding="utf-8")
        page.evaluate("html => document.body.insertAdjacentHTML('beforeend', html)", overlay)

    def card(self, title: str, line: str) -> None:
        """A title card, for as long as it takes to read."""
        self._page.evaluate(_WRITE, {"title": title, "line": line})
        self._hold(title + line, "card")
        self._page.evaluate(_WRITE, {"title": ""})

    def say(self, caption: str, name: str) -> None:
        """Shows a caption for as long as it takes to read, and takes a picture named after the scene."""
        self._page.evaluate(_WRITE, {"caption": caption})
        self._hold(caption, name)

    def ask(self, question: str, *, closed_book: bool) -> None:
        """Types a question, chooses how it is answered, and waits for both answers.

        Raises:
            AmazonTitlesError: The page shows a problem in place of the answers.
            playwright.sync_api.Error: They take too long; `browser` says so in a sentence.
        """
        self.look_at("#question")
        box, problem = self._page.locator("#question textarea"), self._page.locator(_PROBLEM)
        if box.input_value() != question:
            box.fill("")
            box.press_sequentially(question, delay=35 * self._pace)
        self._page.locator(f'#mode input[value="{"closed" if closed_book else "open"}"]').check()
        self._wait(0.6)
        # The answer of before must go first, or it would be taken for the new one.
        self._page.evaluate("document.querySelector('#after section').dataset.state = 'left'")
        self._page.locator("#ask").click()
        self._page.locator(_ENDED).first.wait_for(timeout=_ANSWER_LIMIT)
        if problem.count():
            raise AmazonTitlesError(
                f"The page has no answer to {question!r}: {' '.join(problem.first.inner_text().split())}",
                hint="Ask it without the film, to see more: amazon-titles ask QUESTION --model DIR|REPO",
            )
        self.look_at("#after section")

    def look_at(self, place: str) -> None:
        """Scrolls a part of the page into the middle."""
        self._page.evaluate(_SCROLL, place)
        self._wait(0.9)

    def has(self, place: str) -> bool:
        """Whether the page shows such a part."""
        return self._page.locator(place).count() > 0

    def open_evidence(self) -> None:
        """Opens the second tab."""
        self.look_at("[role=tablist]")
        self._page.locator("[role=tab]").nth(1).click()
        self._page.locator("#evidence").wait_for(state="visible")
        self._wait(0.5)

    def _hold(self, text: str, name: str) -> None:
        self._wait(max(_LEAST, 1.0 + len(text) / _READING))
        count = len(list(self._stills.iterdir())) + 1
        self._page.screenshot(path=self._stills / f"{count:02d}-{name}.png")

    def _wait(self, seconds: float) -> None:
        self._page.wait_for_timeout(1000 * seconds * self._pace)
