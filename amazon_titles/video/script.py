"""`play`: the scenes of the film in their order, each with a caption that is true of what the page shows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from amazon_titles.conversations import question as question_about
from amazon_titles.page.evidence import Evidence
from amazon_titles.page.examples import INVENTED
from amazon_titles.page.pair import Pair
from amazon_titles.page.texts import Texts, in_each_language, read_yaml
from amazon_titles.video.page_driver import PageDriver
from amazon_titles.video.recorder import Frames

_SAID = read_yaml(Path(__file__).with_name("captions.yml"))
CAPTIONS = in_each_language(_SAID["pair"])
"""What the film of an adapter and its base says, by the code of the language."""
ALONE = in_each_language(_SAID["pair"] | _SAID["alone"])
"""What the film of a whole model says, which has no base."""


def play(
    driver: PageDriver, frames: Frames, *, pair: Pair, evidence: Evidence, asked: Sequence[str], language: str,
    trained: bool,
) -> tuple[float, float]:  # fmt: skip
    """Plays it.

    Args:
        driver: Of the page.
        frames: What is recorded meanwhile.
        pair: The models that answer.
        evidence: What the second tab shows.
        asked: The questions, without the invented one.
        language: Of the captions, and of the invented question.
        trained: Whether the first question is about a product that the model was trained on.

    Returns:
        The times between which the clip is: of the first question, its answers and their source.

    Raises:
        AmazonTitlesError: The page shows a problem in place of an answer.
    """
    captions = (CAPTIONS if pair.before else ALONE)[language]
    search = pair.catalogue.index.search

    def ask(question: str, answered: str, scene: str, *, closed_book: bool = True) -> None:
        """Asks it; then the caption says what the page shows, `answered` where the model used its own words."""
        driver.ask(question, closed_book=closed_book)
        if not search(question, 1):
            answered = captions.as_they_came if closed_book else captions.refused
        elif not driver.has("#sources ol"):
            answered = captions.abstained
        elif driver.has("#sources .quoted"):
            answered = captions.marked
        driver.say(answered, scene)

    subtitle = captions.subtitle.format(model=pair.after.name, base=pair.before.name if pair.before else "")
    driver.card(captions.title, f"{subtitle} {captions.made_up}" if pair.catalogue.made_up else subtitle)
    driver.say(captions.page, "page")
    first, *others = asked
    start = frames[-1][1]
    # From memory, its source, and the same with the record in view, where one fits.
    driver.say(captions.trained if trained else captions.memory, "before")
    ask(first, captions.sides, "answers")
    if driver.has("#sources ol"):
        driver.look_at("#sources ol")
        driver.say(captions.linked_source if pair.catalogue.url else captions.source, "source")
    end = frames[-1][1]
    if search(first, 1):
        driver.look_at("#question")
        driver.say(captions.with_source, "with-source")
        ask(first, captions.seen, "with-source-answer", closed_book=False)
    for question in others:
        driver.say(captions.more.format(question=question), "more")
        ask(question, captions.sides, "more-answers")
    driver.look_at("#question")
    driver.say(captions.unknown, "unknown")
    ask(question_about(INVENTED, language=language), captions.seen, "refused", closed_book=False)
    _end(driver, captions, evidence)
    return start, end


def _end(driver: PageDriver, captions: Texts, evidence: Evidence) -> None:
    """The second tab: table, plots and settings, as far as there are any; and the last card."""
    driver.open_evidence()
    driver.say(captions.figures if evidence.rows else captions.no_figures, "evidence")
    for name in evidence.plots:
        driver.look_at(f"#evidence .plot.{'loss' if name == 'loss.png' else 'measures'}")
        driver.say(captions.loss if name == "loss.png" else captions.figures, "plot")
    if driver.has("#evidence .settings"):
        driver.look_at("#evidence .settings")
        driver.say(captions.settings, "settings")
    driver.card(captions.end, captions.end_line if evidence.rows and evidence.run else captions.end_page)
