"""The page in a real browser: what people see, click and type. Without one the tier is skipped, unless CI wants it."""

from __future__ import annotations

import re
from threading import Event
from urllib.parse import urlsplit

import pytest

from tests import chat_models
from tests.browser import require_browser

pytestmark = pytest.mark.integration

TITLE = "Grelm Kettle"


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return chat_models.make_dataset(tmp_path_factory.mktemp("browser"))


@pytest.fixture(scope="module")
def chromium():
    require_browser()
    from amazon_titles.video import browser

    with browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def start(dataset, chromium):
    """Starts the page with what models say, and closes it at the end."""
    from amazon_titles.page.server import show

    started = []

    def begin(**options):
        page = show(chat_models.pair(dataset, **options), chat_models.EVIDENCE, host="127.0.0.1")
        started.append(page)
        return page.local_url

    yield begin
    for page in started:
        page.close()


@pytest.fixture(scope="module")
def address(start):
    return start()


@pytest.fixture
def visit(chromium):
    """Opens an address; at the end nothing may have complained, popped up, or asked another host."""
    contexts, complaints, hosts = [], [], set()

    def go(address, *, width=1280, height=900, locale="en-US"):
        context = chromium.new_context(viewport={"width": width, "height": height}, locale=locale)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: (complaints.append(f"dialog {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda request: hosts.add(urlsplit(request.url).hostname))
        page.goto(address)
        page.locator("#question textarea").wait_for()
        return page

    yield go
    for context in contexts:
        context.close()
    assert complaints == []
    assert hosts <= {"127.0.0.1", None, ""}


def ask(page, question):
    page.fill("#question textarea", question)
    page.click("#ask")
    ended(page)


def ended(page):
    page.locator("#after section[data-state=done]").wait_for()


def trained_title(dataset):
    from amazon_titles.page.examples import example_questions

    return re.findall('"(.*)"', example_questions(dataset)["en"][0])[0]


def test_a_question_gets_both_answers_and_the_source_with_its_words_marked(visit, address, dataset):
    page = visit(address)
    title = trained_title(dataset)
    ask(page, f'What is "{title}"?')
    page.locator("#sources li").first.wait_for()
    assert "It is a thing of wood" in page.inner_text("#before")
    assert "100% of this is supported" in page.inner_text("#after")
    link = page.locator("#sources a").first
    assert link.inner_text() == title
    assert link.get_attribute("href").startswith("https://shop.example/MADEUP")
    assert link.get_attribute("rel") == "noopener noreferrer"
    said = page.locator("#after .said").inner_text()
    assert page.locator("#sources mark").first.inner_text().split()[:4] == said.split()[:4]


def test_the_switch_says_whether_the_model_saw_the_record(visit, address, dataset):
    page = visit(address)
    ask(page, trained_title(dataset))
    page.locator("#sources").get_by_text("not shown to the model").wait_for()
    page.get_by_label("With the records in view").check()
    page.click("#ask")
    page.locator("#sources").get_by_text("· shown to the model").wait_for()


def test_an_invented_product_is_refused_with_the_nearest_titles(visit, address):
    page = visit(address)
    ask(page, 'What is "Zorvex Quillomar Teapot 3000"?')
    assert "has no such product" in page.inner_text("#after")
    assert "No product of the catalogue fits" in page.inner_text("#before")
    assert page.locator("#sources li").count() == 0
    assert page.locator("#after li").count() > 0


def test_a_hostile_title_is_text(visit, address):
    page = visit(address)
    ask(page, 'What is "Grelm Kettle"?')
    assert page.locator("#sources a").first.inner_text() == chat_models.HOSTILE
    assert page.locator("#sources ul").inner_text(), "others that fit, whose links are none of the web"
    assert chat_models.HOSTILE_TEXT.strip() in page.inner_text("#sources blockquote")
    assert chat_models.HOSTILE_TEXT.strip() in page.inner_text("#after")
    for part in ("#sources", "#after"):
        assert page.locator(f"{part} img, {part} b, {part} script").count() == 0
    assert page.locator("[href^=javascript]").count() == 0


def test_a_hostile_question_is_text(visit, address):
    page = visit(address)
    ask(page, '"<img src=x onerror=alert(9)> ${alert(8)} {{alert(7)}}"')
    assert page.locator("#after img, #before img, #problem img").count() == 0


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        ("x" * 1200, "The question has 1200 characters; at most 1000 are read."),
        ("please break", "Something went wrong here (RuntimeError)."),
    ],
)
def test_errors_are_sentences_on_the_page(visit, address, question, sentence):
    page = visit(address)
    page.fill("#question textarea", question)
    page.click("#ask")
    page.locator("#problem [role=alert]").wait_for()
    assert sentence in page.inner_text("#problem")
    ask(page, TITLE)
    page.locator("#sources li").first.wait_for()
    assert page.locator("#problem [role=alert]").count() == 0


