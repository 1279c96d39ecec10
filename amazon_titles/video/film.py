"""`make_video`: the script, from the title card to the last one, played on the real page with the real model."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from amazon_titles.conversations import question as question_about
from amazon_titles.errors import InputError
from amazon_titles.page import require_gradio
from amazon_titles.page.evidence import Evidence
from amazon_titles.page.examples import INVENTED, example_questions
from amazon_titles.page.pair import MAX_QUESTION_CHARS, Pair
from amazon_titles.page.server import find_model, launched, page_of
from amazon_titles.progress import say
from amazon_titles.training import SPIN_COUNT
from amazon_titles.video.browser import browser, find_browser
from amazon_titles.video.captions import CAPTIONS, Captions
from amazon_titles.video.recorder import Recording, ffmpeg, recording, write_clip, write_video
from amazon_titles.video.stage import HEIGHT, WIDTH, Stage

_LOCALES = {"en": "en-US", "pt": "pt-BR"}


@dataclass(frozen=True, slots=True)
class Film:
    """What was made.

    Attributes:
        video: The MP4.
        clip: The short WebP of its first question.
        stills: Folder with a picture of each scene.
        seconds: The video's length.
    """

    video: Path
    clip: Path
    stills: Path
    seconds: float

    def to_text(self) -> str:
        """A line for people."""
        size, clip = (path.stat().st_size / 1e6 for path in (self.video, self.clip))
        scenes = len(list(self.stills.iterdir()))
        return (
            f"{self.video}: {self.seconds:.0f} s, {size:.1f} MB, H.264 {WIDTH}x{HEIGHT}; "
            f"{self.clip}: {clip:.1f} MB; {self.stills}: {scenes} pictures"
        )


def make_video(
    model: str | Path,
    *,
    dataset: str | Path | None = None,
    out: str | Path = "video.mp4",
    questions: Sequence[str] = (),
    language: str = "en",
    pace: float = 1.0,
) -> Film:
    """Films the page of a model, unattended.

    Args:
        model: An adapter's or a model's folder or Hub id.
        dataset: That sources are taken from; by default the one that the model names.
        out: The MP4; the clip and the stills are written beside it.
        questions: The first is asked from memory and with the record in view, the others with it. By default two
            trained products of the dataset.
        language: Of the captions, the page and the questions.
        pace: Every wait is multiplied by it.

    Raises:
        InputError: There is no such model, no browser, a question that is too long, or a video over ten minutes.
        MissingExtraError: Gradio, Playwright or ffmpeg is not installed.
    """
    target = Path(out)
    if target.suffix != ".mp4":
        raise InputError(f"The video is an MP4, and {target.name!r} does not end in .mp4.", hint="--out video.mp4")
    long = [question for question in questions if len(question) > MAX_QUESTION_CHARS]
    if long:
        raise InputError(f"A question has {len(long[0])} characters; at most {MAX_QUESTION_CHARS} are read.")
    find_model(model)
    require_gradio()
    find_browser()
    ffmpeg()
    os.environ.setdefault("GOMP_SPINCOUNT", SPIN_COUNT)  # read when torch is loaded
    pair = Pair.load(model, dataset=dataset)
    # Two of the trained products; where there are none only the invented one is asked.
    asked = list(questions) or example_questions(pair.after.dataset_folder)[language][:-1][:2]
    target.parent.mkdir(parents=True, exist_ok=True)
    page = page_of(pair, Evidence.of(model), language=language)
    address = launched(page, host="127.0.0.1")
    try:
        with tempfile.TemporaryDirectory(prefix=".film-", dir=target.parent) as work:
            return _filmed(pair, address, asked, target, Path(work), language, pace)
    finally:
        page.close(verbose=False)


def _filmed(
    pair: Pair, address: str, asked: Sequence[str], target: Path, work: Path, language: str, pace: float
) -> Film:
    frames, stills = work / "frames", work / "stills"
    frames.mkdir()
    stills.mkdir()
    with browser() as opened:
        size = {"width": WIDTH, "height": HEIGHT}
        page = opened.new_page(viewport=size, locale=_LOCALES[language], color_scheme="light")  # type: ignore[arg-type]
        page.goto(address)
        stage = Stage(page, stills, pace=pace)
        with recording(page, frames) as recorded:
            _play(stage, recorded, pair, asked, language)
    say(f"filmed {recorded.seconds:.0f} s in {len(recorded.frames)} frames; writing {target} …")
    write_video(recorded, target)
    clip, pictures = target.with_suffix(".webp"), target.with_name(f"{target.stem}-stills")
    write_clip(recorded, clip, start=recorded.marks["question"], end=recorded.marks["source"])
    if pictures.exists():
        shutil.rmtree(pictures)
    stills.rename(pictures)
    return Film(target, clip, pictures, recorded.seconds)


def _play(stage: Stage, recorded: Recording, pair: Pair, asked: Sequence[str], language: str) -> None:
    """The script."""
    captions = CAPTIONS[language]
    base = pair.before.name if pair.before else pair.after.name
    stage.card(captions.title, captions.subtitle.format(model=pair.after.name, base=base))
    stage.say(captions.page, "page")
    recorded.mark("question")
    if asked:
        _first(stage, captions, asked[0], recorded)
    for question in asked[1:]:
        stage.say(captions.more.format(question=question), "more")
        stage.ask(question, closed_book=True)
        stage.say(captions.sides, "more-answers")
    stage.look_at("#question")
    stage.say(captions.unknown, "unknown")
    stage.ask(question_about(INVENTED, language=language), closed_book=False)
    stage.say(captions.refused, "refused")
    recorded.marks.setdefault("source", recorded.frames[-1][1])
    stage.open_evidence()
    stage.say(captions.trained, "evidence")
    for place in ("#evidence img:nth-of-type(1)", "#evidence img:nth-of-type(2)"):
        if stage.has(place):
            stage.look_at(place)
            stage.say(captions.trained, "plot")
    if stage.has("#evidence .wide ~ .wide"):
        stage.look_at("#evidence .wide ~ .wide")
        stage.say(captions.settings, "settings")
    stage.card(captions.end, captions.end_line)


def _first(stage: Stage, captions: Captions, question: str, recorded: Recording) -> None:
    """A trained product: from memory, its source, and the same with the record in view."""
    stage.say(captions.before, "before")
    stage.ask(question, closed_book=True)
    stage.say(captions.sides, "answers")
    if stage.has("#sources li"):
        stage.look_at("#sources li")
        stage.say(captions.source, "source")
    recorded.mark("source")
    stage.look_at("#question")
    stage.say(captions.with_source, "with-source")
    stage.ask(question, closed_book=False)
    stage.say(captions.marked if stage.has("#after details") else captions.seen, "with-source-answer")


def read_questions(path: str | Path) -> list[str]:
    """The questions of a text file, one a line; empty lines and those that begin with # are left out.

    Raises:
        InputError: There is no such file, or no question in it.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        raise InputError(
            f"No file of questions at {path}.", hint="A text file (UTF-8) with one question a line."
        ) from None
    questions = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    if not questions:
        raise InputError(f"{path} holds no question.", hint="Write one question a line.")
    return questions
