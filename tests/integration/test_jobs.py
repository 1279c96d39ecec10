"""`train --on jobs` against the loopback Hub: judged by what was sent, and by what the user is told."""

from __future__ import annotations

import base64
import json
import os
import pty
import signal
import subprocess
import sys
import time

import pytest

from amazon_titles import resources
from amazon_titles.dataset import build_dataset
from amazon_titles.recipes import fill_recipe
from amazon_titles.sample import write_sample
from tests.autotrain_env import require_other_python
from tests.loopback_hub import LoopbackHub
from tests.loopback_hub.clients import TOKEN, environment

pytestmark = pytest.mark.integration
pytest.importorskip("huggingface_hub", minversion="2.0", reason="jobs are in today's huggingface_hub")

TARGET = "ana/Llama-titles"
SHAPE = {
    "model_type": "llama", "hidden_size": 48, "intermediate_size": 128, "num_hidden_layers": 1,
    "num_attention_heads": 3, "num_key_value_heads": 1, "vocab_size": 300, "tie_word_embeddings": True,
}  # fmt: skip


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("jobs")
    write_sample(folder / "trn.json", 60)
    build_dataset(folder / "trn.json", folder / "dataset")
    return folder / "dataset"


@pytest.fixture
def cloud(hub, dataset, tmp_path):
    """A Hub with a base, a dataset, and a recipe that names both; its jobs publish an adapter."""
    hub.put("model", "ana/tiny-llama", {"config.json": json.dumps(SHAPE).encode()})
    files = {path.relative_to(dataset).as_posix(): path.read_bytes() for path in dataset.rglob("*") if path.is_file()}
    hub.put("dataset", "ana/titles", files)
    write_recipe(tmp_path)
    adapter = {"adapter_model.safetensors": b"weights", "adapter_config.json": b"{}"}
    hub.state.jobs.on_start = lambda sent: hub.put("model", TARGET, adapter, private=True)
    return hub


def write_recipe(folder, name="my.yml", **settings):
    settings = {"base_model": "ana/tiny-llama", **settings}
    text = fill_recipe("quickstart-tiny", dataset="ana/titles", project="Llama-titles", settings=settings)
    (folder / name).write_text(text)


def command(*more):
    return [sys.executable, "-m", "amazon_titles", "train", "my.yml", "--on", "jobs", *more]


def train(hub: LoopbackHub, folder, *more, python=sys.executable, token=TOKEN):
    return subprocess.run(
        [str(python), *command(*more)[1:]],
        cwd=folder, env=environment(hub, folder, token=token), capture_output=True, text=True, timeout=120,
    )  # fmt: skip


def sent(hub):
    assert len(hub.state.jobs.made) == 1
    return hub.state.jobs.made[0].sent


def test_what_autotrain_is_sent(cloud, tmp_path):
    done = train(cloud, tmp_path, "--flavor", "l4x1")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{TARGET}  job ")
    body = sent(cloud)
    assert body["dockerImage"] == "huggingface/autotrain-advanced:latest"
    assert body["flavor"] == "l4x1"
    assert body["command"][:2] == ["bash", "-c"]
    assert "autotrain-advanced==0.8.36" in body["command"][2]
    assert body["environment"] == {}
    assert body["arguments"] == []
    assert 3600 <= body["timeoutSeconds"] <= 2 * 3600, "the Hub's own would end it after half an hour"
    (volume,) = body["volumes"]
    repo = cloud.repo("ana/amazon-titles-jobs", "dataset")
    assert repo.private
    assert volume == {
        "type": "dataset", "source": repo.id, "mountPath": "/amazon-titles",
        "revision": repo.resolve("main").oid, "readOnly": True,
    }  # fmt: skip
    assert "Installing\nTraining\n" in done.stderr
    assert "at most:" in done.stderr


