"""`amazon-titles train --engine trl` as a user runs it: the folder, resumed, on two devices, and when it fails."""

from __future__ import annotations

import importlib.metadata
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid
from contextlib import suppress
from pathlib import Path

import pytest

from amazon_titles import tiny_llama
from amazon_titles.dataset import build_dataset
from amazon_titles.recipes import fill_recipe
from amazon_titles.sample import write_sample
from tests.autotrain_env import require_other_python

pytestmark = pytest.mark.integration
TOLERANCE = 1e-4  # nats: a resumed run, and one on two devices, add the same numbers in another order at most
STEPS_BETWEEN = 5


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A folder with a dataset, a tiny base and a recipe of a few dozen short steps."""
    pytest.importorskip("torch")
    if int(importlib.metadata.version("trl").split(".")[0]) < 1:
        pytest.skip("the trl engine needs a newer trl than AutoTrain's")
    folder = tmp_path_factory.mktemp("train")
    write_sample(folder / "trn.json", 40)
    build_dataset(folder / "trn.json", folder / "dataset", phrasings=1, property=0.0, validation=0.1)
    (folder / "base").mkdir()
    tiny_llama.write_tokenizer(folder / "base", ["a kettle of iron"], vocab_size=300)
    size = tiny_llama.vocabulary_size(folder / "base")
    tiny_llama.write_model(folder / "base", vocab_size=size, hidden_size=48, layers=1, heads=3)
    settings = {
        "epochs": 3, "lora_r": 4, "batch_size": 8, "gradient_accumulation": 2, "logging_steps": 1,
        "amazon_titles.valid_split": "validation", "amazon_titles.keep": "best",
        "amazon_titles.checkpoint_steps": STEPS_BETWEEN,
    }  # fmt: skip
    (folder / "recipe.yml").write_text(fill_recipe("quickstart-tiny", dataset="dataset", settings=settings))
    return folder


def command(*options):
    return [sys.executable, "-m", "amazon_titles", "train", "recipe.yml", "--engine", "trl", *options]


def train(folder, *options):
    return subprocess.run(command(*options), cwd=folder, capture_output=True, text=True)


def run_of(folder):
    return json.loads((folder / "run.json").read_text())


@pytest.fixture(scope="module")
def undisturbed(workplace):
    done = train(workplace)
    assert done.returncode == 0, done.stderr
    return workplace / "adapter"


def curve(run, name="losses"):
    return {point["step"]: point["loss"] for point in run[name]}


def test_the_folder_is_the_one_that_autotrain_would_leave(workplace, undisturbed):
    assert {path.name for path in undisturbed.iterdir()} == {
        "README.md", "adapter_config.json", "adapter_model.safetensors", "loss.png", "recipe.yml", "run.json",
        "special_tokens_map.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja",
    }  # fmt: skip
    run = run_of(undisturbed)
    assert run["engine"] == "trl"
    assert run["versions"]["trl"] == importlib.metadata.version("trl")
    assert run["tokens"] == 3 * run["tokens_an_epoch"] > 2 * 3 * run["answer_tokens_an_epoch"] > 0
    assert len(run["losses"]) == run["steps"]
    assert run["losses"][0]["loss"] > 1.2 * run["losses"][-1]["loss"] > 0
    assert len(run["valid_losses"]) == 3
    assert run["valid_losses"][-1]["loss"] < run["valid_losses"][0]["loss"]
    assert run["tokens_a_second"] > 0
    assert run["peak_memory_mb"] > 0
    assert "strftime_now" not in json.loads((undisturbed / "tokenizer_config.json").read_text())["chat_template"]
    assert str(workplace) not in (undisturbed / "README.md").read_text()
    assert sorted(path.name for path in workplace.iterdir()) == ["adapter", "base", "dataset", "recipe.yml", "trn.json"]


LOADED = """
import sys, torch
from peft import AutoPeftModelForCausalLM
from transformers import AutoTokenizer
folder, text = sys.argv[1:]
model = AutoPeftModelForCausalLM.from_pretrained(folder)
ids = AutoTokenizer.from_pretrained(folder)(text, return_tensors="pt")["input_ids"]
with torch.no_grad():
    print(float(model(ids, labels=ids).loss))
    with model.disable_adapter():
        print(float(model(ids, labels=ids).loss))
