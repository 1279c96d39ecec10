"""Starts the page on this machine. Nothing but the page itself is asked of any host."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from amazon_titles.errors import AmazonTitlesError, InputError, MissingExtraError
from amazon_titles.page.evidence import Evidence
from amazon_titles.page.examples import example_questions
from amazon_titles.page.pair import Pair
from amazon_titles.progress import say

_FONTS = ["system-ui", "sans-serif"]


def serve(
    model: str | Path,
    *,
    dataset: str | Path | None = None,
    host: str | None = "127.0.0.1",
    port: int | None = None,
    language: str = "en",
    on_ready: Callable[[str], None] | None = None,
) -> None:
    """Loads a model and shows its page until it is ended (Ctrl-C).

    Args:
        model: An adapter's or a model's folder or Hub id.
        dataset: That sources are taken from; by default the one that the model names.
        host: To listen on; None leaves it to Gradio's `GRADIO_SERVER_NAME`, as a Space has it.
        port: By default the first free one from 7860 on.
        language: That the page starts in, where the browser asks for none of ours.
        on_ready: Called with the page's address as soon as it answers.

    Raises:
        InputError: There is no such model or dataset, or the port is taken.
        MissingExtraError: Gradio is not installed.
    """
    require_gradio()
    if host is not None:
        find_model(model)
    page, options = prepared(model, dataset=dataset, language=language)
    try:
        _, address, _ = page.launch(server_name=host, server_port=port, prevent_thread_lock=True, **options)
    except OSError as error:
        raise InputError(f"The page cannot listen there: {error}", hint="Choose another: --port N") from None
    if on_ready:
        on_ready(str(address))
    say("Ctrl-C ends it.")
    page.block_thread()


def prepared(
    model: str | Path, *, dataset: str | Path | None = None, language: str = "en"
) -> tuple[Any, dict[str, Any]]:
    """The page of a model, and what its `launch` must be given to be itself and to ask no other host."""
    gradio = require_gradio()
    from amazon_titles.page.app import build_page  # needs gradio

    pair = Pair.load(model, dataset=dataset)
    questions = example_questions(pair.after.dataset_folder)
    page = build_page(pair, Evidence.of(model), questions, language=language)
    options = {
        "theme": gradio.themes.Default(
            primary_hue="blue", neutral_hue="slate", spacing_size="sm", font=_FONTS, font_mono=["monospace"]
        ),
        "css": (Path(__file__).parent / "page.css").read_text(encoding="utf-8"),
        "share": False,
        "quiet": True,
        "footer_links": [],
        "run_history": False,
        "ssr_mode": False,
        "mcp_server": False,
        "enable_monitoring": False,
        "pwa": False,
    }
    return page, options


def require_gradio() -> Any:  # noqa: ANN401 - an optional package
    """Imports Gradio with its calls home switched off.

    Raises:
        MissingExtraError: It is not installed.
        AmazonTitlesError: This is AutoTrain's environment, where it cannot be.
    """
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    try:
        return importlib.import_module("gradio")
    except ImportError as error:
        if _is_autotrain():
            raise AmazonTitlesError(
                "The page needs today's packages, and this is AutoTrain's environment, whose pins exclude them.",
                hint="Run it in the other environment: .venv/bin/amazon-titles demo",
            ) from error
        raise MissingExtraError("demo", error.name or "gradio") from error


def _is_autotrain() -> bool:
    try:
        version("autotrain-advanced")
    except PackageNotFoundError:
        return False
    return True


def find_model(model: str | Path) -> None:
    """Refuses the default where no quickstart has been run.

    Raises:
        InputError: `quickstart/adapter` is not there.
    """
    if str(model) == DEFAULT_MODEL and not Path(model).is_dir():
        raise InputError(
            f"There is no model at {DEFAULT_MODEL} yet.",
            hint="Make one: amazon-titles quickstart; or name one: --model DIR|REPO",
        )


DEFAULT_MODEL = "quickstart/adapter"
"""Where `amazon-titles quickstart` leaves its adapter."""
