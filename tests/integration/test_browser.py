"""The page in a real browser: what people see, click and type. Without one the tier is skipped, unless CI wants it."""

from __future__ import annotations

import re
from threading import Event
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest

from amazon_titles.page.texts import TEXTS
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

    def go(address, *, width=1280, height=900, locale="en-US", color_scheme="light"):
        context = chromium.new_context(
            viewport={"width": width, "height": height}, locale=locale, color_scheme=color_scheme,
            reduced_motion="reduce", permissions=["clipboard-read", "clipboard-write"],
        )  # fmt: skip
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


def boxes(parts):
    """Where parts stand, all read at one moment: between two readings the page may scroll."""
    return parts.evaluate_all("parts => parts.map(part => part.getBoundingClientRect().toJSON())")


def trained_title(dataset):
    from amazon_titles.page.examples import example_questions

    return re.findall('"(.*)"', example_questions(dataset)["en"][0])[0]


def test_a_question_gets_both_answers_and_the_source_with_its_words_marked(visit, address, dataset):
    page = visit(address)
    title = trained_title(dataset)
    ask(page, f'What is "{title}"?')
    page.locator("#sources li").first.wait_for()
    assert "It is a thing of wood" in page.inner_text("#before")
    assert "Supported: 100%" in page.inner_text("#after")
    link = page.locator("#sources a").first
    assert link.inner_text() == title
    assert link.get_attribute("href").startswith("https://shop.example/MADEUP")
    assert link.get_attribute("rel") == "noopener noreferrer"
    said = page.locator("#after .said").inner_text()
    assert page.locator("#sources mark").first.inner_text().split()[:4] == said.split()[:4]


def test_the_switch_says_whether_the_model_saw_the_record(visit, address, dataset):
    page = visit(address)
    ask(page, trained_title(dataset))
    page.locator("#sources").get_by_text(TEXTS["en"].not_shown).wait_for()
    page.get_by_label(TEXTS["en"].open_book).check()
    page.click("#ask")
    page.locator("#sources").get_by_text(f"· {TEXTS['en'].shown}").wait_for()


def test_with_the_catalogue_no_model_is_asked_about_what_it_does_not_hold(visit, address):
    page = visit(address)
    page.get_by_label(TEXTS["en"].open_book).check()
    ask(page, 'What is "Zorvex Quillomar Teapot 3000"?')
    for side in ("#before", "#after"):
        assert TEXTS["en"].refused in page.inner_text(side)
    assert page.locator("#sources ol").count() == 0
    assert page.locator("#sources li").count() > 0, "the nearest titles"


def test_a_hostile_title_is_text(visit, address):
    page = visit(address)
    ask(page, 'What is "Grelm Kettle"?')
    assert page.locator("#sources a").first.inner_text() == chat_models.HOSTILE
    assert page.locator("#sources ul").inner_text(), "others that fit, whose links are none of the web"
    assert chat_models.HOSTILE_TEXT.strip() in page.inner_text("#sources blockquote")
    assert chat_models.HOSTILE_TEXT.strip() in page.inner_text("#after")
    page.locator("#again [data-ask]").wait_for()
    for part in ("#sources", "#after"):
        assert page.locator(f"{part} img, {part} b, {part} script").count() == 0
    assert page.locator("[href^=javascript]").count() == 0


def test_a_hostile_question_is_text(visit, address):
    page = visit(address)
    ask(page, '"<img src=x onerror=alert(9)> ${alert(8)} {{alert(7)}}"')
    page.locator("#again [data-ask]").wait_for()
    assert page.locator("#after img, #before img, #problem img, #again img").count() == 0


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
    page.locator("#sources").get_by_text(TEXTS["en"].not_shown).wait_for()
    page.locator("#ask:enabled").wait_for()
    for key in ("Tab", "Tab", "Space", "Tab"):  # over the first of the two modes, onto the second
        page.keyboard.press(key)
    assert page.evaluate("document.activeElement.id") == "ask"
    page.keyboard.press("Enter")
    page.locator("#sources").get_by_text(f"· {TEXTS['en'].shown}").wait_for()
    page.locator("#ask:enabled").wait_for()
    for _ in range(30):  # over the answers and what can be done with them
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.matches('#examples [data-ask]')"):
            break
    assert page.evaluate("document.activeElement.matches('#examples [data-ask]')")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline != "none", "one must see where one is"
    page.keyboard.press("Enter")
    page.wait_for_function("title => document.querySelector('#question textarea').value !== title", arg=TITLE)
    page.get_by_role("tab", name="Ask").focus()
    page.keyboard.press("ArrowRight")
    page.locator("#evidence .figures").wait_for(state="visible")
    assert page.evaluate("document.activeElement.innerText") == "Before and after"
    page.keyboard.press("ArrowRight")
    page.locator("#question").wait_for(state="visible")
    page.keyboard.press("ArrowLeft")
    page.locator("#evidence .figures").wait_for(state="visible")


