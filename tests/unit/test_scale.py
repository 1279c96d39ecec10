"""The page on what lies beyond one machine: its program for OpenSearch, run against a server that answers alike."""

from __future__ import annotations

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests import blocks

PAGE = Path(__file__).resolve().parents[2] / "docs" / "scale.md"
PRODUCTS = [
    {"uid": "B1", "title": "Oak Shelf 40", "content": "A shelf of solid oak. It carries 40 kilograms."},
    {"uid": "B2", "title": "The Prophet", "content": "Twenty-six prose poems. The author drew the pictures himself."},
    {"uid": "B3", "title": "The Prophet of Yonwood", "content": "A novel for children, set in North Carolina."},
]


class Handler(BaseHTTPRequestHandler):
    """OpenSearch's `_search`, which finds titles that share a word, and a model that says the second record."""

    def log_message(self, *_):
        pass

    def reply(self, value):
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.reply({"data": [{"id": "tiny", "max_model_len": 2048}]})

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/products/_search":
            words = set(re.findall(r"\w+", asked.get("query", {}).get("multi_match", {}).get("query", "shelf").lower()))
            found = [one for one in PRODUCTS if words & set(one["title"].lower().split())]
            self.reply({"hits": {"hits": [{"_source": one} for one in found[: asked["size"]]]}})
        else:
            said = {"role": "assistant", "content": f"{PRODUCTS[1]['content']} [B2]"}
            self.reply({"choices": [{"index": 0, "message": said, "finish_reason": "stop"}], "usage": {}})


@pytest.fixture
def address(monkeypatch):
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_the_program_for_opensearch_answers_and_refuses(address, capsys):
    program = blocks.blocks(PAGE.read_text(encoding="utf-8"), "python")[-1].text
    for written in ("127.0.0.1:9200", "127.0.0.1:8000"):
        assert written in program
        program = program.replace(written, address)
    names = {"__name__": "page"}
    exec(compile(program, str(PAGE), "exec"), names)
    told = capsys.readouterr().out
    assert PRODUCTS[1]["content"] in told
    assert "[B2] The Prophet" in told
    assert "https://shop.example/p/B2" in told
    # Nothing of the name is found; a title that is near; and no product in the question.
    for asked, said in [
        ('What is "Zorvex Kettle"?', 'no product called "Zorvex Kettle"'),
        ('What is "The Prophet of Yorkshire"?', 'no product called "The Prophet of Yorkshire"'),
        ("Hello!", "Oak Shelf 40"),
    ]:
        answer = names["model"].ask(asked)
        assert said in answer.text
        assert answer.sources == ()
