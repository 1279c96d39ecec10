"""The film's captions: each is true of what the page shows when it stands there. The page and browser are played."""

from __future__ import annotations

import re
import string
import sys
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from importlib import import_module
from types import SimpleNamespace

import pytest

from amazon_titles.cli import main
from amazon_titles.errors import AmazonTitlesError
from amazon_titles.model import Answer
from amazon_titles.page import markup
from amazon_titles.page.evidence import Evidence
from amazon_titles.page.examples import example_questions
from amazon_titles.page.pair import Pair
from amazon_titles.page.texts import LANGUAGES, TEXTS
from amazon_titles.video import film
from amazon_titles.video.script import ALONE, CAPTIONS
from tests import chat_models

browser = import_module("amazon_titles.video.browser")  # the package has a function of that name
NOTHING = Evidence([], {}, {}, {})
# What only a pair has; “base” in quotes is the name of the model.
OF_TWO = {
    "en": re.compile(r"\b([Bb]oth|[Nn]either|two|[Ll]eft|(?<!“)base|LoRA|[Bb]efore the fine|after it|fine-tuning)\b"),
    "pt": re.compile(r"\b(dois|esquerda|(?<!“)base|LoRA|fine-tuning)\b"),
}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return chat_models.make_dataset(tmp_path_factory.mktemp("film"))


class PlayedPage:
    """Stands in for `PageDriver`: asks the pair itself, and has what the page's own HTML of the answers would have."""

    def __init__(self, pair, evidence, language):
        self.pair, self.evidence, self.language = pair, evidence, language
        self.captions, self.cards, self.asked, self.places = [], [], [], []
        self.parts = {"#before": "", "#after": "", "#sources": ""}

    def card(self, title, line):
        self.cards.append(line)

    def say(self, caption, name):
        self.captions.append((name, caption))

    def ask(self, question, *, closed_book):
        self.asked.append((question, closed_book))
        *_, turn = self.pair.turns(question, closed_book=closed_book)
        before = self.pair.before.name if self.pair.before else None
        shown = markup.answered(turn, TEXTS[self.language], before, self.pair.after.name)
        self.parts = dict(zip(("#before", "#after", "#sources"), shown, strict=True))

    def look_at(self, place):
        self.places.append(place)

    def has(self, place):
        if place == "#evidence .settings":
            return 'class="wide settings"' in self.evidence.to_html(TEXTS[self.language], self.language)
        return {"#sources ol": "<ol>", "#sources .quoted": 'class="sources quoted"'}[place] in self.parts["#sources"]

    def open_evidence(self):
        self.places.append("evidence")


@pytest.fixture
def filmed(dataset, tmp_path, monkeypatch):
    """Runs the command with models that speak, and gives the page on which it was played."""

    def run(*options, chat_model=None, evidence=chat_models.EVIDENCE, language="en"):
        pair = Pair(chat_model or chat_models.ChatModel(dataset))
        driver = PlayedPage(pair, evidence, language)
        monkeypatch.setattr(Pair, "load", lambda model, dataset: pair)
        monkeypatch.setattr(Evidence, "of", lambda model: evidence)
        monkeypatch.setattr(film, "require_gradio", lambda: None)
        shown = SimpleNamespace(local_url="http://127.0.0.1:1", close=lambda verbose: None)
        monkeypatch.setattr(film, "show", lambda *_, **__: shown)
        page = SimpleNamespace(goto=lambda address: None)
        opened = SimpleNamespace(new_page=lambda **_: page)
        monkeypatch.setattr(film, "browser", lambda: nullcontext(opened))
        frames = [(tmp_path / "0.jpg", 0.0)]
        monkeypatch.setattr(film, "recording", contextmanager(lambda page, folder: iter([frames])))
        monkeypatch.setattr(film, "write_video", lambda frames, target: target.write_bytes(b"film"))
        monkeypatch.setattr(film, "write_clip", lambda frames, target, start, end: target.write_bytes(b"clip"))
        monkeypatch.setattr(film, "PageDriver", lambda page, stills, pace: driver)
        out = tmp_path / "out.mp4"
        main(["video", "--model", "a/b", "--out", str(out), "--language", language, *options])
        assert out.read_bytes() == b"film"
        return driver

    return run


