"""The built wheel, alone in a clean environment: what people get who install it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from amazon_titles import resources
from amazon_titles.sample import write_sample

pytestmark = pytest.mark.integration
ROOT = Path(__file__).resolve().parents[2]


def run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    pytest.importorskip("build", reason="the package `build` is in the extra `dev`")
    folder = tmp_path_factory.mktemp("wheel")
    # The wheel comes out of the sdist here: what the sdist lacks, the wheel lacks.
    run(sys.executable, "-m", "build", "--outdir", folder, ROOT, cwd=folder)
    return next(folder.glob("*.whl"))


def test_recipes_and_cards_are_inside_and_never_at_the_root(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names} <= {
        "amazon_titles",
        *(n.split("/")[0] for n in names if ".dist-info" in n),
    }
    shipped = {Path(name).stem for name in names if name.startswith("amazon_titles/_files/autotrain/")}
    assert shipped == set(resources.recipes())
    assert "amazon_titles/_files/hub_cards/model_card.md.jinja" in names


def test_a_job_gets_the_same_files(wheel):
    """What `train --on jobs` sends of a checkout is what the build makes of it."""
    packed = zipfile.ZipFile(wheel)
    built = {name: packed.read(name) for name in packed.namelist() if ".dist-info/" not in name}
    assert built == {name: path.read_bytes() for name, path in resources.library_files().files.items()}


def interpreters() -> dict[str, str]:
    """The Pythons of this machine that the library is for: version → program, this one's included."""
    found = {f"{sys.version_info[0]}.{sys.version_info[1]}": sys.executable}
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for version in ("3.10", "3.11", "3.12", "3.13"):
        for program in (shutil.which(f"python{version}"), *pyenv.glob(f"{version}.*/bin/python")):
            said = program and subprocess.run([program, "--version"], capture_output=True, text=True).stdout
            if said and said.startswith(f"Python {version}."):
                found.setdefault(version, str(program))
    return found


@pytest.mark.parametrize("version", ["3.10", "3.11", "3.12", "3.13"])
def test_it_helps_checks_and_builds_without_an_extra(wheel, tmp_path, version):
    if version not in interpreters():
        pytest.skip(f"no Python {version} here")
    run(interpreters()[version], "-m", "venv", tmp_path / "env", cwd=tmp_path)
    python = tmp_path / "env" / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", wheel, cwd=tmp_path)
    command = tmp_path / "env" / "bin" / "amazon-titles"
    assert "quickstart" in run(command, "--help", cwd=tmp_path).stdout
    checked = run(command, "check", cwd=tmp_path).stdout
    assert all(f"{name}.yml: ok" in checked for name in resources.recipes())
    assert "_files" in checked, "the recipes were not the wheel's own"
    rows = write_sample(tmp_path / "trn.json", 100)
    report = json.loads(run(command, "build", "trn.json", "--out", "dataset", "--json", cwd=tmp_path).stdout)
    assert report["rows_read"] == rows
    installed = {
        line["name"] for line in json.loads(run(python, "-m", "pip", "list", "--format=json", cwd=tmp_path).stdout)
    }
    assert not installed & {"torch", "transformers", "datasets"}
