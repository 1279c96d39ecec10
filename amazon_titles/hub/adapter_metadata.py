"""An adapter's papers: what stands beside its weights and says where they come from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jinja2

from amazon_titles import cards
from amazon_titles.adapter_files import for_every_peft
from amazon_titles.errors import InputError, PublishError
from amazon_titles.hub import autotrain_import
from amazon_titles.hub.contents import is_there, read_file
from amazon_titles.recipes import load_recipe

_REPORTS = ("eval/before.json", "eval/after.json")
_PLOTS = ("eval/before_after.png", "eval/changes.png", "eval/loss.png", "loss.png")
_COMPARISON = ("comparison.json", "comparison.md", "before_after.png", "changes.png")


@dataclass(slots=True)
class AdapterMetadata:
    """The papers of one adapter, as they will be published; the folder itself is left as it is.

    Attributes:
        folder: The adapter folder.
        config: `adapter_config.json`.
        run: `run.json`.
        recipe: Text of `recipe.yml`; "" where there is none.
        files: Files that the push writes in place of the folder's, or besides them.
        new: Whether run and recipe had to be made from what plain AutoTrain left behind.
        too_new: Keys of adapter_config.json that are in use and that older peft does not know.
        card_language: Of a card that is written anew; None for the run's.
        outdated: Files of the folder that compare other evaluations than those given beside it → why they stay here.
    """

    folder: Path
    config: dict[str, Any]
    run: dict[str, Any]
    recipe: str
    files: dict[str, bytes] = field(default_factory=dict)
    new: bool = False
    too_new: list[str] = field(default_factory=list)
    card_language: str | None = None
    outdated: dict[str, str] = field(default_factory=dict)

    @property
    def base(self) -> str:
        """The base as the adapter names it: an id of the Hub, or a folder."""
        return str(self.config.get("base_model_name_or_path") or self.run.get("base_model") or "")

    @property
    def dataset(self) -> dict[str, Any]:
        """What `run.json` says of the dataset: path or id, revision, hash of its report."""
        dataset = self.run.get("dataset")
        return dataset if isinstance(dataset, dict) else {}

    def name_origin(self, base: str, dataset: str | None, revision: str | None) -> None:
        """Writes what stands on the Hub into adapter_config.json, run.json and recipe.yml.

        Args:
            base: Id of the base.
            dataset: Id of the dataset; None leaves what the papers say.
            revision: Commit of the dataset.
        """
        self.config |= {"base_model_name_or_path": base}
        self.run |= {"base_model": base, "publishable": True, "why_not_publishable": None}
        settings = {"base_model": base}
        if dataset is not None:
            self.run["dataset"] = self.dataset | {"path": dataset, "revision": revision}
            settings["data.path"] = dataset
        self.files |= {"adapter_config.json": _dump(self.config), "run.json": _dump(self.run)}
        if self.new:
            self.recipe = autotrain_import.recipe_with(self.recipe, settings)
        elif self.recipe:
            self.recipe = load_recipe(self.folder / "recipe.yml").with_settings(settings).dump()
        if self.recipe:
            self.files["recipe.yml"] = self.recipe.encode()

    def write_card(self, repo_id: str | None = None) -> None:
        """Writes the card anew from the papers: the folder's was a trial run's, AutoTrain's, or without an evaluation.

        Args:
            repo_id: Where it will stand.
        """
        plots = [path for path in _PLOTS if path in self.files or is_there(self.folder, path)]
        before, after = self._evaluation("before"), self._evaluation("after")
        try:
            card = cards.model_card(
                self.run,
                self.recipe,
                before=before,
                after=after,
                comparison=self._evaluation("comparison"),
                plots=[path for path in plots if path not in self.outdated],
                repo_id=repo_id,
                language=self.card_language,
            )
        except (jinja2.UndefinedError, LookupError, TypeError) as error:
            raise PublishError(
                f"The card of {self.folder} cannot be written: its papers lack what it tells ({error}).",
                hint="Train it again: amazon-titles train RECIPE",
            ) from None
        self.files["README.md"] = card.encode()

    def add_evaluations(self, files: Mapping[str, bytes]) -> None:
        """Takes evaluations given beside the folder: path in the folder → JSON. What compared older ones stays here.

        Raises:
            InputError: One is no evaluation.
        """
        for path, data in files.items():
            if _evaluated(data) is None:
                raise InputError(f"{path} is no evaluation report.", hint="Make one: amazon-titles evaluate MODEL …")
            self.files[path] = data
        if any(data != read_file(self.folder, path) for path, data in files.items()):
            for found in sorted(self.folder.glob("eval/**/*")):
                name = found.relative_to(self.folder).as_posix()
                if found.is_file() and name not in _REPORTS and not found.name.startswith("loss"):
                    self.outdated[name] = "it compares other evaluations than those given"

    def add_comparison(self, folder: Path) -> None:
        """Takes what `compare --out` wrote of the evaluations, as far as it is there, in place of the folder's own.

        Raises:
            InputError: The folder holds no comparison.
        """
        if _evaluated(_read(folder / "comparison.json"), rows=True) is None:
            raise InputError(
                f"{folder} holds no comparison.", hint="Make one: amazon-titles compare BEFORE AFTER --out DIR"
            )
        for name in _COMPARISON:
            if data := _read(folder / name):
                self.files[f"eval/{name}"] = data
                self.outdated.pop(f"eval/{name}", None)

    def _evaluation(self, name: str) -> dict[str, Any] | None:
        """`eval/NAME.json`; None where it is missing or holds no evaluation."""
        path = f"eval/{name}.json"
        if path in self.outdated:
            return None
        return _evaluated(self.files.get(path) or read_file(self.folder, path), rows=name == "comparison")

    def name_repository(self, repo_id: str) -> None:
        """Fills the repository's id into the card's examples, which could not know it when they were written."""
        card = self.files.get("README.md") or read_file(self.folder, "README.md")
        if b"USER/NAME" in card:
            self.files["README.md"] = card.replace(b"USER/NAME", repo_id.encode())


def read_adapter_metadata(folder: Path) -> AdapterMetadata:
    """Reads an adapter folder, this library's or one that plain `autotrain --config` left behind.

    Raises:
        InputError: It is neither.
    """
    if not (folder / "adapter_config.json").is_file():
        raise InputError(
            f"{folder} is no adapter folder: it has no adapter_config.json.",
            hint="Make one: amazon-titles train RECIPE",
        )
    written = read_object(read_file(folder, "adapter_config.json"))
    config, too_new = for_every_peft(written)
    papers = _papers(folder, config)
    papers.too_new = too_new
    if config != written:
        papers.files["adapter_config.json"] = _dump(config)
    return papers


def _papers(folder: Path, config: dict[str, Any]) -> AdapterMetadata:
    if is_there(folder, "run.json") or not is_there(folder, autotrain_import.PARAMETERS):
        recipe = read_file(folder, "recipe.yml").decode("utf-8", "replace")
        return AdapterMetadata(folder, config, read_object(read_file(folder, "run.json")), recipe)
    parameters = read_object(read_file(folder, autotrain_import.PARAMETERS))
    recipe = autotrain_import.recipe_of(parameters)
    run = autotrain_import.run_of(parameters, folder)
    papers = AdapterMetadata(folder, config, run, recipe, new=True)
    papers.files = {"run.json": _dump(run), "recipe.yml": recipe.encode()}
    tokenizer = autotrain_import.tokenizer_of(parameters, read_object(read_file(folder, "tokenizer_config.json")))
    if tokenizer is not None:
        papers.files["tokenizer_config.json"] = _dump(tokenizer)
    return papers


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object; {} where it is missing or is none: the checks of the contents name such a file."""
    try:
        return read_object(path.read_bytes())
    except OSError:
        return {}


def read_object(data: bytes) -> dict[str, Any]:
    """The JSON object of a file's bytes; {} where they hold none."""
    try:
        value = json.loads(data)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _read(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() else b""


def _evaluated(data: bytes, *, rows: bool = False) -> dict[str, Any] | None:
    """An evaluation report, or with `rows` a comparison of two; None if it is neither."""
    try:
        value = json.loads(data)
    except ValueError:
        return None
    needed = ("rows",) if rows else ("scores", "examples", "dataset", "settings")
    return value if isinstance(value, dict) and all(name in value for name in needed) else None


def _dump(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, ensure_ascii=False, indent=2) + "\n").encode()
