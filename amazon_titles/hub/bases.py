"""Where an adapter comes from: its base and its dataset, as they stand on the Hub and not on this machine."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from amazon_titles.errors import InputError, PublishError
from amazon_titles.hub.adapter_metadata import AdapterMetadata, RepoRef
from amazon_titles.hub.client import Client
from amazon_titles.hub.contents import LEGAL_FILES, is_there
from amazon_titles.hub.validate import ValidationIssue
from amazon_titles.io import read_object

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w][\w.-]*")


@dataclass(slots=True)
class Origin:
    """What `check_origin` found.

    Attributes:
        base: The base on the Hub.
        dataset: The dataset on the Hub.
        issues: Why the adapter must not be published as it is.
        notes: What is worth a thought besides.
    """

    base: RepoRef | None = None
    dataset: RepoRef | None = None
    issues: list[ValidationIssue] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def refuse(self, path: str, reason: str) -> None:
        """Adds a reason."""
        self.issues.append(ValidationIssue(path, reason))

    def warnings(self, private: bool) -> Iterator[str]:
        """What makes a public adapter useless to others, and the notes."""
        yield from self.notes
        for what, ref in (("base", self.base), ("dataset", self.dataset)):
            if ref is not None and ref.private and not private:
                yield f"the adapter is public, but its {what} {ref.id} is private: others cannot load it"


def check_origin(
    metadata: AdapterMetadata, client: Client, *, base: str | None, dataset: str | None, ask: bool
) -> Origin:
    """Finds base and dataset of an adapter on the Hub, and compares them with what training used.

    Args:
        metadata: What the adapter says of itself.
        client: For its account.
        base: `--base`: an id.
        dataset: `--dataset`: `ID@REVISION`.
        ask: Whether to ask the Hub about what is not named by an option too.

    Returns:
        What stands there, or why it must not be published.
    """
    origin, run = Origin(), metadata.run
    used, path = metadata.base, str(metadata.dataset.get("path") or "")
    if base is None and _is_folder(used, metadata.folder):
        origin.refuse("adapter_config.json", f"its base is {used!r}, a folder here: name the Hub's with --base ID")
    elif base is not None or ask:
        origin.base = _base(origin, client, base or used, used, metadata.folder)
    if dataset is not None:
        origin.dataset = _dataset(origin, client, dataset, metadata.dataset)
    elif _is_folder(path, metadata.folder) and run:
        origin.refuse("run.json", f"its dataset is {path!r}, a folder here: name the Hub's with --dataset ID@REVISION")
    elif path and not metadata.dataset.get("revision"):
        origin.notes.append(f"it is not said which revision of {path} it was trained on: --dataset {path}@REVISION")
    if run.get("publishable") is False and base is None and dataset is None and not origin.issues:
        why = run.get("why_not_publishable") or "it does not say why"
        origin.refuse("run.json", f"it says that this is not for publishing: {why}")
    return origin


def _is_folder(name: str, folder: Path) -> bool:
    """Whether a base or a dataset is a folder here: no id of the Hub, or a folder that training saw beside it."""
    return not _HUB_ID.fullmatch(name) or any((place / name).is_dir() for place in (folder, folder.parent))


def _base(origin: Origin, client: Client, base: str, used: str, folder: Path) -> RepoRef:
    """The base on the Hub; refused where its config is not the one that training used."""
    hub = Client(base, "model", client.token)
    info = hub.call("looking at the base", lambda: hub.api.model_info(base))
    ref = RepoRef(base, str(info.sha), bool(info.private), tuple(file.rfilename for file in info.siblings or ()))
    reason = None
    if used != base and not _is_folder(used, folder):
        reason = f"it was trained on {used}, which is another model than {base}"
    elif used != base:
        places = (Path(used), folder / used, folder.parent / used)
        here = next((place / "config.json" for place in places if (place / "config.json").is_file()), None)
        if here is None:
            reason = f"the base {used!r} it was trained on is not here any more, so it cannot be compared with {base}"
        elif _config(here) != _config(_download(hub, "config.json", ref.revision)):
            reason = f"it was trained on another model than {base}: their config.json differ"
    if reason:
        origin.refuse("adapter_config.json", reason)
    return ref


def _config(path: Path) -> dict[str, Any]:
    """What a config says, without what two copies of it may differ in: where it was saved, and by which version."""
    ignored = ("_name_or_path", "transformers_version")
    return {key: value for key, value in read_object(path).items() if key not in ignored}


def _dataset(origin: Origin, client: Client, dataset: str, trained_on: Mapping[str, Any]) -> RepoRef:
    """The dataset on the Hub; refused where its report is not the one that training saw."""
    name, _, revision = dataset.partition("@")
    if not _HUB_ID.fullmatch(name):
        raise InputError(f"{dataset!r} is no dataset of the Hub.", hint="Write --dataset USER/NAME@REVISION.")
    hub = Client(name, "dataset", client.token)
    info = hub.ask("looking at the dataset", hub.api.repo_info, revision=revision or None)
    ref = RepoRef(name, str(info.sha), bool(info.private))
    known = trained_on.get("report_sha256")
    if known is None and trained_on.get("path") != name:
        reason = f"it does not hold its dataset's report_sha256, so it cannot be compared with {name}"
        origin.refuse("run.json", reason)
    report = _download(hub, "report.json", ref.revision) if known is not None else None
    if report is not None and known != hashlib.sha256(report.read_bytes()).hexdigest():
        reason = f"it was trained on another dataset than {name} at {ref.revision[:12]}: their report.json differ"
        origin.refuse("run.json", reason)
    return ref


def legal_files(origin: Origin, client: Client, folder: Path, *, private: bool) -> dict[str, bytes]:
    """The licence and the use policy of a base, which its licence wants beside every copy and every adapter of it.

    A gated base gives them only to who has accepted it, and a token of narrow rights may not ask: then a private push
    warns, and a public one is refused.

    Args:
        origin: Knows the base as it stands on the Hub; gets the warning or the refusal.
        client: For its account.
        folder: The adapter's; what stands there is not fetched.
        private: Whether only the owners will see the adapter.

    Returns:
        Path → text; {} where the base has none.
    """
    found: dict[str, bytes] = {}
    if origin.base is None or origin.issues:
        return found
    hub = Client(origin.base.id, "model", client.token)
    for path in origin.base.paths:
        if not LEGAL_FILES.fullmatch(path) or is_there(folder, path):
            continue
        try:
            text = _download(hub, path, origin.base.revision).read_bytes()
        except PublishError as error:
            if type(error.__context__).__name__ != "GatedRepoError":
                raise
            text = b""
        if text:
            found[path] = text
            continue
        reason = f"the licence of {hub.repo_id} asks for a copy of it, and this login may not read it: put one here"
        if private:
            origin.notes.append(f"{path}: {reason}")
        else:
            origin.refuse(path, reason)
    return found


def _download(hub: Client, path: str, revision: str) -> Path:
    return hub.download(f"reading {path} of {hub.repo_id}", path, revision)
