"""Executes the notebook with the sample, and keeps what it printed, and the minutes that each step took, in it.

Run as `make notebook` on a quiet machine: it takes about half an hour on two cores. What a kernel printed is kept as it
came; only the folder that it ran in is left out.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections import Counter
from datetime import datetime
from pathlib import Path

import nbformat
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).resolve().parents[1] / "notebooks" / "amazon_titles.ipynb"


def execute(notebook: nbformat.NotebookNode) -> float:
    """Executes a notebook in a folder of its own; gives the machine's load of the last quarter of an hour."""
    with tempfile.TemporaryDirectory(prefix="notebook-") as folder:
        client = NotebookClient(
            notebook, timeout=None, startup_timeout=600, iopub_timeout=600, kernel_name="python3",
            coalesce_streams=True, resources={"metadata": {"path": folder}},
        )  # fmt: skip
        client.execute()
        for cell in notebook.cells:
            for output in cell.get("outputs", ()):
                output.text = output.text.replace(f"{folder}{os.sep}", "").replace(str(Path.home()), "~")
    return os.getloadavg()[2]


def minutes(notebook: nbformat.NotebookNode) -> dict[str, float]:
    """Minutes by the number of the step; takes out of the cells what the client wrote down of their times."""
    taken: Counter[str] = Counter()
    number = ""
    for cell in notebook.cells:
        if heading := re.match(r"## (\d+)\. ", cell.source):
            number = heading[1]
        times = cell.metadata.pop("execution", {})
        if number and times:
            start, end = (
                datetime.fromisoformat(times[name]) for name in ("iopub.execute_input", "shell.execute_reply")
            )
            taken[number] += (end - start).total_seconds() / 60
    return dict(taken)


def fill(table: str, taken: dict[str, float], load: float) -> str:
    """The first cell, with the minutes that were measured."""

    def row(found: re.Match[str]) -> str:
        measured = taken.get(found["number"])
        return found[0] if measured is None else f"| {found['number']}. {found['step']} | {measured:.1f} |"

    table = re.sub(r"(?m)^\| (?P<number>\d+)\. (?P<step>[^|]*) \| [^|]* \|", row, table)
    table = re.sub(r"\| \*\*total\*\* \| [^|]* \|", f"| **total** | **{sum(taken.values()):.0f}** |", table)
    return re.sub(r"(load average of|carga média de) \S+", rf"\1 {load:.0f}", table)


def main() -> None:
    """Executes the notebook and writes it anew."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    load = execute(notebook)
    notebook.cells[0].source = fill(notebook.cells[0].source, minutes(notebook), load)
    notebook.metadata.language_info = {"name": "python"}
    nbformat.write(notebook, NOTEBOOK)


if __name__ == "__main__":
    main()