"""


def test_the_adapter_says_the_same_on_autotrains_stack(undisturbed):
    other = require_other_python()
    losses = []
    for python in (sys.executable, other):
        arguments = [str(python), "-c", LOADED, str(undisturbed), "A kettle of iron, 2.5 litres."]
        done = subprocess.run(arguments, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        losses.append([float(word) for word in done.stdout.split()])
    assert losses[0] == pytest.approx(losses[1], abs=1e-4)
    assert abs(losses[0][0] - losses[0][1]) > 0.01, "the adapter changes nothing"


def test_killed_at_any_step_and_resumed_it_ends_as_if_nothing_had_been(workplace, undisturbed):
    expected = run_of(undisturbed)
    unfinished = workplace / "resumed.checkpoints"
    # The second of them: however soon the kill comes, the first is whole by then.
    wanted = 2 * STEPS_BETWEEN
    options = ("--set", "project_name=resumed")
    process = subprocess.Popen(
        command(*options), cwd=workplace, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True
    )
    while process.poll() is None and not (unfinished / f"checkpoint-{wanted}").exists():
        time.sleep(0.002)
    time.sleep(random.random() * 0.2)  # perhaps in the middle of writing it
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL, "it was faster than the test: make the recipe longer"
    assert not (workplace / "resumed").exists()

    refused = train(workplace, *options)
    assert refused.returncode == 2
    assert "an unfinished training" in refused.stderr
    changed = train(workplace, *options, "--resume", "--set", "lr=0.001")
    assert changed.returncode == 2
    assert "lr was 0.005 and is 0.001" in changed.stderr

    done = train(workplace, *options, "--resume")
    assert done.returncode == 0, done.stderr
    assert "Going on after step" in done.stderr
    run = run_of(workplace / "resumed")
    assert curve(run) == pytest.approx(curve(expected), abs=TOLERANCE)
    assert curve(run, "valid_losses") == pytest.approx(curve(expected, "valid_losses"), abs=TOLERANCE)
    weights = [(folder / "adapter_model.safetensors").read_bytes() for folder in (workplace / "resumed", undisturbed)]
    assert weights[0] == weights[1], "one CPU, one seed: the same bits"
    assert not unfinished.exists()
    assert not list(workplace.glob(".*")), "the killed run's workshop was left behind"


def test_two_devices_train_as_one(workplace, undisturbed):
    done = train(workplace, "--devices", "2", "--set", "project_name=on-two")
    assert done.returncode == 0, done.stderr
    one, two = run_of(undisturbed), run_of(workplace / "on-two")
    assert two["devices"] == 2
    assert curve(two) == pytest.approx(curve(one), abs=TOLERANCE)
    assert curve(two, "valid_losses") == pytest.approx(curve(one, "valid_losses"), abs=TOLERANCE)


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks at processes in /proc")
def test_workers_end_with_the_training_even_where_all_between_are_killed(workplace):
    mark = uuid.uuid4().hex
    options = ("--devices", "2", "--set", "project_name=killed")
    process = subprocess.Popen(
        command(*options), cwd=workplace, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        env=os.environ | {"A_MARK": mark},
    )  # fmt: skip
    checkpoint = workplace / "killed.checkpoints" / f"checkpoint-{STEPS_BETWEEN}"
    while process.poll() is None and not checkpoint.exists():
        time.sleep(0.01)
    workers = [pid for pid, line in marked(mark).items() if "torch" not in line and "training.worker" in line]
    others = [pid for pid in marked(mark) if pid not in workers and pid != process.pid]
    # All at once: the keeper must not live long enough to end the workers, which torchrun puts into other groups.
    for pid in (*others, process.pid):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()
    ends = time.monotonic() + 2 * float(os.environ.get("SLOW", "1"))
    while marked(mark) and time.monotonic() < ends:
        time.sleep(0.02)
    assert len(workers) == 2, "it was faster than the test: make the recipe longer"
    assert not marked(mark)


def marked(mark):
    """Number and command of the processes that inherited a variable of this value, and have not ended."""
    found = {}
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if mark.encode() in (place / "environ").read_bytes():
                found[int(place.name)] = (place / "cmdline").read_text()
    return found


def test_two_launchers_that_meet_train_as_one(workplace, undisturbed):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    begun = []
    for node in range(2):
        launcher = (
            f"{sys.executable} -m torch.distributed.run --nnodes 2 --nproc-per-node 2 --node-rank {node} "
            f"--master-addr 127.0.0.1 --master-port {port}"
        )
        options = ("--launcher", launcher, "--set", f"project_name=node-{node}")
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        begun.append(subprocess.Popen(command(*options), cwd=workplace, **pipes))
    told = [process.communicate() for process in begun]
    assert [process.returncode for process in begun] == [0, 0], told
    assert "the machine of process 0" in told[1][1]
    assert not (workplace / "node-1").exists()
    one, four = run_of(undisturbed), run_of(workplace / "node-0")
    assert four["devices"] == 4
    assert curve(four) == pytest.approx(curve(one), abs=TOLERANCE)


def copied(workplace, folder):
    for name in ("dataset", "base"):
        shutil.copytree(workplace / name, folder / name)
    shutil.copy(workplace / "recipe.yml", folder / "recipe.yml")
    (folder / "adapter").mkdir()
    (folder / "adapter" / "run.json").write_text("{}")


def refused(folder, done, *told):
    assert done.returncode == 1, done.stderr
    assert done.stdout == ""
    for words in told:
        assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert (folder / "adapter" / "run.json").read_text() == "{}"
    assert sorted(path.name for path in folder.iterdir()) == ["adapter", "base", "dataset", "recipe.yml"]


def test_a_loss_that_is_no_number_ends_it_with_advice(workplace, tmp_path):
    from safetensors.torch import load_file, save_file

    copied(workplace, tmp_path)
    weights = load_file(tmp_path / "base" / "model.safetensors")
    weights["model.norm.weight"] *= float("nan")
    save_file(weights, tmp_path / "base" / "model.safetensors", metadata={"format": "pt"})
    refused(tmp_path, train(tmp_path), "no longer a number at step 1", "Lower the rate: --set lr=1.7e-03")
