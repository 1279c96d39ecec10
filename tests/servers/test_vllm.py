"""vLLM, started by the line that the adapter's card prints, answers as the adapter does: `make test-servers`.

`ADAPTER=DIR` names the adapter, the quickstart's by default; its dataset stands beside it. Weights are in float32 on
both sides: in bfloat16 the two round differently, and a tie may fall either way.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from amazon_titles.evaluation.sets import questions
from amazon_titles.io import read_object
from amazon_titles.model import CatalogModel
from amazon_titles.model.loading import load_local
from tests import blocks
from tests.autotrain_env import ROOT
from tests.integration.test_clients import (  # noqa: F401 - what llama.cpp's server is held to, vLLM is too
    Served,
    serving,
    test_a_question_too_long_for_its_context_is_said,
    test_ask_answers_as_the_adapter_does,
    test_evaluate_measures_what_it_measures_of_the_adapter,
    test_it_says_what_it_is_and_what_it_has_room_for,
    test_openais_client_gets_answers_with_sources,
    test_the_page_asks_it,
    titles,
)

ADAPTER = Path(os.environ.get("ADAPTER", ROOT / "quickstart" / "adapter")).resolve()
VLLM = ROOT / ".venv-vllm" / "bin" / "vllm"
QUESTIONS, LONGEST = 48, 80  # tokens of an answer, as the quickstart evaluates

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not VLLM.is_file(), reason="vLLM is not installed: make test-servers"),
    pytest.mark.skipif(not ADAPTER.is_dir(), reason="There is no adapter: make quickstart, or name ADAPTER=DIR"),
]


@pytest.fixture(scope="module")
def folder():
    return ADAPTER.parent


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """vLLM, with nothing added to the card's line but its type of weights and a port; names become folders."""
    base = read_object(ADAPTER / "adapter_config.json")["base_model_name_or_path"]
    card = (ADAPTER / "README.md").read_text(encoding="utf-8").replace("FOLDER", str(ADAPTER))
    (words,) = [
        words for block in blocks.blocks(card, "sh") for words in blocks.commands(block.text) if words[0] == "vllm"
    ]
    assert words[:3] == ["vllm", "serve", Path(base).name]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    command = [str(VLLM), "serve", base, *words[3:], "--dtype", "float32", "--host", "127.0.0.1", "--port", port]
    told = tmp_path_factory.mktemp("vllm") / "log"
    quiet = {
        "HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1", "VLLM_CPU_KVCACHE_SPACE": "2",
        "VLLM_EXECUTE_MODEL_TIMEOUT_SECONDS": "7200",  # it gives a step five minutes, which a busy machine may take
    }  # fmt: skip
    with told.open("w") as log, subprocess.Popen(command, env=os.environ | quiet, stdout=log, stderr=log) as server:
        try:
            while not _answers(f"http://127.0.0.1:{port}/health"):
                assert server.poll() is None, told.read_text()[-3000:]
                time.sleep(0.5)
            yield Served(f"http://127.0.0.1:{port}/v1", "vllm 0.", "titles")
        finally:
            server.terminate()


def _answers(url):
    try:
        with urlopen(url) as reply:
            return reply.status == 200
    except (URLError, ConnectionError):
        return False


@pytest.fixture(scope="module")
def client(served, folder):
    with serving(served.url, folder / "dataset", served.name, key="k" * 20, at_once=4, max_new_tokens=24) as found:
        yield found


def test_every_answer_is_the_adapters(served, folder):
    asked = questions(folder / "dataset", ["seen", "grounded"], limit=QUESTIONS // 2)
    conversations = [[{"role": "user", "content": row.text}] for row in asked]
    assert len(conversations) == QUESTIONS
    here = load_local(ADAPTER, device="cpu", dtype="float32").generate_full(conversations, max_new_tokens=LONGEST)
    model = CatalogModel.from_pretrained(served.url, name=served.name)._chat_model
    there = model.generate_full(conversations, max_new_tokens=LONGEST)
    assert [one.text for one in there] == [one.text for one in here]
    bare = CatalogModel.from_pretrained(served.url, name=_base_of(served.url))._chat_model
    assert bare.generate_full(conversations[:4], max_new_tokens=LONGEST) != there[:4], "the adapter was asked"


def _base_of(url):
    with urlopen(f"{url}/models") as reply:
        return next(row["id"] for row in json.load(reply)["data"] if row["id"] != "titles")
