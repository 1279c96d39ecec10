"""Starts the page on this machine. Nothing but the page itself is asked of any host."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import metadata
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from amazon_titles.errors import AmazonTitlesError, InputError, require
from amazon_titles.hosts import is_open, known_hosts
from amazon_titles.page.evidence import Evidence
from amazon_titles.page.examples import example_questions
from amazon_titles.page.pair import Pair
from amazon_titles.progress import say

if TYPE_CHECKING:
    import gradio

# Pages in browsers whose last answer is kept, to say it again in the other language.
_SESSIONS = 500
_FONTS = ["system-ui", "sans-serif"]
_SHARED = "Anyone with the public link can ask, for at most a week and while this runs."
_NOT_SHARED = "No public address: Gradio's tunnel could not be opened. The page is served on this machine only."


def serve(
    model: str | Path, *, dataset: str | Path | None = None, host: str | None = "127.0.0.1", language: str = "en",
    model_name: str | None = None, before: str | None = None, share: bool = False,
    on_ready: Callable[[str], None] | None = None, **options: Any,  # noqa: ANN401 - those of `show`
) -> None:  # fmt: skip
    """Loads a model and shows its page until it is ended (Ctrl-C).

    Args:
        model: An adapter's or a model's folder, Hub id, or the address of a server.
        dataset: That sources are taken from; by default the one that the model names.
        host: As of `show`.
        language: As of `show`.
        model_name: Of a model on a server that has several.
        before: Name of the model before the fine-tuning, on the same server.
        share: As of `show`.
        on_ready: Called with the page's address as soon as it answers, and with the public one where there is one.
        **options: As of `show`.

    Raises:
        InputError: There is no such model or dataset, or the host or the port cannot be listened on.
        MissingExtraError: Gradio is not installed.
    """
    require_host(host or os.environ.get("GRADIO_SERVER_NAME"))
    require_gradio()
    pair = Pair.load(model, dataset=dataset, model_name=model_name, before=before)
    evidence = Evidence.of(model)
    # A few words that nobody sees: what is slow only the first time is over then.
    example = example_questions(pair.after.dataset_folder)[language][0]
    list(islice(pair.turns(example, closed_book=True), 3))
    page = show(pair, evidence, language=language, host=host, share=share, **options)
    if on_ready:
        on_ready(str(page.local_url))
        if page.share_url:
            on_ready(page.share_url)
    if share:
        say(_SHARED if page.share_url else _NOT_SHARED)
    if host and is_open(host):
        say("Anyone who can reach this machine can open the page, ask, and read the products; there is no password.")
    say("Ctrl-C ends it.")
    page.block_thread()


def show(
    pair: Pair, evidence: Evidence, *, language: str = "en", host: str | None = None, port: int | None = None,
    share: bool = False, allow_hosts: Sequence[str] = (),
) -> gradio.Blocks:  # fmt: skip
    """Starts the page in a thread, at its `local_url`; unless it is shared, everything is off that asks another host.

    Args:
        pair: The two models.
        evidence: For the second tab.
        language: That the page starts in, where the browser asks for none of ours.
        host: To listen on; None leaves it to Gradio's `GRADIO_SERVER_NAME`, as a Space has it.
        port: By default the first free one from 7860 on.
        share: Whether Gradio opens a tunnel, whose address everybody who has it can ask by; it fetches a program for
            that from outside, and the questions pass through its makers' server. `share_url` is None where no tunnel
            could be opened.
        allow_hosts: Names besides that the page answers for, `*` in them being anything: of a proxy before it.

    Raises:
        InputError: The address or the port cannot be listened on.
    """
    from gradio.themes import Default

    from amazon_titles.page.app import build_page  # these need gradio
    from amazon_titles.page.limits import Guard, impatient

    theme = Default(primary_hue="blue", neutral_hue="slate", spacing_size="sm", font=_FONTS, font_mono=["monospace"])
    ask_no_proxy(host or os.environ.get("GRADIO_SERVER_NAME"))
    page = build_page(pair, evidence, language=language)
    script = Path(__file__).with_name("page.js").read_text(encoding="utf-8")
    try:
        page.launch(
            server_name=host, server_port=port, prevent_thread_lock=True, quiet=True, theme=theme,
            css_paths=Path(__file__).with_name("page.css"), js=script, footer_links=[],
            state_session_capacity=_SESSIONS,
            max_file_size="1kb",  # the page takes no files, and its server has a place for them
            share=share, run_history=False, ssr_mode=False, mcp_server=False, enable_monitoring=False, pwa=False,
        )  # fmt: skip
    except OSError as error:
        raise InputError(f"The page cannot listen there: {error}", hint="Choose another: --port N") from None

    def waiting(client: str) -> int:
        queues = page._queue.event_queue_per_concurrency_id.values()
        asked = (event.request for queue in queues for event in queue.queue)
        return sum(bool(request and request.client and request.client.host == client) for request in asked)

    # Outside of all that Gradio adds by itself; nobody has been told the address yet.
    shared = [str(urlsplit(str(url)).hostname) for url in [page.share_url] if url]
    hosts, inner = known_hosts(host, [*allow_hosts, *shared]), page.app.build_middleware_stack()
    page.app.middleware_stack = Guard(inner, hosts, waiting, proxied="SPACE_ID" in os.environ)
    config = page.server.config  # asked anew for each connection
    config.http_protocol_class = impatient(config.http_protocol_class)
    return page


def require_host(host: str | None) -> None:
    """Refuses a host that is not this machine, where Gradio would try a hundred ports for minutes.

    Args:
        host: Name or address; None is Gradio's own, this machine.

    Raises:
        InputError: Nobody knows it, or it is another machine.
    """
    name = (host or "127.0.0.1").strip("[]")
    with suppress(OSError, UnicodeError):  # nobody knows it
        for family, _, _, _, address in socket.getaddrinfo(name, 0, type=socket.SOCK_STREAM):
            with suppress(OSError), socket.socket(family, socket.SOCK_STREAM) as probe:
                return probe.bind(address)
    raise InputError(
        f"This machine cannot listen on the host {host!r}: it is not one of its addresses.",
        hint="Choose 127.0.0.1 for this machine only, or 0.0.0.0 for the network: --host 127.0.0.1",
    )


def ask_no_proxy(host: str | None) -> None:
    """Keeps Gradio's questions to its own address from a proxy, which does not reach it; what else stands there stays.

    Where only one of the two names is set, both get what it says: programs look at the small letters first.
    """
    said = ",".join(os.environ.get(name, "") for name in ("no_proxy", "NO_PROXY"))
    names = [name.strip() for name in said.split(",") if name.strip()]
    if "*" not in names:  # nothing goes over a proxy, and beside other names some programs do not know the star
        own = ("127.0.0.1", "localhost", *filter(None, [host]))
        os.environ["no_proxy"] = os.environ["NO_PROXY"] = ",".join(dict.fromkeys((*names, *own)))


def require_gradio() -> None:
    """Switches Gradio's calls home off, before it is imported.

    Raises:
        MissingExtraError: It is not installed.
        AmazonTitlesError: This is AutoTrain's environment, where it cannot be.
    """
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    if find_spec("gradio") is None and _is_autotrain():
        raise AmazonTitlesError(
            "The page needs current packages, which conflict with the pins of AutoTrain's environment.",
            hint="Run the same command in the other environment: .venv/bin/amazon-titles …",
        )
    require("demo", "gradio")


def _is_autotrain() -> bool:
    return any(metadata.distributions(name="autotrain-advanced"))
