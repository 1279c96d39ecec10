"""Makes an adapter_config.json that every peft since AutoTrain's reads alike.

peft 0.14 meets a key that it does not know by dropping *every* key that the class `PeftConfig` does not know, `r` and
`target_modules` among them (`from_peft_type` filters by the calling class, not by LoraConfig). What
`AutoModelForCausalLM.from_pretrained(ADAPTER)` of transformers 4.48 then loads fails on the shapes, or, where r is 8 by
chance, is another adapter without an error. peft 0.15 and later write such keys into every file, switched off.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

# The fields of LoraConfig in peft 0.14.0, AutoTrain's pin.
_KNOWN = frozenset(
    {
        "task_type", "peft_type", "auto_mapping", "base_model_name_or_path", "revision", "inference_mode", "r",
        "target_modules", "exclude_modules", "lora_alpha", "lora_dropout", "fan_in_fan_out", "bias", "use_rslora",
        "modules_to_save", "init_lora_weights", "layers_to_transform", "layers_pattern", "rank_pattern",
        "alpha_pattern", "megatron_config", "megatron_core", "loftq_config", "eva_config", "use_dora",
        "layer_replication", "lora_bias",
    }
)  # fmt: skip
# Keys of later versions that say nothing while the feature that they belong to is off.
_SAY_NOTHING = frozenset({"peft_version", "qalora_group_size"})
_OFF: tuple[Any, ...] = (None, False, {}, [], "")


def for_every_peft(config: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Takes out the keys of later versions that are switched off.

    Args:
        config: `adapter_config.json` of a LoRA adapter; any other kind of adapter is left as it is.

    Returns:
        The config without them, and the keys of later versions that are in use: nothing can replace those.
    """
    if config.get("peft_type") != "LORA":
        return dict(config), []
    kept = {key: value for key, value in config.items() if key in _KNOWN or not (key in _SAY_NOTHING or value in _OFF)}
    return kept, sorted(set(kept) - _KNOWN)


def config_problems(config: Mapping[str, Any]) -> Iterator[str]:
    """Every reason why `AutoPeftModelForCausalLM.from_pretrained` would not load an adapter with this config.

    Args:
        config: `adapter_config.json`; {} where it holds no object.
    """
    for key, wanted in (("peft_type", "LORA"), ("task_type", "CAUSAL_LM")):
        if config.get(key) != wanted:
            yield f"its {key} is {config.get(key)!r}, and a LoRA adapter of a language model has {wanted!r}"
    base, rank = config.get("base_model_name_or_path"), config.get("r")
    if not isinstance(base, str) or not base:
        yield "it names no base_model_name_or_path"
    if not isinstance(rank, int) or rank < 1:
        yield f"its r is {rank!r}, and a rank is a whole number from 1 on"
