"""The model card: the document of the fine-tuning."""

from __future__ import annotations

import json
import re
import shlex
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from amazon_titles.cards.licences import Licence, licence_of
from amazon_titles.cards.rendering import render
from amazon_titles.sample import is_made_up

# The defaults of AutoTrain 0.8.36 for every parameter that the card has a sentence on; a test holds them against
# `recipes.fields`, which is held against AutoTrain itself.
DEFAULTS: dict[str, Any] = {
    "epochs": 1, "lr": 3e-5, "scheduler": "linear", "warmup_ratio": 0.1, "weight_decay": 0.0, "batch_size": 2,
    "gradient_accumulation": 4, "block_size": -1, "optimizer": "adamw_torch", "peft": False, "lora_r": 16,
    "lora_alpha": 32, "lora_dropout": 0.05, "target_modules": "all-linear", "quantization": "int4",
    "mixed_precision": None, "disable_gradient_checkpointing": False, "merge_adapter": False,
}  # fmt: skip
_VLLM_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)  # what `--max-lora-rank` takes: vllm/config/lora.py, MaxLoRARanks
# Measures of the table that the card begins with; the others are under a heading of their own.
_FIRST, _FIRST_ROWS = ("fact recall", "right source cited", "said it does not know", "right answer"), 5
_MODULES = 7  # what a Llama's layer has: so many names fit a cell of a table
_CURVE = 9  # points of the loss curve in the card's table
# What the Hub calls a measure, where it is not its name.
_TYPES = {"ROUGE-L F1": "rouge", "said it does not know": "abstention_rate"}
# Sets whose questions are about a record of the catalogue that no model has in view: what the card says of them.
_FROM_MEMORY = ("seen", "unseen")
_RIGHT = 0.999  # of a score: all facts of the description stand in the answer


def model_card(
    run: Mapping[str, Any], recipe: str, *, comparison: Any = None, plots: Sequence[str] = (),  # noqa: ANN401
    repo_id: str | None = None, language: str | None = None, gguf: str | None = None,
) -> str:  # fmt: skip
    """The card of an adapter: the document of the fine-tuning, every number of it from the files given.

    Args:
        run: `run.json`; what it does not know is said to be unknown.
        recipe: Text of the recipe; "" where there is none.
        comparison: A `Comparison` of two evaluations; without it the card says that none was made.
        plots: Paths of plots, relative to the card.
        repo_id: Where it will stand on the Hub; otherwise the examples say `USER/NAME`, or `FOLDER` in a trial run.
        language: `en` or `pt`; by default the run's `card_language`, else English.
        gguf: Name of the GGUF file that stands beside it.

    Returns:
        Markdown with YAML at its head.
    """
    known = _run(run)
    asked = (example.uid for example in (comparison.after.examples if comparison else ()))
    known["dataset"]["made_up"] = known["dataset"]["made_up"] or any(map(is_made_up, asked))
    settings = _settings(recipe)
    params = DEFAULTS | (settings.get("params") or {})
    rank = params["lora_r"] if isinstance(params["lora_r"], int) else DEFAULTS["lora_r"]
    base, dataset = str(known["base_model"] or ""), known["dataset"]["path"]
    # A base that was made in a folder here tells whose it is.
    licence = licence_of(base) or licence_of(str(known["base_source"] or "").partition(",")[0])
    name = repo_id.rpartition("/")[2] if repo_id else str(settings.get("project_name") or "adapter")
    if licence is not None and not licence.allows(name):
        name = f"{licence.prefix.replace(' ', '-')}-{name}"
    table, examples = (comparison.rows(), shown(comparison)) if comparison else ([], {})
    questions = (pair.before.question for pair in examples.values())
    question = next(filter(str.isprintable, questions), 'What is "TITLE"?')
    request = {"model": "titles", "temperature": 0, "max_tokens": 160}
    request |= {"messages": [{"role": "user", "content": question}]}
    headlines = [row for row in table if row["headline"]]
    chosen = [row for row in headlines if row["measure"] in _FIRST and row["set"] != "unseen"]
    first = (chosen or headlines)[:_FIRST_ROWS]
    settings_ = comparison.after.settings.items() if comparison else ()
    eval_settings = [f"{key} {value}" for key, value in settings_ if value is not None]
    context = {
        "card_language": language or run.get("card_language") or "en",
        "metadata": _metadata(known, name, licence, table),
        "name": name, "run": known, "licence": licence, "params": _shortened(params), "defaults": DEFAULTS,
        # A folder of this machine is nobody else's business: its name is enough.
        "recipe": _without_paths(recipe.strip(), base, dataset), "base": _short(base), "dataset": _short(dataset),
        "rows": first, "other_rows": [row for row in headlines if row not in first], "examples": examples,
        "more_rows": len(headlines) < len(table),
        "intervals": any(key.endswith("_interval") and row[key] for row in table for key in row),
        "p_values": any(row.get("p_value") is not None for row in table),
        "eval_settings": ", ".join(eval_settings), "eval_dataset": comparison.after.dataset if comparison else "",
        "gguf": gguf, "plots": plots, "losses": _curve(known["losses"]),
        "adapter": (repo_id or "USER/NAME") if known["publishable"] else "FOLDER",
        "shell_question": shlex.quote(question), "json_question": json.dumps(question, ensure_ascii=False),
        "request": shlex.quote(json.dumps(request, ensure_ascii=False)),
        "rank": next((most for most in _VLLM_RANKS if most >= rank), _VLLM_RANKS[-1]),
    }  # fmt: skip
    return render("model_card", context)