def test_with_the_keyboard_alone(visit, address):
    page = visit(address)
    page.locator("#question textarea").focus()
    page.keyboard.type(TITLE)
    page.keyboard.press("Enter")
    page.locator("#sources").get_by_text("not shown to the model").wait_for()
    for key in ("Tab", "Tab", "Space", "Tab"):  # over the first of the two modes, onto the second
        page.keyboard.press(key)
    assert page.evaluate("document.activeElement.id") == "ask"
    page.keyboard.press("Enter")
    page.locator("#sources").get_by_text("· shown to the model").wait_for()
    page.keyboard.press("Tab")
    assert "example" in page.evaluate("document.activeElement.className")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline != "none", "one must see where one is"
    page.keyboard.press("Enter")
    page.wait_for_function("title => document.querySelector('#question textarea').value !== title", arg=TITLE)
    page.get_by_role("tab", name="Before and after").focus()
    page.keyboard.press("Enter")
    page.locator("#evidence table").first.wait_for(state="visible")


def test_on_a_phone_nothing_sticks_out_and_the_answers_stand_below_each_other(visit, address):
    page = visit(address, width=360, height=740)
    ask(page, TITLE)
    page.locator("#sources li").first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    before, after = (page.locator(f"#{name} section").bounding_box() for name in ("before", "after"))
    assert before["y"] + before["height"] <= after["y"]
    assert after["width"] > 270
    page.get_by_role("tab", name="Before and after").click()
    page.locator("#evidence table").first.wait_for(state="visible")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_the_second_tab_holds_the_evidence(visit, address):
    page = visit(address)
    page.get_by_role("tab", name="Before and after").click()
    table = page.locator("#evidence table").first
    table.wait_for(state="visible")
    assert "seen\tfact recall\t48\t0.04\t0.98\t+0.94" in table.inner_text()
    assert page.locator("#evidence img").get_attribute("alt")
    shown = page.inner_text("#evidence")
    assert "12,345" in shown
    assert "dataset" in shown
    assert "/home" not in shown, "a path of the machine stands on the page"


def test_a_brazilian_browser_gets_portuguese_and_the_switch_changes_all_of_it(visit, address):
    page = visit(address, locale="pt-BR")
    page.get_by_role("button", name="Perguntar", exact=True).wait_for()
    ask(page, TITLE)
    page.locator("#sources").get_by_text("não mostrado ao modelo").wait_for()
    page.get_by_label("English").check()
    page.locator("#sources").get_by_text("not shown to the model").wait_for()
    page.get_by_role("button", name="Ask", exact=True).wait_for()
    page.get_by_label("Português").check()
    page.locator("#sources").get_by_text("não mostrado ao modelo").wait_for()
    page.get_by_role("tab", name="Antes e depois").click()
    table = page.locator("#evidence table").first
    table.wait_for(state="visible")
    assert "vistos\tfatos lembrados\t48\t0,04\t0,98\t+0,94" in table.inner_text()


# What stands on a page whose answer still grows; a page that shows it only at the end never comes to this.
GROWN = "than => document.querySelector('#after section[data-state=writing] .said')?.innerText.length > than"


def test_the_page_stays_usable_while_another_question_runs(visit, start):
    gate = Event()
    slow = start(delay=0.06, gate=gate)  # more than the page's pace: each word is shown
    try:
        busy, other = visit(slow), visit(slow)
        busy.fill("#question textarea", TITLE)
        busy.click("#ask")
        busy.wait_for_function(GROWN, arg=len("writing …"))
        other.get_by_label("Português").check()
        other.get_by_role("tab", name="Antes e depois").click()
        other.locator("#evidence table").first.wait_for(state="visible")
        busy.get_by_role("tab", name="Before and after").click()
        busy.locator("#evidence table").first.wait_for(state="visible")
        busy.get_by_role("tab", name="Ask", exact=True).click()
        first = busy.locator("#after section[data-state=writing] .said").inner_text()
    finally:
        gate.set()
    ended(busy)
    assert len(busy.inner_text("#after .said")) > len(first)
