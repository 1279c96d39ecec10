"""The OpenAI-compatible address: answers with their sources, errors in OpenAI's shape, and who is kept out."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from contextlib import ExitStack, contextmanager
from dataclasses import replace

import pytest

from amazon_titles.dataset import build_dataset, read_catalog
from amazon_titles.errors import AmazonTitlesError, InputError
from amazon_titles.model import CatalogModel
from amazon_titles.model.catalog import Catalog
from amazon_titles.model.generation import Generation
from amazon_titles.page import limits
from amazon_titles.sample import write_sample

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")

from amazon_titles.api import app as api
from amazon_titles.api import serve
from amazon_titles.api.app import build_app
from amazon_titles.api.chat import _OWN_PROMPT
from amazon_titles.api.server import server_of

KEY = "k" * 20


class Model:
    """Says the record that it is shown, a word at a time."""

    name, window, device = "titles", 4096, "cpu"

    def __init__(self) -> None:
        self.asked: list[list[dict]] = []
        self.limits: list[dict] = []
        self.gate: threading.Event | None = None
        self.waiting = threading.Semaphore(0)
        self.ended = threading.Semaphore(0)
        self.said = 0
        self.fails: Exception | None = None
        self.text = ""

    def count_tokens(self, messages):
        return sum(len(message["content"]) // 4 for message in messages)

    def stream(self, messages, **limits):
        self.asked.append(messages)
        self.limits.append(limits)
        if self.fails:
            raise self.fails
        try:
            self.waiting.release()
            while self.gate and not self.gate.wait(0.01):
                yield "word "
            self.said += 1
            yield Generation(self.text, limits["max_new_tokens"] > 1, 5)
        finally:
            self.ended.release()


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("api")
    write_sample(folder / "trn.json", 40)
    build_dataset(folder / "trn.json", folder / "dataset")
    return folder / "dataset"


@pytest.fixture(scope="module")
def product(dataset):
    return next(read_catalog(dataset))


@pytest.fixture
def chat_model(product):
    made = Model()
    made.text = f"{product.content} [{product.uid}]"
    return made


@pytest.fixture
def model(chat_model, dataset):
    return CatalogModel(chat_model, replace(Catalog.open(dataset), url="https://shop.example/{uid}"))


@contextmanager
def running(model, **options):
    """The port that the application answers on."""
    server = server_of(build_app(model, **options))
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listening:
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        server.should_exit = True
        thread.join(60)


@pytest.fixture
def port(model):
    with running(model) as found:
        yield found


def send(port, body=None, path="/v1/chat/completions", *, method=None, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    known = {"Content-Type": "application/json"} if data is not None else {}
    known |= {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method or ("GET" if data is None else "POST"), path, data, known)
    reply = connection.getresponse()
    text = reply.read().decode()
    connection.close()
    return reply.status, json.loads(text) if text.startswith("{") else text


def asking(text, **more):
    return {"model": "titles", "messages": [{"role": "user", "content": text}], **more}


def test_an_answer_comes_with_its_sources(port, product, chat_model):
    status, said = send(port, asking(f'What is "{product.title}"?'))
    assert status == 200
    assert (said["object"], said["model"]) == ("chat.completion", "titles")
    message = said["choices"][0]["message"]
    assert message["content"] == chat_model.text
    assert said["choices"][0]["finish_reason"] == "stop"
    place = message["annotations"][0]["url_citation"]
    assert (place["url"], place["title"]) == (f"https://shop.example/{product.uid}", product.title)
    assert message["content"][place["start_index"] : place["end_index"]] == f"[{product.uid}]"
    assert [source["uid"] for source in message["sources"]] == [product.uid]
    assert said["amazon_titles"]["kind"] == "answer"
    assert product.content in chat_model.asked[0][0]["content"]


def test_a_stream_tells_the_sources_before_the_first_word(port, product, chat_model):
    status, text = send(port, asking(f'What is "{product.title}"?', stream=True))
    lines = [line.removeprefix("data: ") for line in text.split("\n\n") if line]
    assert (status, lines.pop()) == (200, "[DONE]")
    choices = [json.loads(line)["choices"][0] for line in lines]
    assert choices[0]["delta"]["content"] == ""
    assert choices[0]["delta"]["annotations"][0]["url_citation"]["title"] == product.title
    assert choices[0]["delta"]["sources"][0]["uid"] == product.uid
    assert "".join(choice["delta"].get("content", "") for choice in choices) == chat_model.text
    assert len(choices) > 5
    assert [choice["finish_reason"] for choice in choices[-2:]] == [None, "stop"]


def test_what_is_not_supported_is_never_sent(port, product, chat_model):
    chat_model.text = "It was made of gold in 1234 by Queen Victoria for the moon."
    for stream in (False, True):
        _, said = send(port, asking(f'What is "{product.title}"?', stream=stream))
        assert "gold" not in json.dumps(said)
        assert product.content.split()[0] in json.dumps(said)


def test_the_last_message_of_the_user_is_the_question(port, product, chat_model):
    turns = [
        {"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": None}, {"role": "user", "content": [{"type": "text", "text": product.title}]},
    ]  # fmt: skip
    _, said = send(port, {"model": "titles", "messages": turns, "max_tokens": 7, "temperature": 0.5, "seed": 3})
    assert said["amazon_titles"]["question"] == product.title
    limits = chat_model.limits[0]
    assert (limits["max_new_tokens"], limits["sampling"].temperature, limits["sampling"].seed) == (7, 0.5, 3)
    _, said = send(port, asking('What is "Zorvex Quillomar 9000"?'))
    assert said["amazon_titles"]["kind"] == "refusal"
    assert said["choices"][0]["message"]["annotations"] == []


OWN = [
    "### Task:\nGenerate a concise, 3-5 word title with an emoji summarizing the chat history.",
    "### Task:\nGenerate 1-3 broad tags.\n<chat_history>\nUSER: hi\n</chat_history>",
    "Please generate a concise, 5-word-or-less title for the conversation, using its same language",
    "Analyze this conversation and provide:\n1. The detected language",
]


@pytest.mark.parametrize("prompt", OWN)
def test_what_a_chat_program_asks_for_itself_is_not_looked_up(port, chat_model, prompt):
    chat_model.text = "Kettles"
    status, said = send(port, asking(prompt + " x" * 1500))
    assert (status, said["choices"][0]["message"]["content"]) == (200, "Kettles")
    assert "amazon_titles" not in said
    assert chat_model.asked[0][0]["content"].startswith(prompt)


def test_a_question_of_a_product_is_no_prompt_of_a_program(dataset):
    assert not any(_OWN_PROMPT.match(f'What is "{one.title}"?') for one in read_catalog(dataset))
    assert not _OWN_PROMPT.match('What can you tell me about the title "The Conversation"?')


def test_the_models_are_listed(port):
    status, said = send(port, path="/v1/models")
    assert (status, [row["id"] for row in said["data"]]) == (200, ["titles"])


WRONG = {
    "no JSON": (b"{", 400), "not UTF-8": (b'{"model": "\xff"}', 400), "a list": ([], 400), "nothing": ({}, 400),
    "no messages": ({"model": "titles", "messages": []}, 400),
    "a role": ({"model": "titles", "messages": [{"role": "king", "content": "x"}]}, 400),
    "no user": ({"model": "titles", "messages": [{"role": "system", "content": "x"}]}, 400),
    "a picture": ({"model": "titles", "messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, 400),
    "empty": (asking(" "), 400), "too long": (asking("x" * 1001), 400), "hot": (asking("x", temperature=3), 400),
    "two": (asking("x", n=2), 400), "tools": (asking("x", tools=[{"type": "function"}]), 400),
    "deep": (b"[" * 100_000, 400), "another model": (asking("x") | {"model": "gpt-4"}, 404),
    "a seed": (asking("x", seed=2**70), 400), "huge": (b"x" * (api.MOST_BYTES + 1), 413),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_body_is_answered_in_openais_shape(port, chat_model, name):
    body, wanted = WRONG[name]
    status, said = send(port, body)
    assert status == wanted
    assert set(said["error"]) == {"message", "type", "param", "code"}
    assert said["error"]["type"] == "invalid_request_error"
    assert said["error"]["message"]
    assert not chat_model.asked


def test_what_is_not_here_and_what_is_no_json_are_errors_too(port):
    assert send(port, {}, "/v1/embeddings")[1]["error"]["code"] == "not_found"
    assert send(port, path="/v1/chat/completions")[0] == 404
    status, said = send(port, asking("x"), Content_Type="text/plain")
    assert (status, said["error"]["code"]) == (415, "unsupported_media_type")


def test_a_model_that_fails_is_told_to_the_terminal_alone(port, product, chat_model, capsys):
    chat_model.fails = AmazonTitlesError("The server at http://inside.example:1/v1 answered 500.")
    status, said = send(port, asking(product.title))
    assert (status, said["error"]["type"], said["error"]["code"]) == (502, "server_error", "model_unavailable")
    assert "inside.example" not in json.dumps(said)
    assert "inside.example" in capsys.readouterr().err
    chat_model.fails = RuntimeError("/home/ana/secret")
    status, said = send(port, asking(product.title))
    assert (status, "secret" in json.dumps(said)) == (502, False)
    chat_model.fails = InputError("Too long.", hint="a command")
    assert send(port, asking(product.title))[1]["error"]["message"] == "Too long."


def test_it_answers_only_the_hosts_that_it_was_started_for(model):
    with running(model, hosts=("shop.example",)) as port:
        for host in ("127.0.0.1", f"localhost:{port}", "[::1]:80", "192.0.2.1", "shop.example", "SHOP.example:443"):
            assert send(port, path="/v1/models", Host=host)[0] == 200
        for host in ("evil.example", "127.0.0.1.evil.example", "localhost@evil.example", "[", "shop.example.", ""):
            status, said = send(port, path="/v1/models", Host=host)
            assert (status, said["error"]["code"]) == (421, "host_not_allowed"), host


def test_a_key_is_asked_for(model, product):
    with running(model, key=KEY) as port:
        for sent in ({}, {"Authorization": "Bearer x"}, {"Authorization": "Bearer \u00e9"}):
            status, said = send(port, asking(product.title), **sent)
            assert (status, said["error"]["code"]) == (401, "invalid_api_key")
            assert KEY not in json.dumps(said)
        assert send(port, asking(product.title), Authorization=f"Bearer {KEY}")[0] == 200


def headers_for(port, origin):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    connection.request("OPTIONS", "/v1/chat/completions", headers=asked)
    return {name.lower(): value for name, value in connection.getresponse().getheaders()}


def test_scripts_of_other_pages_may_ask_only_where_they_are_let(model):
    with running(model) as port:
        assert "access-control-allow-origin" not in headers_for(port, "https://shop.example")
    with running(model, origins=["https://shop.example"], key=KEY) as port:
        let = headers_for(port, "https://shop.example")
        assert let["access-control-allow-origin"] == "https://shop.example"
        assert "access-control-allow-credentials" not in let
        assert "access-control-allow-origin" not in headers_for(port, "https://evil.example")


def begin(port, text):
    """A client that has asked and does not read."""
    data = json.dumps(asking(text)).encode()
    head = "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    client = socket.create_connection(("127.0.0.1", port), timeout=60)
    client.sendall(f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data)
    return client


def test_a_client_that_hangs_up_frees_its_place(port, product, chat_model):
    chat_model.gate = threading.Event()
    client = begin(port, product.title)
    assert chat_model.waiting.acquire(timeout=60)
    client.close()
    # It stops in the middle of its answer, and the next one is answered.
    assert chat_model.ended.acquire(timeout=60)
    assert chat_model.said == 0
    chat_model.gate = None
    assert send(port, asking(product.title))[0] == 200


def test_one_client_cannot_fill_the_queue(monkeypatch, model, product, chat_model):
    monkeypatch.setattr(api, "PLACES", 4)
    monkeypatch.setattr(api, "PLACES_EACH", 2)
    chat_model.gate = threading.Event()
    with running(model) as port:
        clients = [begin(port, product.title)]
        assert chat_model.waiting.acquire(timeout=60)
        found = []
        while 429 not in found:  # one is answered, one waits, and then there is no place
            clients.append(begin(port, product.title))
            clients[-1].settimeout(1)
            try:
                found.append(int(clients[-1].recv(100).split()[1]))
            except TimeoutError:
                found.append(0)
        assert found == [0, 429]
        chat_model.gate.set()
        assert [int(client.recv(100).split()[1]) for client in clients[:2]] == [200, 200]
        assert send(port, asking(product.title))[0] == 200


@pytest.mark.parametrize("at_once", [1, 8])
def test_eight_clients_are_all_answered(model, product, at_once):
    found = []

    def ask(port):
        found.extend(send(port, asking(text))[0] for text in (product.title, "Zorvex Quillomar 9000"))

    with running(model, at_once=at_once) as port:
        threads = [threading.Thread(target=ask, args=(port,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert found == [200] * 16


def test_a_request_that_does_not_come_is_cut_off(monkeypatch, model):
    monkeypatch.setattr(limits, "MOST_SECONDS", 0.5)
    whole = b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n"
    body = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    with running(model) as port:
        for sent in (b"", b"POST /v1/ch", body + b"Content-Length: 90\r\n\r\n{", whole + b"GET /v1/mo"):
            with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
                client.sendall(sent)
                said = b""
                while part := client.recv(1000):
                    said += part
                assert said.count(b"200 OK") == sent.count(whole)
                assert (said == b"") == (whole not in sent)


def test_who_drips_is_cut_off_and_keeps_nobody_out(monkeypatch, model):
    monkeypatch.setattr(limits, "MOST_SECONDS", 2.0)
    with running(model) as port, ExitStack() as stack:
        idle = [stack.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(300)]
        assert send(port, path="/v1/models")[0] == 200, "300 connections that say nothing are in nobody's way"
        with socket.create_connection(("127.0.0.1", port), timeout=60) as client, pytest.raises(OSError):  # noqa: PT011, PT012
            for letter in b"GET / HTTP/1.1\r\nX: ".ljust(600, b"x"):  # for 30 s, where nobody hangs up
                client.sendall(bytes([letter]))
                time.sleep(0.05)
        for one in idle:
            one.settimeout(60)
            assert one.recv(1) == b""


def test_sources_in_the_text(model, product):
    with running(model, sources_in_text=True) as port:
        _, said = send(port, asking(product.title))
        assert f"Sources:\n  [{product.uid}] {product.title}" in said["choices"][0]["message"]["content"]


def test_starting_says_where_and_what_is_wrong(monkeypatch, model, dataset, capsys):
    monkeypatch.setattr(CatalogModel, "from_pretrained", lambda *_, **__: model)
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(InputError, match="Nothing can listen on"):
        serve("x", port=taken.getsockname()[1])
    with pytest.raises(InputError, match="cannot listen on the host"):
        serve("x", host="192.0.2.1")
    monkeypatch.setattr("uvicorn.Server.run", lambda *_: None)
    told = []
    serve("x", host="0.0.0.0", port=0, on_ready=told.append)
    assert told[0].startswith("http://0.0.0.0:")
    assert "AMAZON_TITLES_SERVE_KEY" in capsys.readouterr().err
    assert model.catalogue.dataset == "dataset"
    serve("x", port=0, on_ready=told.append)
    assert "AMAZON_TITLES_SERVE_KEY" not in capsys.readouterr().err
