"""One whole thing of each kind that commands read, and a command that is run in a folder."""

from __future__ import annotations

import io
import signal
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from amazon_titles.cli import main
from amazon_titles.dataset import build_dataset
from amazon_titles.recipes import fill_recipe
from amazon_titles.sample import write_sample

SECONDS = 120


@contextmanager
def bounded():
    """What computes without end is a failure, not a test that never ends."""

    def end(*_):
        raise AssertionError(f"more than {SECONDS} s")

    signal.signal(signal.SIGPROF, end)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def run_in(folder: Path, *arguments: object) -> tuple[int, str]:
    """Runs a command in a folder without the Hub: its exit code, and what it said. Never is that a traceback."""
    code, said = 0, io.StringIO()
    with bounded(), redirect_stderr(said), redirect_stdout(io.StringIO()), pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        try:
            main([*map(str, arguments)])
        except SystemExit as stopped:
            code = int(stopped.code or 0)
    told = said.getvalue()
    assert code in (0, 1, 2)
    assert "did not foresee" not in told, told
    assert "Traceback (most" not in told, told
    return code, told


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Catalogue, dataset, recipe, questions, and a tiny adapter with its base, its evaluations and its GGUF file."""
    from tests.tiny_models import make_adapter, make_base

    folder = tmp_path_factory.mktemp("whole")
    write_sample(folder / "trn.json", 60)
    build_dataset(folder / "trn.json", folder / "dataset", phrasings=1, test=0.2)
    make_base(folder / "base", (folder / "trn.json").read_text())
    recipe = fill_recipe("quickstart-tiny", dataset="dataset", settings={"base_model": "base"})
    (folder / "my.yml").write_text(recipe)
    dataset = {"path": str(folder / "dataset"), "revision": None}
    make_adapter(folder / "base", folder / "adapter", recipe=recipe, run={"dataset": dataset})
    asked = ("--dataset", "dataset", "--sets", "seen,invented", "--limit", "3", "--max-new-tokens", "4")
    (folder / "questions.jsonl").write_text('{"question": "What is a kettle?", "id": 1}\n"And a pot?"\n')
    for command in (
        ("evaluate", "base", *asked, "--out", "adapter/eval/before.json"),
        ("evaluate", "adapter", *asked, "--out", "adapter/eval/after.json"),
        ("compare", "adapter/eval/before.json", "adapter/eval/after.json", "--out", "adapter/eval"),
        ("export", "adapter", "--out", "titles.gguf"),
    ):
        assert run_in(folder, *command)[0] == 0
    return folder