def test_the_token_is_a_secret_and_nowhere_else(cloud, tmp_path):
    cloud.state.jobs.lines = ["Installing", f"oops {TOKEN}"]
    done = train(cloud, tmp_path, "--flavor", "l4x1")
    body = sent(cloud)
    assert body.pop("secrets") == {"HF_TOKEN": TOKEN}
    assert TOKEN not in json.dumps(body)
    assert cloud.received(TOKEN.encode()) == ["POST /api/jobs/ana"]
    assert TOKEN not in done.stdout + done.stderr
    assert base64.b64encode(TOKEN.encode()).decode() not in done.stderr


def test_what_trl_is_sent(cloud, tmp_path):
    done = train(cloud, tmp_path, "--flavor", "l4x1", "--engine", "trl")
    assert done.returncode == 0, done.stderr
    body = sent(cloud)
    assert body["dockerImage"].startswith("ghcr.io/astral-sh/uv:python3.11")
    assert body["command"] == ["uv", "run", "/amazon-titles/job.py"]


def test_a_second_job_sends_the_library_once(cloud, tmp_path):
    for _ in range(2):
        cloud.state.jobs.on_start = lambda sent: cloud.put("model", TARGET, {
            "adapter_model.safetensors": os.urandom(8), "adapter_config.json": b"{}",
        }, private=True)  # fmt: skip
        assert train(cloud, tmp_path, "--flavor", "l4x1").returncode == 0
    first, second = (job.sent["volumes"][0]["revision"] for job in cloud.state.jobs.made)
    assert first == second


