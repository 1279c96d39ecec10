"""What a job is given: the wheel, the script with its pins, and nothing of this machine."""

from __future__ import annotations

import ast
import base64
import hashlib
import io
import re
import zipfile
from pathlib import Path

import pytest

import amazon_titles
from amazon_titles import cli, resources
from amazon_titles.errors import InputError
from amazon_titles.hub.contents import Content
from amazon_titles.hub.validate import document_issues
from amazon_titles.jobs import TRL_PINS, make_job_spec, pack_wheel, preflight
from amazon_titles.jobs.preflight import for_job, target_of
from amazon_titles.recipes import Recipe, load_recipe

ROOT = Path(amazon_titles.__file__).resolve().parents[1]


def recipe(name="llama-3.2-1b-lora", **settings):
    return load_recipe(resources.recipes()[name]).with_settings({"data.path": "ana/titles", **settings})


@pytest.fixture(scope="module")
def wheel():
    name, content = pack_wheel()
    return name, zipfile.ZipFile(io.BytesIO(content))


def test_the_wheel_holds_the_library_and_its_folders(wheel):
    name, packed = wheel
    names = set(packed.namelist())
    assert name == f"amazon_titles-{amazon_titles.__version__}-py3-none-any.whl"
    package = Path(amazon_titles.__file__).resolve().parent
    modules = {p.relative_to(package.parent).as_posix() for p in package.rglob("*.py") if "_files" not in p.parts}
    assert modules <= names
    assert "amazon_titles/py.typed" in names
    assert {f"amazon_titles/_files/autotrain/{path.name}" for path in resources.recipes().values()} <= names
    assert "amazon_titles/_files/hub_cards/model_card.md.jinja" in names
    assert {n.split("/")[0] for n in names} == {"amazon_titles", f"amazon_titles-{amazon_titles.__version__}.dist-info"}
    assert not [n for n in names if "__pycache__" in n]


def test_the_wheels_record_is_true(wheel):
    _, packed = wheel
    record = next(name for name in packed.namelist() if name.endswith("RECORD"))
    rows = dict(line.split(",", 1) for line in packed.read(record).decode().splitlines())
    assert set(rows) == set(packed.namelist())
    for name in set(rows) - {record}:
        content = packed.read(name)
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        assert rows[name] == f"sha256={digest},{len(content)}"


def test_the_wheels_metadata_names_what_it_needs(wheel):
    _, packed = wheel
    text = packed.read(next(name for name in packed.namelist() if name.endswith("METADATA"))).decode()
    assert f"\nVersion: {amazon_titles.__version__}\n" in text
    assert "Requires-Dist: pyarrow" in text
    assert "Provides-Extra: train" in text


def test_the_same_library_gives_the_same_bytes():
    assert pack_wheel() == pack_wheel()


def test_a_library_that_was_never_installed_cannot_be_packed(monkeypatch):
    from importlib import metadata

    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "distribution", missing)
    with pytest.raises(InputError, match="without being installed"):
        pack_wheel()


def header(script):
    """The dependencies of a script, by the regular expression of PEP 723."""
    found = re.search(r"(?m)^# /// (?P<type>[a-zA-Z0-9-]+)$\s(?P<content>(^#(| .*)$\s)+)^# ///$", script)
    assert found
    toml = "".join(line[2:] if line.startswith("# ") else line[1:] for line in found["content"].splitlines(True))
    assert 'requires-python = "==3.11.*"' in toml
    return ast.literal_eval(toml.split("dependencies = ")[1])


def test_the_trl_script_is_pinned():
    script = make_job_spec(recipe(), "ana/Llama-x", engine="trl").files["job.py"].decode()
    needs = header(script)
    assert needs[0].startswith("amazon-titles[train] @ file:///amazon-titles/amazon_titles-")
    assert all(re.search("[=<]", need) for need in needs[1:])
    assert set(needs[1:]) == set(TRL_PINS)
    quantized = make_job_spec(recipe("llama-3.1-8b-qlora"), "ana/Llama-x", engine="trl").files["job.py"].decode()
    assert any(need.startswith("bitsandbytes") for need in header(quantized))


def test_the_pins_are_those_that_the_tests_run_on():
    constraints = ROOT / "constraints.txt"
    if not constraints.is_file():
        pytest.skip("constraints.txt is in a checkout only")
    pinned = {line for line in constraints.read_text().splitlines() if re.match(r"\w", line)}
    ours = {re.split("[=<>]", pin)[0]: pin for pin in TRL_PINS}
    shared = {pin for pin in pinned if re.split("[=<>]", pin)[0] in ours}
    assert shared <= set(TRL_PINS)
    assert len(shared) >= 6  # torch, transformers, datasets, peft, trl, huggingface_hub


