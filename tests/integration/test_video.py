"""The video: a real page, a real browser, a real ffmpeg; the waits are short, and no network speaks."""

from __future__ import annotations

import re
import subprocess
from functools import partial

import pytest
from PIL import Image

from amazon_titles.cli import main
from amazon_titles.errors import AmazonTitlesError, InputError
from amazon_titles.page.evidence import Evidence
from amazon_titles.page.pair import Pair
from amazon_titles.video import browser, make_video
from amazon_titles.video.page_driver import PageDriver
from amazon_titles.video.recorder import MAX_CLIP_BYTES, encode, write_video
from amazon_titles.video.script import ALONE
from tests import chat_models
from tests.browser import require_browser

pytestmark = pytest.mark.integration

TITLE = "Grelm Kettle"


@pytest.fixture(scope="module", autouse=True)
def _browser():
    require_browser()


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    """The command has no pace: its films are watched."""
    monkeypatch.setattr("amazon_titles.video.make_video", partial(make_video, pace=0.05))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return chat_models.make_dataset(tmp_path_factory.mktemp("film"))


def frames(folder, count, *, every):
    """So many pictures, one every so many seconds."""
    listed = []
    for number in range(count):
        path = folder / f"{number}.jpg"
        Image.new("RGB", (1280, 720), (number * 20 % 255, 90, 90)).save(path)
        listed.append((path, number * every))
    return listed


def told(video):
    """What ffmpeg says of a file."""
    from imageio_ffmpeg import get_ffmpeg_exe

    return subprocess.run([get_ffmpeg_exe(), "-hide_banner", "-i", str(video)], capture_output=True, text=True).stderr