def test_on_a_phone_nothing_sticks_out_and_the_answers_stand_below_each_other(visit, address):
    page = visit(address, width=360, height=740)
    ask(page, TITLE)
    page.locator("#sources li").first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    before, after = boxes(page.locator("#before section, #after section"))
    assert before["y"] + before["height"] <= after["y"]
    assert after["width"] > 270
    page.get_by_role("tab", name="Before and after").click()
    page.locator("#evidence .figures").wait_for(state="visible")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_the_second_tab_holds_the_evidence(visit, address):
    page = visit(address)
    page.get_by_role("tab", name="Before and after").click()
    page.locator("#evidence summary").click()
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
    for code, name in (("pt", None), ("en", "English"), ("pt", "Português")):
        if name:
            page.get_by_label(name).check()
        page.locator("#sources").get_by_text(TEXTS[code].not_shown).wait_for()
        page.get_by_role("button", name=TEXTS[code].ask, exact=True).wait_for()
        page.wait_for_function(
            "([lang, title]) => document.documentElement.lang === lang && document.title === title",
            arg=[code, TEXTS[code].title],
        )
    page.get_by_role("tab", name="Antes e depois").click()
    page.locator("#evidence summary").click()
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
        other.locator("#evidence .figures").wait_for(state="visible")
        busy.get_by_role("tab", name="Before and after").click()
        busy.locator("#evidence .figures").wait_for(state="visible")
        busy.get_by_role("tab", name="Ask", exact=True).click()
        first = busy.locator("#after section[data-state=writing] .said").inner_text()
    finally:
        gate.set()
    ended(busy)
    assert len(busy.inner_text("#after .said")) > len(first)


@pytest.fixture(params=["1280 en", "1280 pt", "390 en", "390 pt"])
def view(request):
    """A desktop's window and a phone's, in each language; `says` are the texts that stand there."""
    width, language = request.param.split()
    size = {"width": int(width), "height": {"1280": 800, "390": 844}[width]}
    return SimpleNamespace(size=size, phone=width == "390", says=TEXTS[language], language=language)


def opened(visit, address, view, **options):
    page = visit(address, **view.size, locale={"en": "en-US", "pt": "pt-BR"}[view.language], **options)
    page.wait_for_function("lang => document.documentElement.lang === lang", arg=view.language)
    page.get_by_role("button", name=view.says.ask, exact=True).wait_for()
    assert page.title() == view.says.title
    return page


def comes_into_view(page, place):
    """Waits until a part stands wholly in the window: the page scrolls to it a moment after the answers are there."""
    page.wait_for_function(
        """place => {
            const box = document.querySelector(place).getBoundingClientRect();
            return box.left >= 0 && box.right <= innerWidth && box.top > -0.5 && box.bottom < innerHeight + 0.5;
        }""",
        arg=place,
    )


def test_both_cards_hold_own_words_with_a_verdict_and_the_record_stands_apart(visit, address, dataset, view):
    page, says = opened(visit, address, view), view.says
    assert says.made_up in page.inner_text("#banner")
    named = page.inner_text("#head .names")
    for label, name in (
        (says.model, "adapter"), (says.base, "base"), (says.dataset, "dataset"), (says.code, "amazon_titles"),
    ):  # fmt: skip
        assert f"{label}: {name}" in named
    ask(page, f'What is "{trained_title(dataset)}", perhaps?')
    page.locator("#sources .quoted").wait_for()
    verdicts = [page.inner_text(f"{side} .badge.poor") for side in ("#before", "#after")]
    assert verdicts[0] == verdicts[1]
    assert verdicts[0].startswith(says.not_supported.split("{")[0])
    for side in ("#before", "#after"):
        assert page.inner_text(f"{side} .said") == "It is a thing of wood from 1999, I think."
        comes_into_view(page, f"{side} section")
    assert page.inner_text("#sources .quoted h2") == says.quoted
    assert page.locator("#sources blockquote").count() == 1
    before, after = boxes(page.locator("#before section, #after section"))
    assert (before["y"] < after["y"]) == view.phone
    assert page.evaluate("document.documentElement.scrollWidth") <= view.size["width"]


def test_the_invented_example_is_asked_of_both_and_what_they_say_is_shown(visit, address, view):
    page, says = opened(visit, address, view), view.says
    assert says.examples in page.inner_text("#examples")
    chips = page.locator("#examples [data-ask]")
    assert [chip.split("\n")[0] for chip in chips.all_inner_texts()] == [
        says.kind_trained, says.kind_trained, says.kind_untrained, says.kind_invented,
    ]  # fmt: skip
    tops = {round(chip["y"]) for chip in boxes(chips)}
    assert len(tops) == 1, "the examples are no row"
    scrolls = "row => row.scrollWidth > row.clientWidth && getComputedStyle(row).overflowX === 'auto'"
    assert page.locator("#examples .chips").evaluate(scrolls) or not view.phone
    chips.last.click()
    ended(page)
    assert page.input_value("#question textarea") == chips.last.get_attribute("data-ask")
    assert page.inner_text("#before .said") == chat_models.INVENTION
    assert page.inner_text("#after .said") == chat_models.UNKNOWN
    assert page.inner_text("#before .badge.poor") == says.describes_nothing
    assert page.inner_text("#after .badge.good") == says.said_no_rightly
    assert page.inner_text("#sources h2") == says.no_source


