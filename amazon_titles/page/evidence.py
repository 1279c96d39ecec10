"""What a model's own folder proves of it: the table of before and after, the plots, and how it was trained.

Anybody may have written what lies beside a model: what is not of the expected type is not there.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from amazon_titles import resources
from amazon_titles.errors import MissingExtraError
from amazon_titles.evaluation.measures import MEASURES
from amazon_titles.hub_errors import explain
from amazon_titles.io import is_local, read_object
from amazon_titles.model.loading import is_address
from amazon_titles.page import markup
from amazon_titles.page.texts import Texts, name_of
from amazon_titles.plots import plot_before_after, plot_losses

_COMPARISON, _RUN, _RECIPE = "eval/comparison.json", "run.json", "recipe.yml"
_PLOTS = ("eval/before_after.png", _LOSS := "loss.png")
# One of them is in the cache wherever a model is.
_CONFIGS = ("adapter_config.json", "config.json")
# Seen at once; whatever else was measured is folded away.
_HEADLINES = {
    "ROUGE-L F1", "fact recall", "said it does not know", "groundedness", "right source cited",
    "property asked, and no other", "right answer",
}  # fmt: skip
_PARAMS = {
    "epochs": "epochs", "lr": "learning rate", "batch_size": "batch size", "block_size": "block size",
    "lora_r": "LoRA rank", "lora_alpha": "LoRA alpha", "lora_dropout": "LoRA dropout", "quantization": "quantization",
}  # fmt: skip
_Kinds = Mapping[str, Callable[[object], object]]  # name → what gives the value, or None where it is of another type
# Larger than any count here, and small enough to be added, divided and drawn.
_LARGEST = 1e15


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
        found = {name: _fetched(str(model), name) for name in (_COMPARISON, _RUN, _RECIPE, *_PLOTS)}
        files = {name: data or b"" for name, data in found.items()}
        params: Any = None
        with suppress(Exception):  # PyYAML raises nearly anything: IndexError at `!!int ""`, ValueError at 2026-99-99
            params = yaml.safe_load(files[_RECIPE])["params"]
        return cls(
            _objects(_ROW, read_object(files[_COMPARISON]).get("rows"), needed=5) or [],
            {name: base64.b64encode(files[name]).decode() for name in _PLOTS if files[name].startswith(b"\x89PNG")},
            _object(_TRAINED, read_object(files[_RUN])) or {},
            _object(dict.fromkeys(_PARAMS, lambda value: _words(value) or _number(value)), params) or {},
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
            "tokens": markup.whole(run["tokens"], texts) if run.get("tokens") else None,
            "seconds": f"{run['seconds']:.0f}" if run.get("seconds") else None,
            "device": run.get("device"),
            "final loss": markup.decimals(losses[-1]["loss"], texts, places=3) if losses else None,
        } | {name: str(v).replace(".", texts.decimal) if isinstance(v, float) else v for name, v in params.items()}
        return [(name, str(value)) for name, value in named.items() if value not in (None, "")]

    def to_html(self, texts: Texts, language: str) -> str:
        """The second tab."""
        first = [row for row in self.rows if row["measure"] in _HEADLINES] or self.rows
        plots, name = self._plots(texts, language), partial(name_of, language=language)
        return markup.part("evidence", found=self, first=first, plots=plots, name=name, texts=texts)

    def _plots(self, texts: Texts, language: str) -> Iterator[tuple[str, str]]:
        """Title and PNG of each plot: the files are in English, so for others the same figures are drawn anew."""
        shares = {key for key, measure in MEASURES.items() if measure.share}
        bars = [row for row in self.rows if row.get("headline") and row.get("key") in shares]
        draw_losses = partial(plot_losses, valid=self.run.get("valid_losses") or ())
        for name, png in self.plots.items():
            title, figures, draw = texts.plot_before_after, bars, plot_before_after
            if name == _LOSS:
                title, figures, draw = texts.plot_loss, self.run.get("losses") or [], draw_losses
            if figures and language != "en":
                anew = io.BytesIO()
                # The two others are what matplotlib says of names that it cannot set, or of too many bars.
                with suppress(MissingExtraError, ValueError, RuntimeError):
                    draw(figures, anew, title=title, words=partial(name_of, language=language))
                    png = base64.b64encode(anew.getvalue()).decode()
            yield title, png


def _words(value: object) -> str | None:
    """A text that can be sent to a browser: half a sign of UTF-16, which JSON can hold, cannot."""
    return value.encode("utf-8", "replace").decode() or None if isinstance(value, str) else None


def _number(value: Any) -> Any:  # noqa: ANN401 - of an unknown file
    """A number that can be shown: no boolean, no NaN, not infinite."""
    return value if type(value) in (int, float) and -_LARGEST < value < _LARGEST else None


def _interval(value: object) -> list[float] | None:
    return value if isinstance(value, list) and len(value) == 2 and None not in map(_number, value) else None


def _object(kinds: _Kinds, value: object) -> dict[str, Any] | None:
    """Of an object what is of its kind; None where that is nothing."""
    told = value if isinstance(value, dict) else {}
    found = {name: kind(told.get(name)) for name, kind in kinds.items()}
    return {name: part for name, part in found.items() if part is not None} or None


def _objects(kinds: _Kinds, value: object, *, needed: int) -> list[Any] | None:
    """Of a list the objects that have the first `needed` of their values, each of its kind."""
    found = [_object(kinds, item) or {} for item in value] if isinstance(value, list) else []
    return [item for item in found if item.keys() >= set(list(kinds)[:needed])] or None


_points = partial(_objects, {"epoch": _number, "loss": _number}, needed=2)
_ROW: _Kinds = {
    "set": _words, "measure": _words, "n": _number, "before": _number, "after": _number,
    "key": _words, "headline": lambda value: value is True, "before_interval": _interval, "after_interval": _interval,
}  # fmt: skip
_TRAINED: _Kinds = {
    "base_model": _words, "engine": _words, "device": _words, "tokens": _number, "seconds": _number,
    "losses": _points, "valid_losses": _points, "dataset": partial(_object, {"path": _words, "revision": _words}),
}  # fmt: skip


def _fetched(model: str, name: str) -> bytes | None:
    """A file of a model's folder or Hub id: b"" where there is none, None where that is not known without the Hub.

    Raises:
        AmazonTitlesError: As `Evidence.of`.
    """
    path = Path(model, name)
    if is_address(model):
        return b""
    if not is_local(model):
        from huggingface_hub import _CACHED_NO_EXIST, hf_hub_download, try_to_load_from_cache
        from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

        try:
            path = Path(hf_hub_download(model, name))
        except EntryNotFoundError as error:
            cached = (try_to_load_from_cache(model, file) for file in (name, *_CONFIGS))
            if not isinstance(error, LocalEntryNotFoundError) or next(cached) is _CACHED_NO_EXIST:
                return b""
            if any(isinstance(file, str) for file in cached):
                return None
            raise explain(error, model) from None
        except Exception as error:
            raise explain(error, model) from None
    elif not path.is_file() or resources.is_link(path, Path(model)):
        return b""  # what a link leads to may be anybody's, and the page would show it to everybody
    with suppress(OSError):
        return path.read_bytes()
    return b""
