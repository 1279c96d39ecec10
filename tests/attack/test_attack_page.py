"""The page, attacked: under other names, by other sites, by bodies without end, by one client that asks alone."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest

from amazon_titles.hosts import is_known, known_hosts
from amazon_titles.page import limits
from amazon_titles.page.limits import MOST_BYTES, MOST_WAITING
from tests import chat_models

pytestmark = pytest.mark.integration
pytest.importorskip("gradio", reason="the page needs the extra `demo`")


@pytest.fixture(scope="module")
def gate():
    return threading.Event()


@pytest.fixture(scope="module")
def page(tmp_path_factory, gate):
    """A page whose model answers when the gate is open."""
    from amazon_titles.page.server import show

    folder = chat_models.make_dataset(tmp_path_factory.mktemp("page"))
    shown = show(
        chat_models.pair(folder, gate=gate), chat_models.EVIDENCE, host="127.0.0.1", allow_hosts=["shop.example"]
    )
    yield urlsplit(shown.local_url)
    gate.set()
    shown.close()


def ask(page, method="GET", path="/config", body=None, **headers):
    connection = http.client.HTTPConnection(page.hostname, page.port, timeout=20)
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body=body, headers={"Content-Type": "application/json", **sent})
    answer = connection.getresponse()
    return answer.status, dict(answer.getheaders()), answer.read()


def join(page, session, **headers):
    body = json.dumps({"data": ["Grelm Kettle", "closed", "en"], "fn_index": number(page), "session_hash": session})
    return ask(page, "POST", "/gradio_api/queue/join", body, **headers)


def number(page):
    config = json.loads(ask(page)[2])
    return next(one["id"] for one in config["dependencies"] if one["api_name"] == "ask")


def test_it_answers_for_its_own_names_alone(page):
    for host in (page.netloc, f"localhost:{page.port}", "shop.example", "SHOP.example:443", f"[::1]:{page.port}"):
        assert ask(page, Host=host)[0] == 200, host
    for host in (
        "evil.example",
        f"evil.example:{page.port}",
        "",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "[",
    ):
        status, _, said = ask(page, Host=host)
        assert status == 421, host
        assert b"--allow-host" in said


def test_every_name_that_it_may_be_started_for(monkeypatch):
    def knows(host, name, *others):
        return is_known(name, known_hosts(host, others))

    assert knows("127.0.0.1", "abc123.gradio.live", "abc123.gradio.live"), "the share link's"
    assert not knows("127.0.0.1", "other.gradio.live", "abc123.gradio.live")
    assert not knows("127.0.0.1", "ana-ask.hf.space")
    monkeypatch.setenv("SPACE_HOST", "ana-ask.hf.space")
    assert knows(None, "ana-ask.hf.space"), "the Space's"
    proxy = "7860-m-s-1x2y3z.us-central1-0.prod.colab.dev"
    assert not knows("127.0.0.1", proxy)
    monkeypatch.setenv("COLAB_RELEASE_TAG", "release-colab_20260101")
    assert knows("127.0.0.1", proxy), "Colab's proxy's"
    assert not knows("127.0.0.1", f"{proxy}.evil.example")
    assert knows("0.0.0.0", f"{socket.gethostname()}:7860")


def test_no_other_site_may_read_or_ask(page):
    for method in ("GET", "POST", "OPTIONS"):
        status, headers, _ = ask(
            page,
            method,
            "/gradio_api/queue/join",
            "{}",
            Origin="https://evil.example",
            Access_Control_Request_Method="POST",
        )
        assert status in (403, 405), method
        assert not [name for name in headers if name.lower().startswith("access-control")], method
    _, headers, _ = ask(page, Origin="http://localhost:3000")
    assert not [name for name in headers if name.lower().startswith("access-control")]


def test_a_body_is_bounded(page):
    assert ask(page, "POST", "/gradio_api/queue/join", "x" * (MOST_BYTES + 1))[0] == 413
    with socket.create_connection((page.hostname, page.port), timeout=20) as raw:
        head = "POST /gradio_api/queue/join HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        raw.sendall(head.encode())
        sent, chunk = 0, b"1000\r\n" + b"x" * 4096 + b"\r\n"
        try:
            while sent < 100 * MOST_BYTES:  # it hangs up long before
                raw.sendall(chunk)
                sent += 4096
            answered = raw.recv(200)
        except OSError:
            return
        assert b" 200 " not in answered


def test_who_drips_or_says_nothing_is_cut_off_and_keeps_nobody_out(page, monkeypatch):
    monkeypatch.setattr(limits, "MOST_SECONDS", 2.0)
    body = b"POST /gradio_api/queue/join HTTP/1.1\r\nHost: localhost\r\nContent-Length: 90\r\n\r\n"
    with ExitStack() as stack:

        def connect():
            return stack.enter_context(socket.create_connection((page.hostname, page.port), timeout=60))

        idle = [connect() for _ in range(2 * limits.MOST_IDLE)]
        assert ask(page)[0] == 200, "connections that say nothing are in nobody's way"
        for head in (b"GET / HTTP/1.1\r\nX: ", body):
            dripping = connect()
            dripping.sendall(head)
            with pytest.raises(OSError):  # noqa: PT011, PT012 - which one, and when, is the system's
                for _ in range(80):  # for 4 s, where nobody hangs up
                    dripping.sendall(b"x")
                    time.sleep(0.05)
        assert [one.recv(1) for one in idle] == [b""] * len(idle)


def test_one_client_leaves_room_for_the_next(page, gate):
    statuses = [join(page, f"unread-{n}")[0] for n in range(65)]
    assert statuses.count(200) <= MOST_WAITING + 1, "one is being answered"
    assert set(statuses) == {200, 429}
    with socket.socket() as other:  # another address of this machine is another client
        other.bind(("127.0.0.2", 0))
        other.connect((page.hostname, page.port))
        body = json.dumps({"data": ["?", "closed", "en"], "fn_index": number(page), "session_hash": "next"})
        head = "POST /gradio_api/queue/join HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        other.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
        assert b" 200 " in other.recv(200)
    gate.set()
