"""Where an adapter comes from: its base and its dataset, as they stand on the Hub and not on this machine."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from amazon_titles.errors import InputError
from amazon_titles.hub.client import Client
from amazon_titles.hub.refusals import Refusal

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w][\w.-]*")
# What two copies of one config may differ in: where it was saved, and by which version.
_UNTOLD = frozenset({"_name_or_path", "transformers_version"})


@dataclass(frozen=True, slots=True)
class Stand:
    """A repository that an adapter refers to: its id, the commit, and whether others may see it."""

    id: str
    revision: str | None
    private: bool


@dataclass(slots=True)
class Origin:
    """What `check_origin` found.

    Attributes:
        base: The base on the Hub.
        dataset: The dataset on the Hub.
        refusals: Why the adapter must not be published as it is.
        named: Whether `--base` or `--dataset` named them, so that the files must be rewritten.
    """

    base: Stand | None = None
    dataset: Stand | None = None
    refusals: list[Refusal] = field(default_factory=list)
    named: bool = False

    def warnings(self, private: bool) -> Iterator[str]:
        """What makes a public adapter useless to others."""
        for what, stand in (("base", self.base), ("dataset", self.dataset)):
            if stand is not None and stand.private and not private:
                yield f"the adapter is public, but its {what} {stand.id} is private: others cannot load it"

    def rewritten(self, folder: Path) -> dict[str, bytes]:
        """adapter_config.json, recipe.yml, run.json and the card's metadata, with what stands on the Hub in them."""
        if not self.named or self.base is None or self.refusals:
            return {}
        files: dict[str, bytes] = {}
        config = _json(folder / "adapter_config.json")
        files["adapter_config.json"] = _dump(config | {"base_model_name_or_path": self.base.id})
        run = _json(folder / "run.json")
        dataset = dict(run.get("dataset") or {})
        if self.dataset is not None:
            dataset |= {"path": self.dataset.id, "revision": self.dataset.revision}
        truth = {"base_model": self.base.id, "dataset": dataset, "publishable": True, "why_not_publishable": None}
        files["run.json"] = _dump(run | truth)
        if (folder / "recipe.yml").is_file():
            files["recipe.yml"] = self._recipe((folder / "recipe.yml").read_text(encoding="utf-8")).encode()
        if (folder / "README.md").is_file():
            files["README.md"] = self._card((folder / "README.md").read_text(encoding="utf-8")).encode()
        return files

    def _recipe(self, text: str) -> str:
        """The recipe with base and data named; its comments stay."""
        assert self.base is not None
        text = re.sub(r"(?m)^base_model:.*$", f"base_model: {self.base.id}", text)
        if self.dataset is not None:
            path = r"(?m)(^data:[^\n]*\n(?:[ \t]+[^\n]*\n|[ \t]*\n)*?[ \t]+path:)[^\n]*"
            text = re.sub(path, rf"\1 {self.dataset.id}", text)
        return text

    def _card(self, text: str) -> str:
        """The card with base and dataset named in its metadata."""
        head = re.match(r"\A---\r?\n(.*?)\r?\n---\r?\n", text, re.S)
        try:
            metadata = yaml.safe_load(head.group(1)) if head else None
        except yaml.YAMLError:
            metadata = None
        if head is None or not isinstance(metadata, dict) or self.base is None:
            return text
        metadata |= {"base_model": self.base.id, "base_model_relation": "adapter"}
        if self.dataset is not None:
            metadata["datasets"] = [self.dataset.id]
        return f"---\n{yaml.safe_dump(metadata, sort_keys=False, allow_unicode=True)}---\n{text[head.end() :]}"


