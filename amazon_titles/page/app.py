"""The page: a question, both answers as they are written, their sources; and a second tab with the evidence."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import gradio as gr

from amazon_titles import __version__
from amazon_titles.page import markup
from amazon_titles.page.evidence import Evidence
from amazon_titles.page.examples import example_questions, examples
from amazon_titles.page.pair import Pair, Turn
from amazon_titles.page.texts import LANGUAGES, TEXTS, Texts, preferred
from amazon_titles.resources import REPOSITORY

# Questions that may wait while one is answered; more are turned away with a sentence of Gradio's.
_WAITING = 64
# Questions of a session that are kept to be asked again.
_AGAIN = 8
# A click on one of the questions tells which.
_ON_CLICK = """element.onclick = event => {
  const chip = event.target.closest("[data-ask]"); if (chip) trigger("click", {question: chip.dataset.ask}); };"""


def build_page(pair: Pair, evidence: Evidence, *, language: str) -> gr.Blocks:
    """Makes the page, with questions of its own catalogue to click on; `launch` shows it.

    Args:
        pair: The two models.
        evidence: For the second tab.
        language: That the page starts in; a browser that asks for another one of `LANGUAGES` gets that.
    """
    names = (pair.before.name if pair.before else None, pair.after.name)
    texts, questions = TEXTS[language], example_questions(pair.after.dataset_folder)
    kinds = [kind for kind, _ in examples(pair.after.dataset_folder)]
    modes = {code: [(said.closed_book, "closed"), (said.open_book, "open")] for code, said in TEXTS.items()}
    proofs = {code: evidence.to_html(TEXTS[code], code) for code in LANGUAGES}
    at_once: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
    queued: dict[str, Any] = {"concurrency_limit": 1, "concurrency_id": "model", "show_progress": "hidden"}

    def chips(language: str) -> str:
        asked, texts = list(zip(kinds, questions[language], strict=True)), TEXTS[language]
        return markup.part("chips", label=texts.examples, asked=asked, texts=texts)

    def again(texts: Texts, history: list[str]) -> str:
        return markup.part("chips", label=texts.again, asked=[("", question) for question in history], texts=texts)

    page = gr.Blocks(title=texts.title, analytics_enabled=False)
    with page:
        last, history = gr.State(None), gr.State([])
        banner = gr.HTML(markup.part("banner", pair=pair, texts=texts), elem_id="banner")
        with gr.Row(elem_classes="stack"):
            head = gr.HTML(_head(pair, evidence, language), elem_id="head", scale=1)
            choice = gr.Radio(
                [(name, code) for code, name in LANGUAGES.items()], value=language, label="Language / Idioma",
                show_label=False, container=False, scale=0, elem_id="language",
            )  # fmt: skip
        with gr.Tabs():
            with gr.Tab(texts.ask_tab, id="ask") as ask_tab:
                asked = gr.Textbox(
                    label=texts.question, placeholder=texts.placeholder, elem_id="question", max_lines=3, autofocus=True
                )
                with gr.Row(equal_height=True, elem_classes="stack"):
                    mode = gr.Radio(modes[language], value="closed", label=texts.mode, elem_id="mode", scale=4)
                    button = gr.Button(texts.ask, variant="primary", elem_id="ask", scale=1, min_width=120)
                suggested = gr.HTML(chips(language), elem_id="examples", js_on_load=_ON_CLICK)
                with gr.Row(elem_id="state"):
                    status = gr.HTML("", elem_id="status", scale=1)
                    stop = gr.Button(texts.stop, size="sm", elem_id="stop", scale=0, min_width=90, visible=False)
                problem = gr.HTML("", elem_id="problem")
                empty = markup.answered(None, texts, *names)
                with gr.Row(equal_height=True, elem_classes="stack"):
                    sides = [gr.HTML(empty[0], elem_id="before"), gr.HTML(empty[1], elem_id="after")]
                sources = gr.HTML("", elem_id="sources")
                before_now = gr.HTML("", elem_id="again", js_on_load=_ON_CLICK)
            with gr.Tab(texts.table_tab, id="evidence") as table_tab:
                table = gr.HTML(proofs[language], elem_id="evidence")

        def begin(question: str, history: list[str], language: str, event: gr.EventData) -> tuple[Any, ...]:
            """Shows that the question is being answered; that of a click is the one that was clicked."""
            texts, asked = TEXTS[language], (event._data or {}).get("question", question)
            if not markup.refused(asked, texts):
                history = list(dict.fromkeys([asked.strip(), *history]))[:_AGAIN]
            status = markup.part("status", turn=None, texts=texts)
            busy = gr.Button(interactive=False), gr.Button(visible=True, interactive=True), status
            return asked, None, *busy, history, again(texts, history)

        def ask(question: str, mode: str, language: str) -> Iterator[tuple[Any, ...]]:
            texts = TEXTS.get(language, TEXTS["en"])
            problem = markup.refused(question, texts)
            try:
                spoken = language if language in TEXTS else "en"
                for turn in () if problem else pair.turns(question, closed_book=mode == "closed", language=spoken):
                    yield "", *markup.answered(turn, texts, *names), turn
            except Exception as error:  # whatever happens, the page says it in a sentence
                problem = markup.failed(error, texts)
            if problem:
                told = markup.part("problem", texts=texts, sentence=problem)
                yield told, *markup.answered(None, texts, *names), None

        def end(turn: Turn | None, language: str) -> tuple[Any, ...]:
            """After the end of an answer, by itself or by Stop: a question can be asked again."""
            texts = TEXTS[language]
            # Said once more, a finished answer would be read out once more.
            left = [gr.skip()] * 3 if turn and turn.done else markup.answered(turn, texts, *names, stopped=True)
            said = markup.part("status", turn=turn, texts=texts) if turn else ""
            return gr.Button(interactive=True), gr.Button(visible=False), said, *left

        def speak(language: str, turn: Turn | None, history: list[str]) -> tuple[Any, ...]:
            texts = TEXTS[language]
            return (
                markup.part("banner", pair=pair, texts=texts), _head(pair, evidence, language),
                gr.Tab(label=texts.ask_tab), gr.Tab(label=texts.table_tab),
                gr.Textbox(label=texts.question, placeholder=texts.placeholder),
                gr.Radio(choices=modes[language], label=texts.mode), texts.ask, texts.stop,
                chips(language), again(texts, history), "", *markup.answered(turn, texts, *names),
                proofs[language],
            )  # fmt: skip

        def greet(request: gr.Request) -> str:
            return preferred(request.headers.get("accept-language", ""), language)

        outputs, ended = [problem, *sides, sources, last], [button, stop, status, *sides, sources]

        started = gr.on(
            [button.click, asked.submit, suggested.click, before_now.click], begin, [asked, history, choice],
            [asked, last, button, stop, status, history, before_now], **at_once,
        )  # fmt: skip
        answered = started.then(ask, [asked, mode, choice], outputs, api_name="ask", **queued)
        answered.then(end, [last, choice], ended, **at_once)
        # `end` follows by itself once what is computed has ended; before that Gradio starts no other answer.
        stop.click(lambda: gr.Button(interactive=False), None, stop, cancels=answered, **at_once)
        spoken = [
            banner, head, ask_tab, table_tab, asked, mode, button, stop, suggested, before_now, problem, *sides,
            sources, table,
        ]  # fmt: skip
        choice.change(speak, [choice, last, history], spoken, **at_once)
        page.load(greet, None, choice, **at_once)
    page.queue(max_size=_WAITING)
    return page


def _head(pair: Pair, evidence: Evidence, language: str) -> str:
    """The title, what is compared, and each part by its name, with a link where it stands on the Hub."""
    space = os.environ.get("SPACE_ID")
    code = f"https://huggingface.co/spaces/{space}/tree/main" if space else REPOSITORY
    base = evidence.run.get("base_model") or (pair.before and pair.before.name)
    texts, version = TEXTS[language], f"amazon_titles {__version__}"
    return markup.part("head", pair=pair, base=base, code=code, version=version, language=language, texts=texts)
