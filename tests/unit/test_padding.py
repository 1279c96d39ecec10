"""The pad token of a base under AutoTrain: never the end of a turn."""

from __future__ import annotations

import json

import pytest

from amazon_titles.training.padding import missing_pad, with_pad_token

LLAMA = ["<|begin_of_text|>", "<|eot_id|>", "<|reserved_special_token_0|>", "<|finetune_right_pad_id|>"]
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
    padded = tmp_path / "padded"
    assert with_pad_token(str(folder), padded) == str(padded)
    config = json.loads((padded / "tokenizer_config.json").read_text())
    assert config == {"eos_token": "<|eot_id|>", "chat_template": "x", "pad_token": "<|finetune_right_pad_id|>"}
    assert (padded / "model.safetensors").read_bytes() == b"weights"
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_base_with_a_pad_is_left_alone(base, tmp_path):
    folder = base(LLAMA, eos_token="<|eot_id|>", pad_token="<|finetune_right_pad_id|>")
    assert with_pad_token(str(folder), tmp_path / "padded") == str(folder)
    assert not (tmp_path / "padded").exists()
