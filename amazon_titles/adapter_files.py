"""The files of a LoRA adapter, looked at without torch: are its weights usable, does every stack read the others?

peft 0.14 meets a key of adapter_config.json that it does not know by dropping *every* key that the class `PeftConfig`
does not know, `r` and `target_modules` among them (`from_peft_type` filters by the calling class, not by LoraConfig).
What `AutoModelForCausalLM.from_pretrained(ADAPTER)` of transformers 4.48 then loads fails on the shapes, or, where r is
8 by chance, is another adapter without an error. peft 0.15 and later write such keys into every file, switched off.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

# The fields of LoraConfig in peft 0.14.0, AutoTrain's pin.
_KNOWN = {
    "task_type", "peft_type", "auto_mapping", "base_model_name_or_path", "revision", "inference_mode", "r",
    "target_modules", "exclude_modules", "lora_alpha", "lora_dropout", "fan_in_fan_out", "bias", "use_rslora",
    "modules_to_save", "init_lora_weights", "layers_to_transform", "layers_pattern", "rank_pattern", "alpha_pattern",
    "megatron_config", "megatron_core", "loftq_config", "eva_config", "use_dora", "layer_replication", "lora_bias",
}  # fmt: skip
# Keys of later versions that say nothing while the feature that they belong to is off.
_SAY_NOTHING = {"peft_version", "qalora_group_size"}
_OFF: tuple[Any, ...] = (None, False, {}, [], "")

# safetensors' name of a type → numpy's; of bfloat16, which numpy lacks, the bits.
_TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}

GGUF_ADAPTER, GGUF_TEMPLATE = "amazon_titles.adapter_sha256", "amazon_titles.template"
"""The keys of a GGUF file that say which adapter_model.safetensors is in it, and which of our templates."""

CONTEXT = 4096
"""Tokens that Ollama is told to hold: a question with product texts is longer than what it holds by itself."""

UNTRAINED = "its weights are all zero: nothing was trained"
"""The problem of weights that are as a training finds them."""


def for_every_peft(config: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Takes out the keys of later versions that are switched off, so that every peft since AutoTrain's reads alike.

    Args:
        config: `adapter_config.json` of a LoRA adapter; any other kind of adapter is left as it is.

    Returns:
        The config without them, and the keys of later versions that are in use: nothing can replace those.
    """
    if config.get("peft_type") != "LORA":
        return dict(config), []
    kept = {key: value for key, value in config.items() if key in _KNOWN or not (key in _SAY_NOTHING or value in _OFF)}
    return kept, sorted(set(kept) - _KNOWN)


def for_every_transformers(tokenizer_config: Mapping[str, Any]) -> dict[str, Any]:
    """A `tokenizer_config.json` that transformers 4.48 and 5 read alike.

    A tokenizer that 5 has saved is of a class that 4.48 does not know, and lists what 4.48 wants as a mapping. A file
    that does not say `model_input_names`, as Llama's own do, makes 4.48 write `token_type_ids`, and `generate` refuses
    those: "The following `model_kwargs` are not used by the model".

    Args:
        tokenizer_config: The file, of either.
    """
    config = {"model_input_names": ["input_ids", "attention_mask"], **tokenizer_config}
    if config.get("tokenizer_class") == "TokenizersBackend":
        config["tokenizer_class"] = "PreTrainedTokenizerFast"
    if isinstance(special := config.get("extra_special_tokens"), list):
        config |= {"extra_special_tokens": {}, "additional_special_tokens": special}
    return config


def last_checkpoint(folder: Path) -> Path | None:
    """The last adapter among a folder's checkpoints, `checkpoint-500`; None where there is none."""
    found = [path.parent for path in folder.glob("checkpoint-*/adapter_config.json")]
    return max(found, key=lambda path: (len(path.name), path.name), default=None)


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


def weight_problems(path: Path) -> Iterator[str]:
    """Every reason why these weights are none.

    Args:
        path: An `adapter_model.safetensors`.

    Yields:
        A sentence each: the file is damaged, a tensor holds NaN or infinity, nothing was trained.
    """
    import numpy as np
    from safetensors import SafetensorError, deserialize

    try:
        rows = deserialize(path.read_bytes())  # type: ignore[no-untyped-call]
        tensors = {name: np.frombuffer(row["data"], _TYPES[row["dtype"]]) for name, row in rows}
    except (SafetensorError, KeyError) as error:
        yield f"it is no safetensors file of floating-point numbers, or a damaged one ({error})"
        return
    trained = {}
    for name, numbers in tensors.items():
        if numbers.dtype == np.uint16:  # a bfloat16 is the upper half of a float32
            numbers = (numbers.astype(np.uint32) << 16).view(np.float32)
        if not np.isfinite(numbers).all():
            yield f"{name} holds NaN or infinity: the training diverged"
            return
        trained[name] = bool(numbers.any())
    # LoRA starts with B = 0: an adapter whose every B is zero changes nothing (Hu et al., 2021, section 4.1).
    if not any(trained[name] for name in [name for name in trained if "lora_B" in name] or trained):
        yield UNTRAINED
