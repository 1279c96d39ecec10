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

from amazon_titles.catalog import Product
from amazon_titles.errors import AmazonTitlesError, InputError
from amazon_titles.model import Answer, Source
from amazon_titles.names import name_of, portuguese
from amazon_titles.page import markup
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


@pytest.mark.parametrize("texts", TEXTS.values(), ids=TEXTS)
def test_a_banner_says_that_the_products_are_made_up(tmp_path, texts):
    pair = chat_models.pair(chat_models.make_dataset(tmp_path))
    assert html.escape(texts.made_up) in markup.part("banner", pair=pair, texts=texts)
    pair.catalogue = replace(pair.catalogue, made_up=False)
    assert markup.part("banner", pair=pair, texts=texts) == ""


def test_model_dataset_and_code_are_named_with_links_where_they_stand_on_the_hub(tmp_path, monkeypatch):
    pytest.importorskip("gradio", reason="the page is in the extra `demo`")
    from amazon_titles.page import app

    dataset = chat_models.make_dataset(tmp_path)
    pair = chat_models.pair(dataset)
    here = app._head(pair, chat_models.EVIDENCE, "en")
    assert "href" not in here
    assert str(tmp_path) not in here
    assert "Dataset: <span>dataset</span>" in here
    pair.place, pair.catalogue = "ana/Llama", replace(pair.catalogue, dataset="ana/titles")
    evidence = replace(chat_models.EVIDENCE, run={"base_model": "meta/Llama"})
    monkeypatch.setenv("SPACE_ID", "ana/ask")
    there = app._head(pair, evidence, "pt")
    addresses = ("ana/Llama", "meta/Llama", "datasets/ana/titles", "spaces/ana/ask/tree/main")
    assert re.findall('href="(.*?)"', there) == [f"https://huggingface.co/{address}" for address in addresses]
    monkeypatch.delenv("SPACE_ID")
    monkeypatch.setattr(app, "REPOSITORY", "https://code.example/titles")
    assert 'href="https://code.example/titles"' in app._head(pair, evidence, "en")


@pytest.mark.parametrize("name", ["/home/ana/base", "./base", "a/b/c", "x" * 200 + "/y", "ana", "", None, "a/\ud800"])
def test_what_is_no_hub_id_gets_no_link(name):
    assert "href" not in markup.hub_link(name)


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


def shown(words: str, answer: Answer, *, found: bool = True) -> str:
    records = {"B1": Product("B1", "A <b>pan</b>", "A pan of iron.")} if found else {}
    turn = Turn(Side(words, answer), Side(words, answer), records)
    assert turn.done
    return "".join(markup.answered(turn, TEXTS["en"], "base", "adapter"))


def test_every_kind_of_answer_says_what_it_is():
    assert "Supported: 80%" in shown("A pan.", Answer("A pan.", (SOURCE,), 0.8))
    assert "so there is no text to read and the model was not asked" in shown(
        "", Answer("No such product.", (), None, nearest=("A pot",))
    )
    assert "that it does not know this product" in shown("I do not know.", Answer("No such product.", (), None))
    assert "Cut off" in shown("A pan", Answer("A pan", (SOURCE,), 1.0, finished=False))
    others = Answer("A pan.", (SOURCE,), 1.0, others=(Source("B2", "A red pan", "https://x/B2", "ana/titles"),))
    assert TEXTS["en"].others in shown("A pan.", others)
    assert "Several products have this title" not in shown("A pan.", others)
    twins = replace(others, others=(replace(SOURCE, uid="B2", variant="red"),))
    assert "Several products have this title" in shown("A pan.", twins)
    assert "(red)" in shown("A pan.", twins)
    meant = Answer('No such product. Did you mean "A pot"?', (), None, nearest=("A pot",), did_you_mean=("A pot",))
    assert shown("", meant, found=False).count("A pot") == 1, "the sentence is enough"
    assert "<b>" not in shown("<b>", Answer("<b>", (SOURCE,), 1.0))


IRON = Product("B1", "A pan", "A pan of iron that holds 3 litres.")
REFUSAL = Answer('The catalogue has no product called "A pot".', (), None)


