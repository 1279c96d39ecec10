"""The pad token of a base under AutoTrain: never the end of a turn."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from amazon_titles.training.padding import missing_pad, padded, with_pad_token

LLAMA = ["<|begin_of_text|>", "<|eot_id|>", "<|reserved_special_token_0|>", "<|finetune_right_pad_id|>"]
COMMIT = "12fd25f77366fa6b3b4b768ec3050bf629380bac"
SMOLLM = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]


@pytest.fixture
def base(tmp_path):
    def make(tokens, **config):
        folder = tmp_path / "base"
        folder.mkdir(exist_ok=True)
        added = [{"id": number, "content": token} for number, token in enumerate(tokens)]
        (folder / "tokenizer.json").write_text(json.dumps({"added_tokens": added}))
        (folder / "tokenizer_config.json").write_text(json.dumps(config))
        (folder / "model.safetensors").write_bytes(b"weights")
        return folder

    return make


@pytest.mark.parametrize(
    ("tokens", "config", "pad"),
    [
        (LLAMA, {"eos_token": "<|eot_id|>"}, "<|finetune_right_pad_id|>"),
        (LLAMA[:3], {"eos_token": {"content": "<|eot_id|>"}}, "<|reserved_special_token_0|>"),
        (SMOLLM, {"eos_token": "<|im_end|>", "pad_token": "<|im_end|>"}, "<|endoftext|>"),
        (LLAMA, {"eos_token": "<|eot_id|>", "pad_token": "<|finetune_right_pad_id|>"}, None),
        (["<s>", "</s>"], {"eos_token": "</s>"}, None),
    ],
)
def test_which_pad_a_base_should_have(base, tokens, config, pad):
    assert missing_pad(base(tokens, **config)) == pad


def test_a_base_without_a_pad_is_read_from_a_folder_that_has_one(base, tmp_path):
    folder = base(LLAMA, eos_token="<|eot_id|>", chat_template="x")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    copy = Path(with_pad_token(str(folder), tmp_path / "cache"))
    assert copy.name == "base"
    assert copy.is_relative_to(tmp_path / "cache")
    config = json.loads((copy / "tokenizer_config.json").read_text())
    assert config == {"eos_token": "<|eot_id|>", "chat_template": "x", "pad_token": "<|finetune_right_pad_id|>"}
    assert (copy / "model.safetensors").read_bytes() == b"weights"
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_base_with_a_pad_is_left_alone(base, tmp_path):
    folder = base(LLAMA, eos_token="<|eot_id|>", pad_token="<|finetune_right_pad_id|>")
    assert with_pad_token(str(folder), tmp_path / "cache") == str(folder)
    assert not (tmp_path / "cache").exists()


def test_the_copy_is_kept_and_made_again_when_the_base_is_another(base, tmp_path):
    folder = base(LLAMA, eos_token="<|eot_id|>")
    first = padded(folder, "base", tmp_path / "cache")
    inode = first.stat().st_ino
    assert padded(folder, "base", tmp_path / "cache").stat().st_ino == inode
    (folder / "model.safetensors").write_bytes(b"other weights")
    second = padded(folder, "base", tmp_path / "cache")
    assert (second / "model.safetensors").read_bytes() == b"other weights"
    assert second != first


def test_a_snapshots_copy_goes_by_its_commit_and_is_mended_when_the_hubs_cache_was_emptied(base, tmp_path):
    folder = base(SMOLLM, eos_token="<|im_end|>", pad_token="<|im_end|>").rename(tmp_path / COMMIT)
    copy = padded(folder, "SmolLM2", tmp_path / "cache")
    assert copy == tmp_path / "cache" / "padded" / COMMIT / "SmolLM2"
    (folder / "model.safetensors").unlink()
    (copy / "model.safetensors").unlink()
    (folder / "model.safetensors").write_bytes(b"downloaded again")
    assert (padded(folder, "SmolLM2", tmp_path / "cache") / "model.safetensors").read_bytes() == b"downloaded again"


@pytest.mark.parametrize("ways", [("symlink_to",), ("symlink_to", "link")])
def test_a_copy_needs_no_right_to_make_links(base, tmp_path, monkeypatch, ways):
    def refuse(*names):
        raise OSError("A required privilege is not held by the client")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    if "link" in ways:
        monkeypatch.setattr("os.link", refuse)
    folder = base(LLAMA, eos_token="<|eot_id|>")
    copy = padded(folder, "base", tmp_path / "cache")
    assert (copy / "model.safetensors").read_bytes() == b"weights"