def check_origin(folder: Path, client: Client, *, base: str | None, dataset: str | None, ask: bool) -> Origin:
    """Finds base and dataset of an adapter on the Hub, and compares them with what training used.

    Args:
        folder: The adapter folder.
        client: For its account.
        base: `--base`: an id.
        dataset: `--dataset`: `ID@REVISION`.
        ask: Whether to ask the Hub about what is not named by an option too.

    Returns:
        What stands there, or why it must not be published.
    """
    origin = Origin(named=base is not None or dataset is not None)
    config, run = _json(folder / "adapter_config.json"), _json(folder / "run.json")
    used = str(config.get("base_model_name_or_path") or run.get("base_model") or "")
    if base is None and is_local(used, folder):
        reason = f"its base is {used!r}, a folder here: name the one on the Hub with --base ID"
        origin.refusals.append(Refusal("adapter_config.json", reason))
    elif base is not None or ask:
        origin.base = _base(origin, client, base or used, used, folder)
    else:
        origin.base = Stand(used, None, False)
    trained_on = run.get("dataset") or {}
    path = str(trained_on.get("path") or "")
    if dataset is not None:
        origin.dataset = _dataset(origin, client, dataset, trained_on)
    elif path and is_local(path, folder):
        reason = f"its dataset is {path!r}, a folder here: name the one on the Hub with --dataset ID@REV"
        origin.refusals.append(Refusal("run.json", reason))
    elif path:
        origin.dataset = Stand(path, trained_on.get("revision"), False)
    if run.get("publishable") is False and not origin.named and not origin.refusals:
        why = run.get("why_not_publishable") or "run.json does not say why"
        origin.refusals.append(Refusal("run.json", f"it says that this is not for publishing: {why}"))
    return origin


def is_local(name: str, folder: Path) -> bool:
    """Whether a base or a dataset is a folder here: no id of the Hub, or a folder that training saw beside it."""
    return not _HUB_ID.fullmatch(name) or any((place / name).is_dir() for place in (folder, folder.parent))


def _base(origin: Origin, client: Client, base: str, used: str, folder: Path) -> Stand | None:
    """The base on the Hub; refused where its config is not the one that training used."""
    there = Client(base, "model", client.token)
    info = there.call("looking at the base", lambda: there.api.repo_info(base))
    if used != base and is_local(used, folder):
        places = (Path(used), folder / used, folder.parent / used)
        here = next((place for place in places if (place / "config.json").is_file()), None)
        if here is None:
            reason = f"the base {used!r} it was trained on is not here any more, so it cannot be compared with {base}"
            origin.refusals.append(Refusal("adapter_config.json", reason))
            return None
        on_hub = json.loads(_fetch(there, "config.json", str(info.sha)))
        if _digest(on_hub) != _digest(_json(here / "config.json")):
            reason = f"it was trained on another model than {base}: their config.json differ"
            origin.refusals.append(Refusal("adapter_config.json", reason))
            return None
    return Stand(base, str(info.sha), bool(info.private))


def _dataset(origin: Origin, client: Client, dataset: str, trained_on: Mapping[str, Any]) -> Stand | None:
    """The dataset on the Hub; refused where its report is not the one that training saw."""
    name, _, revision = dataset.partition("@")
    if not _HUB_ID.fullmatch(name):
        raise InputError(f"{dataset!r} is no dataset of the Hub.", hint="Write --dataset USER/NAME@REVISION.")
    there = Client(name, "dataset", client.token)
    wanted = revision or None
    info = there.call("looking at the dataset", lambda: there.api.repo_info(name, repo_type="dataset", revision=wanted))
    digest = hashlib.sha256(_fetch(there, "report.json", str(info.sha))).hexdigest()
    if trained_on.get("report_sha256") != digest:
        reason = f"it was trained on another dataset than {name} at {str(info.sha)[:12]}: their report.json differ"
        origin.refusals.append(Refusal("run.json", reason))
        return None
    return Stand(name, str(info.sha), bool(info.private))


def _fetch(client: Client, path: str, revision: str) -> bytes:
    from huggingface_hub import hf_hub_download

    def fetch() -> bytes:
        kind, token = client.kind, client.token
        return Path(hf_hub_download(client.repo_id, path, repo_type=kind, revision=revision, token=token)).read_bytes()

    return client.call(f"reading {path} of {client.repo_id}", fetch)


def _digest(config: Mapping[str, Any]) -> str:
    """A hash of what a config says, whatever its order and layout."""
    told = {key: value for key, value in config.items() if key not in _UNTOLD}
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _json(path: Path) -> dict[str, Any]:
    """A JSON object; {} where it is missing or is none (the checks of the contents name it)."""
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _dump(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, ensure_ascii=False, indent=2) + "\n").encode()
