"""What plain AutoTrain leaves behind becomes metadata, and none of its secrets comes along."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import jinja2
import pytest
import yaml

from amazon_titles.errors import PublishError
from amazon_titles.hub import autotrain_import, push_adapter_to_hub
from amazon_titles.hub.adapter_metadata import read_adapter_metadata
from amazon_titles.recipes import load_recipe
from amazon_titles.templates import TEMPLATES
from tests.loopback_hub.folders import adapter_folder

PARAMETERS = {
    "model": "ana/tiny", "project_name": "/tmp/out/Llama-x", "data_path": "ana/titles", "log": "tensorboard",
    "train_split": "text-llama3:train", "valid_split": None, "trainer": "sft", "chat_template": None,
    "text_column": "text", "block_size": 128, "lr": 0.005, "epochs": 3, "batch_size": 4, "peft": True,
    "quantization": None, "username": "ana", "token": "hf_" + "s" * 34, "push_to_hub": True,
}  # fmt: skip


def events(path: Path, scalars: list[tuple[str, int, float]]) -> None:
    """A tensorboard event file: TFRecords of Event messages; readers here do not look at the checksums."""
    data = b""
    for tag, step, value in scalars:
        row = b"\x0a" + bytes([len(tag)]) + tag.encode() + b"\x15" + struct.pack("<f", value)
        summary = b"\x0a" + bytes([len(row)]) + row
        event = b"\x09" + struct.pack("<d", 1.0) + b"\x10" + varint(step) + b"\x2a" + varint(len(summary)) + summary
        data += struct.pack("<Q", len(event)) + b"\0\0\0\0" + event + b"\0\0\0\0"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def varint(value: int) -> bytes:
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def left_behind(folder: Path) -> Path:
    """An adapter folder as AutoTrain leaves it."""
    adapter_folder(folder)
    for name in ("run.json", "recipe.yml", "eval/comparison.md"):
        (folder / name).unlink()
    (folder / "README.md").write_text("---\nlicense: other\n---\nWhat is my favorite condiment?\n")
    (folder / "training_params.json").write_text(json.dumps(PARAMETERS))
    (folder / "training_args.bin").write_bytes(b"\x80\x04.")
    log = [("train/loss", 2, 3.5), ("train/epoch", 2, 1.0), ("train/loss", 300, 1.25), ("train/epoch", 300, 3.0)]
    events(folder / "runs/today/events.out.tfevents.1.host.2.0", [*log, ("train/train_runtime", 300, 12.34)])
    return folder


def test_metadata_of_what_autotrain_left(tmp_path: Path) -> None:
    metadata = read_adapter_metadata(left_behind(tmp_path / "a"))
    assert metadata.run["losses"] == [
        {"epoch": 1.0, "loss": 3.5, "learning_rate": None},
        {"epoch": 3.0, "loss": 1.25, "learning_rate": None},
    ]
    assert metadata.run["training_seconds"] == pytest.approx(12.34)
    assert metadata.run["dataset"] == {"path": "ana/titles", "revision": None, "report_sha256": None, "url": None}
    assert json.loads(metadata.files["tokenizer_config.json"])["chat_template"] == TEMPLATES["llama3"].jinja
    assert metadata.files["chat_template.jinja"].decode() == TEMPLATES["llama3"].jinja
    (tmp_path / "recipe.yml").write_text(metadata.recipe)
    recipe = load_recipe(tmp_path / "recipe.yml")
    assert recipe.project_name == "Llama-x", "no path of a machine"
    assert recipe.params.lr == 0.005
    assert recipe.template is TEMPLATES["llama3"]
    assert [problem for problem in recipe.problems() if problem.severity == "error"] == []
    assert not any(b"hf_s" in content for content in metadata.files.values())


def test_the_finished_folder_passes(tmp_path: Path) -> None:
    report = push_adapter_to_hub(left_behind(tmp_path / "a"), "ana/Llama-x", dry_run=True)
    assert "favorite condiment" not in report.card
    assert "ana/Llama-x" in report.card
    assert {row.path for row in report.left_out} == {
        "training_args.bin", "training_params.json", "runs/today/events.out.tfevents.1.host.2.0",
    }  # fmt: skip


def test_a_card_that_cannot_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> str:
        raise jinja2.UndefinedError("'losses' is undefined")

    monkeypatch.setattr("amazon_titles.cards.model_card", fails)
    with pytest.raises(PublishError, match="information is missing"):
        push_adapter_to_hub(left_behind(tmp_path / "a"), "ana/Llama-x", dry_run=True)


def test_a_cut_event_file_gives_what_it_holds(tmp_path: Path) -> None:
    folder = left_behind(tmp_path / "a")
    log = folder / "runs/today/events.out.tfevents.1.host.2.0"
    whole = log.read_bytes()
    seen = set()
    for end in range(len(whole)):
        log.write_bytes(whole[:end])
        seen.add(len(autotrain_import.run_of(PARAMETERS, folder)["losses"]))
    assert seen == {0, 1, 2}


def test_a_recipe_keeps_its_head_when_its_base_is_named() -> None:
    text = autotrain_import.recipe_of(PARAMETERS | {"model": "ana/other"})
    assert text.startswith("# Written from")
    assert yaml.safe_load(text)["base_model"] == "ana/other"
    assert yaml.safe_load(text)["data"]["path"] == "ana/titles"
