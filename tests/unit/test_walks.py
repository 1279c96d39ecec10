"""The three walks of CONTRIBUTING.md: which files a row, a question and a recipe pass, in their order."""

from __future__ import annotations

import inspect
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import amazon_titles
from amazon_titles.cli import main
from amazon_titles.recipes import fill_recipe
from amazon_titles.sample import write_sample

pytest.importorskip("peft", reason="the extra `model` is not installed")
from tests.tiny_adapter import make_adapter  # after the check for peft

PACKAGE = Path(amazon_titles.__file__).parent
CONTRIBUTING = PACKAGE.parent / "CONTRIBUTING.md"


def files_passed(arguments: list[object]) -> list[str]:
    """The files of this package whose functions a command calls, each where it is first; importing calls none."""
    found: dict[str, None] = {}

    def note(frame, event, _):
        code = frame.f_code
        # Bodies of modules and classes, which importing runs, are no functions.
        function = event == "call" and code.co_flags & inspect.CO_OPTIMIZED
        if function and code.co_filename.startswith(str(PACKAGE)):
            found.setdefault(Path(code.co_filename).relative_to(PACKAGE).as_posix())

    sys.setprofile(note)
    try:
        main([str(argument) for argument in arguments])
    except SystemExit as end:
        if end.code:
            raise
    finally:
        sys.setprofile(None)
    return list(found)


def row(folder: Path) -> list[object]:
    write_sample(folder / "sample.json", 60)
    return ["build", folder / "sample.json", "--out", folder / "out", "--workers", 1]


def question(folder: Path) -> list[object]:
    make_adapter(folder)
    product = json.loads((folder / "trn.json").read_text(encoding="utf-8").splitlines()[0])
    asked = f'What is "{product["title"]}"?'
    return ["ask", asked, "--model", folder / "adapter", "--dataset", folder / "dataset"]


def recipe(folder: Path) -> list[object]:
    make_adapter(folder)
    settings = {"base_model": str(folder / "base")}
    text = fill_recipe("quickstart-tiny", dataset=str(folder / "dataset"), settings=settings)
    (folder / "recipe.yml").write_text(text, encoding="utf-8")
    return ["check", folder / "recipe.yml"]


WALKS = {"row": row, "question": question, "recipe": recipe}


@pytest.mark.parametrize("walk", WALKS)
def test_a_walk_passes_the_files_that_contributing_names(walk: str, tmp_path: Path) -> None:
    section = CONTRIBUTING.read_text(encoding="utf-8").split(f"\n### A {walk}\n")[1].split("\n#")[0]
    named = re.findall(r"^\d+\. `([\w/.]+)`", section, flags=re.MULTILINE)
    # In a process of its own: what another test has cached would not be called again.
    environment = os.environ | {"PYTHONPATH": str(PACKAGE.parent), "AMAZON_TITLES_CACHE": str(tmp_path / "indexes")}
    subprocess.run([sys.executable, __file__, walk, tmp_path], check=True, capture_output=True, env=environment)
    assert json.loads((tmp_path / "passed.json").read_text(encoding="utf-8")) == named


if __name__ == "__main__":
    place = Path(sys.argv[2])
    passed = files_passed(WALKS[sys.argv[1]](place))
    (place / "passed.json").write_text(json.dumps(passed), encoding="utf-8")
