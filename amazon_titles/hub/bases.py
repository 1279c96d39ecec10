"""Where an adapter comes from: its base and its dataset, as they stand on the Hub and not on this machine."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

from amazon_titles.errors import InputError, PublishError
from amazon_titles.hub.adapter_metadata import AdapterMetadata
from amazon_titles.hub.client import Client
from amazon_titles.hub.contents import LEGAL_FILES, is_there
from amazon_titles.io import read_object

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w][\w.-]*")


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
