"""What AutoTrain 0.8.36 knows: every key of an LLM recipe with its type, default and range.

The names, types and defaults are those of AutoTrain's `LLMTrainingParams`, and where a key stands in the file is what
its `AutoTrainConfigParser` reads; an integration test holds this table against both. The ranges and choices are ours or
the pinned transformers 4.48's, because AutoTrain checks none of them.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import msgspec

from amazon_titles.errors import InputError

Value = bool | int | float | str | None
"""A setting: what a YAML scalar can be."""

_WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}


@dataclass(frozen=True, slots=True)
class Field:
    """One setting.

    Attributes:
        kind: `bool`, `int`, `float` or `str`.
        default: AutoTrain's own, taken where the recipe is silent.
        optional: Whether null is allowed.
        low: The smallest value that makes sense, itself included.
        high: The largest, itself included.
        choices: The only texts allowed; empty for any.
    """

    kind: type[bool | int | float | str]
    default: Value = None
    optional: bool = False
    low: float = -math.inf
    high: float = math.inf
    choices: tuple[str, ...] = ()

    @property
    def expected(self) -> str:
        """What may stand here, in words."""
        words = "one of " + ", ".join(self.choices) if self.choices else _WORDS[self.kind]
        if self.high < math.inf:
            words += f" from {self.low:g} to {self.high:g}"
        elif self.low > -math.inf:
            words += f" of at least {self.low:g}"
        return words + (" or null" if self.optional else "")

    def coerce(self, value: object) -> Value:
        """The value as AutoTrain's pydantic takes it: `"5e-3"`, which YAML reads as a text, becomes 0.005.

        Raises:
            ValueError: It cannot become this field's type, or null is not allowed.
        """
        if value is None and self.optional:
            return None
        try:
            # Python reads .1 and 1., which JSON and so msgspec do not have.
            number = float(value) if self.kind in (int, float) and isinstance(value, str) else value
            return msgspec.convert(number, self.kind, strict=False)
        except msgspec.ValidationError as error:
            raise ValueError(error) from None

    def misfit(self, value: object) -> str:
        """What is wrong with a value as it is written: its type, its range (or choices), or nothing."""
        try:
            value = self.coerce(value)
        except ValueError:
            return "of the wrong type"
        if isinstance(value, int | float):
            return "" if self.low <= value <= self.high else "out of range"
        return "out of range" if self.choices and value not in (None, *self.choices) else ""


def _fields(section: type) -> dict[str, Field]:
    """Every setting of a section by its name, from the annotations and defaults of its dataclass."""
    table, kinds = {}, {kind.__name__: kind for kind in _WORDS}
    for item in dataclasses.fields(section):
        kind, _, null = str(item.type).partition(" | ")
        table[item.name] = Field(kinds[kind], getattr(section, item.name), bool(null), **item.metadata)
    return table


def _range(default: Value, low: float, high: float = math.inf) -> Any:  # noqa: ANN401 - a dataclass's field
    return dataclasses.field(default=default, metadata={"low": low, "high": high})


def _choice(default: Value, *choices: str) -> Any:  # noqa: ANN401 - a dataclass's field
    return dataclasses.field(default=default, metadata={"choices": choices})


# transformers 4.48, trainer_utils.SchedulerType. Left out: those that need arguments which AutoTrain cannot pass
# (cosine_with_min_lr, warmup_stable_decay) or an evaluation (reduce_lr_on_plateau).
_SCHEDULERS = (
    "linear", "cosine", "cosine_with_restarts", "polynomial", "constant", "constant_with_warmup", "inverse_sqrt",
)  # fmt: skip
# transformers 4.48, training_args.OptimizerNames, without those that need a package that AutoTrain does not install.
_OPTIMIZERS = (
    "adamw_torch", "adamw_torch_fused", "adamw_hf", "adafactor", "sgd", "adagrad", "rmsprop", "adamw_bnb_8bit",
    "adamw_8bit", "lion_8bit", "lion_32bit", "paged_adamw_32bit", "paged_adamw_8bit", "paged_lion_32bit",
    "paged_lion_8bit",
)  # fmt: skip


@dataclass(frozen=True)
class Params:
    """What may stand under `params`."""

    add_eos_token: bool = True
    block_size: int = _range(-1, -1, 131072)
    model_max_length: int = _range(2048, 8, 131072)
    padding: str | None = _choice("right", "left", "right")
    trainer: str = _choice("default", "default", "sft", "orpo", "dpo", "reward")
    use_flash_attention_2: bool = False
    disable_gradient_checkpointing: bool = False
    logging_steps: int = _range(-1, -1)
    eval_strategy: str = _choice("epoch", "no", "steps", "epoch")
    save_total_limit: int = _range(1, 1)
    auto_find_batch_size: bool = False
    mixed_precision: str | None = _choice(None, "fp16", "bf16")
    lr: float = _range(3e-5, 1e-7, 0.1)
    epochs: int = _range(1, 1, 1000)
    batch_size: int = _range(2, 1, 1024)
    warmup_ratio: float = _range(0.1, 0, 1)
    gradient_accumulation: int = _range(4, 1, 4096)
    optimizer: str = _choice("adamw_torch", *_OPTIMIZERS)
    scheduler: str = _choice("linear", *_SCHEDULERS)
    weight_decay: float = _range(0.0, 0, 1)
    max_grad_norm: float = _range(1.0, 0, 1000)
    seed: int = _range(42, 0)
    quantization: str | None = _choice("int4", "int4", "int8")
    target_modules: str | None = "all-linear"
    merge_adapter: bool = False
    peft: bool = False
    lora_r: int = _range(16, 1, 1024)
    lora_alpha: int = _range(32, 1, 4096)
    lora_dropout: float = _range(0.05, 0, 0.9)
    model_ref: str | None = None
    dpo_beta: float = 0.1
    max_prompt_length: int = _range(128, 1)
    max_completion_length: int | None = _range(None, 1)
    unsloth: bool = False
    distributed_backend: str | None = _choice(None, "ddp", "deepspeed")

    @property
    def tokens_a_row(self) -> int:
        """Tokens of a packed row: `block_size`, or AutoTrain's own 1024 where that is -1."""
        return self.block_size if self.block_size > 0 else 1024


