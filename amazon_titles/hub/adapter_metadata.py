"""An adapter's metadata: what stands beside its weights and says where they come from, compared with the Hub."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jinja2
import msgspec

from amazon_titles import cards
from amazon_titles.adapter_files import for_every_peft, for_every_transformers, last_checkpoint
from amazon_titles.errors import InputError, MissingExtraError, PublishError
from amazon_titles.evaluation import Comparison, EvalReport, compare
from amazon_titles.evaluation.comparison import comparison_files
from amazon_titles.hub import autotrain_import
from amazon_titles.hub.client import Client
from amazon_titles.hub.contents import LEGAL_FILES, FileNote, is_there, read_file
from amazon_titles.hub_errors import is_a
from amazon_titles.io import may_be_hub_id, read_object, to_json
from amazon_titles.progress import say
from amazon_titles.recipes import Recipe, source

_MAKE = "Make one: amazon-titles train RECIPE"
_PLOTS = ("eval/before_after.png", "eval/changes.png", "eval/loss.png", "loss.png")
_COMPARISON = ("comparison.json", "comparison.md", "before_after.png", "changes.png")


@dataclass(slots=True)
class AdapterMetadata:
    """The metadata of one adapter, as it will be published; the folder itself is left as it is.

    Attributes:
        folder: The adapter folder.
        config: `adapter_config.json`.
        run: `run.json`, or what AutoTrain recorded of a run that left none.
        recipe: Text of `recipe.yml`, or of what AutoTrain recorded; "" where there is neither.
        files: Files that the push writes in place of the folder's, or besides them.
        outdated: Files of the folder that compare other evaluations than those given beside it → why they stay here.
        issues: Why the adapter must not be published as it is.
        warnings: What is worth a thought besides.
    """

    folder: Path
    config: dict[str, Any]
    run: dict[str, Any]
    recipe: str
    files: dict[str, bytes] = field(default_factory=dict)
    outdated: dict[str, str] = field(default_factory=dict)
    issues: list[FileNote] = field(default_factory=list)
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
        self.issues.append(FileNote(path, reason))

    def name_origin(self, base: str, dataset: Client | None) -> None:
        """Writes what stands on the Hub into adapter_config.json, run.json and recipe.yml.

        Args:
            base: Id of the base.
            dataset: Where it was looked at; None leaves what the metadata says.
        """
        self.config |= {"base_model_name_or_path": base}
        self.run |= {"base_model": base, "publishable": True, "why_not_publishable": None}
        settings = {"base_model": base}
        if dataset is not None:
            self.run["dataset"] = self.dataset | {"path": dataset.repo_id, "revision": dataset.seen.commit}
            settings["data.path"] = dataset.repo_id
        self.files |= {"adapter_config.json": to_json(self.config).encode(), "run.json": to_json(self.run).encode()}
        if self.recipe:
            path = self.folder / "recipe.yml"
            recipe = Recipe(path, self.recipe, source.parse(self.recipe, path)).with_settings(settings)
            self.recipe = recipe.text
            self.files["recipe.yml"] = self.recipe.encode()

    def read(self, path: str) -> bytes:
        """What the push would write there; b"" where it would write nothing."""
        if path in self.outdated:
            return b""
        return self.files[path] if path in self.files else read_file(self.folder, path)

    def write_card(self, repo_id: str | None = None, *, language: str | None = None, gguf: str | None = None) -> None:
        """Writes the card anew: the folder's was a trial run's, AutoTrain's, or without an evaluation.

        Args:
            repo_id: Where it will stand.
            language: `en` or `pt`; None for the run's.
            gguf: Name of a GGUF file beside it.
        """
        told: dict[str, Any] = {"plots": list(filter(self.read, _PLOTS)), "repo_id": repo_id, "language": language}
        told |= {"comparison": self.comparison(), "gguf": gguf}
        try:
            self.files["README.md"] = cards.model_card(self.run, self.recipe, **told).encode()
        except (jinja2.UndefinedError, LookupError, TypeError) as error:
            said = f"The card of {self.folder} cannot be written: information is missing ({error})."
            raise PublishError(said, hint="Train it again: amazon-titles train RECIPE") from None

    def add_evaluations(self, before: str | Path | None, after: str | Path | None, *, language: str | None) -> None:
        """Takes evaluations given beside the folder, and makes their comparison, which the page and the card show.

        One that is not given may be the folder's. What the folder holds that compared older evaluations stays here.

        Args:
            before: The base's report; None where it is not given.
            after: The adapter's.
            language: Of the comparison, `en` or `pt`; None for the run's.

        Raises:
            InputError: One is missing, or is no evaluation; or they do not belong together.
        """
        for name, path in (("before", before), ("after", after)):
            if path is None:
                continue
            self.files[f"eval/{name}.json"] = Path(path).read_bytes() if Path(path).is_file() else b""
            if self._evaluation(name) is None:
                hint = "Make one: amazon-titles evaluate MODEL …"
                raise InputError(f"{path} is missing or is not an evaluation report.", hint=hint)
        if not (before or after):
            return
        language = language or self.run.get("card_language") or "en"
        try:
            made = comparison_files(comparison, language) if (comparison := self.comparison()) else {}
        except MissingExtraError as error:  # publishing needs no extra; only the plots do
            made = {}
            say(f"The comparison of the reports is not included. {error}")
        self.files |= {f"eval/{name}": data for name, data in made.items()}
        reason = "it compares other evaluations"
        self.outdated = {f"eval/{name}": reason for name in _COMPARISON if name not in made}

    def comparison(self) -> Comparison | None:
        """The two evaluations side by side; None where one is missing.

        Raises:
            InputError: They do not belong together.
        """
        before, after = map(self._evaluation, ("before", "after"))
        return compare(before, after) if before and after else None

    def _evaluation(self, name: str) -> EvalReport | None:
        """`eval/NAME.json`; None where it is missing or holds no evaluation."""
        with suppress(msgspec.MsgspecError, RecursionError, UnicodeError):
            return msgspec.json.decode(self.read(f"eval/{name}.json"), type=EvalReport)
        return None


def read_adapter_metadata(folder: Path) -> AdapterMetadata:
    """Reads an adapter folder, this library's or one that plain `autotrain --config` left behind.

    Raises:
        InputError: It is neither.
    """
    if not (folder / "adapter_config.json").is_file():
        said = f"{folder} is not an adapter folder: it has no adapter_config.json."
        checkpoint = last_checkpoint(folder)
        hint = f"It contains a checkpoint that has one: {checkpoint}" if checkpoint else _MAKE
        raise InputError(said, hint=hint)
    written, run, parameters, tokenizer = (
        read_object(read_file(folder, name))
        for name in ("adapter_config.json", "run.json", autotrain_import.PARAMETERS, "tokenizer_config.json")
    )
    saved, (config, too_new) = tokenizer, for_every_peft(written)
    metadata = AdapterMetadata(folder, config, run, read_file(folder, "recipe.yml").decode("utf-8", "replace"))
    for key in too_new:
        metadata.refuse("adapter_config.json", f"it uses {key!r}, which peft 0.14 does not support")
    if config != written:
        metadata.files["adapter_config.json"] = to_json(config).encode()
    if parameters and not is_there(folder, "run.json"):
        metadata.recipe = autotrain_import.recipe_of(parameters)
        metadata.run = autotrain_import.run_of(parameters, folder)
        tokenizer = autotrain_import.tokenizer_of(parameters, tokenizer) or tokenizer
    if tokenizer.get("tokenizer_class") == "TokenizersBackend":
        tokenizer = for_every_transformers(tokenizer)
    if tokenizer != saved:
        metadata.files["tokenizer_config.json"] = to_json(tokenizer).encode()
    # As a file too, where the folder has none, or AutoTrain's: vLLM and llama.cpp take it by name.
    known = "tokenizer_config.json" in metadata.files or not is_there(folder, "chat_template.jinja")
    if known and isinstance(template := tokenizer.get("chat_template"), str):
        metadata.files["chat_template.jinja"] = template.encode()
    return metadata


def find_base(metadata: AdapterMetadata, base: str | None, token: str | None, *, ask: bool) -> Client | None:
    """Finds an adapter's base on the Hub; refused where its config is not the one that training used.

    Args:
        metadata: What the adapter says of itself; gets the issues.
        base: `--base`: an id; None for the one that the adapter names.
        token: To ask the Hub with.
        ask: Whether to ask the Hub about a base that no option names, too.

    Returns:
        The base as it stands there; None where it was not asked about.
    """
    used, folder = metadata.base, metadata.folder
    if base is None and _is_folder(used, folder):
        metadata.refuse("adapter_config.json", f"its base is {used!r}, a local folder: give its Hub id with --base ID")
        return None
    if base is None and not ask:
        return None
    hub = Client(base or used, "model", token)
    hub.look()
    if used != hub.repo_id:
        there = _config(hub.download("config.json"))
        if not any(_config(place / used / "config.json") == there for place in (Path(), folder, folder.parent)):
            reason = f"it was trained on a different model from {hub.repo_id}: their config.json differ, or {used!r}"
            metadata.refuse("adapter_config.json", f"{reason}, which it names, is not a local folder")
    return hub


def find_dataset(metadata: AdapterMetadata, dataset: str | None, token: str | None) -> Client | None:
    """Finds an adapter's dataset on the Hub; refused where its report is not the one that training saw.

    Args:
        metadata: What the adapter says of itself; gets the issues and the warnings.
        dataset: `--dataset`: `ID@REVISION`.
        token: To ask the Hub with.

    Returns:
        The dataset as it stands there; None where no option names one.
    """
    known, path, trained_on = map(metadata.dataset.get, ("report_sha256", "path", "revision"))
    if dataset is None:
        if _is_folder(str(path or ""), metadata.folder) and metadata.run:
            reason = f"its dataset is {path or ''!r}, a local folder: give its Hub id with --dataset ID@REVISION"
            metadata.refuse("run.json", reason)
        elif path and not trained_on:
            unknown = f"the revision of {path} used for training is unknown: --dataset {path}@REVISION"
            metadata.warnings.append(unknown)
        return None
    name, _, revision = dataset.partition("@")
    hub = Client(name, "dataset", token)
    hub.look(revision or None)
    named = known is None and path == name
    if not named and known != hashlib.sha256(hub.download("report.json").read_bytes()).hexdigest():
        reason = f"it was not trained on {name} at {hub.seen.commit[:12]}: their report.json differ"
        metadata.refuse("run.json", reason if known else f"{reason}, or it lacks its own's report_sha256")
    return hub


def _is_folder(name: str, folder: Path) -> bool:
    """Whether a base or a dataset is a folder here: no id of the Hub, or a folder that training saw beside it."""
    return not may_be_hub_id(name) or any((place / name).is_dir() for place in (folder, folder.parent))


def _config(path: Path) -> dict[str, Any]:
    """What a config says, without what two copies of it may differ in: where it was saved, and by which version."""
    ignored = ("_name_or_path", "transformers_version")
    return {key: value for key, value in read_object(path).items() if key not in ignored}


def add_legal_files(metadata: AdapterMetadata, base: Client | None, repo_id: str, *, private: bool) -> None:
    """Does what the licence of a base asks for: a copy and its use policy, its notice, and a name of the model.

    A gated base gives its files only to who has accepted it, and a token of narrow rights may not ask: then a private
    push warns, and a public one is refused. What the adapter's folder holds already is not fetched.

    Args:
        metadata: Gets the files, and the warning or the issue.
        base: The base as it stands on the Hub; its files are not looked for where it was not asked about.
        repo_id: Where the adapter will stand.
        private: Whether only the owners will see the adapter.
    """
    sound, folder = not metadata.issues, metadata.folder
    if base is not None and sound:
        for path in [path for path in base.seen.files if LEGAL_FILES.fullmatch(path) and not is_there(folder, path)]:
            try:
                metadata.files[path] = base.download(path).read_bytes()
            except PublishError as error:
                if not is_a(error.__context__ or error, "GatedRepoError"):
                    raise
                asked = f"the licence of {base.repo_id} requires a copy of it"
                reason = f"{asked}, and your login cannot read it: add one here"
                if private:
                    metadata.warnings.append(f"{path}: {reason}")
                else:
                    metadata.refuse(path, reason)
    licence = cards.licence_of(metadata.base)
    if licence is None:
        return
    if licence.notice_file and sound and not any(is_there(folder, path.name) for path in folder.glob("NOTICE*")):
        # Section 1.b: in a text file of this name.
        metadata.files.setdefault("NOTICE", licence.notice_file.encode())
    if not private and not licence.allows(repo_id.rpartition("/")[2]):  # a private one may still be renamed
        reason = f"the {licence.name} requires the name of a published model to begin with {licence.prefix!r}"
        metadata.refuse("README.md", f"{reason}, and {repo_id} does not")
