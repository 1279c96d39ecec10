"""Publishing, with both generations of clients: one visible step, exact, repeatable, and safe beside others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.loopback_hub import LoopbackHub
from tests.loopback_hub.clients import push, run, try_to_push
from tests.loopback_hub.folders import adapter_folder, dataset_folder, digests

pytestmark = pytest.mark.integration


def on_hub(hub: LoopbackHub, repo_id: str, kind: str) -> dict[str, str]:
    """Path → SHA-256 of what stands there, .gitattributes aside."""
    import hashlib

    files = hub.repo(repo_id, kind).files()
    return {
        path: hashlib.sha256(hub.state.read(entry)).hexdigest()
        for path, entry in sorted(files.items())
        if path != ".gitattributes"
    }


def test_dataset_then_the_same_again(hub: LoopbackHub, client_python: str, tmp_path: Path) -> None:
    folder = dataset_folder(tmp_path / "dataset")
    report = push(client_python, "dataset", folder, "titles", hub, tmp_path, tag="v1")
    repo = hub.repo("ana/titles", "dataset")
    assert on_hub(hub, "ana/titles", "dataset") == digests(folder)
    assert repo.private
    assert len(repo.commits) == 2, "the repository's own first commit, and ours"
    assert repo.tags == {"v1": report["commit"]} == {"v1": repo.branches["main"]}
    assert report["changed"]
    assert report["loaded_back"] == "4 shards, 68 rows"

    hub.log.clear()
    again = push(client_python, "dataset", folder, "ana/titles", hub, tmp_path, tag="v1")
    assert not again["changed"]
    assert again["commit"] == report["commit"]
    assert not hub.requests(r"^PUT|/commit/"), "nothing was to be sent"
    assert len(repo.commits) == 2


def test_a_new_version_sends_what_changed_and_takes_old_shards_away(
    hub: LoopbackHub, client_python: str, tmp_path: Path
) -> None:
    folder = dataset_folder(tmp_path / "dataset")
    push(client_python, "dataset", folder, "ana/titles", hub, tmp_path)
    (folder / "chat/train-00000-of-00001.parquet").rename(folder / "chat/train-00000-of-00002.parquet")
    dataset_folder(tmp_path / "more", salt="!")
    (tmp_path / "more/chat/train-00000-of-00001.parquet").rename(folder / "chat/train-00001-of-00002.parquet")
    hub.log.clear()
    report = push(client_python, "dataset", folder, "ana/titles", hub, tmp_path)
    assert report["deleted"] == ["chat/train-00000-of-00001.parquet"]
    assert on_hub(hub, "ana/titles", "dataset") == digests(folder)
    assert len(hub.requests("^PUT /upload")) == 1, "the renamed shard was there already"


def test_adapter_is_public_only_when_asked_and_only_when_verified(
    hub: LoopbackHub, client_python: str, tmp_path: Path
) -> None:
    folder = adapter_folder(tmp_path / "adapter", big=12_000_256)
    (folder / "training_args.bin").write_bytes(b"\x80\x04.")
    (folder / "runs").mkdir()
    (folder / "runs/events.out.tfevents.1").write_bytes(b"x")
    (folder / "checkpoint-7").mkdir()
    (folder / "checkpoint-7/adapter_model.safetensors").write_bytes(b"x")
    (folder / "training_params.json").write_text("{}")
    seen_private = []
    hub.fail(r"/commit/main$", first=lambda: seen_private.append(hub.repo("ana/adapter").private))
    report = push(client_python, "adapter", folder, "ana/adapter", hub, tmp_path, private=False)
    assert seen_private == [True], "until it was verified nobody else could see it"
    assert not hub.repo("ana/adapter").private
    left_out = {row["path"] for row in report["left_out"]}
    assert left_out == {
        "training_args.bin", "runs/events.out.tfevents.1", "checkpoint-7/adapter_model.safetensors",
        "training_params.json",
    }  # fmt: skip
    assert set(on_hub(hub, "ana/adapter", "model")) == set(digests(folder)) - left_out
    assert len(hub.requests(r"^PUT /upload/\w+/\w+/\d")) == 3, "12 MB go up in three parts"
    assert "LORA adapter of ana/tiny" in report["loaded_back"]


def test_dry_run_sends_nothing(hub: LoopbackHub, client_python: str, tmp_path: Path) -> None:
    folder = dataset_folder(tmp_path / "dataset")
    report = push(client_python, "dataset", folder, "ana/titles", hub, tmp_path, dry_run=True)
    assert hub.log == []
    assert report["dry_run"]
    assert report["commit"] is None
    assert {row["path"]: row["sha256"] for row in report["files"]} == digests(folder)
    assert report["card"] == (folder / "README.md").read_text()


def test_a_concurrent_push_is_told_and_never_overwritten(hub: LoopbackHub, client_python: str, tmp_path: Path) -> None:
    folder = dataset_folder(tmp_path / "dataset")
    push(client_python, "dataset", folder, "ana/titles", hub, tmp_path)
    newer = dataset_folder(tmp_path / "newer", salt=" newer")
    theirs: list[str] = []

    def somebody_else() -> None:
        theirs.append(hub.put("dataset", "ana/titles", {"report.json": b'{"theirs": 1}'}))

    hub.fail(r"/commit/main$", first=somebody_else)
    done = try_to_push(client_python, "dataset", newer, "ana/titles", hub, tmp_path)
    assert done.returncode == 1
    assert "Someone else changed ana/titles" in done.stderr
    assert "Traceback" not in done.stderr
    repo = hub.repo("ana/titles", "dataset")
    assert repo.branches["main"] == theirs[0]
    push(client_python, "dataset", newer, "ana/titles", hub, tmp_path)
    assert on_hub(hub, "ana/titles", "dataset") == digests(newer)
    assert repo.resolve("main").parent == theirs[0], "on top of theirs, which stays in the history"


def test_tags_are_never_moved(hub: LoopbackHub, client_python: str, tmp_path: Path) -> None:
    push(client_python, "dataset", dataset_folder(tmp_path / "one"), "ana/titles", hub, tmp_path, tag="v1")
    before = dict(hub.repo("ana/titles", "dataset").branches)
    two = dataset_folder(tmp_path / "two", salt="2")
    done = try_to_push(client_python, "dataset", two, "ana/titles", hub, tmp_path, tag="v1")
    assert done.returncode == 1
    assert "The tag 'v1' of ana/titles names commit" in done.stderr
    assert hub.repo("ana/titles", "dataset").branches == before


LOAD_DATASET = """
import datasets, sys
for streaming in (False, True):
    rows = list(datasets.load_dataset("ana/titles", split="train", streaming=streaming))
    assert len(rows) == 20 and rows[3]["messages"][1]["content"] == "Item 3 is 21 cm long.", rows[3]
    rows = list(datasets.load_dataset("ana/titles", "catalog", split="train", revision="v1", streaming=streaming))
    assert len(rows) == 24 and rows[0]["title"] == "item 0"
    rows = list(datasets.load_dataset("ana/titles", "text-llama3", split="train", streaming=streaming))
    assert rows[1]["text"] == "text 1"
