"""What plain `autotrain --config` leaves behind, made into the metadata of an adapter folder.

AutoTrain writes `training_params.json` (everything it was given, the token among it), tensorboard's event files under
`runs/`, a generic card and a pickle. From the first two come `recipe.yml` and `run.json`; what they do not say, such as
the machine, is said to be unknown.
"""

from __future__ import annotations

import re
import struct
from collections import defaultdict
from collections.abc import Mapping
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

_VARINT = rb"[\x80-\xff]*[\x00-\x7f]"
# One scalar as torch writes it: a protobuf message `Event`, whose fields come in the order of their numbers, each after
# a byte that holds its number and kind (tensorboard's event.proto and summary.proto).
_SCALAR = re.compile(
    rb"\x09.{8}"  # Event.wall_time, a double
    rb"(?:\x10(%(varint)b))?"  # Event.step, left out where it is 0
    rb"\x2a%(varint)b"  # Event.summary, after its length
    rb"\x0a%(varint)b"  # Summary.value, the same
    rb"\x0a.train/([ -~]+)"  # Value.tag
    rb"\x15(.{4})" % {b"varint": _VARINT},  # Value.simple_value, a float
    re.DOTALL,
)


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
    points = _points(folder)
    losses = [
        {key: point.get(key) for key in ("epoch", "loss", "learning_rate")} for point in points if "loss" in point
    ]
    seconds = next((point["train_runtime"] for point in points if "train_runtime" in point), None)
    template = _template(parameters)
    return {
        "library": __version__, "engine": "autotrain", "base_model": parameters.get("model"),
        "dataset": dataset_of(data) | {"path": data}, "train_split": parameters.get("train_split"),
        "template": template.name if template else parameters.get("chat_template"), "recipe": "recipe.yml",
        "publishable": True, "why_not_publishable": None, "device": _UNKNOWN, "machine": _UNKNOWN, "versions": {},
        "seconds": None if seconds is None else round(seconds, 1), "training_seconds": seconds,
        "rows": None, "tokens_an_epoch": None, "tokens": None, "losses": losses,
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


def _points(folder: Path) -> list[dict[str, float]]:
    """What was logged at each step: every scalar in tensorboard's event files, as far as they have not been cut.

    They are read here because tensorboard comes with AutoTrain's environment alone, and an adapter may be published
    from any.
    """
    points: defaultdict[bytes, dict[str, float]] = defaultdict(dict)
    for path in sorted(folder.glob("runs/**/*.tfevents.*")):
        for step, name, value in _SCALAR.findall(path.read_bytes()):
            points[step][name.decode()] = round(struct.unpack("<f", value)[0], 6)
    return list(points.values())