def at(driver, scene):
    return [caption for name, caption in driver.captions if name == scene]


def of_this_dataset(dataset):
    """The evidence of a model whose run.json names the dataset that its catalogue comes from."""
    return replace(chat_models.EVIDENCE, run={**chat_models.EVIDENCE.run, "dataset": {"path": str(dataset)}})


def questions_file(tmp_path, *questions):
    path = tmp_path / "questions.txt"
    path.write_text("\n".join(questions), encoding="utf-8")
    return ["--questions", str(path)]


def test_both_languages_of_both_casts_say_everything_with_the_same_fields():
    for captions in (CAPTIONS, ALONE):
        assert set(captions) == set(LANGUAGES)
        english, portuguese = vars(captions["en"]), vars(captions["pt"])
        assert all(english.values())
        for name, text in english.items():
            named = [{field for _, field, _, _ in string.Formatter().parse(said)} for said in (text, portuguese[name])]
            assert named[0] == named[1], name
            assert text != portuguese[name], name


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_whole_model_is_filmed_without_a_word_of_a_second_one(filmed, dataset, language):
    driver = filmed(chat_model=chat_models.ChatModel(dataset, trained=False), evidence=NOTHING, language=language)
    said = [*driver.cards, *(caption for name, caption in driver.captions if name != "more")]
    assert not [caption for caption in said if OF_TWO[language].search(caption)]
    assert "“base”" in driver.cards[0]
    captions = ALONE[language]
    assert at(driver, "page") == [captions.page]
    assert at(driver, "answers") == at(driver, "more-answers") == at(driver, "with-source-answer") == [captions.marked]
    assert at(driver, "evidence") == [captions.no_figures]
    assert at(driver, "plot") == at(driver, "settings") == []
    assert driver.cards[-1] == captions.end_page
    pair = filmed(language=language)
    assert len([caption for _, caption in pair.captions if OF_TWO[language].search(caption)]) >= 4, "they are found"


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("trained", [True, False])
def test_the_film_of_the_sample_begins_with_that_it_is_made_up(filmed, dataset, language, trained):
    words = CAPTIONS[language]
    made_up = filmed(chat_model=chat_models.ChatModel(dataset, trained=trained), language=language)
    assert words.made_up in made_up.cards[0]
    real = chat_models.ChatModel(dataset, trained=trained)
    real.catalogue = replace(real.catalogue, made_up=False)
    assert words.made_up not in filmed(chat_model=real, language=language).cards[0]


def test_a_link_is_spoken_of_where_there_is_one(filmed, dataset):
    words = CAPTIONS["en"]
    assert at(filmed(), "source") == [words.linked_source]
    assert at(filmed(chat_model=chat_models.ChatModel(dataset, url="")), "source") == [words.source]
    assert "link" not in words.source


def test_figures_loss_and_settings_have_captions_of_their_own(filmed):
    plots = {"eval/before_after.png": chat_models.PIXEL, "loss.png": chat_models.PIXEL}
    driver = filmed(evidence=replace(chat_models.EVIDENCE, plots=plots))
    words = CAPTIONS["en"]
    assert at(driver, "evidence") == [words.figures]
    assert at(driver, "plot") == [words.figures, words.loss]
    assert at(driver, "settings") == [words.settings]
    assert driver.cards[-1] == words.end_line
    unmeasured = filmed(evidence=replace(chat_models.EVIDENCE, rows=[], plots={"loss.png": chat_models.PIXEL}))
    assert at(unmeasured, "evidence") == [words.no_figures]
    assert at(unmeasured, "plot") == [words.loss]
    assert at(unmeasured, "settings") == [words.settings]
    assert unmeasured.cards[-1] == words.end_page


def test_a_product_is_called_trained_only_where_it_is(filmed, dataset, tmp_path, monkeypatch):
    words, own = CAPTIONS["en"], of_this_dataset(dataset)
    trained, _, unseen, _ = example_questions(dataset)["en"]
    assert at(filmed(evidence=own), "before") == [words.trained]
    assert at(filmed(), "before") == [words.memory], "its run.json names another dataset"
    assert at(filmed(evidence=NOTHING), "before") == [words.memory]
    assert at(filmed(*questions_file(tmp_path, trained), evidence=own), "before") == [words.memory]
    # Where train gives no title, the first example is one of the test split.
    monkeypatch.setattr(film, "example_questions", lambda folder: {"en": [unseen, "the invented one"]})
    driver = filmed(evidence=own)
    assert driver.asked[0] == (unseen, True)
    assert at(driver, "before") == [words.memory]