@pytest.mark.parametrize("texts", TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize(
    ("words", "answer", "records", "names", "kind", "said"),
    [
        ("A pan of iron.", Answer("A pan of iron.", (SOURCE,), 1.0), [IRON], True, "good", "supported"),
        ("A boat.", Answer("A pan.", (SOURCE,), 0.25, quoted=True), [IRON], True, "poor", "not_supported"),
        ("A pan.", Answer("A pan.", (SOURCE,), 1.0, quoted=True), [IRON], True, "poor", "other_words"),
        ("I don't know that.", Answer("A pan.", (SOURCE,), 0.1, quoted=True), [IRON], True, "fair", "said_no"),
        ("I don't know that.", REFUSAL, [], True, "good", "said_no_rightly"),
        ("A pot of gold.", REFUSAL, [], True, "poor", "describes_nothing"),
        ("Hello!", REFUSAL, [], False, "fair", "names_nothing"),
    ],
)
def test_both_sides_show_the_models_own_words_with_the_same_verdict(texts, words, answer, records, names, kind, said):
    side = Side(words, answer)
    turn = Turn(side, side, {record.uid: record for record in records}, names)
    before, after, sources = markup.answered(turn, texts, "base", "adapter")
    share = f"{answer.grounded or 0:.0%}"
    badge = f'<p class="badge {kind}">{html.escape(getattr(texts, said).format(share=share))}</p>'
    for part in (before, after):
        assert markup.text(words) in part
        assert badge in part
        assert "blockquote" not in part
    assert ("<blockquote>" in sources) == bool(records)
    assert (texts.quoted in sources) == answer.quoted
    assert (markup.text(IRON.content) in TAG.sub("", sources)) == bool(records), "the record is whole"


def test_what_was_stopped_says_so_and_is_not_judged():
    turn = Turn(Side("A pan of"), Side("It"), {"B1": IRON})
    for part in markup.answered(turn, TEXTS["en"], "base", "adapter", stopped=True)[:2]:
        assert 'data-state="stopped"' in part
        assert TEXTS["en"].stopped_side in part
        assert "badge" not in part


@pytest.mark.parametrize("texts", TEXTS.values(), ids=TEXTS)
def test_the_answer_of_a_whole_model_is_not_called_one_after_a_fine_tuning(texts):
    side = Side("A pan.", Answer("A pan.", (SOURCE,), 0.8))
    alone = markup.answered(Turn(side, None, {}), texts, None, "base")
    for parts in (alone, markup.answered(None, texts, None, "base")):
        assert f"<h2>{texts.answer} <small>" in parts[1]
        assert texts.after not in "".join(parts)
    both = markup.answered(Turn(side, side, {}), texts, "base", "adapter")
    for parts in (both, markup.answered(None, texts, "base", "adapter")):
        assert f"<h2>{texts.after} <small>" in parts[1]


@pytest.mark.parametrize("texts", TEXTS.values(), ids=TEXTS)
def test_a_question_that_cannot_be_asked_is_refused_in_the_pages_language(texts):
    assert texts.empty_question in html.unescape(markup.refused(" \n", texts))
    assert "1001" in markup.refused("x" * 1001, texts)
    assert markup.refused("x" * 1000, texts) == ""


def test_a_page_shows_no_command_of_the_machine_that_runs_it(capsys):
    hint = "Run: amazon-titles ask"
    said = markup.failed(InputError("The question is odd.", hint=hint), TEXTS["en"])
    assert "The question is odd." in said
    assert hint not in said
    assert hint not in capsys.readouterr().err
    said = markup.failed(AmazonTitlesError("The server is gone.", hint=hint), TEXTS["en"])
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


def test_every_word_of_a_plot_has_a_portuguese_one(monkeypatch):
    said = []

    def words(word, language):
        said.append(word)
        return name_of(word, language)

    monkeypatch.setattr("amazon_titles.plots.name_of", words)
    losses = [{"epoch": 1, "loss": 2.0}]
    plot_losses(losses, valid=losses, language="pt")
    rows = [{"set": "seen", "n": 2, "measure": "fact recall", "before": 0.0, "after": 1.0}]
    plot_before_after(rows, language="pt")
    assert len(set(said)) == 13
    assert set(said) <= portuguese().keys()


def test_three_figures_stand_first_then_what_got_worse_and_the_plot_and_the_rest_is_folded():
    measured = [
        ("general", "right answer", 0.5, 0.4), ("seen", "ROUGE-L F1", 0.1, 0.9), ("seen", "repetition", 0.0, 0.25),
        ("invented", "said it does not know", 0.0, 0.75), ("grounded", "right source cited", 0.1, 0.6),
        ("seen", "fact recall", 0.04, 0.98),
    ]  # fmt: skip
    rows = [
        {"set": group, "n": 7, "measure": measure, "before": before, "after": after, "better": 1, "headline": True}
        for group, measure, before, after in measured
    ]
    rows[2] |= {"better": -1, "headline": False}
    found = Evidence(rows, {"eval/before_after.png": chat_models.PIXEL}, {}, {})
    at_once, folded = found.to_html(TEXTS["pt"], "pt").split("<details")
    assert re.findall("<strong>(.*?)</strong>", at_once) == ["98%", "60%", "75%"], "the rule's order, not the file's"
    assert "Antes: 4%." in at_once
    assert "gerais, resposta certa: 50% → 40%." in at_once, "what got worse is told, too"
    assert "repetição" not in at_once
    assert at_once.index("<strong>") < at_once.index("<img")
    assert "repetição" in folded
    assert "+0,94" in folded
    for code, texts in TEXTS.items():
        shown = found.to_html(texts, code)
        assert not re.search("greed|gulos", shown, re.IGNORECASE), "jargon"
    assert "<strong>" not in Evidence(rows[2:3], {}, {}, {}).to_html(TEXTS["en"], "en")
    general = Evidence(rows[:1], {}, {}, {}).to_html(TEXTS["en"], "en")
    assert "40%" in general.split("<details")[0]


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
    pair.before, pair.catalogue = (
        None,
        SimpleNamespace(index=SimpleNamespace(search=lambda *_: [], names_product=lambda _: True)),
    )
    pair.after = SimpleNamespace(stream=lambda question, **options: iter(asked.append(options) or ()))
    list(pair.turns("Zorvex", closed_book=True, language="pt"))
    assert asked == [{"closed_book": True, "default_language": "pt", "always": True}]
