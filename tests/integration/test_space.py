"""The page as a Space: published to a loopback Hub, and run from there by itself in a clean environment."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import pytest

from amazon_titles.errors import InputError
from tests.loopback_hub.cards import metadata, problems
from tests.loopback_hub.clients import TOKEN, environment
from tests.tiny_adapter import make_adapter

pytestmark = pytest.mark.integration
pytest.importorskip("gradio", reason="the page needs the extra `demo`, which AutoTrain's environment cannot have")
BASE, ADAPTER, DATASET, SPACE = "ana/tiny-base", "ana/Llama-tiny", "ana/titles", "ana/ask"


@pytest.fixture
def published(hub, tmp_path):
    """A Hub that holds the adapter, its base and its dataset."""
    made = make_adapter(tmp_path, base=BASE, dataset=DATASET)
    for kind, name, folder in (("model", BASE, "base"), ("model", ADAPTER, "adapter"), ("dataset", DATASET, "dataset")):
        files = {p.relative_to(made / folder).as_posix(): p.read_bytes() for p in (made / folder).rglob("*.*")}
        files.pop("README.md", None)
        hub.put(kind, name, {path: value for path, value in files.items() if not path.startswith(".")})
    return hub


def command(hub, home, *arguments):
    home.mkdir(exist_ok=True)
    return subprocess.run(
        [sys.executable, "-m", "amazon_titles", "push-space", *arguments],
        env=environment(hub, home), cwd=home, capture_output=True, text=True, timeout=120,
    )  # fmt: skip


def bare_python(folder: Path) -> Path:
    """An environment with this one's packages, but without this library."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    # A path named by a .pth file is searched, but its own .pth files, an editable install's, do not count.
    (packages / "packages.pth").write_text(sysconfig.get_path("purelib") + "\n")
    python = folder / "bin" / "python"
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    code = "import click, amazon_titles.errors"
    missing = subprocess.run([python, "-c", code], cwd=folder, env=clean, capture_output=True, text=True)
    assert "No module named 'amazon_titles" in missing.stderr
    return python


