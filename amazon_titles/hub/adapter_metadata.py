"""An adapter's metadata: what stands beside its weights and says where they come from, compared with the Hub."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jinja2

from amazon_titles import cards
from amazon_titles.adapter_files import for_every_peft
from amazon_titles.errors import InputError, PublishError
from amazon_titles.hub import autotrain_import
from amazon_titles.hub.client import Client
from amazon_titles.hub.contents import LEGAL_FILES, is_there, read_file
from amazon_titles.hub.validate import ValidationIssue
from amazon_titles.io import read_object, to_json
from amazon_titles.recipes import load_recipe

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w][\w.-]*")
_REPORTS = ("eval/before.json", "eval/after.json")
_PLOTS = ("eval/before_after.png", "eval/changes.png", "eval/loss.png", "loss.png")
_COMPARISON = ("comparison.json", "comparison.md", "before_after.png", "changes.png")


@dataclass(slots=True)
class AdapterMetadata:
    """The metadata of one adapter, as it will be published; the folder itself is left as it is.

    Attributes:
        folder: The adapter folder.
        config: `adapter_config.json`.
        run: `run.json`.
        recipe: Text of `recipe.yml`; "" where there is none.
        files: Files that the push writes in place of the folder's, or besides them.
        parameters: Of AutoTrain, where run and recipe had to be made from what it left behind; else {}.
        too_new: Keys of adapter_config.json that are in use and that older peft does not know.
        outdated: Files of the folder that compare other evaluations than those given beside it → why they stay here.
        issues: Why the adapter must not be published as it is.
        warnings: What is worth a thought besides.
    """

    folder: Path
    config: dict[str, Any]
    run: dict[str, Any]
    recipe: str
    files: dict[str, bytes] = field(default_factory=dict)
    parameters: dict[str, Any] = field(default_factory=dict)
    too_new: list[str] = field(default_factory=list)
    outdated: dict[str, str] = field(default_factory=dict)
    issues: list[ValidationIssue] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def base(self) -> str:
        """The base as the adapter names it: an id of the Hub, or a folder."""
        return str(self.config.get("base_model_name_or_path") or self.run.get("base_model") or "")

    @property
    def dataset(self) -> dict[str, Any]:
        """What `run.json` says of the dataset: path or id, revision, hash of its report."""
        dataset = self.run.get("dataset")
        return dataset if isinstance(dataset, dict) else {}

    def refuse(self, path: str, reason: str) -> None:
        """Adds an issue."""
        self.issues.append(ValidationIssue(path, reason))

    def name_origin(self, base: str, dataset: Client | None) -> None:
        """Writes what stands on the Hub into adapter_config.json, run.json and recipe.yml.

        Args:
            base: Id of the base.
            dataset: Where it was looked at; None leaves what the metadata says.
        """
        self.config |= {"base_model_name_or_path": base}
        self.run |= {"base_model": base, "publishable": True, "why_not_publishable": None}
        settings, changes = {"base_model": base}, {"model": base}
        if dataset is not None:
            self.run["dataset"] = self.dataset | {"path": dataset.repo_id, "revision": dataset.info.sha}
            settings["data.path"] = changes["data_path"] = dataset.repo_id
        if self.parameters:
            self.recipe = autotrain_import.recipe_of(self.parameters | changes)
        elif self.recipe:
            self.recipe = load_recipe(self.folder / "recipe.yml").with_settings(settings).dump()
        self.files |= {"adapter_config.json": to_json(self.config).encode(), "run.json": to_json(self.run).encode()}
        if self.recipe:
            self.files["recipe.yml"] = self.recipe.encode()

    def write_card(self, repo_id: str | None = None, *, language: str | None = None) -> None:
        """Writes the card anew: the folder's was a trial run's, AutoTrain's, or without an evaluation.

        Args:
            repo_id: Where it will stand.
            language: `en` or `pt`; None for the run's.
        """
        plots = [path for path in _PLOTS if path in self.files or is_there(self.folder, path)]
        reports = {name: self._evaluation(name) for name in ("before", "after", "comparison")}
        told: dict[str, Any] = {**reports, "plots": [path for path in plots if path not in self.outdated]}
        try:
            card = cards.model_card(self.run, self.recipe, **told, repo_id=repo_id, language=language)
        except (jinja2.UndefinedError, LookupError, TypeError) as error:
            raise PublishError(
                f"The card of {self.folder} cannot be written: its papers lack what it tells ({error}).",
                hint="Train it again: amazon-titles train RECIPE",
            ) from None
        self.files["README.md"] = card.encode()

    def add_evaluations(
        self, before: str | Path | None, after: str | Path | None, comparison: str | Path | None
    ) -> None:
        """Takes evaluations given beside the folder, and what `compare --out` wrote of them, as far as it is there.

        What the folder holds that compared older evaluations stays here.

        Raises:
            InputError: One is missing, or is no evaluation; or the folder of the comparison holds none.
        """
        hint = "Make one: amazon-titles evaluate MODEL …"
        given = {name: Path(path) for name, path in zip(_REPORTS, (before, after), strict=True) if path is not None}
        for name, path in given.items():
            if not path.is_file():
                raise InputError(f"There is no evaluation {path}.", hint=hint)
            self.files[name] = path.read_bytes()
            if _evaluated(self.files[name]) is None:
                raise InputError(f"{name} is no evaluation report.", hint=hint)
        if any(self.files[name] != read_file(self.folder, name) for name in given):
            for found in sorted(self.folder.glob("eval/**/*")):
                name = found.relative_to(self.folder).as_posix()
                if found.is_file() and name not in _REPORTS and not found.name.startswith("loss"):
                    self.outdated[name] = "it compares other evaluations than those given"
        if comparison is None:
            return
        compared = {f"eval/{name}": Path(comparison, name) for name in _COMPARISON}
        files = {name: path.read_bytes() for name, path in compared.items() if path.is_file()}
        if _evaluated(files.get("eval/comparison.json", b""), rows=True) is None:
            hint = "Make one: amazon-titles compare BEFORE AFTER --out DIR"
            raise InputError(f"{comparison} holds no comparison.", hint=hint)
        self.files |= files
        self.outdated = {name: why for name, why in self.outdated.items() if name not in files}

    def _evaluation(self, name: str) -> dict[str, Any] | None:
        """`eval/NAME.json`; None where it is missing or holds no evaluation."""
        path = f"eval/{name}.json"
        if path in self.outdated:
            return None
        return _evaluated(self.files.get(path) or read_file(self.folder, path), rows=name == "comparison")


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
    written, run = (read_object(read_file(folder, name)) for name in ("adapter_config.json", "run.json"))
    config, too_new = for_every_peft(written)
    recipe = read_file(folder, "recipe.yml").decode("utf-8", "replace")
    metadata = AdapterMetadata(folder, config, run, recipe, too_new=too_new)
    if config != written:
        metadata.files["adapter_config.json"] = to_json(config).encode()
    parameters = read_object(read_file(folder, autotrain_import.PARAMETERS))
    if parameters and not is_there(folder, "run.json"):
        metadata.parameters = parameters
        metadata.recipe = autotrain_import.recipe_of(parameters)
        metadata.run = autotrain_import.run_of(parameters, folder)
        metadata.files |= {"run.json": to_json(metadata.run).encode(), "recipe.yml": metadata.recipe.encode()}
        tokenizer = autotrain_import.tokenizer_of(parameters, read_object(read_file(folder, "tokenizer_config.json")))
        if tokenizer is not None:
            metadata.files["tokenizer_config.json"] = to_json(tokenizer).encode()
    return metadata


def _evaluated(data: bytes, *, rows: bool = False) -> dict[str, Any] | None:
    """An evaluation report, or with `rows` a comparison of two; None if it is neither."""
    value = read_object(data)
    needed = {"rows"} if rows else {"scores", "examples", "dataset", "settings"}
    return value if needed <= value.keys() else None


def check_origin(
    metadata: AdapterMetadata, client: Client, *, base: str | None, dataset: str | None, ask: bool
) -> tuple[Client | None, Client | None]:
    """Finds base and dataset of an adapter on the Hub, and compares them with what training used.

    Args:
        metadata: What the adapter says of itself; gets the issues and the warnings.
        client: For its account.
        base: `--base`: an id.
        dataset: `--dataset`: `ID@REVISION`.
        ask: Whether to ask the Hub about what is not named by an option too.

    Returns:
        The base and the dataset as they stand there; None for what was not asked about.
    """
    run, folder = metadata.run, metadata.folder
    used, path = metadata.base, str(metadata.dataset.get("path") or "")
    hub_base = hub_dataset = None
    if base is None and _is_folder(used, folder):
        metadata.refuse("adapter_config.json", f"its base is {used!r}, a folder here: name the Hub's with --base ID")
    elif base is not None or ask:
        hub_base = _base(metadata, Client(base or used, "model", client.token))
    if dataset is not None:
        hub_dataset = _dataset(metadata, dataset, client.token)
    elif _is_folder(path, folder) and run:
        reason = f"its dataset is {path!r}, a folder here: name the Hub's with --dataset ID@REVISION"
        metadata.refuse("run.json", reason)
    elif path and not metadata.dataset.get("revision"):
        unknown = f"it is not said which revision of {path} it was trained on: --dataset {path}@REVISION"
        metadata.warnings.append(unknown)
    if run.get("publishable") is False and base is None and dataset is None and not metadata.issues:
        why = run.get("why_not_publishable") or "it does not say why"
        metadata.refuse("run.json", f"it says that this is not for publishing: {why}")
    return hub_base, hub_dataset


def _is_folder(name: str, folder: Path) -> bool:
    """Whether a base or a dataset is a folder here: no id of the Hub, or a folder that training saw beside it."""
    return not _HUB_ID.fullmatch(name) or any((place / name).is_dir() for place in (folder, folder.parent))


def _base(metadata: AdapterMetadata, hub: Client) -> Client:
    """The base on the Hub; refused where its config is not the one that training used."""
    hub.look("base")
    base, used, folder = hub.repo_id, metadata.base, metadata.folder
    if used == base:
        return hub
    configs = [place / used / "config.json" for place in (Path(), folder, folder.parent)]
    here = next(filter(Path.is_file, configs), None)
    if not _is_folder(used, folder):
        reason = f"it was trained on {used}, which is another model than {base}"
    elif here is None:
        reason = f"the base {used!r} it was trained on is not here any more, so it cannot be compared with {base}"
    elif _config(here) != _config(_download(hub, "config.json")):
        reason = f"it was trained on another model than {base}: their config.json differ"
    else:
        return hub
    metadata.refuse("adapter_config.json", reason)
    return hub


def _config(path: Path) -> dict[str, Any]:
    """What a config says, without what two copies of it may differ in: where it was saved, and by which version."""
    ignored = ("_name_or_path", "transformers_version")
    return {key: value for key, value in read_object(path).items() if key not in ignored}


def _dataset(metadata: AdapterMetadata, dataset: str, token: str | None) -> Client:
    """The dataset on the Hub; refused where its report is not the one that training saw."""
    name, _, revision = dataset.partition("@")
    if not _HUB_ID.fullmatch(name):
        raise InputError(f"{dataset!r} is no dataset of the Hub.", hint="Write --dataset USER/NAME@REVISION.")
    hub = Client(name, "dataset", token)
    hub.look("dataset", revision or None)
    known = metadata.dataset.get("report_sha256")
    if known is None and metadata.dataset.get("path") != name:
        reason = f"it does not hold its dataset's report_sha256, so it cannot be compared with {name}"
        metadata.refuse("run.json", reason)
    if known is not None and known != hashlib.sha256(_download(hub, "report.json").read_bytes()).hexdigest():
        reason = f"it was trained on another dataset than {name} at {hub.info.sha[:12]}: their report.json differ"
        metadata.refuse("run.json", reason)
    return hub


def add_legal_files(metadata: AdapterMetadata, base: Client | None, *, private: bool) -> None:
    """Takes the licence and the use policy of a base, which its licence wants beside every copy and every adapter.

    A gated base gives them only to who has accepted it, and a token of narrow rights may not ask: then a private push
    warns, and a public one is refused. What the adapter's folder holds already is not fetched.

    Args:
        metadata: Gets the files, and the warning or the issue.
        base: The base as it stands on the Hub; nothing is done where it was not asked about.
        private: Whether only the owners will see the adapter.
    """
    if base is None or metadata.issues:
        return
    for path in [file.rfilename for file in base.info.siblings or ()]:
        if not LEGAL_FILES.fullmatch(path) or is_there(metadata.folder, path):
            continue
        try:
            text = _download(base, path).read_bytes()
        except PublishError as error:
            if type(error.__context__).__name__ != "GatedRepoError":
                raise
            text = b""
        if text:
            metadata.files[path] = text
            continue
        asked = f"the licence of {base.repo_id} asks for a copy of it"
        reason = f"{asked}, and this login may not read it: put one here"
        if private:
            metadata.warnings.append(f"{path}: {reason}")
        else:
            metadata.refuse(path, reason)


def _download(hub: Client, path: str) -> Path:
    return hub.download(f"reading {path} of {hub.repo_id}", path)
