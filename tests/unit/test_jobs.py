"""What a job is given: the library, the script with its pins, and nothing of this machine."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import amazon_titles
from amazon_titles import cli, resources
from amazon_titles.errors import InputError
from amazon_titles.hub.contents import Content
from amazon_titles.hub.validate import document_issues
from amazon_titles.jobs import TRL_PINS, make_job_spec, preflight
from amazon_titles.jobs.preflight import for_job, target_of
from amazon_titles.recipes import Recipe, load_recipe

ROOT = Path(amazon_titles.__file__).resolve().parents[1]


def recipe(name="llama-3.2-1b-lora", **settings):
    return load_recipe(resources.recipes()[name]).with_settings({"data.path": "ana/titles", **settings})


def test_a_job_is_given_the_library_and_its_folders():
    files = make_job_spec(recipe(), "ana/Llama-x", engine="autotrain").files
    package = Path(amazon_titles.__file__).resolve().parent
    modules = {p.relative_to(package.parent).as_posix() for p in package.rglob("*.py") if "_files" not in p.parts}
    assert modules <= set(files)
    assert "amazon_titles/py.typed" in files
    assert {f"amazon_titles/_files/autotrain/{path.name}" for path in resources.recipes().values()} <= set(files)
    assert "amazon_titles/_files/hub_cards/model_card.md.jinja" in files
    assert {name for name in files if "/" not in name} == {"recipe.yml", "README.md", "job.py"}
    assert {name.split("/")[0] for name in files if "/" in name} == {"amazon_titles"}
    assert not [name for name in files if "__pycache__" in name]


@pytest.mark.parametrize("engine", ["autotrain", "trl"])
def test_the_library_runs_where_it_is_mounted(engine, tmp_path):
    """As the job has it: nothing of the library is installed, and the script stands beside the package."""
    for name, content in make_job_spec(recipe(), "ana/Llama-x", engine=engine).files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    told = "import amazon_titles, amazon_titles.cli; from amazon_titles import resources; "
    told += "print(amazon_titles.__file__, *resources.recipes().values(), sep='\\n')"
    (tmp_path / "job.py").write_text(told)
    done = subprocess.run([sys.executable, tmp_path / "job.py"], capture_output=True, text=True, check=True)
    assert all(line.startswith(str(tmp_path)) for line in done.stdout.splitlines())
    assert len(done.stdout.splitlines()) == 1 + len(resources.recipes())


def test_a_library_that_was_never_installed_tells_no_job_what_it_needs(monkeypatch):
    from importlib import metadata

    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "requires", missing)
    with pytest.raises(InputError, match="is not installed, so"):
        make_job_spec(recipe(), "ana/Llama-x", engine="trl")


def test_autotrain_gets_its_pin_and_what_the_library_needs():
    _, _, line = make_job_spec(recipe(), "ana/Llama-x", engine="autotrain").command
    needs = shlex.split(line.partition("; ")[2].partition(" && ")[0])[5:]
    assert "autotrain-advanced==0.8.36" in needs
    assert {"pyarrow", "click", "matplotlib", "torch"} <= {re.split("[=<>]", need)[0] for need in needs}
    assert not [need for need in needs if need.startswith(("gradio", "pytest", "amazon"))]


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
    assert all(re.search("[=<]", need) for need in needs)
    assert set(TRL_PINS) <= set(needs)
    assert {"pyarrow", "click", "matplotlib"} <= {re.split("[=<>]", need)[0] for need in needs}
    assert not [need for need in needs if need.startswith(("gradio", "autotrain", "amazon"))]
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
    (tmp_path / "recipe.yml").write_bytes(job_spec.files["recipe.yml"])
    ran = []
    monkeypatch.setattr("amazon_titles.cli.main", ran.append)
    monkeypatch.chdir(tmp_path)
    exec(compile(job_spec.files["job.py"], str(tmp_path / "job.py"), "exec"), {"__file__": str(tmp_path / "job.py")})
    assert ran == [
        ["train", str(tmp_path / "recipe.yml"), "--engine", engine, "--card-language", "pt"],
        ["push-adapter", "Llama-x", "ana/Llama-x"],
    ]
    assert load_recipe(tmp_path / "recipe.yml").data_path == "ana/titles"
    assert not [name for name, content in job_spec.files.items() if str(ROOT).encode() in content]


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
    assert job.hub.push_to_hub is False
    assert job.hub.token is None
    assert job.settings.needs == "cuda"


def test_a_job_knows_no_folder_of_this_machine():
    elsewhere = recipe("llama-3.2-1b-lora-t4", checkpoint_dir="/content/drive/run")
    assert "/content" not in for_job(elsewhere, gpu=True).text
    assert for_job(elsewhere, gpu=True).settings.checkpoint_dir is None


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
    assert "need --on jobs" in capsys.readouterr().err


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