@pytest.mark.parametrize("engine", ["autotrain", "trl"])
def test_the_script_trains_and_publishes(engine, monkeypatch, tmp_path):
    job_spec = make_job_spec(recipe(project_name="Llama-x"), "ana/Llama-x", engine=engine, card_language="pt")
    for name, content in job_spec.files.items():
        (tmp_path / name).write_bytes(content)
    ran = []
    monkeypatch.setattr("amazon_titles.cli.main", ran.append)
    monkeypatch.chdir(tmp_path)
    exec(compile(job_spec.files["job.py"], str(tmp_path / "job.py"), "exec"), {"__file__": str(tmp_path / "job.py")})
    assert ran == [
        ["train", str(tmp_path / "recipe.yml"), "--engine", engine, "--card-language", "pt"],
        ["push-adapter", "Llama-x", "ana/Llama-x"],
    ]
    assert load_recipe(tmp_path / "recipe.yml").data_path == "ana/titles"
    assert str(ROOT) not in "".join(
        file.decode() for name, file in job_spec.files.items() if name != next(iter(job_spec.files))
    )


def test_a_busy_hub_is_asked_again_before_the_adapter_is_lost(monkeypatch, tmp_path):
    job_spec = make_job_spec(recipe(), "ana/Llama-x", engine="autotrain")
    pauses, pushes = [], []

    def main(arguments):
        if arguments[0] == "push-adapter":
            pushes.append(arguments)
            raise SystemExit(1)

    monkeypatch.setattr("amazon_titles.cli.main", main)
    monkeypatch.setattr("time.sleep", pauses.append)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stopped:
        exec(compile(job_spec.files["job.py"], "job.py", "exec"), {"__file__": str(tmp_path / "job.py")})
    assert (stopped.value.code, len(pushes), pauses) == (1, 3, [60, 600])


def test_a_job_publishes_by_itself():
    """AutoTrain's own push would leave a generic card, and die of a repository that exists."""
    job = for_job(recipe("llama-3.2-1b-lora-space"), gpu=True)
    assert job.hub["push_to_hub"] is False
    assert job.hub["token"] is None
    assert job.settings["needs"] == "cuda"


def test_a_job_knows_no_folder_of_this_machine():
    elsewhere = recipe("llama-3.2-1b-lora-t4", checkpoint_dir="/content/drive/run")
    assert "/content" not in for_job(elsewhere, gpu=True).dump()
    assert for_job(elsewhere, gpu=True).settings["checkpoint_dir"] is None


@pytest.mark.parametrize("name", resources.recipes())
def test_a_recipe_of_ours_may_be_published_as_it_is(name):
    """An adapter folder holds its recipe, and a push refuses whatever looks like a path of a machine."""
    text = resources.recipes()[name].read_bytes()
    assert list(document_issues(Content.of("recipe.yml", text))) == []


def test_what_this_machine_lacks_is_no_problem_of_a_job(monkeypatch):
    monkeypatch.setattr("amazon_titles.recipes.environment_checks.has_cuda", lambda: False)
    quantized = recipe("smollm2-135m-lora", quantization="int4")
    assert any(problem.key == "params.quantization" for problem in quantized.problems())
    assert not any(problem.key == "params.quantization" for problem in for_job(quantized, gpu=True).problems())


def test_options_of_jobs_want_on_jobs(capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.main(["train", str(resources.recipes()["quickstart"]), "--flavor", "l4x1"])
    assert stopped.value.code == 2
    assert "belong to --on jobs" in capsys.readouterr().err


def test_where_the_adapter_goes(monkeypatch):
    monkeypatch.delenv("HF_USERNAME", raising=False)
    named = recipe(project_name="Llama-x")
    assert target_of(named) == "Llama-x"
    monkeypatch.setenv("HF_USERNAME", "ana")
    assert target_of(named) == "ana/Llama-x"
    assert target_of(named.with_settings({"hub.username": "a-lab"})) == "a-lab/Llama-x"


@pytest.mark.parametrize("engine", ["autotrain", "trl"])
def test_a_job_is_checked_by_the_rules_of_its_own_engine(monkeypatch, engine):
    asked = []
    monkeypatch.setattr(Recipe, "problems", lambda self, **options: asked.append(options) or [])
    preflight.check_recipe(recipe(), engine)
    assert [options["engine"] for options in asked] == [engine]
