"""What the page shows: text stays text, highlights lose nothing, both languages say the same things."""

from __future__ import annotations

import base64
import html
import io
import re
import string
from dataclasses import replace
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from amazon_titles.cards.names import name_of, portuguese
from amazon_titles.errors import AmazonTitlesError, InputError
from amazon_titles.model import Answer, Source
from amazon_titles.page import answers, markup
from amazon_titles.page.evidence import Evidence
from amazon_titles.page.examples import INVENTED, example_questions
from amazon_titles.page.pair import Pair, Side, Turn
from amazon_titles.page.texts import LANGUAGES, TEXTS, preferred
from amazon_titles.plots import plot_before_after, plot_losses
from amazon_titles.video.film import read_questions
from amazon_titles.video.script import CAPTIONS
from tests import chat_models

TAG = re.compile(r"</?[a-z][^>]*>")
ACTIVE = '<>"&${}`'


@given(st.text())
def test_text_is_shown_letter_by_letter_and_nothing_in_it_can_act(value):
    shown = markup.text(value)
    assert html.unescape(shown) == html.unescape(html.escape(value))
    assert not set(shown) & set('<>"${}`')


@given(
    st.lists(st.sampled_from(["iron", "3.5", "of", "a", "<b>", "kettle", "1968"])),
    st.lists(st.sampled_from(["iron", "3.5", "of", "a", "kettle", "pan"])),
)
def test_a_highlighted_record_is_the_record(record, answer):
    record, answer = " ".join(record), " ".join(answer)
    shown = markup.highlighted(record, answer)
    assert html.unescape(TAG.sub("", shown)) == record
    assert set(TAG.findall(shown)) <= {"<mark>", "</mark>"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_head_of_the_page_says_that_the_sample_is_made_up(tmp_path, language):
    pytest.importorskip("gradio", reason="the page is in the extra `demo`")
    from amazon_titles.page.app import _head

    pair = chat_models.pair(chat_models.make_dataset(tmp_path))
    assert html.escape(TEXTS[language].made_up) in _head(pair, language)
    pair.catalogue = replace(pair.catalogue, made_up=False)
    assert html.escape(TEXTS[language].made_up) not in _head(pair, language)


def test_what_the_answer_takes_from_the_record_is_marked():
    record = "A pan of enamel for slow cooking. It holds 4.1 litres and was designed in 1968."
    shown = markup.highlighted(record, "It is a pan of enamel for slow cooking, from 1968, and holds 5.1 litres.")
    assert re.findall("<mark>(.*?)</mark>", shown) == ["A pan of enamel for slow cooking", "1968"]
    assert "<mark>" not in markup.highlighted(record, "No idea.")


@pytest.mark.parametrize("url", ["javascript:alert(1)", "", "data:text/html,x", " https://x", "//x"])
def test_only_addresses_of_the_web_become_links(url):
    assert "href" not in markup.link(url, "title")
    assert 'href="https://x/?a=1&amp;b=&quot;"' in markup.link('https://x/?a=1&b="', "title")


def test_a_page_shows_no_path_of_a_machine(tmp_path):
    assert markup.place(tmp_path / "dataset") == "dataset"
    assert markup.place("ana/titles") == "ana/titles"
    run = {"base_model": "/home/ana/base", "dataset": {"path": "/home/ana/dataset", "revision": None}}
    shown = Evidence([], {}, run, {}).to_html(TEXTS["en"], "en")
    assert "/home" not in shown
    assert "base" in shown


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("texts", [TEXTS, CAPTIONS], ids=["page", "video"])
def test_both_languages_say_everything_with_the_same_fields(texts):
    assert set(texts) == set(LANGUAGES)
    english, portuguese = vars(texts["en"]), vars(texts["pt"])
    for name, text in english.items():
        assert text
        assert portuguese[name]
        assert fields(text) == fields(portuguese[name]), name


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("pt-BR,pt;q=0.9,en;q=0.8", "pt"),
        ("en;q=0.1, pt;q=0.7", "pt"),
        ("en; q=0.1, pt ;q=0.7", "pt"),
        ("de,fr;q=0.5,en;q=0.3", "en"),
        ("pt;q=0, de", "en"),
        ("", "en"),
        ("pt;q=x", "en"),
    ],
)
def test_the_browser_s_language_is_taken_where_it_is_one_of_ours(accepted, language):
    assert preferred(accepted, "en") == language