def test_a_dry_run_sends_nothing(cloud, tmp_path):
    done = train(cloud, tmp_path, "--flavor", "l4x1", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "Nothing was sent" in done.stderr
    assert done.stdout == ""
    assert not cloud.requests("^(POST|PUT) .*(commit|create|jobs|lfs)")
    shown = {line.split()[0] for line in done.stderr.splitlines() if line.startswith("  ")}
    assert {*resources.library_files().files, "job.py", "recipe.yml"} <= shown


@pytest.mark.parametrize("more", [(), ("--dry-run",)])
def test_the_library_is_searched_for_secrets(cloud, tmp_path, more):
    """A value of this machine's environment that stands in the library's own source is as good as a planted one."""
    planted = {"CI_TOKEN": "def make_job_spec(recipe"}
    done = subprocess.run(
        command("--flavor", "l4x1", *more),
        cwd=tmp_path, env=environment(cloud, tmp_path, **planted), capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 1
    assert "amazon_titles/jobs/spec.py: it holds the value of CI_TOKEN" in done.stderr
    assert not cloud.requests("^(POST|PUT) .*(commit|create|jobs|lfs)")


REFUSED = {
    "a dataset on this machine": ({"data.path": "dataset"}, "l4x1", "push-dataset dataset USER/NAME"),
    "a base on this machine": ({"base_model": "./base"}, "l4x1", "which a job cannot reach"),
    "a dataset that is not there": ({"data.path": "ana/nothing"}, "l4x1", "push-dataset DIR REPO_ID"),
    "a split that is not there": ({"data.train_split": "text-chatml:train"}, "l4x1", "--render chatml"),
    "a Space": ({"backend": "spaces-l4x1"}, "l4x1", "--set backend=local-cli"),
    "no such machine": ({}, "l4x9", "l4x1            1x Nvidia L4, $0.80 an hour"),
    "no machine": ({}, None, "No machine was given"),
    "bf16 on a T4": ({"mixed_precision": "bf16"}, "t4-small", "t4-small cannot run"),
    "int4 on a CPU": ({"quantization": "int4"}, "cpu-upgrade", "needs CUDA"),
    "somebody else's name": ({"hub.username": "bob"}, "l4x1", "belongs to 'bob'"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused_before_anything_is_sent(cloud, tmp_path, what):
    settings, flavor, words = REFUSED[what]
    settings = dict(settings)
    if "hub.username" in settings:
        settings["hub.push_to_hub"] = "false"
    write_recipe(tmp_path, **settings)
    done = train(cloud, tmp_path, *(("--flavor", flavor) if flavor else ()))
    assert done.returncode in (1, 2)
    assert words in " ".join(done.stderr.split()) or words in done.stderr
    assert "Traceback" not in done.stderr
    assert not cloud.requests("^(POST|PUT) .*(commit|create|jobs|lfs)")


def test_a_target_that_holds_something_else(cloud, tmp_path):
    cloud.put("model", TARGET, {"model.safetensors": b"whole"}, private=True)
    done = train(cloud, tmp_path, "--flavor", "l4x1")
    assert done.returncode == 1
    assert "contains something other than an adapter" in done.stderr
    assert not cloud.state.jobs.made


def test_without_a_login(cloud, tmp_path):
    done = train(cloud, tmp_path, "--flavor", "l4x1", token=None)
    assert done.returncode == 1
    assert "hf auth login" in done.stderr


@pytest.mark.parametrize(("status", "words"), [(402, "no credit left"), (403, "may not start jobs")])
def test_a_job_that_is_not_taken(cloud, tmp_path, status, words):
    cloud.fail(r"POST /api/jobs/ana$", status=status, message="Payment or permission required", times=9)
    done = train(cloud, tmp_path, "--flavor", "l4x1")
    assert done.returncode == 1
    assert words in done.stderr
    assert len(cloud.requests("^POST /api/jobs/ana$")) == 1, "a second request could bill a second job"


def test_a_job_that_fails_says_its_last_lines(cloud, tmp_path):
    jobs = cloud.state.jobs
    jobs.lines, jobs.ends, jobs.message = ["Installing", "CUDA out of memory"], "ERROR", "exit code 1"
    done = train(cloud, tmp_path, "--flavor", "l4x1")
    assert done.returncode == 1
    assert "ended as ERROR: exit code 1" in done.stderr
    assert "CUDA out of memory" in done.stderr.split("Its last lines")[1]


def test_a_job_that_leaves_no_adapter(cloud, tmp_path):
    cloud.state.jobs.on_start = lambda sent: None
    done = train(cloud, tmp_path, "--flavor", "l4x1")
    assert done.returncode == 1
    assert "there is no new adapter at" in done.stderr


def interrupted(cloud, folder, *, terminal, answer=b""):
    """A run that gets Ctrl-C once its job is running: its exit status and what it said."""
    cloud.state.jobs.lines = [f"line {number}" for number in range(10_000)]
    cloud.fail(r"GET /api/jobs/ana/\w+/logs", delay=0.2, times=10_000)
    ours, theirs = pty.openpty()
    stream = theirs if terminal else subprocess.PIPE
    stdin = theirs if terminal else subprocess.DEVNULL
    process = subprocess.Popen(
        command("--flavor", "l4x1"), cwd=folder, env=environment(cloud, folder),
        stdin=stdin, stdout=subprocess.DEVNULL, stderr=stream, start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    os.close(theirs)
    deadline = time.monotonic() + 300
    while not (cloud.state.jobs.made and cloud.state.jobs.made[0].shown > 1) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    if not terminal:
        said = process.communicate(timeout=30)[1].decode()
    else:
        said = read_until(ours, b"[y/N]")
        os.write(ours, answer)
        said += read_until(ours, None)
        process.wait(timeout=30)
    os.close(ours)
    return process.returncode, said


def read_until(terminal, words):
    said = b""
    while words is None or words not in said:
        try:
            piece = os.read(terminal, 4096)
        except OSError:  # the other end is closed
            break
        if not piece:
            break
        said += piece
    return said.decode()


def test_ctrl_c_without_a_terminal_leaves_the_job_running(cloud, tmp_path):
    code, said = interrupted(cloud, tmp_path, terminal=False)
    (job,) = cloud.state.jobs.made
    assert code == 130
    assert not job.cancelled
    assert f"hf jobs cancel {job.id}" in said
    assert "Traceback" not in said


@pytest.mark.parametrize(("answer", "cancelled"), [(b"y\n", True), (b"\n", False)])
def test_ctrl_c_asks(cloud, tmp_path, answer, cancelled):
    code, said = interrupted(cloud, tmp_path, terminal=True, answer=answer)
    (job,) = cloud.state.jobs.made
    assert code == 130
    assert job.cancelled is cancelled
    assert ("is cancelled" in said) is cancelled


def test_autotrains_own_client_knows_no_jobs(cloud, tmp_path):
    old = require_other_python()
    done = train(cloud, tmp_path, "--flavor", "l4x1", python=old)
    assert done.returncode == 2
    assert "Jobs need huggingface_hub 2 or newer, and this environment has 0.27.0" in done.stderr
    assert "Traceback" not in done.stderr


SHIM = """#!/bin/sh
# The job's python: pip asks no index here, the rest is AutoTrain's environment.
[ "$2" = pip ] || exec {python} "$@"
"""


def test_what_was_sent_trains_and_publishes(cloud, tmp_path):
    """The very command, on the very files, in AutoTrain's environment: an adapter with our card stands on the Hub."""
    torch = pytest.importorskip("torch")
    from amazon_titles import tiny_llama

    old = require_other_python()
    base, mount, bin_ = (tmp_path / name for name in ("base", "mount", "bin"))
    for folder in (base, mount, bin_):
        folder.mkdir()
    tiny_llama.write_tokenizer(base, ["a kettle of iron"], vocab_size=300)
    for name in ("tokenizer_config.json", "special_tokens_map.json"):  # as Llama's own: without a pad token
        told = json.loads((base / name).read_text())
        assert told.pop("pad_token")
        (base / name).write_text(json.dumps(told))
    size = tiny_llama.vocabulary_size(base)
    tiny_llama.write_model(base, vocab_size=size, hidden_size=48, layers=1, heads=3)
    assert torch.__version__
    cloud.put("model", "ana/tiny-llama", {path.name: path.read_bytes() for path in base.iterdir()})
    write_recipe(tmp_path, epochs=1, lora_r=4, batch_size=32, logging_steps=1)
    cloud.state.jobs.on_start, cloud.state.jobs.ends = lambda sent: None, "ERROR"
    train(cloud, tmp_path, "--flavor", "cpu-upgrade")
    body = sent(cloud)
    (volume,) = body["volumes"]
    for name, entry in cloud.repo(volume["source"], "dataset").files(volume["revision"]).items():
        (mount / name).parent.mkdir(parents=True, exist_ok=True)
        (mount / name).write_bytes(cloud.state.read(entry))
    (bin_ / "python").write_text(SHIM.format(python=old))
    (bin_ / "python").chmod(0o755)
    line = body["command"][2].replace(volume["mountPath"], str(mount)).replace("/app/env/bin", str(bin_))
    variables = {**environment(cloud, tmp_path / "home"), **body["secrets"], "PYTHONPATH": ""}
    done = subprocess.run(["bash", "-c", line], cwd=mount, env=variables, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    assert TOKEN not in done.stdout + done.stderr
    repo = cloud.repo(TARGET)
    files = repo.files()
    assert repo.private
    assert {"adapter_model.safetensors", "run.json", "recipe.yml", "README.md"} <= set(files)
    run = json.loads(cloud.state.read(files["run.json"]))
    assert (run["engine"], run["publishable"], run["base_model"]) == ("autotrain", True, "ana/tiny-llama")
    assert b"base_model: ana/tiny-llama" in cloud.state.read(files["README.md"])
    assert json.loads(cloud.state.read(files["adapter_config.json"]))["base_model_name_or_path"] == "ana/tiny-llama"
    assert "pad_token" not in json.loads(cloud.state.read(files["tokenizer_config.json"])), "the base's own files"
