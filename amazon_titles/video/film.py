"""`make_video`: the script of the film, played on the real page with the real model."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from amazon_titles.errors import InputError
from amazon_titles.io import read_text
from amazon_titles.page import require_gradio
from amazon_titles.page.evidence import Evidence
from amazon_titles.page.examples import example_questions, first_titles
from amazon_titles.page.pair import MAX_QUESTION_CHARS, Pair
from amazon_titles.page.server import show
from amazon_titles.progress import bar
from amazon_titles.video.browser import browser
from amazon_titles.video.page_driver import HEIGHT, WIDTH, PageDriver
from amazon_titles.video.recorder import recording, seconds_of, write_clip, write_video
from amazon_titles.video.script import play


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
        return (
            f"{self.video}: {self.seconds:.0f} s, {size:.1f} MB, H.264 {WIDTH}x{HEIGHT}; "
            f"{self.clip}: {clip:.1f} MB; {self.stills}: {len(list(self.stills.iterdir()))} pictures"
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
        questions: The first is asked from memory and, where a record fits, with it in view; the others from memory.
            By default two about products of the dataset, of its training split where that has them.
        language: Of the captions, the page and the questions.
        pace: Every wait is multiplied by it.

    Raises:
        InputError: There is no such model, no browser, a question that is too long, or a video over ten minutes.
        MissingExtraError: Gradio, Playwright or ffmpeg is not installed.
        AmazonTitlesError: The browser fails, a question is not answered, or ffmpeg fails.
    """
    target = Path(out)
    if target.suffix != ".mp4":
        raise InputError(f"The video is an MP4, and {target.name!r} does not end in .mp4.", hint="--out video.mp4")
    if (longest := max(map(len, questions), default=0)) > MAX_QUESTION_CHARS:
        raise InputError(f"A question has {longest} characters; at most {MAX_QUESTION_CHARS} are read.")
    require_gradio()
    with browser():  # which there must be before a model is loaded
        pass
    pair, evidence = Pair.load(model, dataset=dataset), Evidence.of(model)
    target.parent.mkdir(parents=True, exist_ok=True)
    # The last example is the invented product, which is asked about in any case.
    examples = example_questions(pair.after.dataset_folder)[language]
    asked = questions or examples[:-1][:2] or examples
    trained = not questions and _trained_on(pair, evidence, asked[0])
    clip, pictures = target.with_suffix(".webp"), target.with_name(f"{target.stem}-stills")
    shown = show(pair, evidence, language=language, host="127.0.0.1")
    with ExitStack() as ends, tempfile.TemporaryDirectory(prefix=".film-", dir=target.parent) as work:
        ends.callback(shown.close, verbose=False)
        folder, stills = Path(work, "frames"), Path(work, "stills")
        folder.mkdir()
        stills.mkdir()
        with browser() as opened:
            page = opened.new_page(viewport={"width": WIDTH, "height": HEIGHT}, locale=language, color_scheme="light")
            page.goto(str(shown.local_url))
            driver = PageDriver(page, stills, pace=pace)
            with bar("filming"), recording(page, folder) as frames:
                start, end = play(
                    driver, frames, pair=pair, evidence=evidence, asked=asked, language=language, trained=trained
                )
        with bar(f"writing {seconds_of(frames):.0f} s to {target}"):
            write_video(frames, target)
            write_clip(frames, clip, start=start, end=end)
        shutil.rmtree(pictures, ignore_errors=True)
        stills.rename(pictures)
    return Film(target, clip, pictures, seconds_of(frames))


def _trained_on(pair: Pair, evidence: Evidence, question: str) -> bool:
    """Whether the product of an example question is one that the model was trained on."""
    named = (evidence.run.get("dataset") or {}).get("path")
    if not named or Path(named).resolve() != Path(pair.catalogue.dataset).resolve():
        return False  # its run.json names another dataset, or none
    return any(f'"{title}"' in question for title in first_titles(pair.after.dataset_folder, "train"))


def read_questions(path: str | Path) -> list[str]:
    """The questions of a text file, one a line; empty lines and those that begin with # are left out.

    Raises:
        InputError: There is no such file, or no question in it.
    """
    hint = "Give a text file (UTF-8) with one question per line."
    try:
        lines = [line.strip() for line in read_text(Path(path)).splitlines()]
    except (OSError, UnicodeError):
        raise InputError(f"No file of questions at {path}.", hint=hint) from None
    if questions := [line for line in lines if line and not line.startswith("#")]:
        return questions
    raise InputError(f"{path} holds no question.", hint=hint)