SOURCE = Source("B1", "A <b>pan</b>", "https://x/B1", "ana/titles", shown=True)


def shown(words: str, answer: Answer) -> str:
    turn = Turn(Side(words, answer), Side(words, answer), {})
    assert turn.done
    return "".join(answers.answered(turn, TEXTS["en"], "base", "adapter"))


def test_every_kind_of_answer_says_what_it_is():
    assert "80% of this" in shown("A pan.", Answer("A pan.", (SOURCE,), 0.8))
    quoted = shown("A boat.", Answer("A pan of iron.", (SOURCE,), 0.1, quoted=True))
    assert "the record itself, quoted" in quoted
    assert "A boat." in quoted
    assert "so the model was not asked" in shown("", Answer("No such product.", (), None, nearest=("A pot",)))
    assert "The model itself says" in shown("I do not know.", Answer("No such product.", (), None))
    assert "Cut off" in shown("A pan", Answer("A pan", (SOURCE,), 1.0, finished=False))
    others = Answer("A pan.", (SOURCE,), 1.0, others=(Source("B2", "A red pan", "https://x/B2", "ana/titles"),))
    assert "Others that fit as well" in shown("A pan.", others)
    assert "Several products have this title" not in shown("A pan.", others)
    twins = replace(others, others=(replace(SOURCE, uid="B2", variant="red"),))
    assert "Several products have this title" in shown("A pan.", twins)
    assert "(red)" in shown("A pan.", twins)
    meant = Answer('No such product. Did you mean "A pot"?', (), None, nearest=("A pot",), did_you_mean=("A pot",))
    assert shown("", meant).count("A pot") == 1, "the sentence is enough"
    assert "<b>" not in shown("<b>", Answer("<b>", (SOURCE,), 1.0))


@pytest.mark.parametrize("texts", TEXTS.values(), ids=TEXTS)
def test_the_answer_of_a_whole_model_is_not_called_one_after_a_fine_tuning(texts):
    side = Side("A pan.", Answer("A pan.", (SOURCE,), 0.8))
    alone = answers.answered(Turn(side, None, {}), texts, None, "base")
    for parts in (alone, answers.answered(None, texts, None, "base")):
        assert f"<h3>{texts.answer} <small>" in parts[1]
        assert texts.after not in "".join(parts)
    both = answers.answered(Turn(side, side, {}), texts, "base", "adapter")
    for parts in (both, answers.answered(None, texts, "base", "adapter")):
        assert f"<h3>{texts.after} <small>" in parts[1]


@pytest.mark.parametrize("texts", TEXTS.values(), ids=TEXTS)
def test_a_question_that_cannot_be_asked_is_refused_in_the_pages_language(texts):
    assert texts.empty_question in html.unescape(answers.refused(" \n", texts))
    assert "1001" in answers.refused("x" * 1001, texts)
    assert answers.refused("x" * 1000, texts) == ""


def test_a_page_shows_no_command_of_the_machine_that_runs_it(capsys):
    hint = "Run: amazon-titles ask"
    said = answers.failed(InputError("The question is odd.", hint=hint), TEXTS["en"])
    assert "The question is odd." in said
    assert hint not in said
    assert hint not in capsys.readouterr().err
    said = answers.failed(AmazonTitlesError("The server is gone.", hint=hint), TEXTS["en"])
    assert "The server is gone." in said
    assert hint not in said
    assert hint in capsys.readouterr().err, "who runs the page can mend it"


def test_without_a_dataset_only_an_invented_product_is_suggested():
    assert {code: len(asked) for code, asked in example_questions(None).items()} == {"en": 1, "pt": 1}
    assert INVENTED in example_questions(None)["pt"][0]