"""


def test_datasets_loads_it_by_its_id(hub: LoopbackHub, client_python: str, tmp_path: Path) -> None:
    push(client_python, "dataset", dataset_folder(tmp_path / "dataset"), "ana/titles", hub, tmp_path, tag="v1")
    run(client_python, LOAD_DATASET, hub, tmp_path)


def test_base_and_dataset_on_the_hub_replace_folders(hub: LoopbackHub, client_python: str, tmp_path: Path) -> None:
    data = dataset_folder(tmp_path / "dataset")
    commit = push(client_python, "dataset", data, "ana/titles", hub, tmp_path, tag="v1")["commit"]
    (tmp_path / "base").mkdir()
    (tmp_path / "base/config.json").write_text('{"hidden_size": 8, "_name_or_path": "/here/base"}')
    hub.put("model", "ana/tiny", {"config.json": b'{"transformers_version": "5", "hidden_size": 8}'})
    folder = adapter_folder(tmp_path / "adapter", base="base")
    run_json = json.loads((folder / "run.json").read_text())
    run_json |= {"publishable": False, "why_not_publishable": "the base is a folder"}
    run_json["dataset"] = {"path": "dataset", "revision": None, "report_sha256": digests(data)["report.json"]}
    (folder / "run.json").write_text(json.dumps(run_json))
    before = digests(folder)

    refused = try_to_push(client_python, "adapter", folder, "ana/adapter", hub, tmp_path)
    assert refused.returncode == 1
    assert "adapter_config.json: its base is 'base', a local folder: give its Hub id with --base ID" in refused.stderr
    assert "run.json: its dataset is 'dataset', a local folder" in refused.stderr
    assert ("model", "ana/adapter") not in hub.state.repos

    push(client_python, "adapter", folder, "ana/adapter", hub, tmp_path, base="ana/tiny", dataset="ana/titles@v1")
    assert digests(folder) == before, "the folder here is left as it was"
    config = json.loads(hub.read("ana/adapter", "adapter_config.json"))
    assert config["base_model_name_or_path"] == "ana/tiny"
    assert config["lora_alpha"] == 8
    told = json.loads(hub.read("ana/adapter", "run.json"))
    assert told["publishable"]
    assert told["why_not_publishable"] is None
    assert told["dataset"] == run_json["dataset"] | {"path": "ana/titles", "revision": commit}
    recipe = hub.read("ana/adapter", "recipe.yml").decode()
    assert "base_model: ana/tiny\n" in recipe
    assert "  path: ana/titles # the dataset\n" in recipe
    assert recipe.startswith("# How it was trained\n")
    card = hub.read("ana/adapter", "README.md").decode()
    assert "base_model: ana/tiny\n" in card
    assert "datasets:\n- ana/titles\n" in card

    hub.put("model", "ana/tiny", {"config.json": b'{"hidden_size": 16}'})
    hub.put("dataset", "ana/titles", {"report.json": b"{}"})
    options = {"base": "ana/tiny", "dataset": "ana/titles"}
    refused = try_to_push(client_python, "adapter", folder, "ana/adapter", hub, tmp_path, **options)
    assert refused.returncode == 1
    assert "it was trained on a different model from ana/tiny: their config.json differ" in refused.stderr
    assert "it was not trained on ana/titles at" in refused.stderr
