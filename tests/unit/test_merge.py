"""What can be said of a merge without a model: configs in both spellings, and refusals that leave nothing."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amazon_titles.errors import InputError
from amazon_titles.merge import merge_adapter
from amazon_titles.model.loading import both_spellings

SCALED = {
    "rope_type": "llama3", "factor": 32.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}  # fmt: skip
OLD = {"rope_theta": 500000.0, "rope_scaling": SCALED, "torch_dtype": "bfloat16"}
NEW = {"rope_parameters": {**SCALED, "rope_theta": 500000.0}, "dtype": "bfloat16"}


def test_either_spelling_gives_both():
    assert both_spellings(OLD) == both_spellings(NEW) == OLD | NEW
    plain = {"rope_theta": 10000.0, "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0}}
    assert both_spellings({"rope_theta": 10000.0, "rope_scaling": None}) == plain | {"rope_scaling": None}
    assert both_spellings({"rope_parameters": plain["rope_parameters"]}) == plain
    assert both_spellings({"model_type": "gpt2"}) == {"model_type": "gpt2"}


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "rope_theta": st.floats(1, 1e6),
            "rope_scaling": st.sampled_from([None, SCALED]),
            "rope_parameters": st.sampled_from([NEW["rope_parameters"], {"rope_theta": 1.0, "rope_type": "default"}]),
            "torch_dtype": st.sampled_from(["float32", "bfloat16"]),
            "dtype": st.sampled_from(["float32"]),
            "vocab_size": st.integers(),
        },
    )
)
def test_spelling_twice_changes_nothing(config):
    once = both_spellings(config)
    assert both_spellings(once) == once
    kept = {key: value for key, value in config.items() if value is not None and "dtype" not in key}
    assert {key: once[key] for key in kept} == kept


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (None, "holds no model"),
        ({"peft_type": "PREFIX_TUNING", "base_model_name_or_path": "adapter"}, "no LoRA adapter but PREFIX_TUNING"),
        ({"peft_type": "LORA", "base_model_name_or_path": "/nowhere/base"}, "is not here: /nowhere/base"),
        ({"peft_type": "LORA"}, "names no base model"),
    ],
)
def test_what_cannot_be_merged_is_said_and_leaves_nothing(tmp_path, monkeypatch, config, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "adapter").mkdir()
    if config is not None:
        (tmp_path / "adapter" / "adapter_config.json").write_text(json.dumps(config))
        (tmp_path / "adapter" / "config.json").write_text("{}")
    with pytest.raises(InputError, match=said):
        merge_adapter(tmp_path / "adapter", tmp_path / "merged")
    assert [path.name for path in tmp_path.iterdir()] == ["adapter"]


def test_a_base_model_is_no_adapter(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(InputError, match="it has no adapter_config"):
        merge_adapter(tmp_path, tmp_path / "merged")


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.tex").write_text("years of work")
    with pytest.raises(InputError, match=r"did not make \(chapter1\.tex\), and would be replaced"):
        merge_adapter(tmp_path, tmp_path / "thesis")
    (tmp_path / "thesis" / "merge.json").touch()
    with pytest.raises(InputError, match=r"\(chapter1\.tex\)"):
        merge_adapter(tmp_path, tmp_path / "thesis")
    assert (tmp_path / "thesis" / "chapter1.tex").read_text() == "years of work"
