"""The page with a real model: what `demo` shows, in what order, how soon, and what it says when it cannot."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from amazon_titles.errors import InputError
from tests import chat_models
from tests.tiny_adapter import make_adapter

os.environ.setdefault("GOMP_SPINCOUNT", "2000")  # as `serve` has it; read when torch is loaded

pytestmark = pytest.mark.integration
pytest.importorskip("gradio", reason="the page needs the extra `demo`, which AutoTrain's environment cannot have")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_adapter(tmp_path_factory.mktemp("page"))


# Python imports a module of this name before anything else: it writes down every other host that is asked for.
WATCH = """
import socket
ask = socket.getaddrinfo
def watched(host, *rest, **more):
    name = host.decode() if isinstance(host, bytes) else host
    if name not in (None, "", "localhost", "127.0.0.1", "0.0.0.0", "::1"):
        with open({path!r}, "a") as log:
            log.write(f"{{name}}\\n")
    return ask(host, *rest, **more)
socket.getaddrinfo = watched
"""


@pytest.fixture(scope="module")
def demo(folder):
    """`amazon-titles demo` in a process of its own, and a client of it."""
    from gradio_client import Client

    (folder / "watch").mkdir()
    (folder / "watch" / "sitecustomize.py").write_text(WATCH.format(path=str(folder / "asked")))
    paths = [str(folder / "watch"), *filter(None, [os.environ.get("PYTHONPATH")])]
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    command = [sys.executable, "-m", "amazon_titles", "demo", "--model", str(folder / "adapter")]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=variables, **pipes) as process:
        address = process.stdout.readline().strip()
        assert address.startswith("http://127.0.0.1:"), process.stderr.read()
        threading.Thread(target=process.stderr.read, daemon=True).start()
        yield Client(address, verbose=False), process
        process.terminate()


def ask(client, question, mode="closed"):
    return client.predict(question, mode, "en", api_name="/ask")


def test_both_sides_speak_with_their_own_weights(folder):
    from amazon_titles.page.pair import Pair

    pair = Pair.load(folder / "adapter")
    turns = list(pair.turns("Grelm Kettle", closed_book=True))
    assert turns[-1].done
    assert not turns[0].done
    assert turns[-1].before.words != turns[-1].after.words
    conversation = [[{"role": "user", "content": "Grelm Kettle"}]]
    from amazon_titles.model import CatalogModel

    base = CatalogModel.from_pretrained(folder / "base", dataset=folder / "dataset")
    assert turns[-1].before.words.strip() == base.generate(conversation)[0]
    assert turns[-1].after.words.strip() == pair.after.generate(conversation)[0]
    assert pair.before.name == "base"


def test_a_base_model_alone_has_no_before(folder):
    from amazon_titles.page.pair import Pair

    pair = Pair.load(folder / "base", dataset=folder / "dataset")
    assert pair.before is None
    (*_, last) = pair.turns("Grelm Kettle", closed_book=True)
    assert last.done
    assert last.before is None
    with pytest.raises(InputError, match="names no dataset"):
        Pair.load(folder / "base")


def test_demo_answers_and_says_sentences(demo):
    client, _ = demo
    problem, before, after, sources = ask(client, "Grelm Kettle")
    assert problem == ""
    assert 'data-state="done"' in before
    assert 'data-state="done"' in after
    assert "B999999999" in sources
    assert "<img" not in sources + after
    assert "The question is empty" in ask(client, "  ")[0]
    assert "A pergunta está vazia" in client.predict(" ", "closed", "pt", api_name="/ask")[0]
    _, before, after, none = ask(client, 'What is "Zorvex Quillomar Teapot 3000"?')
    assert "no product" in none
    assert all('data-state="done"' in side and 'class="badge' in side for side in (before, after)), "both are asked"
    refused = ask(client, 'What is "Zorvex Quillomar Teapot 3000"?', mode="open")
    assert all('class="badge' not in side for side in refused[1:3])


def test_the_server_asks_no_other_host(demo, folder):
    client, _ = demo
    ask(client, "Grelm Kettle")
    probe = "import socket\ntry: socket.getaddrinfo('example.invalid', 80)\nexcept OSError: pass"
    assert not (folder / "asked").exists()
    subprocess.run([sys.executable, "-c", probe], env={**os.environ, "PYTHONPATH": str(folder / "watch")}, check=True)
    assert (folder / "asked").read_text() == "example.invalid\n", "the test would not have seen it"


def test_eight_questions_at_once_are_all_answered_in_order(folder):
    from gradio_client import Client
    from gradio_client.utils import Status

    from amazon_titles.page.server import show

    pair = chat_models.pair(folder / "dataset", delay=0.02)
    page = show(pair, chat_models.EVIDENCE, host="127.0.0.1")
    client = Client(page.local_url, verbose=False)
    questions = ["Grelm Kettle" + "?" * number for number in range(8)]
    jobs = []
    for question in questions:
        jobs.append(client.submit(question, "closed", "en", api_name="/ask"))
        while jobs[-1].status().code in (Status.STARTING, Status.JOINING_QUEUE):
            time.sleep(0.01)
    assert not jobs[-1].done(), "they were not all there at once"
    answers = [job.result(timeout=60) for job in jobs]
    assert all("B999999999" in answer[3] for answer in answers)
    assert pair.after.asked == questions
    page.close()


def test_memory_stays_flat_over_two_hundred_questions(folder):
    from gradio_client import Client

    from amazon_titles.page.server import show

    statm = Path("/proc/self/statm")
    if not statm.exists():
        pytest.skip("only Linux tells a process's memory in /proc")
    page = show(chat_models.pair(folder / "dataset"), chat_models.EVIDENCE, host="127.0.0.1")
    client = Client(page.local_url, verbose=False)
    held = []
    for number in range(200):
        ask(client, "Grelm Kettle" + "?" * (number % 7))
        if number in (99, 199):
            gc.collect()
            held.append(int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6)
    assert held[1] - held[0] < 15, f"{held} MB after 100 and after 200 questions"
    page.close()


def test_an_environment_without_gradio_gets_a_sentence(monkeypatch):
    from amazon_titles.errors import AmazonTitlesError, MissingExtraError
    from amazon_titles.page import require_gradio, server

    monkeypatch.setitem(sys.modules, "gradio", None)
    with pytest.raises(MissingExtraError, match="'gradio'"):
        require_gradio()
    monkeypatch.setattr(server, "_is_autotrain", lambda: True)
    with pytest.raises(AmazonTitlesError, match="pins of AutoTrain's environment"):
        require_gradio()


def test_what_is_not_there_is_said(tmp_path, monkeypatch):
    from amazon_titles.page import serve

    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="No model folder"):
        serve("./nowhere")
    with pytest.raises(InputError, match="There is no model at quickstart/adapter yet"):
        serve("quickstart/adapter")


def test_a_proxy_does_not_stand_between_the_page_and_itself(folder, monkeypatch):
    from amazon_titles.page.server import show

    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "")
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    page = show(chat_models.pair(folder / "dataset"), chat_models.EVIDENCE, host="127.0.0.1")
    assert page.local_url.startswith("http://127.0.0.1:")
    page.close()


def test_a_port_that_is_taken_is_a_sentence(demo, folder):
    from amazon_titles.page.server import show

    client, _ = demo
    port = int(client.src.rstrip("/").rpartition(":")[2])
    with pytest.raises(InputError, match="cannot listen there"):
        show(chat_models.pair(folder / "dataset"), chat_models.EVIDENCE, host="127.0.0.1", port=port)
