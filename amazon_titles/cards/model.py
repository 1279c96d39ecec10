"""The model card: the document of the fine-tuning."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from amazon_titles.cards import evaluations
from amazon_titles.cards.licences import Licence, licence_of
from amazon_titles.cards.rendering import environment, wording
from amazon_titles.made_up import is_made_up

REPO, FOLDER, DATASET = "USER/NAME", "FOLDER", "DATASET"
"""What the examples call an adapter whose repository is not known yet, one that stays a folder, and its dataset."""

# The defaults of AutoTrain 0.8.36 for every parameter that the card has a sentence on; a test holds them against
# `recipes.fields`, which is held against AutoTrain itself.
DEFAULTS: dict[str, Any] = {
    "epochs": 1,
    "lr": 3e-5,
    "scheduler": "linear",
    "warmup_ratio": 0.1,
    "weight_decay": 0.0,
    "batch_size": 2,
    "gradient_accumulation": 4,
    "block_size": -1,
    "optimizer": "adamw_torch",
    "peft": False,
    "lora_r": 16,
    "lora_alpha": 32,
    "lora_dropout": 0.05,
    "target_modules": "all-linear",
    "quantization": "int4",
    "mixed_precision": None,
    "disable_gradient_checkpointing": False,
    "merge_adapter": False,
}
_VLLM_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)  # what `--max-lora-rank` takes: vllm/config/lora.py, MaxLoRARanks
_CURVE = 9  # points of the loss curve in the card's table


def model_card(
    run: Mapping[str, Any],
    recipe: str,
    *,
    before: evaluations.Report | None = None,
    after: evaluations.Report | None = None,
    comparison: Mapping[str, Any] | None = None,
    plots: Sequence[str] = (),
    repo_id: str | None = None,
    language: str | None = None,
) -> str:
    """The card of an adapter: the document of the fine-tuning, every number of it from the files given.

    Args:
        run: `run.json`; what it does not know is said to be unknown.
        recipe: Text of the recipe; "" where there is none.
        before: `eval/before.json`. Without both reports the card says that no evaluation was made.
        after: `eval/after.json`.
        comparison: `eval/comparison.json`; its rows may add `change_interval` (`[low, high]`) and `p_value` to the
            table, if they are of these reports.
        plots: Paths of plots, relative to the card.
        repo_id: Where it will stand on the Hub; otherwise the examples say `USER/NAME`, or `FOLDER` in a trial run.
        language: `en` or `pt`; by default the run's `card_language`, else English.

    Returns:
        Markdown with YAML at its head.

    Raises:
        InputError: The two reports do not belong together.
    """
    told = _run(run)
    asked = [example.get("uid") for example in (after or {}).get("examples", [])]
    told["dataset"]["made_up"] = told["dataset"]["made_up"] or any(map(is_made_up, asked))
    settings = _settings(recipe)
    base, dataset = told["base_model"], told["dataset"]["path"]
    # A base that was made in a folder here tells whose it is.
    licence = licence_of(base) or licence_of(str(told["base_source"] or "").partition(",")[0])
    name = _name(repo_id, settings, licence)
    both = before is not None and after is not None
    if before is not None and after is not None:
        table, examples = evaluations.rows(before, after, comparison), evaluations.shown(before, after)
    else:
        table, examples = evaluations.compared_rows(comparison), []
    question = next((shown.question for shown in examples if shown.question.isprintable()), 'What is "TITLE"?')
    adapter = (repo_id or REPO) if told["publishable"] else FOLDER
    values = {
        "card_language": language or run.get("card_language") or "en",
        "metadata": _metadata(told, name, licence, table),
        "name": name,
        "run": told,
        # A folder of this machine is nobody else's business: its name is enough.
        "recipe": _without_paths(recipe.strip(), base, dataset),
        "params": {**DEFAULTS, **settings.get("params", {})},
        "defaults": DEFAULTS,
        "data": settings.get("data", {}),
        "base": _short(base),
        "dataset": _short(dataset),
        "licence": licence,
        "rows": [row for row in table if row.get("headline", True)],
        "more_rows": not all(row.get("headline", True) for row in table),
        "intervals": any(key.endswith("_interval") and row[key] for row in table for key in row),
        "p_values": any(row.get("p_value") is not None for row in table),
        "eval_settings": ", ".join(f"{key} {value}" for key, value in _known((after or {}).get("settings", {}))),
        "eval_dataset": str((after or {}).get("dataset") or ""),
        "same_dataset": not both or told["dataset"]["report_sha256"] in (None, (after or {}).get("dataset")),
        "examples": examples,
        "plots": list(plots),
        "losses": _curve(told["losses"]),
        "adapter": adapter,
        "question": question,
        "shell_question": shlex.quote(question),
        "json_question": json.dumps(question, ensure_ascii=False),
        "request": shlex.quote(_request(question)),
        "rank": next((rank for rank in _VLLM_RANKS if rank >= _rank(settings)), _VLLM_RANKS[-1]),
    }
    template = environment().get_template("model_card.md.jinja")
    return template.render(values, say=wording("model_card", values))


def _run(run: Mapping[str, Any]) -> dict[str, Any]:
    """`run.json` with None for all that an older or another program did not write."""
    names = ("library", "engine", "base_model", "template", "device", "machine", "seconds", "training_seconds", "rows")
    told: dict[str, Any] = dict.fromkeys(
        (*names, "tokens", "tokens_an_epoch", "train_split", "why_not_publishable", "base_source")
    )
    told |= {"publishable": True, "versions": {}, "losses": []}
    told |= {key: value for key, value in run.items() if value is not None}
    told["base_model"] = str(told["base_model"] or "")
    nothing = {"path": "", "revision": None, "report_sha256": None, "url": None, "made_up": False}
    told["dataset"] = nothing | dict(run.get("dataset") or {})
    told["dataset"]["path"] = str(told["dataset"]["path"] or "")
    return told


def _settings(recipe: str) -> dict[str, Any]:
    try:
        settings = yaml.safe_load(recipe)
    except yaml.YAMLError:
        return {}
    return settings if isinstance(settings, dict) else {}


def _name(repo_id: str | None, settings: Mapping[str, Any], licence: Licence | None) -> str:
    name = repo_id.rpartition("/")[2] if repo_id else str(settings.get("project_name") or "adapter")
    if licence is not None and not licence.allows(name):
        name = f"{licence.prefix.replace(' ', '-')}-{name}"
    return name


def _metadata(run: Mapping[str, Any], name: str, licence: Licence | None, table: Sequence[Mapping[str, Any]]) -> str:
    metadata: dict[str, Any] = {"license": licence.id} if licence is not None else {}
    metadata |= {"library_name": "peft", "pipeline_tag": "text-generation"}
    metadata["tags"] = ["lora", *(["llama"] if licence and licence.prefix else []), run["engine"] or "peft"]
    metadata["tags"] += ["amazon-titles"]
    if run["publishable"] and run["base_model"]:
        metadata |= {"base_model": run["base_model"], "base_model_relation": "adapter"}
    dataset = run["dataset"]
    if run["publishable"] and dataset["path"]:
        metadata["datasets"] = [dataset["path"]]
        if table:
            metadata["model-index"] = evaluations.model_index(
                name, table, dataset=dataset["path"], revision=dataset["revision"]
            )
    return yaml.safe_dump(metadata, sort_keys=False, allow_unicode=True).strip()


def _known(settings: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return [(key, value) for key, value in settings.items() if value is not None]


def _curve(losses: Sequence[Mapping[str, Any]]) -> list[dict[str, float]]:
    """Points spread evenly over the curve, its first and last among them; AutoTrain logs some points twice."""
    points = list({round(point["epoch"], 1): point for point in losses if point.get("epoch") is not None}.values())
    if len(points) > _CURVE:
        points = [points[round(n * (len(points) - 1) / (_CURVE - 1))] for n in range(_CURVE)]
    return [{"epoch": point["epoch"], "loss": point["loss"]} for point in points]


def _rank(settings: Mapping[str, Any]) -> int:
    rank = (settings.get("params") or {}).get("lora_r", DEFAULTS["lora_r"])
    return rank if isinstance(rank, int) else int(DEFAULTS["lora_r"])


def _request(question: str) -> str:
    messages = [{"role": "user", "content": question}]
    request = {"model": "titles", "temperature": 0, "max_tokens": 160, "messages": messages}
    return json.dumps(request, ensure_ascii=False)


def _short(path: str) -> str:
    return Path(path).name if Path(path).is_absolute() else path


def _without_paths(recipe: str, *paths: str) -> str:
    """The recipe with folders of this machine by their names alone, and its fence unbroken."""
    for path in paths:
        if path and Path(path).is_absolute():
            recipe = recipe.replace(path, _short(path))
    return re.sub(r"^```", "# ```", recipe, flags=re.MULTILINE)