def test_a_film_of_the_real_page(dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(Pair, "load", lambda model, dataset: chat_models.pair(dataset, delay=0.01))
    monkeypatch.setattr(Evidence, "of", lambda model: chat_models.EVIDENCE)
    out = tmp_path / "film" / "story.mp4"
    film = make_video("a/b", dataset=dataset, out=out, questions=[TITLE], language="pt", pace=0.05)
    said = told(out)
    assert "Video: h264" in said
    assert "1280x720" in said
    assert re.search(r"yuv420p\(tv", said)
    hours, minutes, seconds = re.search(r"Duration: (\d+):(\d+):([\d.]+)", said).groups()
    assert 3600 * int(hours) + 60 * int(minutes) + float(seconds) == pytest.approx(film.seconds, abs=0.2)
    with Image.open(film.clip) as clip:
        assert clip.format == "WEBP"
        assert clip.n_frames > 1
    assert film.clip.stat().st_size < MAX_CLIP_BYTES
    scenes = [path.stem[3:] for path in sorted(film.stills.iterdir())]
    assert [scenes[0], scenes[-1]] == ["card", "card"]
    assert {"answers", "source", "with-source-answer", "refused", "evidence"} <= set(scenes)
    assert sorted(path.name for path in out.parent.iterdir()) == ["story-stills", "story.mp4", "story.webp"]


def test_a_film_of_a_whole_model(dataset, tmp_path, monkeypatch):
    said = []
    say = PageDriver.say
    monkeypatch.setattr(
        PageDriver, "say", lambda driver, text, name: (said.append((name, text)), say(driver, text, name))
    )
    monkeypatch.setattr(Pair, "load", lambda model, dataset: Pair(chat_models.ChatModel(dataset, trained=False)))
    monkeypatch.setattr(Evidence, "of", lambda model: Evidence([], {"loss.png": chat_models.PIXEL}, {}, {}))
    out = tmp_path / "alone.mp4"
    main(["video", "--model", "a/b", "--dataset", str(dataset), "--out", str(out)])
    words = ALONE["en"]
    assert [said[0], said[-2], said[-1]] == [
        ("page", words.page), ("evidence", words.no_figures), ("plot", words.loss),
    ]  # fmt: skip
    assert {("answers", words.marked), ("with-source-answer", words.marked), ("refused", words.refused)} <= set(said)
    assert "Video: h264" in told(out)


@pytest.fixture
def refused(dataset, tmp_path, monkeypatch, capsys):
    """Runs the command to its end in an error, and gives what it says; nothing may be left."""

    def run(*questions, delay=0.0):
        monkeypatch.setattr(Pair, "load", lambda model, dataset: chat_models.pair(dataset, delay=delay))
        monkeypatch.setattr(Evidence, "of", lambda model: chat_models.EVIDENCE)
        asked = tmp_path / "questions.txt"
        asked.write_text("\n".join(questions), encoding="utf-8")
        options = ["--questions", str(asked), "--dataset", str(dataset), "--out", str(tmp_path / "out.mp4")]
        with pytest.raises(SystemExit) as ended:
            main(["video", "--model", "a/b", *options])
        assert ended.value.code == 1
        assert [path.name for path in tmp_path.iterdir()] == ["questions.txt"]
        return capsys.readouterr().err

    return run


def test_a_program_that_is_no_browser_is_a_sentence(refused, monkeypatch):
    monkeypatch.setenv("AMAZON_TITLES_BROWSER", "/bin/true")
    said = refused(TITLE)
    assert "Error: /bin/true did not start as a Chromium that can be driven: " in said
    assert "name another program in AMAZON_TITLES_BROWSER" in said
    assert "Traceback" not in said


def lose(page):
    page.close()
    page.locator("#question").wait_for()


def wait_in_vain(page):
    page.locator("#question").wait_for(timeout=1)


@pytest.mark.parametrize("trouble", [lose, wait_in_vain])
def test_what_goes_wrong_in_the_browser_is_a_sentence(trouble):
    def film():
        with browser() as opened:
            trouble(opened.new_page())

    with pytest.raises(AmazonTitlesError, match=r"ended, or did not show what was waited for: .*[^.]\.\n") as found:
        film()
    assert "amazon-titles demo" in found.value.hint


def test_a_problem_on_the_page_ends_the_film_with_its_words(refused):
    said = refused("please break")
    assert "Error: The page has no answer to 'please break': This could not be answered. Something went wrong" in said
    assert "(RuntimeError)" in said
    assert "amazon-titles ask" in said


def test_an_answer_that_takes_too_long_is_a_sentence(refused, monkeypatch):
    monkeypatch.setattr("amazon_titles.video.page_driver._ANSWER_LIMIT", 1000)
    said = refused(TITLE, delay=1.0)  # it has dozens of words
    assert "did not show what was waited for" in said
    assert "Film a smaller model" in said
    assert "Traceback" not in said


def test_frames_keep_their_time(tmp_path):
    shown = frames(tmp_path, 60, every=0.013)
    for every in (0.013, 0.027, 0.05):  # waits that no grid of 25 a second holds
        timed = [(path, number * every) for number, (path, _) in enumerate(shown)]
        encode(timed, ["-vf", "fps=25,scale=320:-2", "-c:v", "libx264"], tmp_path / "out.mp4")
        seconds = float(re.search(r"Duration: 00:00:([\d.]+)", told(tmp_path / "out.mp4"))[1])
        assert seconds == pytest.approx(59 * every, abs=0.13)


def test_too_long_and_too_big_are_sentences_and_leave_nothing(tmp_path, monkeypatch):
    (tmp_path / "frames").mkdir()
    shown = frames(tmp_path / "frames", 3, every=400)
    with pytest.raises(InputError, match=r"13\.3 minutes long"):
        write_video(shown, tmp_path / "out.mp4")
    monkeypatch.setattr("amazon_titles.video.recorder.MAX_BYTES", 10)
    short = [(path, time / 400) for path, time in shown]
    with pytest.raises(AmazonTitlesError, match="does not fit"):
        write_video(short, tmp_path / "out.mp4")
    assert [path.name for path in tmp_path.iterdir()] == ["frames"]


def test_what_cannot_be_filmed_is_said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="does not end in"):
        make_video("a/b", out="video.avi")
    with pytest.raises(InputError, match="There is no model at quickstart/adapter yet"):
        make_video("quickstart/adapter")
    with pytest.raises(InputError, match="has 2000 characters"):
        make_video("a/b", questions=["x" * 2000])
    monkeypatch.setenv("AMAZON_TITLES_BROWSER", "no-such-browser")
    with pytest.raises(InputError, match="no such program"):
        make_video("a/b")
    assert list(tmp_path.iterdir()) == []
