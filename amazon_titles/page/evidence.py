"""What a model's own folder proves of it: the table of before and after, the plots, and how it was trained."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from amazon_titles.hub import explain
from amazon_titles.page import drawn, markup
from amazon_titles.page.texts import Texts, name_of

_COMPARISON, _BEFORE_AFTER, _LOSS, _RUN = "eval/comparison.json", "eval/before_after.png", "loss.png", "run.json"
_RECIPE = "recipe.yml"
_FILES = (_COMPARISON, _BEFORE_AFTER, _LOSS, _RUN, _RECIPE)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was found beside a model; what is not there is empty.

    Attributes:
        rows: Of the comparison: `{"set", "n", "measure", "before", "after"}`, the values 0 to 1.
        plots: File name → PNG in base64.
        run: The model's `run.json`.
        params: The `params` of its `recipe.yml`.
    """

    rows: list[dict[str, Any]]
    plots: dict[str, str]
    run: dict[str, Any]
    params: dict[str, Any]

    @classmethod
    def of(cls, model: str | Path) -> Evidence:
        """Reads it from a model's folder, or of its Hub id.

        Raises:
            AmazonTitlesError: The Hub does not answer; the message says why.
        """
        found = {name: path for name in _FILES if (path := _fetched(model, name)) is not None}
        comparison = _json(found.get(_COMPARISON))
        plots = {
            name: base64.b64encode(found[name].read_bytes()).decode()
            for name in (_BEFORE_AFTER, _LOSS)
            if name in found
        }
        rows = [row for row in comparison.get("rows", []) if {"set", "n", "measure", "before", "after"} <= row.keys()]
        recipe = yaml.safe_load(found[_RECIPE].read_text(encoding="utf-8")) if _RECIPE in found else None
        params = recipe.get("params") if isinstance(recipe, dict) else None
        return cls(rows, plots, _json(found.get(_RUN)), params if isinstance(params, dict) else {})

    def settings(self) -> list[tuple[str, str]]:
        """How it was trained: name and value of what `run.json` holds of it."""
        run = self.run
        dataset = run.get("dataset") or {}
        named = {
            "base model": markup.place(run.get("base_model")),
            "dataset": "@".join(
                str(part) for part in (markup.place(dataset.get("path")), dataset.get("revision")) if part
            ),
            "engine": run.get("engine"),
            "tokens": f"{run['tokens']:,}" if run.get("tokens") else None,
            "seconds": f"{run['seconds']:.0f}" if run.get("seconds") else None,
            "device": run.get("device"),
            "final loss": f"{run['losses'][-1]['loss']:.3f}" if run.get("losses") else None,
        }
        named |= {name: self.params.get(key) for key, name in _PARAMS.items()}
        return [(name, str(value)) for name, value in named.items() if value not in (None, "")]

    def to_html(self, texts: Texts, language: str) -> str:
        """The second tab."""
        parts = [self._table(texts, language)]
        labels = {_BEFORE_AFTER: texts.plot_before_after, _LOSS: texts.plot_loss}
        parts += [markup.picture(png, labels[name]) for name, png in self._plots(texts, language).items()]
        if settings := self.settings():
            rows = [(name_of(name, language), value) for name, value in settings]
            parts.append(f"<h3>{markup.text(texts.trained)}</h3>")
            parts.append(markup.table((texts.setting, texts.value), rows, numbers_from=2))
        return "".join(parts)

    def _plots(self, texts: Texts, language: str) -> dict[str, str]:
        """The plots' files, or what stands in them drawn anew where the page is not in their language."""
        if language == "en":
            return self.plots
        anew = {
            _BEFORE_AFTER: drawn.before_after(self.rows, texts, language),
            _LOSS: drawn.losses(self.run, texts, language),
        }
        return {name: anew[name] or png for name, png in self.plots.items()}

    def _table(self, texts: Texts, language: str) -> str:
        if not self.rows:
            return markup.note(texts.no_evaluation)
        first = [row for row in self.rows if row["measure"] in _HEADLINES]
        parts = [markup.note(texts.measured), _rows(first or self.rows, texts, language)]
        if first and len(first) < len(self.rows):
            parts.append(markup.folded(texts.all_measures, _rows(self.rows, texts, language)))
        return "".join(parts)


def _rows(rows: list[dict[str, Any]], texts: Texts, language: str) -> str:
    head = (texts.set, texts.measure, texts.n, texts.before, texts.after, texts.change)
    cells = [
        (
            name_of(str(row["set"]), language),
            name_of(str(row["measure"]), language),
            str(row["n"]),
            *(_decimals(value, texts) for value in (row["before"], row["after"])),
            _decimals(row["after"] - row["before"], texts, sign="+"),
        )
        for row in rows
    ]
    return markup.table(head, cells, numbers_from=2)


# Seen at once; whatever else was measured is folded away.
_HEADLINES = frozenset(
    ("ROUGE-L F1", "fact recall", "said it does not know", "groundedness", "right source cited", "right answer")
)
_PARAMS = {
    "epochs": "epochs",
    "lr": "learning rate",
    "batch_size": "batch size",
    "block_size": "block size",
    "lora_r": "LoRA rank",
    "lora_alpha": "LoRA alpha",
    "lora_dropout": "LoRA dropout",
    "quantization": "quantization",
}


def _decimals(value: float, texts: Texts, *, sign: str = "") -> str:
    return f"{value:{sign}.2f}".replace(".", texts.decimal)


def _fetched(model: str | Path, name: str) -> Path | None:
    if Path(model).is_dir():
        path = Path(model) / name
        return path if path.is_file() else None
    if str(model).startswith(("http://", "https://")):
        return None
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError

    try:
        return Path(hf_hub_download(str(model), name))
    except EntryNotFoundError:
        return None
    except Exception as error:
        raise explain(error, str(model)) from None


def _json(path: Path | None) -> dict[str, Any]:
    """The object in a file; {} where there is none, or something else."""
    if path is None:
        return {}
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
