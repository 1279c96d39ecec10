"""What a model's own folder proves of it: the table of before and after, the plots, and how it was trained."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from amazon_titles import resources
from amazon_titles.hub_errors import explain
from amazon_titles.page import markup, plots, reading
from amazon_titles.page.texts import Texts, name_of

_COMPARISON, _BEFORE_AFTER, _LOSS, _RUN = "eval/comparison.json", "eval/before_after.png", "loss.png", "run.json"
_RECIPE = "recipe.yml"
_PLOTS = (_BEFORE_AFTER, _LOSS)
_FILES = (_COMPARISON, *_PLOTS, _RUN, _RECIPE)
# One of them is in the cache wherever a model is.
_CONFIGS = ("adapter_config.json", "config.json")


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was found beside a model; what is not there, or not as it should be, is empty.

    Attributes:
        rows: Of the comparison: `{"set", "n", "measure", "before", "after"}`, the values 0 to 1.
        plots: File name → PNG in base64.
        run: Of the model's `run.json`.
        params: Of its `recipe.yml`.
        looked: Whether the comparison was looked for: without a network, a cached model may have one that is not here.
    """

    rows: list[dict[str, Any]]
    plots: dict[str, str]
    run: dict[str, Any]
    params: dict[str, Any]
    looked: bool = True

    @classmethod
    def of(cls, model: str | Path) -> Evidence:
        """Reads it from a model's folder, or of its Hub id.

        Raises:
            AmazonTitlesError: The Hub does not answer, and no part of the model is cached here; the message says why.
        """
        found = {name: _fetched(model, name) for name in _FILES}
        plots = {name: base64.b64encode(png).decode() for name in _PLOTS if (png := reading.picture(found[name].path))}
        return cls(
            reading.rows(reading.mapping(found[_COMPARISON].path)),
            plots,
            reading.run(reading.mapping(found[_RUN].path)),
            reading.params(reading.mapping(found[_RECIPE].path)),
            looked=found[_COMPARISON].looked,
        )

    def settings(self, texts: Texts) -> list[tuple[str, str]]:
        """How it was trained: name and value of what `run.json` and `recipe.yml` hold of it.

        Args:
            texts: Of the language that the numbers are spelt in.
        """
        run, losses = self.run, self.run.get("losses")
        dataset = run.get("dataset") or {}
        named = {
            "base model": markup.place(run.get("base_model")),
            "dataset": "@".join(
                str(part) for part in (markup.place(dataset.get("path")), dataset.get("revision")) if part
            ),
            "engine": run.get("engine"),
            "tokens": markup.whole(run["tokens"], texts) if run.get("tokens") else None,
            "seconds": f"{run['seconds']:.0f}" if run.get("seconds") else None,
            "device": run.get("device"),
            "final loss": markup.decimals(losses[-1]["loss"], texts, places=3) if losses else None,
        }
        for key, name in _PARAMS.items():
            value = self.params.get(key)
            named[name] = str(value).replace(".", texts.decimal) if isinstance(value, float) else value
        return [(name, str(value)) for name, value in named.items() if value not in (None, "")]

    def to_html(self, texts: Texts, language: str) -> str:
        """The second tab."""
        parts = [self._table(texts, language)]
        labels = {_BEFORE_AFTER: texts.plot_before_after, _LOSS: texts.plot_loss}
        parts += [markup.picture(png, labels[name]) for name, png in self._plots(texts, language).items()]
        if settings := self.settings(texts):
            rows = [(name_of(name, language), value) for name, value in settings]
            parts.append(f"<h3>{markup.text(texts.trained)}</h3>")
            parts.append(markup.table((texts.setting, texts.value), rows, numbers_from=2))
        return "".join(parts)

    def _plots(self, texts: Texts, language: str) -> dict[str, str]:
        """The plots' files, or what stands in them drawn anew where the page is not in their language."""
        if language == "en":
            return self.plots
        anew = {
            _BEFORE_AFTER: plots.before_after(self.rows, texts, language),
            _LOSS: plots.losses(self.run, texts, language),
        }
        return {name: anew[name] or png for name, png in self.plots.items()}

    def _table(self, texts: Texts, language: str) -> str:
        if not self.rows:
            return markup.note(texts.no_evaluation if self.looked else texts.unreached)
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
            *(markup.decimals(value, texts) for value in (row["before"], row["after"])),
            markup.decimals(row["after"] - row["before"], texts, sign="+"),
        )
        for row in rows
    ]
    return markup.table(head, cells, numbers_from=2)


# Seen at once; whatever else was measured is folded away.
_HEADLINES = frozenset(
    (
        "ROUGE-L F1", "fact recall", "said it does not know", "groundedness", "right source cited",
        "property asked, and no other", "right answer",
    )
)  # fmt: skip
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


class _Found(NamedTuple):
    """A file beside a model, and whether it was looked for: where it was, None means that there is none."""

    path: Path | None
    looked: bool = True


def _fetched(model: str | Path, name: str) -> _Found:
    """A file of a model's folder or Hub id.

    Raises:
        AmazonTitlesError: As `Evidence.of`.
    """
    if Path(model).is_dir():
        path = Path(model) / name
        # What a link leads to may be anybody's, and the page would show it to everybody.
        return _Found(path if path.is_file() and not resources.is_link(path, Path(model)) else None)
    if str(model).startswith(("http://", "https://")):
        return _Found(None)
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    try:
        return _Found(Path(hf_hub_download(str(model), name)))
    except LocalEntryNotFoundError as error:  # the Hub was not reached, and the file is not in the cache
        return _cached(str(model), name, error)
    except EntryNotFoundError:
        return _Found(None)
    except Exception as error:
        raise explain(error, str(model)) from None


def _cached(model: str, name: str, error: Exception) -> _Found:
    """What the cache tells of a file that it does not hold: that there is none, or, of a model that it holds, nothing.

    Raises:
        AmazonTitlesError: It does not hold the model either.
    """
    from huggingface_hub import _CACHED_NO_EXIST, try_to_load_from_cache

    if try_to_load_from_cache(model, name) is _CACHED_NO_EXIST:
        return _Found(None)
    if any(isinstance(try_to_load_from_cache(model, config), str) for config in _CONFIGS):
        return _Found(None, looked=False)
    raise explain(error, model) from None