@dataclass(frozen=True)
class Hub:
    """What must stand under `hub`, where there is such a section."""

    username: str | None = None
    token: str | None = None
    push_to_hub: bool = False


@dataclass(frozen=True)
class Own:
    """Settings of this library in the top-level section `amazon_titles`, which AutoTrain does not read."""

    needs: str = _choice("cpu", "cpu", "cuda")
    valid_split: str | None = None
    checkpoint_dir: str | None = None
    checkpoint_steps: int = _range(100, 1)
    keep: str = _choice("last", "best", "last")
    max_hours: float | None = _range(None, 0)


PARAMS, HUB = _fields(Params), _fields(Hub)
"""What may stand under `params`, and what must stand under `hub`."""
_TEXT, _OPTIONAL_TEXT = Field(str), Field(str, optional=True)
COLUMNS = {
    "text_column": Field(str, "text"), "prompt_text_column": _OPTIONAL_TEXT, "rejected_text_column": _OPTIONAL_TEXT,
}  # fmt: skip
"""What may stand under `data.column_mapping`."""

SECTIONS: dict[tuple[str, ...], dict[str, Field]] = {
    (): {
        "task": _TEXT, "base_model": _TEXT, "project_name": _TEXT,
        "log": Field(str, choices=("none", "tensorboard", "wandb")), "backend": _TEXT,
    },
    ("data",): {
        "path": _TEXT, "train_split": _TEXT, "valid_split": _OPTIONAL_TEXT,
        "chat_template": Field(str, optional=True, choices=("none", "tokenizer", "chatml", "zephyr")),
    },
    ("data", "column_mapping"): COLUMNS,
    ("params",): PARAMS,
    ("hub",): HUB,
    ("amazon_titles",): _fields(Own),
}  # fmt: skip
"""Every section by its place in the file. What stands at the top and under `data` is required."""

KEYS: dict[tuple[str, ...], Field] = {
    (*section, name): field for section, fields in SECTIONS.items() for name, field in fields.items()
}
"""Every setting by its place in the file."""

# AutoTrain lets `params` and `column_mapping` overwrite these, which stand elsewhere; the others stand in their place.
ELSEWHERE = {
    "model": "base_model", "project_name": "project_name", "log": "log", "data_path": "data.path",
    **{name: f"data.{name}" for name in ("train_split", "valid_split", "chat_template")},
    **{name: f"data.column_mapping.{name}" for name in COLUMNS},
    **{name: f"hub.{name}" for name in HUB},
}  # fmt: skip
"""AutoTrain's own name of a setting that does not stand under `params`: its place in the file."""


def find_key(name: str) -> tuple[str, ...]:
    """The place of a setting: dotted (`params.lr`) or, where that is unambiguous, bare (`lr`, `train_split`).

    Raises:
        InputError: No such setting.
    """
    path = tuple(name.split("."))
    # `valid_split` stands under `data` and in our own section; AutoTrain's comes first.
    places = [path] if path in KEYS else [known for known in KEYS if known[-1] == name]
    if places:
        return places[0]
    close = nearest(name, map(".".join, KEYS)) or nearest(path[-1], {known[-1] for known in KEYS})
    hint = f"Did you mean {close}?" if close else f"Settings of training: {', '.join(PARAMS)}."
    raise InputError(f"No setting {name!r} in a recipe.", hint=hint)


def parse_setting(name: str, value: Any) -> tuple[tuple[str, ...], Value]:  # noqa: ANN401 - what a user typed
    """The place of a setting of `--set`, and its value as the setting's type.

    Args:
        name: As `find_key` takes it.
        value: A text as typed (`null` and `none` mean null), or a value already.

    Raises:
        InputError: No such setting, or the value does not fit.
    """
    path = find_key(name)
    field = KEYS[path]
    if isinstance(value, str) and value.lower() in ("null", "none", "~") and field.optional:
        value = None
    if field.misfit(value):
        raise InputError(f"{'.'.join(path)}={value} does not fit.", hint=f"Expected {field.expected}.")
    return path, field.coerce(value)


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The known name that a misspelt one probably means."""
    return next(iter(difflib.get_close_matches(name, list(names), n=1, cutoff=0.7)), None)