def shown(comparison: Any) -> dict[str, Any]:  # noqa: ANN401 - a `Comparison`, of a floor above
    """Three questions of one set: the `improved` most, the `median` one, and one that is still `wrong`.

    The set is one that is asked from memory; without any, there is none. They are chosen by the change in fact recall
    (ROUGE-L where no answer has facts), never by hand. A question stands once; where every answer is right, there is no
    third.
    """
    judged: list[Any] = next(filter(None, map(comparison.judged, _FROM_MEMORY)), [])
    measure = min((pair.measure for pair in judged), default="")  # fact_recall comes before rouge_l
    pairs = [pair for pair in judged if pair.measure == measure]
    found = {"improved": pairs.pop(0)} if pairs else {}
    if len(pairs) > 1:
        found["median"] = pairs.pop((len(pairs) - 1) // 2)
    worst = min(pairs, key=lambda pair: pair.after.scores[measure], default=None)
    if worst and worst.after.scores[measure] < _RIGHT:
        found["wrong"] = worst
    return found


def _run(run: Mapping[str, Any]) -> dict[str, Any]:
    """`run.json` with None for all that an older or another program did not write."""
    told = {key: value for key, value in run.items() if value is not None}
    dataset = defaultdict(lambda: None, told.get("dataset", {}))
    dataset["path"] = str(dataset["path"] or "")
    return defaultdict(lambda: None, {"publishable": True, "versions": {}, "losses": [], **told, "dataset": dataset})


def _shortened(params: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters as a table shows them: of many modules the first, the last and how many; the recipe has them all."""
    modules = str(params["target_modules"]).split(",")
    few = f"{modules[0]}, …, {modules[-1]} ({len(modules)})"
    return {**params, "target_modules": few} if len(modules) > _MODULES else dict(params)


def _settings(recipe: str) -> dict[str, Any]:
    try:
        settings = yaml.safe_load(recipe)
    except (yaml.YAMLError, RecursionError, ValueError):
        return {}
    return settings if isinstance(settings, dict) else {}


def _metadata(run: Mapping[str, Any], name: str, licence: Licence | None, table: Sequence[Mapping[str, Any]]) -> str:
    from huggingface_hub.repocard_data import EvalResult, eval_results_to_model_index

    # What stands in a folder of this machine is nothing that the Hub could link to.
    base, dataset = (run["base_model"], run["dataset"]["path"]) if run["publishable"] else ("", "")
    results = [
        EvalResult(
            task_type="text-generation", dataset_type=dataset, dataset_name=f"{dataset} ({row['set']})",
            dataset_split=row["set"], dataset_revision=run["dataset"]["revision"], metric_name=row["measure"],
            metric_type=_TYPES.get(row["measure"]) or re.sub(r"[^a-z0-9]+", "_", row["measure"].lower()).strip("_"),
            metric_value=round(row["after"], 4),
        )
        for row in (table if dataset else ())
    ]  # fmt: skip
    metadata = {
        "license": licence and licence.id, "library_name": "peft", "pipeline_tag": "text-generation",
        "tags": ["lora", *(["llama"] if licence and licence.prefix else []), run["engine"] or "peft", "amazon-titles"],
        "base_model": base, "base_model_relation": base and "adapter", "datasets": dataset and [dataset],
        "model-index": results and eval_results_to_model_index(name, results),
    }  # fmt: skip
    told = {key: value for key, value in metadata.items() if value}
    return yaml.safe_dump(told, sort_keys=False, allow_unicode=True).strip()


def _curve(losses: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Points spread evenly over the curve, its first and last among them; AutoTrain logs some points twice."""
    points = list({round(point["epoch"], 1): point for point in losses if point.get("epoch") is not None}.values())
    if len(points) > _CURVE:
        points = [points[round(n * (len(points) - 1) / (_CURVE - 1))] for n in range(_CURVE)]
    return points


def _short(path: str) -> str:
    return Path(path).name if Path(path).is_absolute() else path


def _without_paths(recipe: str, *paths: str) -> str:
    """The recipe with folders of this machine by their names alone, and its fence unbroken."""
    for path in filter(None, paths):
        recipe = recipe.replace(path, _short(path))
    return re.sub(r"^[ \t]*(?=```)", "# ", recipe, flags=re.MULTILINE)
