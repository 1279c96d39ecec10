"""What AutoTrain 0.8.36 knows: every key of an LLM recipe with its type, default and range.

The names, types and defaults are those of AutoTrain's `LLMTrainingParams`, and where a key stands in the file is what
its `AutoTrainConfigParser` reads; an integration test holds this table against both. The ranges and choices are ours or
the pinned transformers 4.48's, because AutoTrain checks none of them.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from amazon_titles.errors import InputError

Value = bool | int | float | str | None
"""A setting: what a YAML scalar can be."""


@dataclass(frozen=True, slots=True)
class Field:
    """One setting.

    Attributes:
        kind: `bool`, `int`, `float` or `str`.
        default: AutoTrain's own, taken where the recipe is silent.
        optional: Whether null is allowed.
        low: The smallest value that makes sense, itself included.
        high: The largest, itself included.
        choices: The only texts allowed; None for any.
    """

    kind: type
    default: Value = None
    optional: bool = False
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] | None = None

    @property
    def expected(self) -> str:
        """What may stand here, in words."""
        if self.choices:
            words = "one of " + ", ".join(self.choices)
        else:
            words = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}[self.kind]
        if self.low is not None and self.high is not None:
            words += f" from {self.low:g} to {self.high:g}"
        elif self.low is not None:
            words += f" of at least {self.low:g}"
        return words + (" or null" if self.optional else "")

    def coerce(self, value: object) -> Value:
        """The value as AutoTrain's pydantic takes it: `"5e-3"`, which YAML reads as a text, becomes 0.005.

        Raises:
            ValueError: It cannot become this field's type, or null is not allowed.
        """
        if value is None:
            if self.optional:
                return None
            raise ValueError("null")
        if self.kind is bool:
            return _as_bool(value)
        if self.kind is str:
            if isinstance(value, str):
                return value
            raise ValueError("not a text")
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise ValueError("not a number")
        number = float(value)
        if self.kind is float:
            return number
        if not number.is_integer():
            raise ValueError("not a whole number")
        return int(number)

    def fits(self, value: Value) -> bool:
        """Whether a coerced value lies within range and choices."""
        if value is None:
            return True
        if self.choices is not None:
            return value in self.choices
        if isinstance(value, int | float):
            return not (self.low is not None and value < self.low) and not (self.high is not None and value > self.high)
        return True


def _as_bool(value: object) -> bool:
    if isinstance(value, bool):
        return value
    # YAML 1.1 already turns yes/no/on/off into booleans; these are the texts of `--set`.
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    raise ValueError("not true or false")


# transformers 4.48, trainer_utils.SchedulerType. Left out: those that need arguments which AutoTrain cannot pass
# (cosine_with_min_lr, warmup_stable_decay) or an evaluation (reduce_lr_on_plateau).
_SCHEDULERS = (
    "linear",
    "cosine",
    "cosine_with_restarts",
    "polynomial",
    "constant",
    "constant_with_warmup",
    "inverse_sqrt",
)
# transformers 4.48, training_args.OptimizerNames, without those that need a package that AutoTrain does not install.
_OPTIMIZERS = (
    "adamw_torch", "adamw_torch_fused", "adamw_hf", "adafactor", "sgd", "adagrad", "rmsprop",
    "adamw_bnb_8bit", "adamw_8bit", "lion_8bit", "lion_32bit",
    "paged_adamw_32bit", "paged_adamw_8bit", "paged_lion_32bit", "paged_lion_8bit",
)  # fmt: skip

PARAMS: dict[str, Field] = {
    "add_eos_token": Field(bool, True),
    "block_size": Field(int, -1, low=-1, high=131072),
    "model_max_length": Field(int, 2048, low=8, high=131072),
    "padding": Field(str, "right", optional=True, choices=("left", "right")),
    "trainer": Field(str, "default", choices=("default", "sft", "orpo", "dpo", "reward")),
    "use_flash_attention_2": Field(bool, False),
    "disable_gradient_checkpointing": Field(bool, False),
    "logging_steps": Field(int, -1, low=-1),
    "eval_strategy": Field(str, "epoch", choices=("no", "steps", "epoch")),
    "save_total_limit": Field(int, 1, low=1),
    "auto_find_batch_size": Field(bool, False),
    "mixed_precision": Field(str, None, optional=True, choices=("fp16", "bf16")),
    "lr": Field(float, 3e-5, low=1e-7, high=0.1),
    "epochs": Field(int, 1, low=1, high=1000),
    "batch_size": Field(int, 2, low=1, high=1024),
    "warmup_ratio": Field(float, 0.1, low=0, high=1),
    "gradient_accumulation": Field(int, 4, low=1, high=4096),
    "optimizer": Field(str, "adamw_torch", choices=_OPTIMIZERS),
    "scheduler": Field(str, "linear", choices=_SCHEDULERS),
    "weight_decay": Field(float, 0.0, low=0, high=1),
    "max_grad_norm": Field(float, 1.0, low=0, high=1000),
    "seed": Field(int, 42, low=0),
    "quantization": Field(str, "int4", optional=True, choices=("int4", "int8")),
    "target_modules": Field(str, "all-linear", optional=True),
    "merge_adapter": Field(bool, False),
    "peft": Field(bool, False),
    "lora_r": Field(int, 16, low=1, high=1024),
    "lora_alpha": Field(int, 32, low=1, high=4096),
    "lora_dropout": Field(float, 0.05, low=0, high=0.9),
    "model_ref": Field(str, None, optional=True),
    "dpo_beta": Field(float, 0.1),
    "max_prompt_length": Field(int, 128, low=1),
    "max_completion_length": Field(int, None, optional=True, low=1),
    "unsloth": Field(bool, False),
    "distributed_backend": Field(str, None, optional=True, choices=("ddp", "deepspeed")),
}
"""What may stand under `params`."""

TOP: dict[str, Field] = {
    "task": Field(str),
    "base_model": Field(str),
    "project_name": Field(str),
    "log": Field(str, choices=("none", "tensorboard", "wandb")),
    "backend": Field(str),
}
"""Top-level texts, all required."""

DATA: dict[str, Field] = {
    "path": Field(str),
    "train_split": Field(str),
    "valid_split": Field(str, optional=True),
    "chat_template": Field(str, optional=True, choices=("none", "tokenizer", "chatml", "zephyr")),
}
"""What must stand under `data`, beside `column_mapping`."""

COLUMNS: dict[str, Field] = {
    "text_column": Field(str, "text"),
    "prompt_text_column": Field(str, None, optional=True),
    "rejected_text_column": Field(str, None, optional=True),
}
"""What may stand under `data.column_mapping`."""

HUB: dict[str, Field] = {
    "username": Field(str, optional=True),
    "token": Field(str, optional=True),
    "push_to_hub": Field(bool, False),
}
"""What must stand under `hub`, where there is such a section."""

OWN: dict[str, Field] = {
    "needs": Field(str, "cpu", choices=("cpu", "cuda")),
    "valid_split": Field(str, None, optional=True),
    "checkpoint_dir": Field(str, None, optional=True),
    "checkpoint_steps": Field(int, 100, low=1),
    "keep": Field(str, "last", choices=("best", "last")),
    "max_hours": Field(float, None, optional=True, low=0),
}
"""Settings of this library in the top-level section `amazon_titles`, which AutoTrain does not read."""

SECTIONS: dict[tuple[str, ...], dict[str, Field]] = {
    (): TOP,
    ("data",): DATA,
    ("data", "column_mapping"): COLUMNS,
    ("params",): PARAMS,
    ("hub",): HUB,
    ("amazon_titles",): OWN,
}
"""Every section by its place in the file."""

KEYS: dict[tuple[str, ...], Field] = {
    (*section, name): field for section, fields in SECTIONS.items() for name, field in fields.items()
}
"""Every setting by its place in the file."""


# AutoTrain lets `params` and `column_mapping` overwrite these, which stand elsewhere; the others stand in their place.
ELSEWHERE = {
    "model": "base_model",
    "project_name": "project_name",
    "log": "log",
    "data_path": "data.path",
    "train_split": "data.train_split",
    "valid_split": "data.valid_split",
    "chat_template": "data.chat_template",
    **{name: f"data.column_mapping.{name}" for name in COLUMNS},
    **{name: f"hub.{name}" for name in HUB},
}
"""AutoTrain's own name of a setting that does not stand under `params`: its place in the file."""


