"""Before the page starts: what cannot work is refused before a model is loaded, and a proxy does not stand between."""

from __future__ import annotations

import os
import socket
from types import SimpleNamespace

import pytest

from amazon_titles.errors import InputError
from amazon_titles.model import CatalogModel
from amazon_titles.page import serve, server
from amazon_titles.page.pair import Pair


@pytest.fixture
def unloaded(monkeypatch):
    """No model may be loaded."""

    def load(*_args, **_options):
        raise AssertionError("a model was loaded")

    monkeypatch.setattr(CatalogModel, "from_pretrained", load)


@pytest.fixture
def base(tmp_path):
    """A whole model's folder, as far as it is looked at before it is loaded."""
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "config.json").write_text("{}")
    return tmp_path / "base"


@pytest.mark.usefixtures("unloaded")
def test_a_model_without_a_dataset_is_refused_before_it_is_loaded(base):
    with pytest.raises(InputError, match="base names no dataset to take sources from"):
        Pair.load(base)
    with pytest.raises(AssertionError, match="was loaded"):
        Pair.load(base, dataset="ana/titles")


@pytest.mark.usefixtures("unloaded")
def test_a_model_of_the_hub_without_a_dataset_is_refused_before_it_is_loaded(monkeypatch):
    import huggingface_hub

    asked = []
    monkeypatch.setattr(huggingface_hub.HfApi, "file_exists", lambda _, *names, **_options: bool(asked.append(names)))
    with pytest.raises(InputError, match="base names no dataset to take sources from"):
        Pair.load("ana/base")
    assert asked == [("ana/base", "run.json")]


@pytest.mark.usefixtures("unloaded")
@pytest.mark.parametrize("address", [OSError("no such name"), "192.0.2.1"], ids=["unknown", "another machine's"])
def test_a_host_that_is_not_this_machine_is_refused_at_once(base, monkeypatch, address):
    asked = []

    def ask(host, port, **_options):
        asked.append(host)
        if isinstance(address, OSError):
            raise address
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", ask)
    with pytest.raises(InputError, match=r"cannot listen on the host 'catalogue\.invalid'") as refused:
        serve(base, host="catalogue.invalid")
    assert "--host 127.0.0.1" in str(refused.value.hint)
    assert asked == ["catalogue.invalid"]


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "localhost", "", None])
def test_this_machines_own_hosts_are_taken(host):
    server.require_host(host)


def test_a_name_that_cannot_be_one_is_refused():
    with pytest.raises(InputError, match="cannot listen on the host"):
        server.require_host("x" * 70)


@pytest.mark.parametrize(
    ("small", "large", "both"),
    [
        (None, None, "127.0.0.1,localhost,::1"),
        ("a.example, localhost", None, "a.example,localhost,127.0.0.1,::1"),
        (None, "b.example", "b.example,127.0.0.1,localhost,::1"),
        ("a.example", "b.example,", "a.example,b.example,127.0.0.1,localhost,::1"),
    ],
)
def test_no_proxy_stands_between_the_page_and_itself(monkeypatch, small, large, both):
    for name, value in (("no_proxy", small), ("NO_PROXY", large)):
        monkeypatch.delenv(name, raising=False)
        if value is not None:
            monkeypatch.setenv(name, value)
    server.ask_no_proxy("::1")
    assert os.environ["no_proxy"] == os.environ["NO_PROXY"] == both


def test_where_nothing_goes_over_a_proxy_nothing_is_changed(monkeypatch):
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.setenv("no_proxy", "*")
    server.ask_no_proxy(None)
    assert os.environ["no_proxy"] == "*"
    assert "NO_PROXY" not in os.environ


def test_a_page_is_shared_only_where_it_is_asked_for(monkeypatch):
    """With Gradio's own server, and a tunnel that is none: the real one is fetched from outside."""
    gradio = pytest.importorskip("gradio", reason="the page needs today's packages")
    from gradio import networking

    from amazon_titles.page import app

    tunnels = []

    def tunnel(**options):
        tunnels.append(options["local_port"])
        return "http://a1b2.gradio.live"

    def empty(*_args, **_options):
        with gradio.Blocks(analytics_enabled=False) as page:
            return page

    monkeypatch.setattr(networking, "setup_tunnel", tunnel)
    monkeypatch.setattr(app, "build_page", empty)
    alone = server.show(None, None, host="127.0.0.1")
    alone.close(verbose=False)
    assert (alone.share_url, tunnels) == (None, [])
    shared = server.show(None, None, host="127.0.0.1", share=True)
    shared.close(verbose=False)
    assert (shared.share_url, len(tunnels)) == ("https://a1b2.gradio.live", 1)


@pytest.mark.parametrize("public", ["https://a1b2.gradio.live", None])
def test_who_shares_a_page_hears_who_can_ask(base, monkeypatch, capsys, public):
    page = SimpleNamespace(local_url="http://127.0.0.1:7860/", share_url=public, block_thread=lambda: None)
    pair = SimpleNamespace(after=SimpleNamespace(dataset_folder=base), turns=lambda *_args, **_options: ())
    wanted = []
    monkeypatch.setattr(server, "require_gradio", lambda: None)
    monkeypatch.setattr(server, "example_questions", lambda _folder: {"en": ["What?"]})
    monkeypatch.setattr(server.Evidence, "of", lambda _model: None)
    monkeypatch.setattr(Pair, "load", lambda *_args, **_options: pair)
    monkeypatch.setattr(server, "show", lambda *_args, **options: wanted.append(options["share"]) or page)
    ready = []
    serve(base, share=True, on_ready=ready.append)
    assert wanted == [True]
    assert ready == ["http://127.0.0.1:7860/", *filter(None, [public])]
    said = capsys.readouterr().err
    assert ("Anyone with the public link can ask" in said) is (public is not None)
    assert ("No public address" in said) is (public is None)
