"""What the trl engine does faster says the same numbers, forward and backward."""

from __future__ import annotations

import pytest

from amazon_titles import tiny_llama

pytestmark = pytest.mark.integration


def adapted(folder):
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(3)
    base = AutoModelForCausalLM.from_pretrained(folder)
    model = get_peft_model(base, LoraConfig(task_type="CAUSAL_LM", r=4, lora_alpha=12, target_modules="all-linear"))
    for name, weight in model.named_parameters():
        if "lora_B" in name:  # which begins at zero, and would hide half of the work
            torch.nn.init.normal_(weight, std=0.1)
    return model


@pytest.mark.parametrize("checkpointing", [False, True])
def test_a_llama_sped_up_says_and_learns_the_same(tmp_path, checkpointing):
    torch = pytest.importorskip("torch")
    pytest.importorskip("peft")
    from amazon_titles.training.llama import speed_up

    tiny_llama.write_model(tmp_path, vocab_size=90, hidden_size=48, layers=2, heads=3)
    ids = torch.randint(90, (1, 40), generator=torch.Generator().manual_seed(1))
    places = torch.arange(7, 31, 2)
    outcomes = []
    for fast in (False, True):
        model = adapted(tmp_path)
        names = set(model.state_dict())
        if checkpointing:
            model.enable_input_require_grads()
            model.get_base_model().gradient_checkpointing_enable()
        if fast:
            speed_up(model).places = places
        model.train()
        logits = model(input_ids=ids, logits_to_keep=places, use_cache=False).logits[0]
        torch.nn.functional.cross_entropy(logits, ids[0, places + 1]).backward()
        assert set(model.state_dict()) == names
        outcomes.append((logits.detach(), {n: p.grad for n, p in model.named_parameters() if p.requires_grad}))
    (slow, slow_gradients), (quick, quick_gradients) = outcomes
    torch.testing.assert_close(quick, slow, atol=1e-5, rtol=1e-5)
    assert len(slow_gradients) == 2 * 7 * 2
    for name, gradient in slow_gradients.items():
        assert gradient.abs().max() > 0
        torch.testing.assert_close(quick_gradients[name], gradient, atol=1e-6, rtol=1e-4)


def test_an_adapter_switched_off_or_merged_is_left_to_peft(tmp_path):
    torch = pytest.importorskip("torch")
    pytest.importorskip("peft")
    from amazon_titles.training.llama import speed_up

    tiny_llama.write_model(tmp_path, vocab_size=90, hidden_size=48, layers=1, heads=3)
    ids = torch.randint(90, (1, 20), generator=torch.Generator().manual_seed(1))
    model = adapted(tmp_path).eval()
    with torch.no_grad():
        expected = model(input_ids=ids).logits
        with model.disable_adapter():
            bare = model(input_ids=ids).logits
        speed_up(model)
        torch.testing.assert_close(model(input_ids=ids).logits, expected, atol=1e-5, rtol=1e-5)
        with model.disable_adapter():
            torch.testing.assert_close(model(input_ids=ids).logits, bare)
        model.merge_adapter()
        torch.testing.assert_close(model(input_ids=ids).logits, expected, atol=1e-4, rtol=1e-4)
    assert (expected - bare).abs().max() > 0.1
