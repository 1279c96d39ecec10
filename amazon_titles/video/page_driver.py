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

# What the page shows when the model has answered, and its base, or that it has none; and in place of that.
_ANSWERED = ("#after section[data-state=done]", "#before section[data-state=done], #before .note")
_PROBLEM = "#problem [role=alert]"

# What has no text is not seen.
_OVERLAY = """<style>
  body { padding-bottom: 130px !important; }
  #film-caption:empty, #film-card:has(#film-title:empty) { display: none; }
  #film-caption { position: fixed; inset: auto 0 0; z-index: 99999; min-height: 62px; padding: 16px 48px;
    background: rgba(15, 23, 42, .94); color: #fff; font: 22px/1.35 system-ui, sans-serif; text-align: center; }
  #film-card { position: fixed; inset: 0; z-index: 100000; padding: 0 140px; background: #0f172a; color: #fff;
    display: flex; flex-direction: column; justify-content: center; align-items: center; text-align: center; }
  #film-title { margin-bottom: 28px; font: 700 56px/1.2 system-ui, sans-serif; }
  #film-line { color: #cbd5e1; font: 26px/1.5 system-ui, sans-serif; }
</style>
<div id="film-caption"></div><div id="film-card"><div id="film-title"></div><div id="film-line"></div></div>"""
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
        page.evaluate("html => document.body.insertAdjacentHTML('beforeend', html)", _OVERLAY)

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
            AmazonTitlesError: The page shows a problem in place of the answers, or they take too long.
        """
        from playwright.sync_api import TimeoutError as TooSlow

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
        try:
            for answered in _ANSWERED:
                self._page.locator(f"{answered}, {_PROBLEM}").first.wait_for(timeout=_ANSWER_LIMIT)
                if problem.count():
                    raise AmazonTitlesError(
                        f"The page has no answer to {question!r}: {' '.join(problem.first.inner_text().split())}",
                        hint="Ask it without the film, to see more: amazon-titles ask QUESTION --model DIR|REPO",
                    )
        except TooSlow:
            raise AmazonTitlesError(
                f"The answer to {question!r} took more than {_ANSWER_LIMIT / 1000:.0f} s, too long for a film.",
                hint="Film a smaller model, or on a machine with a GPU: amazon-titles video --model DIR|REPO",
            ) from None
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