def test_what_is_written_can_be_watched_stopped_copied_and_asked_again(visit, start, view):
    gate = Event()
    slow = start(delay=0.06, gate=gate)  # more than the page's pace: each word is shown
    page, says = opened(visit, slow, view), view.says
    try:
        page.fill("#question textarea", TITLE)
        page.click("#ask")
        page.locator("#status [data-state=writing]").get_by_text(says.answering.rstrip(" …")).wait_for()
        page.locator("#ask:disabled").wait_for()
        elapsed = page.locator("#status .elapsed")
        page.wait_for_function("() => /^0[.,][1-9]|^[1-9]/.test(document.querySelector('#status .elapsed').innerText)")
        assert ("," in elapsed.inner_text()) == (view.language == "pt")
        comes_into_view(page, "#status")
        page.wait_for_function(GROWN, arg=len(says.writing))
        page.get_by_role("button", name=says.stop).click()
        page.locator("#stop:disabled").wait_for()
        assert page.locator("#ask:disabled").is_visible(), "asked again now, nothing would come"
        gate.set()
        page.locator("#after section[data-state=stopped]").wait_for()
    finally:
        gate.set()
    page.locator("#ask:enabled").wait_for()
    page.locator("#after").get_by_text(says.stopped_side).wait_for()
    assert page.inner_text("#status [role=status]").startswith(says.stopped.split("{")[0])
    assert not page.locator("#stop").is_visible()
    page.fill("#question textarea", "")
    page.locator("#again").get_by_role("button", name=TITLE).click()
    ended(page)
    page.locator("#ask:enabled").wait_for()
    assert page.input_value("#question textarea") == TITLE
    assert page.inner_text("#status [role=status]").startswith(says.took.split("{")[0])
    page.locator("#after .copy").click()
    page.locator("#after").get_by_role("button", name=says.copied).wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == page.inner_text("#after .said")


def test_the_evidence_tells_three_figures_and_hides_no_column(visit, address, view):
    page, says = opened(visit, address, view), view.says
    page.get_by_role("tab", name=says.table_tab).click()
    large = page.locator("#evidence .figures strong")
    large.first.wait_for()
    assert large.all_inner_texts() == ["98%", "75%", "40%"]
    assert large.first.evaluate("figure => parseFloat(getComputedStyle(figure).fontSize)") >= 40
    assert says.figure_seen.format(n=48, before="4%") in page.inner_text("#evidence")
    assert says.worse in page.inner_text("#evidence")
    assert not page.locator("#evidence .stacks").is_visible(), "all measures are folded"
    page.locator("#evidence summary").click()
    cells = boxes(page.locator("#evidence .stacks tbody tr").first.locator("td"))
    assert len(cells) == 6
    assert all(cell["x"] >= 0 and cell["x"] + cell["width"] <= view.size["width"] for cell in cells), "a column is cut"
    tops = {round(cell["y"]) for cell in cells}
    assert (len(tops) > 1) == view.phone, "on a phone the values of a row stand below each other"
    assert page.evaluate("document.documentElement.scrollWidth") <= view.size["width"]


def violations(page):
    """What axe-core finds of WCAG 2, levels A and AA, and of the order of headings: the rule, and what breaks it."""
    from axe_playwright_python.sync_playwright import Axe

    # A colour that is still fading, of a button just enabled, is not the one that is read.
    page.evaluate("Promise.all(document.getAnimations().map(animation => animation.finished.catch(() => 0)))")
    rules = ["heading-order", "page-has-heading-one"]
    tags = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
    found = []
    for only in (tags, {"type": "rule", "values": rules}):
        result = Axe().run(page, options={"runOnly": only, "resultTypes": ["violations"]}).response
        assert result["passes"], "nothing was looked at"
        found += [(rule["id"], [node["html"][:200] for node in rule["nodes"][:3]]) for rule in result["violations"]]
    return found


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_wrong(visit, address, dataset, view, scheme):
    page = opened(visit, address, view, color_scheme=scheme)
    ask(page, f'What is "{trained_title(dataset)}", perhaps?')
    page.locator("#ask:enabled").wait_for()
    assert violations(page) == []
    page.get_by_role("tab", name=view.says.table_tab).click()
    page.locator("#evidence summary").click()
    assert violations(page) == []
