"""The house: a room imports only from floors below its own, stays small, and importing the library costs nothing."""

from __future__ import annotations

import ast
import io
import resource
import subprocess
import sys
import tokenize
from collections import Counter
from pathlib import Path

import pytest

import amazon_titles

ROOT = Path(amazon_titles.__file__).parent
FLOORS = {
    "errors": 0, "text": 0,
    "resources": 1, "progress": 1, "processes": 1, "secrets": 1, "templates": 1, "adapter_files": 1,
    "default_model": 1, "sample": 1, "links": 1, "hosts": 1,
    "io": 2, "hub_errors": 2, "names": 2, "parquet": 2,
    "catalog": 3, "recipes": 3, "cards": 3, "metrics": 3, "plots": 3, "tiny_llama": 3, "pdf": 3,
    "conversations": 4, "training": 4,
    "dataset": 5, "search": 5, "budget": 5,
    "model": 6, "evaluation": 6,
    "hub": 7,
    "quickstart": 8, "merge": 8, "handin": 8, "jobs": 8, "page": 8,
    "video": 9, "export": 9, "api": 9,
    "cli": 10, "__init__": 11, "__main__": 11,
}  # fmt: skip


def room(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imported_rooms(path: Path) -> set[str]:
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "amazon_titles":
            names = [node.module] if "." in node.module else [f"amazon_titles.{alias.name}" for alias in node.names]
            rooms |= {name.split(".")[1] for name in names}
        if isinstance(node, ast.Import):
            rooms |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("amazon_titles.")}
    return rooms & set(FLOORS)  # `from amazon_titles import __version__` names no room


MODULES = sorted(path for path in ROOT.rglob("*.py") if "_files" not in path.parts)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_room_imports_only_from_floors_below(path):
    own = room(path)
    assert own in FLOORS, f"{own} has no floor: add it to the table"
    above = {name for name in imported_rooms(path) if name != own and FLOORS[name] >= FLOORS[own]}
    assert not above, f"{own} (floor {FLOORS[own]}) imports {sorted(above)}"


ROOMS = {
    "training": 1530, "model": 1310, "catalog": 900, "hub": 890, "recipes": 840, "dataset": 705, "search": 710,
    "evaluation": 695, "page": 680, "cli": 535, "video": 320, "budget": 285, "conversations": 280, "api": 275,
    "quickstart": 272, "jobs": 245, "cards": 240,
}  # fmt: skip
"""The most lines of code, without blanks, comments and docstrings, of each room of several files."""


def lines_of_code(path: Path) -> int:
    source = path.read_text(encoding="utf-8")
    docstrings: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            docstrings.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    nothing = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    used: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in nothing:
            used.update(range(token.start[0], token.end[0] + 1))
    return len(used - docstrings)


def test_rooms_stay_small():
    found: Counter[str] = Counter()
    for path in MODULES:
        found[room(path)] += lines_of_code(path)
    assert {path.name for path in ROOT.iterdir() if (path / "__init__.py").is_file()} == set(ROOMS)
    assert {name: found[name] for name, most in ROOMS.items() if found[name] > most} == {}
    small = {name: count for name, count in found.items() if name not in ROOMS}
    assert {name: count for name, count in small.items() if count > 200} == {}


HEAVY = ("torch", "transformers", "datasets", "pyarrow", "rich", "tantivy", "peft", "huggingface_hub", "gradio")


@pytest.mark.parametrize("code", ["import amazon_titles", "import amazon_titles.cli"])
def test_importing_is_light(code):
    script = f"{code}; import sys; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def fastest(*arguments: str, runs: int = 5) -> float:
    """Seconds of the processor, which do not depend on what else the machine does."""
    times = []
    for _ in range(runs):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, *arguments], capture_output=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(times)


def test_help_answers_at_once():
    # Against what nobody can do without: Python itself, and click.
    bare, click = fastest("-c", "pass"), fastest("-c", "import click")
    assert fastest("-c", "import amazon_titles") - bare < click
    assert fastest("-m", "amazon_titles", "--help") < 2.5 * click


def test_public_names_exist():
    for name in amazon_titles.__all__:
        assert getattr(amazon_titles, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        amazon_titles.nothing  # noqa: B018