def test_the_others_are_asked_from_memory(filmed, dataset):
    first, second = example_questions(dataset)["en"][:2]
    driver = filmed()
    assert driver.asked[:3] == [(first, True), (first, False), (second, True)]
    assert at(driver, "answers") == at(driver, "more-answers") == [CAPTIONS["en"].sides]
    assert at(driver, "with-source-answer") == [CAPTIONS["en"].seen]
    assert at(driver, "refused") == [CAPTIONS["en"].refused]


def test_no_record_is_before_anybody_where_none_fits(filmed, tmp_path):
    words = CAPTIONS["en"]
    driver = filmed(*questions_file(tmp_path, 'What is "Zzyzx Qwfpg 9000"?', 'What is "Vvorp Xqelt 77"?'))
    assert [closed for _, closed in driver.asked] == [True, True, False], "with no record in view it is not asked again"
    assert at(driver, "answers") == at(driver, "more-answers") == [words.as_they_came]
    assert at(driver, "refused") == [words.refused]
    assert at(driver, "source") == at(driver, "with-source") == at(driver, "with-source-answer") == []


class Modest(chat_models.ChatModel):
    """Says of everything that it does not know it."""

    def stream(self, question, **_):
        yield "I do not know."
        yield Answer("I do not know.", (), None)


class Unsupported(chat_models.ChatModel):
    """Its words are never supported: the record is quoted instead."""

    def stream(self, question, **options):
        for said in super().stream(question, **options):
            yield replace(said, quoted=True) if isinstance(said, Answer) and said.sources else said


@pytest.mark.parametrize(("kind", "caption"), [(Modest, "abstained"), (Unsupported, "marked")])
def test_what_became_of_an_answer_is_said(filmed, dataset, kind, caption):
    driver = filmed(chat_model=kind(dataset))
    expected = [getattr(CAPTIONS["en"], caption)]
    assert at(driver, "answers") == at(driver, "more-answers") == at(driver, "with-source-answer") == expected


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_file_of_questions_may_come_from_notepad_or_powershell(tmp_path, encoding):
    (tmp_path / "questions.txt").write_text("Chá?\n\n# a note\n  What?  \n", encoding=encoding)
    assert film.read_questions(tmp_path / "questions.txt") == ["Chá?", "What?"]


class Failed(Exception):
    """Stands in for Playwright's error."""


@pytest.fixture
def launched(monkeypatch):
    """The ways in which a browser is looked for on a machine without one on its PATH; the first ones fail."""
    ways, there = [], []

    def launch(**way):
        ways.append(way)
        if way not in there:
            raise Failed("Executable doesn't exist")
        return nullcontext("a browser")

    chromium = SimpleNamespace(launch=launch)
    playwright = SimpleNamespace(Error=Failed, sync_playwright=lambda: nullcontext(SimpleNamespace(chromium=chromium)))
    monkeypatch.setitem(sys.modules, "playwright.sync_api", playwright)
    monkeypatch.setattr(browser, "require", lambda *_: None)
    monkeypatch.setattr(browser.shutil, "which", lambda name: None)
    monkeypatch.delenv(browser.VARIABLE, raising=False)
    return ways, there


@pytest.mark.parametrize("way", [{"channel": "chrome"}, {"channel": "msedge"}, {}], ids=str)
def test_chrome_edge_and_playwrights_own_are_found(launched, way):
    ways, there = launched
    there.append(way)
    with browser.browser() as opened:
        assert opened == "a browser"
    assert ways[-1] == way


def test_without_any_browser_it_is_told_how_to_get_one(launched):
    with (
        pytest.raises(AmazonTitlesError, match=r"no Chromium, Chrome or Edge here(.|\n)*playwright install chromium"),
        browser.browser(),
    ):
        pass
    assert len(launched[0]) == 3
