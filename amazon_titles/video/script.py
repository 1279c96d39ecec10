"""`play`: the scenes of the film in their order, each with a caption that is true of what the page shows."""

from __future__ import annotations

from collections.abc import Sequence

from amazon_titles.conversations import question as question_about
from amazon_titles.page.evidence import Evidence
from amazon_titles.page.examples import INVENTED
from amazon_titles.page.pair import Pair
from amazon_titles.video.captions import ALONE, CAPTIONS, Captions
from amazon_titles.video.page_driver import Stage
from amazon_titles.video.recorder import Recording

_LOSS = "loss.png"  # the one plot of `Evidence.plots` that does not show before and after


def play(
    stage: Stage,
    recorded: Recording,
    *,
    pair: Pair,
    evidence: Evidence,
    asked: Sequence[str],
    language: str,
    trained: bool,
) -> None:
    """Plays it.

    Args:
        stage: The page.
        recorded: Gets the marks `question` and `source`, between which the clip is.
        pair: The models that answer.
        evidence: What the second tab shows.
        asked: The questions, without the invented one.
        language: Of the captions, and of the invented question.
        trained: Whether the first question is about a product that the model was trained on.

    Raises:
        AmazonTitlesError: The page shows a problem, or an answer takes too long.
    """
    captions = (CAPTIONS if pair.before else ALONE)[language]
    base = pair.before.name if pair.before else ""
    subtitle = captions.subtitle.format(model=pair.after.name, base=base)
    stage.card(captions.title, f"{subtitle} {captions.made_up}" if pair.made_up else subtitle)
    stage.say(captions.page, "page")
    recorded.mark("question")
    if asked:
        _first(stage, captions, pair, asked[0], recorded, trained=trained)
    for question in asked[1:]:
        stage.say(captions.more.format(question=question), "more")
        stage.ask(question, closed_book=True)
        stage.say(_outcome(stage, captions, pair, question, captions.sides), "more-answers")
    stage.look_at("#question")
    stage.say(captions.unknown, "unknown")
    invented = question_about(INVENTED, language=language)
    stage.ask(invented, closed_book=False)
    stage.say(_outcome(stage, captions, pair, invented, captions.seen), "refused")
    if "source" not in recorded.marks:
        recorded.mark("source")
    _evidence(stage, captions, evidence)
    made_here = evidence.rows and evidence.run
    stage.card(captions.end, captions.end_line if made_here else captions.end_page)


def _first(stage: Stage, captions: Captions, pair: Pair, question: str, recorded: Recording, *, trained: bool) -> None:
    """From memory, its source, and the same with the record in view, where one fits."""
    stage.say(captions.trained if trained else captions.memory, "before")
    stage.ask(question, closed_book=True)
    stage.say(_outcome(stage, captions, pair, question, captions.sides), "answers")
    if stage.has("#sources li"):
        stage.look_at("#sources li")
        linked = pair.after.catalogue is not None and pair.after.catalogue.url
        stage.say(captions.linked_source if linked else captions.source, "source")
    recorded.mark("source")
    if not _fits(pair, question):
        return
    stage.look_at("#question")
    stage.say(captions.with_source, "with-source")
    stage.ask(question, closed_book=False)
    stage.say(_outcome(stage, captions, pair, question, captions.seen), "with-source-answer")


def _outcome(stage: Stage, captions: Captions, pair: Pair, question: str, answered: str) -> str:
    """The caption for what the page shows after a question; `answered` where the model answered in its own words."""
    if not _fits(pair, question):
        return captions.refused
    if not stage.has("#sources li"):
        return captions.abstained
    return captions.marked if stage.has("#after details") else answered


def _fits(pair: Pair, question: str) -> bool:
    """Whether the catalogue has a record for a question; where it has none, no model is asked."""
    catalogue = pair.after.catalogue
    return catalogue is not None and bool(catalogue.index.search(question, 1))


def _evidence(stage: Stage, captions: Captions, evidence: Evidence) -> None:
    """The second tab: table, plots and settings, as far as there are any."""
    stage.open_evidence()
    stage.say(captions.figures if evidence.rows else captions.no_figures, "evidence")
    for number, name in enumerate(evidence.plots, start=1):
        stage.look_at(f"#evidence img:nth-of-type({number})")
        stage.say(captions.loss if name == _LOSS else captions.figures, "plot")
    if stage.has("#evidence h3 + .wide"):
        stage.look_at("#evidence h3 + .wide")
        stage.say(captions.settings, "settings")