def test_evidence_of_a_folder_that_holds_none_or_rubbish(tmp_path):
    nothing = markup.part("note", sentence=TEXTS["en"].no_evaluation)
    assert Evidence.of(tmp_path).to_html(TEXTS["en"], "en") == nothing
    (tmp_path / "eval").mkdir()
    (tmp_path / "eval" / "comparison.json").write_text("[")
    (tmp_path / "run.json").write_text("[]")
    (tmp_path / "recipe.yml").write_text("- 1")
    assert Evidence.of(tmp_path).to_html(TEXTS["en"], "en") == nothing


def test_plots_speak_the_pages_language():
    row = {"set": "seen", "n": 2, "measure": "fact recall", "key": "fact_recall", "better": 1, "headline": True}
    rows = [
        {**row, "before": 0.0, "after": 1.0},
        {**row, "measure": "chrF", "headline": False, "before": 9, "after": 9},
    ]
    run = {"losses": [{"epoch": 1, "loss": 2.0}, {"epoch": 2, "loss": 1.0}]}
    files = {"eval/before_after.png": chat_models.PIXEL, "loss.png": chat_models.PIXEL}
    assert Evidence(rows, files, run, {}).to_html(TEXTS["en"], "en").count(chat_models.PIXEL) == 2
    drawn = Evidence(rows, files, run, {}).to_html(TEXTS["pt"], "pt")
    assert chat_models.PIXEL not in drawn
    pictures = [base64.b64decode(png) for png in re.findall('base64,([^"]+)', drawn)]
    assert [Image.open(io.BytesIO(png)).width for png in pictures] == [960, 960]
    assert Evidence([], files, {}, {}).to_html(TEXTS["pt"], "pt").count(chat_models.PIXEL) == 2, "nothing to draw from"


def test_every_word_of_a_plot_has_a_portuguese_one():
    said = []

    def words(word):
        said.append(word)
        return name_of(word, "pt")

    losses = [{"epoch": 1, "loss": 2.0}]
    plot_losses(losses, title="", valid=losses, words=words)
    rows = [{"set": "seen", "n": 2, "measure": "fact recall", "before": 0.0, "after": 1.0}]
    plot_before_after(rows, title="", words=words)
    assert len(set(said)) == 12
    assert set(said) <= portuguese().keys()


def test_the_table_shows_the_headlines_and_folds_the_rest():
    rows = [
        {"set": "seen", "n": 2, "measure": measure, "before": 0.5, "after": 1.0}
        for measure in ("ROUGE-L F1", "repetition")
    ]
    shown = Evidence(rows, {}, {}, {}).to_html(TEXTS["pt"], "pt")
    at_once, folded = shown.split("<details>")
    assert "ROUGE-L F1" in at_once
    assert "repetição" not in at_once
    assert "repetição" in folded
    assert "+0,50" in at_once
    assert "<details>" not in Evidence(rows[:1], {}, {}, {}).to_html(TEXTS["pt"], "pt")


def test_questions_of_a_file(tmp_path):
    path = tmp_path / "questions.txt"
    path.write_text("# ours\n\nWhat is A?\n  What is B?  \n", encoding="utf-8")
    assert read_questions(path) == ["What is A?", "What is B?"]
    path.write_text("# nothing\n", encoding="utf-8")
    with pytest.raises(InputError, match="holds no question"):
        read_questions(path)
    with pytest.raises(InputError, match="No file of questions"):
        read_questions(tmp_path / "nowhere.txt")


def test_the_page_says_in_which_language_a_bare_title_is_refused():
    asked = []
    pair = Pair.__new__(Pair)
    pair.before, pair.catalogue = None, SimpleNamespace(index=SimpleNamespace(search=lambda *_: []))
    pair.after = SimpleNamespace(stream=lambda question, **options: iter(asked.append(options) or ()))
    list(pair.turns("Zorvex", closed_book=True, language="pt"))
    assert asked == [{"closed_book": True, "default_language": "pt"}]
