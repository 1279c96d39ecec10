"""What a model's own folder proves of it: figures of before and after, the plots, and how it was trained.

Anybody may have written what lies beside a model: what is not of the expected type is not there.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import msgspec
import yaml

from amazon_titles.errors import MissingExtraError
from amazon_titles.evaluation.measures import MEASURES
from amazon_titles.hub.contents import read_file
from amazon_titles.hub_errors import explain
from amazon_titles.io import is_local, read_object
from amazon_titles.model.loading import is_address
from amazon_titles.names import name_of
from amazon_titles.page import markup
from amazon_titles.page.texts import Texts
from amazon_titles.plots import plot_before_after, plot_losses

_COMPARISON, _RUN, _RECIPE = "eval/comparison.json", "run.json", "recipe.yml"
_PLOTS = ("eval/before_after.png", _LOSS := "loss.png")
# Told in large type, the first three that were measured, whatever they say: set, measure, and the name of its sentence.
_FIGURES = (
    ("seen", "fact recall", "figure_seen"), ("grounded", "right source cited", "figure_grounded"),
    ("invented", "said it does not know", "figure_invented"), ("general", "right answer", "figure_general"),
    ("seen", "ROUGE-L F1", "figure_rouge"),
)  # fmt: skip
_PARAMS = {
    "epochs": "epochs", "lr": "learning rate", "batch_size": "batch size", "block_size": "block size",
    "lora_r": "LoRA rank", "lora_alpha": "LoRA alpha", "lora_dropout": "LoRA dropout", "quantization": "quantization",
}  # fmt: skip
_INTERVALS = ("before_interval", "after_interval")
# Larger than any count here, and small enough to be added, divided and drawn.
_RANGE = msgspec.Meta(ge=-(10**15), le=10**15)
_Number = Annotated[int, _RANGE] | Annotated[float, _RANGE]
# The types of what is read: of a comparison's rows, of `run.json`, its dataset, and its losses.
_COMPARED: dict[str, Any] = {"set": str, "measure": str, "n": _Number, "before": _Number, "after": _Number}
_ROW = _COMPARED | {"key": str, "headline": bool, "better": int} | dict.fromkeys(_INTERVALS, tuple[_Number, _Number])
_TRAINED = {"base_model": str, "engine": str, "device": str, "tokens": _Number, "seconds": _Number}
_DATASET, _POINT = dict.fromkeys(("path", "revision"), str), dict.fromkeys(("epoch", "loss"), _Number)


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
            AmazonTitlesError: The Hub does not answer; the message says why.
        """
        found = {name: _fetched(str(model), name) for name in (_COMPARISON, _RUN, _RECIPE, *_PLOTS)}
        files = {name: data or b"" for name, data in found.items()}
        told, params = read_object(files[_RUN]), None
        with suppress(Exception):  # PyYAML raises nearly anything: IndexError at `!!int ""`, ValueError at 2026-99-99
            params = yaml.safe_load(files[_RECIPE])["params"]
        run = _parts(_TRAINED, told) | {"dataset": _parts(_DATASET, told.get("dataset"))}
        run |= {name: _items(_POINT, told.get(name), needed=_POINT) for name in ("losses", "valid_losses")}
        return cls(
            rows=_items(_ROW, read_object(files[_COMPARISON]).get("rows"), needed=_COMPARED),
            plots={n: base64.b64encode(files[n]).decode() for n in _PLOTS if files[n].startswith(b"\x89PNG")},
            run={name: part for name, part in run.items() if part},
            params=_parts(dict.fromkeys(_PARAMS, str | _Number), params),
            looked=found[_COMPARISON] is not None,
        )

    def settings(self, texts: Texts) -> list[tuple[str, str]]:
        """How it was trained: name and value of what `run.json` and `recipe.yml` hold of it.

        Args:
            texts: Of the language that the numbers are spelt in.
        """
        run, losses, dataset = self.run, self.run.get("losses"), self.run.get("dataset") or {}
        params = {name: self.params.get(key) for key, name in _PARAMS.items()}
        named = {
            "base model": markup.place(run.get("base_model")),
            "dataset": "@".join(filter(None, (markup.place(dataset.get("path")), dataset.get("revision")))),
            "engine": run.get("engine"),
            **{name: markup.number(run[name], texts) for name in ("tokens", "seconds") if run.get(name)},
            "device": run.get("device"),
            "final loss": markup.number(losses[-1]["loss"], texts, places=3) if losses else None,
            **{name: str(v).replace(".", texts.decimal) if isinstance(v, float) else v for name, v in params.items()},
        }
        return [(name, str(value)) for name, value in named.items() if value not in (None, "")]

    def to_html(self, texts: Texts, language: str) -> str:
        """The second tab."""
        figures = [
            (row, getattr(texts, said).format(n=row["n"], before=f"{row['before']:.0%}"))
            for *measured, said in _FIGURES for row in self.rows if [row["set"], row["measure"]] == measured
        ]  # fmt: skip
        return markup.part(
            "evidence", found=self, figures=figures[:3], plots=list(self._plots(texts, language)),
            name=partial(name_of, language=language), texts=texts,
        )  # fmt: skip

    def _plots(self, texts: Texts, language: str) -> Iterator[tuple[str, str, str]]:
        """Kind, title and PNG of each plot: the files are in English, so for others the same is drawn anew."""
        shares = {key for key, measure in MEASURES.items() if measure.share}
        bars = [row for row in self.rows if row.get("headline") and row.get("key") in shares]
        draw_losses = partial(plot_losses, valid=self.run.get("valid_losses") or ())
        for name, png in self.plots.items():
            kind, title, figures, draw = "measures", texts.plot_before_after, bars, plot_before_after
            if name == _LOSS:
                kind, title, figures, draw = "loss", texts.plot_loss, self.run.get("losses") or [], draw_losses
            if figures and language != "en":
                # The two others are what matplotlib says of names that it cannot set, or of too many bars.
                with suppress(MissingExtraError, ValueError, RuntimeError):
                    anew = draw(figures, language=language)
                    png = base64.b64encode(anew).decode()
            yield kind, title, png


def _parts(kinds: Mapping[str, Any], value: object) -> dict[str, Any]:
    """The parts of an object that are of their types."""
    told, found = value if isinstance(value, dict) else {}, {}
    for name, kind in kinds.items():
        with suppress(msgspec.ValidationError):
            found[name] = msgspec.convert(told.get(name), kind)
    return found


def _items(kinds: Mapping[str, Any], values: object, *, needed: Iterable[str]) -> list[dict[str, Any]]:
    """The parts of each object of a list that has the needed ones."""
    items = [_parts(kinds, value) for value in values] if isinstance(values, list) else []
    return [item for item in items if item.keys() >= set(needed)]


def _fetched(model: str, name: str) -> bytes | None:
    """A file of a model's folder or Hub id: b"" where there is none, None where that is not known without the Hub.

    Raises:
        AmazonTitlesError: As `Evidence.of`.
    """
    if is_local(model) or is_address(model):
        return read_file(Path(model), name)  # what a link leads to may be anybody's
    from huggingface_hub import _CACHED_NO_EXIST, hf_hub_download, try_to_load_from_cache
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    try:
        return Path(hf_hub_download(model, name)).read_bytes()
    except LocalEntryNotFoundError:
        return b"" if try_to_load_from_cache(model, name) is _CACHED_NO_EXIST else None
    except EntryNotFoundError:
        return b""
    except Exception as error:
        raise explain(error, model) from None
