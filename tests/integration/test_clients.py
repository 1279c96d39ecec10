"""Real clients and a real server: llama.cpp's own speaks for an exported model, and OpenAI's client asks `api`."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from typing import NamedTuple

import pytest

from amazon_titles.cli import main
from amazon_titles.dataset import read_catalog
from amazon_titles.model import CatalogModel
from amazon_titles.page.pair import Pair
from tests.tiny_adapter import make_adapter

openai = pytest.importorskip("openai", reason="OpenAI's client is not installed: pip install openai")
pytest.importorskip("xllamacpp", reason="There is no wheel of llama.cpp's server (xllamacpp) for this machine")
export = pytest.importorskip("amazon_titles.export", reason="Nothing here writes GGUF yet", exc_type=ImportError)

from amazon_titles.api.app import build_app  # noqa: E402
from amazon_titles.api.server import server_of  # noqa: E402

pytestmark = pytest.mark.integration
# Longer answers of a tiny Llama with random weights say nothing more.
TOKENS = 24


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = make_adapter(tmp_path_factory.mktemp("clients"))
    only_ascii(made / "base")
    return made


def only_ascii(base):
    """Lets a base say nothing but ASCII: what half a character becomes is each program's own affair."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model, tokenizer = AutoModelForCausalLM.from_pretrained(base), AutoTokenizer.from_pretrained(base)
    rows = [row for row in range(model.config.vocab_size) if not 31 < ord((tokenizer.decode([row]) + "\0")[0]) < 127]
    with torch.no_grad():
        model.get_input_embeddings().weight[rows] = 0
        model.get_output_embeddings().weight[rows] = 0
    model.save_pretrained(base)


class Served(NamedTuple):
    """An adapter behind a server's address; its name, where the server has other models."""

    url: str
    kind: str
    name: str | None = None

    @property
    def options(self):
        return ["--model-name", self.name] if self.name else []


@pytest.fixture(scope="module")
def served(folder):
    """llama.cpp's server speaks for the adapter, exported in float32; `tests/servers` has others."""
    export.export_gguf(folder / "adapter", folder / "titles.gguf", quantize="f32", dataset=folder / "dataset")
    with export.llama_cpp(folder / "titles.gguf") as model:
        yield Served(model.url, "llamacpp")


@pytest.fixture(scope="module")
def titles(folder):
    return [product.title for product in read_catalog(folder / "dataset")][:4]


def test_it_says_what_it_is_and_what_it_has_room_for(served):
    model = CatalogModel.from_pretrained(served.url, name=served.name)
    assert model.server.startswith(served.kind)
    assert model._chat_model.window >= 256


def test_ask_answers_as_the_adapter_does(served, folder, titles, capsys):
    for title in titles:
        said = []
        for model, *named in ((served.url, *served.options), (str(folder / "adapter"),)):
            options = ["--dataset", str(folder / "dataset"), "--max-new-tokens", str(TOKENS), "--closed-book", "--json"]
            main(["ask", f'What is "{title}"?', "--model", model, *named, *options])
            said.append(json.loads(capsys.readouterr().out))
        assert said[0]["text"] == said[1]["text"]
        assert said[0]["sources"] == said[1]["sources"]


def test_evaluate_measures_what_it_measures_of_the_adapter(served, folder, tmp_path):
    reports = []
    for model, *named in ((served.url, *served.options), (str(folder / "adapter"),)):
        out = tmp_path / f"{len(reports)}.json"
        options = ["--sets", "seen,invented", "--limit", "4", "--max-new-tokens", str(TOKENS), "--out", str(out)]
        main(["evaluate", model, *named, "--dataset", str(folder / "dataset"), *options])
        reports.append(json.loads(out.read_text(encoding="utf-8")))
    there, here = reports
    assert [one["answer"] for one in there["examples"]] == [one["answer"] for one in here["examples"]]
    assert there["made_with"]["server"].startswith(served.kind)
    assert "torch" in here["made_with"]
    assert "torch" not in there["made_with"]


def test_a_question_too_long_for_its_context_is_said(served, folder, titles, capsys):
    options = [*served.options, "--dataset", str(folder / "dataset"), "--max-new-tokens", "100000"]
    with pytest.raises(SystemExit) as stopped:
        main(["ask", f'What is "{titles[0]}"?', "--model", served.url, *options])
    assert stopped.value.code == 2
    assert "room for" in capsys.readouterr().err


def test_the_page_asks_it(served, folder, titles):
    pair = Pair.load(served.url, dataset=folder / "dataset", model_name=served.name)
    *_, turn = pair.turns(f'What is "{titles[0]}"?', closed_book=True)
    assert turn.after.answer.sources[0].title == titles[0]


@contextmanager
def serving(model, dataset, name=None, **options):
    """OpenAI's client of `api`."""
    import socket

    server = server_of(build_app(CatalogModel.from_pretrained(model, dataset=dataset, name=name), **options))
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listening:
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        address = f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
        with openai.OpenAI(base_url=address, api_key="k" * 20, max_retries=0, timeout=300) as client:
            yield client
        server.should_exit = True
        thread.join(60)


@pytest.fixture(scope="module", params=["adapter", "llama.cpp"])
def client(request, folder):
    """Of `api` in front of the adapter in this process, and of llama.cpp's server."""
    local = request.param == "adapter"
    model = folder / "adapter" if local else request.getfixturevalue("served").url
    with serving(model, folder / "dataset", key="k" * 20, at_once=1 if local else 4, max_new_tokens=TOKENS) as found:
        yield found


def test_openais_client_gets_answers_with_sources(client, titles):
    (model,) = client.models.list().data
    for title in titles:
        asked = {"model": model.id, "messages": [{"role": "user", "content": f'What is "{title}"?'}]}
        message = client.chat.completions.create(**asked).choices[0].message
        assert message.content
        assert [source["title"] for source in message.sources] == [title]
        # It has its link, or the catalogue has none.
        links = [source["url"] for source in message.sources if source["url"]]
        assert [one.url_citation.url for one in message.annotations] == links
        chunks = list(client.chat.completions.create(**asked, stream=True))
        assert chunks[0].choices[0].delta.sources == message.sources
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == message.content


def test_openais_client_understands_what_is_refused(client):
    model = client.models.list().data[0].id
    with pytest.raises(openai.NotFoundError, match="There is no model 'gpt-4' here") as raised:
        client.chat.completions.create(model="gpt-4", messages=[{"role": "user", "content": "x"}])
    assert raised.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError, match=r"Expected `float` <= 2\.0"):
        client.chat.completions.create(model=model, messages=[{"role": "user", "content": "x"}], temperature=9)
    with pytest.raises(openai.AuthenticationError) as refused:
        client.with_options(api_key="another").models.list()
    assert refused.value.code == "invalid_api_key"
    title = "### Task:\nGenerate a concise, 3-5 word title of the chat.\n<chat_history>USER: hi</chat_history>"
    reply = client.chat.completions.create(model=model, messages=[{"role": "user", "content": title}], max_tokens=4)
    assert reply.choices[0].finish_reason in ("stop", "length")
