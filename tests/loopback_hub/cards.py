"""What the Hub checks in a card's metadata, as far as our cards can meet it."""

from __future__ import annotations

import re
from typing import Any

import yaml

# From the Hub's documentation of model and dataset cards.
LICENSES = {
    "apache-2.0", "mit", "openrail", "bigscience-openrail-m", "creativeml-openrail-m", "bigscience-bloom-rail-1.0",
    "bsd-2-clause", "bsd-3-clause", "cc", "cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "cc-by-nc-sa-4.0",
    "cc-by-nd-4.0", "gemma", "gpl-3.0", "lgpl-3.0", "llama2", "llama3", "llama3.1", "llama3.2", "llama3.3", "llama4",
    "odc-by", "pddl", "unlicense", "unknown", "other",
}  # fmt: skip
RELATIONS = {"adapter", "merge", "quantized", "finetune"}
PIPELINES = {"text-generation", "text2text-generation", "question-answering", "feature-extraction"}
TASKS = PIPELINES | {"text-classification", "table-question-answering", "summarization", "text-retrieval"}
REPO_ID = re.compile(r"^[\w][\w.-]*/[\w][\w.-]*$")
_HEAD = re.compile(r"\A---\r?\n(.*?)\r?\n---\r?\n", re.S)


def metadata(card: str) -> dict[str, Any]:
    """The YAML at the head of a card; {} where there is none.

    Raises:
        ValueError: It is not a mapping in YAML.
    """
    head = _HEAD.match(card)
    if head is None:
        return {}
    try:
        value = yaml.safe_load(head.group(1))
    except yaml.YAMLError as error:
        raise ValueError(f"not YAML: {error}") from error
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ValueError("the metadata is not a mapping")
    return value


def problems(card: str, kind: str) -> list[str]:
    """Every fault of a card's metadata in a sentence each."""
    try:
        data = metadata(card)
    except ValueError as error:
        return [str(error)]
    found = [
        f'"{key}" must be a string or a list of strings'
        for key in ("tags", "language", "datasets", "task_categories", "license", "library_name", "pipeline_tag")
        if key in data and not _strings(data[key])
    ]
    found += _ids(data, "datasets") + _ids(data, "base_model")
    if (licence := data.get("license")) is not None and not set(_list(licence)) <= LICENSES:
        found.append(f'"license" must be one of the Hub\'s: {licence}')
    for language in _list(data.get("language")):
        if not re.fullmatch(r"[a-z]{2,3}(-[A-Za-z]+)?|multilingual|code", str(language)):
            found.append(f'"language" must be an ISO 639 code: {language}')
    if data.get("base_model_relation", "adapter") not in RELATIONS:
        found.append(f'"base_model_relation" must be one of {sorted(RELATIONS)}')
    if kind == "model" and data.get("pipeline_tag", "text-generation") not in PIPELINES:
        found.append(f'"pipeline_tag" is unknown: {data["pipeline_tag"]}')
    if kind == "dataset":
        found += [f'"task_categories" is unknown: {t}' for t in _list(data.get("task_categories")) if t not in TASKS]
        found += _configs(data.get("configs"))
    return found + _model_index(data.get("model-index"))


def _list(value: object) -> list[Any]:
    return [] if value is None else value if isinstance(value, list) else [value]


def _strings(value: object) -> bool:
    return all(isinstance(item, str) for item in _list(value))


def _ids(data: dict[str, Any], key: str) -> list[str]:
    return [f'"{key}" must be ids of the Hub: {v}' for v in _list(data.get(key)) if not REPO_ID.match(str(v))]


def _configs(configs: object) -> list[str]:
    found = []
    for config in _list(configs):
        if not isinstance(config, dict) or not isinstance(config.get("config_name"), str):
            found.append('"configs[]" needs "config_name"')
            continue
        for rule in _list(config.get("data_files")):
            if isinstance(rule, dict) and not {"split", "path"} <= rule.keys():
                found.append(f'"configs[{config["config_name"]}].data_files[]" needs "split" and "path"')
    return found


def _model_index(index: object) -> list[str]:
    found = []
    for model in _list(index):
        if not isinstance(model, dict) or "name" not in model or not isinstance(model.get("results"), list):
            found.append('"model-index[]" needs "name" and "results"')
            continue
        for result in model["results"]:
            for key, wanted in (("task", ("type",)), ("dataset", ("type", "name"))):
                part = result.get(key)
                if not isinstance(part, dict) or any(name not in part for name in wanted):
                    found.append(f'"model-index[].results[].{key}" needs {", ".join(wanted)}')
            for metric in result.get("metrics", []):
                if not {"type", "value"} <= metric.keys():
                    found.append('"model-index[].results[].metrics[]" needs "type" and "value"')
    return found
