"""What plain `autotrain --config` leaves behind, made into the metadata of an adapter folder.

AutoTrain writes `training_params.json` (everything it was given, the token among it), tensorboard's event files under
`runs/`, a generic card and a pickle. From the first two come `recipe.yml` and `run.json`; what they do not say, such as
the machine, is said to be unknown.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from amazon_titles import __version__
from amazon_titles.recipes.fields import PARAMS
from amazon_titles.templates import ChatTemplate, template_of_config
from amazon_titles.training.adapter import dataset_of, with_template

PARAMETERS = "training_params.json"
"""AutoTrain's own record of a run."""

_UNKNOWN = "not recorded"


def recipe_of(parameters: Mapping[str, Any]) -> str:
    """The YAML that gives AutoTrain the same parameters again.

    Args:
        parameters: `training_params.json`.
    """
    data = {name: parameters.get(name) for name in ("train_split", "valid_split", "chat_template")}
    columns = {"text_column": parameters.get("text_column") or "text"}
    config = {
        "task": f"llm-{parameters.get('trainer') or 'sft'}",
        "base_model": parameters.get("model"),
        "project_name": Path(str(parameters.get("project_name") or "adapter")).name,
        "log": parameters.get("log") or "none",
        "backend": "local-cli",
        "data": {"path": parameters.get("data_path"), **data, "column_mapping": columns},
        "params": {name: parameters[name] for name in PARAMS if name in parameters and name != "trainer"},
    }
    head = "# Written from AutoTrain's training_params.json: what this adapter was trained with.\n"
    return head + yaml.safe_dump(config, sort_keys=False, allow_unicode=True)


def run_of(parameters: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """`run.json`, as far as AutoTrain recorded the run.

    Args:
        parameters: `training_params.json`.
        folder: Holds `runs/`, if AutoTrain logged to tensorboard.
    """
    data = str(parameters.get("data_path") or "")
    scalars = list(_scalars(folder))
    epochs, rates = (
        {step: value for tag, step, value in scalars if tag == name} for name in ("train/epoch", "train/learning_rate")
    )
    seconds = next((value for tag, _, value in scalars if tag == "train/train_runtime"), None)
    template = _template(parameters)
    return {
        "library": __version__, "engine": "autotrain", "base_model": parameters.get("model"),
        "dataset": dataset_of(data) | {"path": data}, "train_split": parameters.get("train_split"),
        "template": template.name if template else parameters.get("chat_template"), "recipe": "recipe.yml",
        "publishable": True, "why_not_publishable": None, "device": _UNKNOWN, "machine": _UNKNOWN, "versions": {},
        "seconds": None if seconds is None else round(seconds, 1), "training_seconds": seconds,
        "rows": None, "tokens_an_epoch": None, "tokens": None,
        "losses": [
            {"epoch": epochs.get(step), "loss": value, "learning_rate": rates.get(step)}
            for tag, step, value in scalars
            if tag == "train/loss"
        ],
    }  # fmt: skip


def _template(parameters: Mapping[str, Any]) -> ChatTemplate | None:
    """What the data was rendered with; None where it was no rendered text of this library."""
    return template_of_config(str(parameters.get("train_split") or "").partition(":")[0])


def tokenizer_of(parameters: Mapping[str, Any], tokenizer: Mapping[str, Any]) -> dict[str, Any] | None:
    """`tokenizer_config.json` with the chat template that the data was rendered with.

    AutoTrain saves the base's template, and Llama 3.2's holds a clock: what is asked tomorrow would differ from what
    was trained. None where the data was no rendered text of this library, so that AutoTrain's own template counts.
    """
    template = _template(parameters)
    return None if template is None or not tokenizer else with_template(tokenizer, template)


def _scalars(folder: Path) -> Iterator[tuple[str, int, float]]:
    """Tag, step and value of every scalar in tensorboard's event files.

    An event file is TFRecords (length as uint64, a checksum, the bytes, a checksum) of `Event` messages; the field
    numbers are those of tensorboard's event.proto and summary.proto. They are read here because tensorboard comes with
    AutoTrain's environment alone, and an adapter may be published from any.
    """
    for path in sorted(folder.glob("runs/**/*.tfevents.*")):
        data, at = path.read_bytes(), 0
        while at + 12 <= len(data):
            start, at = at + 12, at + int.from_bytes(data[at : at + 8], "little") + 16
            if at - 4 <= len(data):  # else it was cut: what came before counts
                yield from _values(data[start : at - 4])


def _values(event: bytes) -> Iterator[tuple[str, int, float]]:
    """The scalars of one message `Event`: its `summary` holds values, each of a `tag` and, mostly, a `simple_value`."""
    fields = list(_fields(event))
    step = next((value for number, value in fields if number == 2 and isinstance(value, int)), 0)
    for summary in [value for number, value in fields if number == 5 and isinstance(value, bytes)]:
        for _, value in _fields(summary):
            with suppress(KeyError, AttributeError, TypeError, struct.error):  # anything but a scalar
                told = dict(_fields(value))
                yield told[1].decode("utf-8", "replace"), step, round(struct.unpack("<f", told[2])[0], 6)


def _fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """Number and value of every field of a protobuf message: an integer, or bytes; nothing after what is cut."""
    data = io.BytesIO(message)
    while key := _varint(data):
        number, wire = key >> 3, key & 7
        if wire == 0:
            yield number, _varint(data)
        elif wire in (1, 2, 5):
            size = _varint(data) if wire == 2 else 8 if wire == 1 else 4
            yield number, data.read(min(size, len(message)))
        else:
            return  # groups: tensorboard writes none


def _varint(data: io.BytesIO) -> int:
    value = shift = 0
    while byte := data.read(1):
        value |= (byte[0] & 0x7F) << shift
        shift += 7
        if byte[0] < 0x80:
            break
    return value