def test_a_published_space_runs_alone_in_a_clean_environment(published, tmp_path):
    done = command(published, tmp_path / "home", SPACE, "--model", ADAPTER, "--language", "pt")
    assert done.returncode == 0, done.stderr
    repo = published.repo(SPACE, "space")
    assert repo.private
    card = published.read(SPACE, "README.md", kind="space").decode()
    assert problems(card, "space") == []
    assert "**Estes produtos são inventados. Nenhum deles existe" in card
    assert metadata(card) | {"sdk": "gradio", "app_file": "app.py", "models": [ADAPTER]} == metadata(card)

    space = tmp_path / "space"
    for path in repo.files("main"):
        (space / path).parent.mkdir(parents=True, exist_ok=True)
        (space / path).write_bytes(published.read(SPACE, path, kind="space"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    variables = environment(published, tmp_path / "home", GRADIO_SERVER_PORT=str(port), GRADIO_SERVER_NAME="127.0.0.1")
    variables.pop("PYTHONPATH")
    log = tmp_path / "log"
    with (
        log.open("w") as said,
        subprocess.Popen([bare_python(tmp_path / "env"), "app.py"], cwd=space, env=variables, stderr=said) as process,
    ):
        try:
            _, before, after, sources = answer(f"http://127.0.0.1:{port}", process, log)
        finally:
            process.terminate()
    assert 'data-state="done"' in before
    assert 'data-state="done"' in after
    assert "B999999999" in sources


def answer(address, process, log):
    from gradio_client import Client

    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            return Client(address, verbose=False).predict("Grelm Kettle", "closed", "pt", api_name="/ask")
        except (OSError, ValueError):
            time.sleep(0.25)
        except Exception as error:
            if type(error).__module__.split(".")[0] not in ("httpx", "httpcore"):
                raise
            time.sleep(0.25)
    raise AssertionError(log.read_text())


def test_pushing_again_changes_nothing_and_other_spaces_are_left_alone(published, tmp_path):
    arguments = ("--model", ADAPTER, "--dataset", DATASET)
    assert command(published, tmp_path / "home", SPACE, *arguments).returncode == 0
    assert (
        "**These products are made up. None of them exists" in published.read(SPACE, "README.md", kind="space").decode()
    )
    before = published.repo(SPACE, "space").resolve("main").oid
    again = command(published, tmp_path / "home", SPACE, *arguments)
    assert "nothing to do" in again.stderr
    assert published.repo(SPACE, "space").resolve("main").oid == before
    published.put("space", "ana/other", {"app.py": b"mine", "index.html": b"mine"})
    other = command(published, tmp_path / "home", "ana/other", *arguments)
    assert other.returncode == 1
    assert "something other than a page of this library" in other.stderr


def test_nothing_of_a_machine_goes_up(tmp_path):
    from amazon_titles.page.space import requirements, write_space

    (tmp_path / "adapter").mkdir()
    for options in ({"model": str(tmp_path / "adapter")}, {"model": "a/b", "dataset": "./dataset"}, {"model": "x"}):
        with pytest.raises(InputError, match="is no Hub id"):
            write_space(tmp_path / "space", **options)
    assert not (tmp_path / "space").exists()
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("years of work")
    with pytest.raises(InputError, match=r"did not make \(chapter\.tex\)"):
        write_space(tmp_path / "thesis", model="a/b")
    space = write_space(tmp_path / "space", model="a/b")
    write_space(tmp_path / "space", model="a/c")
    written = [path for path in space.rglob("*") if path.is_file()]
    assert not [path for path in written if "__pycache__" in path.parts]
    text = b"".join(path.read_bytes() for path in written)
    assert str(Path(__file__).parents[2]).encode() not in text
    assert "made up" not in (space / "README.md").read_text(encoding="utf-8"), "nobody knows it of this one"
    assert TOKEN.encode() not in text
    assert b"'a/c'" in (space / "app.py").read_bytes()
    pinned = {line.partition("==")[0] for line in requirements()}
    assert {"torch", "transformers", "peft", "tantivy", "pyarrow"} <= pinned
    assert not [line for line in requirements() if "+" in line]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["adapter", "space", "thesis"]


def test_a_revision_of_a_model_is_refused(tmp_path):
    from amazon_titles.page.space import write_space

    with pytest.raises(InputError, match="'ana/M@v1' is no Hub id") as refused:
        write_space(tmp_path / "space", model="ana/M@v1")
    assert str(refused.value.hint).endswith("a model without @REVISION.")
    assert not (tmp_path / "space").exists()
    write_space(tmp_path / "space", model="ana/M", dataset="ana/titles@v1")


def test_a_space_says_what_is_wrong_in_a_sentence(tmp_path):
    from amazon_titles.page.space import write_space

    space = write_space(tmp_path / "space", model="ana/M")
    variables = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "home")}
    variables.pop("PYTHONPATH", None)
    done = subprocess.run(
        [sys.executable, "app.py"], cwd=space, env=variables, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 1
    assert done.stderr.startswith("Error: The Hub is disabled")
    assert "Traceback" not in done.stderr


def test_a_dry_run_and_a_folder_send_nothing(tmp_path, capsys, monkeypatch):
    from amazon_titles.cli import main

    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    main(["push-space", "ana/ask", "--model", "ana/Llama-tiny", "--dry-run"])
    out = capsys.readouterr().out
    assert "Nothing was sent" in out
    assert "amazon_titles/page/page.css" in out
    assert "left out" not in out
    main(["push-space", "ana/ask", "--model", "ana/Llama-tiny", "--language", "pt", "--out", str(tmp_path / "space")])
    assert capsys.readouterr().out.strip() == str(tmp_path / "space")
    assert "Uma pergunta sobre um produto" in (tmp_path / "space" / "README.md").read_text(encoding="utf-8")
