"""What the quickstart asks of a machine before it promises minutes."""

from __future__ import annotations

import pytest

pytest.importorskip("peft")

from amazon_titles.recipes.fields import Params
from amazon_titles.training.speed import computes_in_bf16, tokens_per_second, upper_half
from tests.tiny_models import make_base


def test_the_upper_half_of_the_layers_as_autotrain_splits_it():
    names = upper_half({"num_hidden_layers": 5}).split(",")
    assert {name.split(".")[0] for name in names} == {"2", "3", "4"}
    assert len(names) == 3 * 7
    assert "4.mlp.down_proj" in names


def test_peft_adapts_just_those_layers_and_the_speed_is_measured(tmp_path):
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    make_base(tmp_path / "base", "A kettle of iron.", layers=2)
    targets = upper_half({"num_hidden_layers": 2})
    model = get_peft_model(
        AutoModelForCausalLM.from_pretrained(tmp_path / "base"), LoraConfig(target_modules=targets.split(","))
    )
    trained = {name.split("layers.")[1][0] for name, weights in model.named_parameters() if weights.requires_grad}
    assert trained == {"1"}
    params = Params(target_modules=targets, lora_r=2, block_size=16, batch_size=2)
    assert tokens_per_second(tmp_path / "base", params) > 0


@pytest.mark.parametrize("can", [None, "_is_amx_tile_supported", "_is_avx512_bf16_supported"])
def test_a_cpu_that_multiplies_in_bf16_computes_in_it(monkeypatch, can):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for name in ("_is_amx_tile_supported", "_is_avx512_bf16_supported"):
        monkeypatch.setattr(torch.cpu, name, lambda name=name: name == can, raising=False)
    assert computes_in_bf16() is (can is not None)