def find_key(name: str) -> tuple[str, ...]:
    """The place of a setting: dotted (`params.lr`) or, where that is unambiguous, bare (`lr`, `train_split`).

    Raises:
        InputError: No such setting.
    """
    path = tuple(name.split("."))
    if path in KEYS:
        return path
    # `valid_split` stands under `data` and in our own section; AutoTrain's comes first.
    places = [known for known in KEYS if known[-1] == name]
    if places:
        return places[0]
    close = nearest(name, [".".join(known) for known in KEYS]) or nearest(path[-1], {known[-1] for known in KEYS})
    hint = f"Did you mean {close}?" if close else f"Settings of training: {', '.join(PARAMS)}."
    raise InputError(f"No setting {name!r} in a recipe.", hint=hint)


def parse_setting(path: tuple[str, ...], value: Any) -> Value:  # noqa: ANN401 - what a user typed
    """A value of `--set` as its setting's type.

    Args:
        path: The setting's place.
        value: A text as typed (`null` and `none` mean null), or a value already.

    Raises:
        InputError: The value does not fit.
    """
    field = KEYS[path]
    if isinstance(value, str) and value.lower() in ("null", "none", "~") and field.optional:
        value = None
    try:
        parsed = field.coerce(value)
    except ValueError:
        parsed = None
        fits = False
    else:
        fits = field.fits(parsed)
    if not fits:
        raise InputError(f"{'.'.join(path)}={value} does not fit.", hint=f"Expected {field.expected}.")
    return parsed


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The known name that a misspelt one probably means."""
    return next(iter(difflib.get_close_matches(name, list(names), n=1, cutoff=0.7)), None)
