"""The page: a question, both answers as they are written, their sources; and a second tab with the evidence."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr

from amazon_titles.page import answers, markup
from amazon_titles.page.evidence import Evidence
from amazon_titles.page.examples import example_questions
from amazon_titles.page.pair import Pair, Turn
from amazon_titles.page.texts import LANGUAGES, TEXTS, preferred

# Questions that may wait while one is answered; more are turned away with a sentence of Gradio's.
_WAITING = 64


def build_page(pair: Pair, evidence: Evidence, *, language: str) -> gr.Blocks:
    """Makes the page, with questions of its own catalogue to click on; `launch` shows it.

    Args:
        pair: The two models.
        evidence: For the second tab.
        language: That the page starts in; a browser that asks for another one of `LANGUAGES` gets that.
    """
    names = (pair.before.name if pair.before else None, pair.after.name)
    texts, questions = TEXTS[language], example_questions(pair.after.dataset_folder)
    modes = {code: [(said.closed_book, "closed"), (said.open_book, "open")] for code, said in TEXTS.items()}
    proofs = {code: evidence.to_html(TEXTS[code], code) for code in LANGUAGES}
    at_once: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
    queued: dict[str, Any] = {"concurrency_limit": 1, "concurrency_id": "model", "show_progress": "hidden"}
    page = gr.Blocks(title=texts.title, analytics_enabled=False)
    with page:
        last = gr.State(None)
        with gr.Row(elem_classes="stack"):
            head = gr.HTML(_head(pair, language), elem_id="head", scale=1)
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
                hint = gr.HTML(markup.part("note", sentence=texts.examples), elem_id="examples-label")
                with gr.Row():
                    examples = [
                        gr.Button(question, size="sm", elem_classes="example", min_width=240)
                        for question in questions[language]
                    ]
                problem = gr.HTML("", elem_id="problem")
                empty = answers.answered(None, texts, *names)
                with gr.Row(equal_height=True, elem_classes="stack"):
                    sides = [gr.HTML(empty[0], elem_id="before"), gr.HTML(empty[1], elem_id="after")]
                sources = gr.HTML("", elem_id="sources")
            with gr.Tab(texts.table_tab, id="evidence") as table_tab:
                table = gr.HTML(proofs[language], elem_id="evidence")

        def ask(question: str, mode: str, language: str) -> Iterator[tuple[Any, ...]]:
            texts = TEXTS.get(language, TEXTS["en"])
            problem = answers.refused(question, texts)
            try:
                spoken = language if language in TEXTS else "en"
                for turn in () if problem else pair.turns(question, closed_book=mode == "closed", language=spoken):
                    yield "", *answers.answered(turn, texts, *names), turn if turn.done else None
            except Exception as error:  # whatever happens, the page says it in a sentence
                problem = answers.failed(error, texts)
            if problem:
                told = markup.part("problem", texts=texts, sentence=problem)
                yield told, *answers.answered(None, texts, *names), None

        def speak(language: str, turn: Turn | None) -> tuple[Any, ...]:
            texts = TEXTS[language]
            return (
                _head(pair, language), gr.Tab(label=texts.ask_tab), gr.Tab(label=texts.table_tab),
                gr.Textbox(label=texts.question, placeholder=texts.placeholder),
                gr.Radio(choices=modes[language], label=texts.mode), texts.ask,
                markup.part("note", sentence=texts.examples),
                *questions[language], "", *answers.answered(turn, texts, *names), proofs[language],
            )  # fmt: skip

        def greet(request: gr.Request) -> str:
            return preferred(request.headers.get("accept-language", ""), language)

        outputs = [problem, *sides, sources, last]
        spoken = [head, ask_tab, table_tab, asked, mode, button, hint, *examples, problem, *sides, sources, table]
        gr.on(
            [button.click, asked.submit], ask, [asked, mode, choice], outputs,
            api_name="ask", trigger_mode="multiple", **queued,
        )  # fmt: skip
        for example in examples:
            example.click(lambda text: text, example, asked, **at_once).then(
                ask, [asked, mode, choice], outputs, api_visibility="private", **queued
            )
        choice.change(speak, [choice, last], spoken, **at_once)
        page.load(greet, None, choice, **at_once)
    page.queue(max_size=_WAITING)
    return page


def _head(pair: Pair, language: str) -> str:
    return markup.part("head", pair=pair, texts=TEXTS[language])
