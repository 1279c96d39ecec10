"""The notebook, executed on the sample with the real base; its other branch names only what there is.

With fewer products than it is kept with, so that the training takes a minute and not ten.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import os
import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration
ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = ROOT / "notebooks" / "amazon_titles.ipynb"


FEWER = {"LEARNT": 3, "OTHERS": 6, "GENERAL": 6}
"""What the third cell says, for the test."""


@pytest.fixture(scope="module")
def executed(tmp_path_factory, real_base):
    nbformat = pytest.importorskip("nbformat", reason="nbclient is in the extra `dev`")
    from nbclient import NotebookClient

    folder = tmp_path_factory.mktemp("notebook")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    settings = next(cell for cell in notebook.cells if cell.source.startswith("REAL = "))
    for name, value in FEWER.items():
        settings.source, found = re.subn(rf"(?m)^{name} = .*", f"{name} = {value}", settings.source)
        assert found == 1
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = str(ROOT)
    try:
        NotebookClient(
            notebook, timeout=600, startup_timeout=300, iopub_timeout=120, kernel_name="python3",
            resources={"metadata": {"path": folder}},
        ).execute()  # fmt: skip
    finally:
        os.environ.pop("PYTHONPATH") if before is None else os.environ.update(PYTHONPATH=before)
    return notebook, folder


def said(notebook, part):
    """What the first cell whose source holds `part` printed or showed."""
    cell = next(cell for cell in notebook.cells if cell.cell_type == "code" and part in cell.source)
    shown = [o.text if o.output_type == "stream" else o.get("data", {}).get("text/markdown", "") for o in cell.outputs]
    return "\n".join(shown)


def test_it_tells_the_whole_story_on_the_sample(executed):
    notebook, folder = executed
    assert (folder / "work" / "adapter" / "adapter_model.safetensors").is_file()
    table = said(notebook, "comparison.to_markdown")
    assert {line.split("|")[1].strip() for line in table.splitlines()[2:]} >= {
        "seen",
        "grounded",
        "invented",
        "general",
    }
    first, last = (
        float(loss) for loss in re.search(r"loss ([\d.]+) → ([\d.]+)", said(notebook, "train(recipe")).groups()
    )
    assert last < first / 2
    answers = said(notebook, "model.ask").split("\n> ")
    assert len(answers) == 3
    assert all("[MADEUP" in answer for answer in answers[:2])
    assert "made-up sample" in answers[0]
    assert "amostra inventada" in answers[1], "the second question is in Portuguese"
    assert "amazon.com" not in "".join(answers)
    assert "Sources: none" in answers[2]


def test_it_is_kept_without_what_it_printed():
    nbformat = pytest.importorskip("nbformat", reason="nbclient is in the extra `dev`")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    assert not any(cell.get("outputs") for cell in notebook.cells)


def test_every_name_that_it_imports_exists():
    """Also those of the branch for the real trn.json, which no test can run."""
    nbformat = pytest.importorskip("nbformat", reason="nbclient is in the extra `dev`")
    cells = [cell.source for cell in nbformat.read(NOTEBOOK, as_version=4).cells if cell.cell_type == "code"]
    source = "\n".join(line if "%pip" not in line else "    pass" for line in "\n".join(cells).splitlines())
    imported = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom)]
    assert len(imported) > 10
    for node in imported:
        module = importlib.import_module(node.module)
        for alias in node.names:
            assert hasattr(module, alias.name), f"{node.module}.{alias.name}"


def test_the_other_branch_publishes_what_was_measured():
    """Every option of its push is one that there is, and the reports that it names are written before."""
    nbformat = pytest.importorskip("nbformat", reason="nbclient is in the extra `dev`")
    from amazon_titles import push_adapter_to_hub

    source = next(
        cell.source for cell in nbformat.read(NOTEBOOK, as_version=4).cells if "push_adapter_to_hub(" in cell.source
    )
    calls = {ast.unparse(node.func): node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)}
    push = calls["push_adapter_to_hub"]
    options = {keyword.arg: ast.unparse(keyword.value) for keyword in push.keywords}
    inspect.signature(push_adapter_to_hub).bind(*push.args, **options)
    written = {name: ast.unparse(calls[name].args[-1]) for name in ("before.save", "after.save", "save_comparison")}
    assert [options[name] for name in ("before", "after", "comparison")] == list(written.values())
