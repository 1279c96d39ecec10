"""Where an adapter comes from: its base and its dataset, as they stand on the Hub and not on this machine."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from amazon_titles.errors import InputError
from amazon_titles.hub.adapter_metadata import AdapterMetadata, read_json
from amazon_titles.hub.client import Client
from amazon_titles.hub.contents import LEGAL_FILES, is_there
from amazon_titles.hub.validate import ValidationIssue

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w][\w.-]*")
# What two copies of one config may differ in: where it was saved, and by which version.
_UNTOLD = frozenset({"_name_or_path", "transformers_version"})


@dataclass(frozen=True, slots=True)
class RepoRef:
    """A repository that an adapter refers to: its id, the commit, whether others may see it, and its paths."""

    id: str
    revision: str | None
    private: bool
    paths: tuple[str, ...] = ()


@dataclass(slots=True)
class Origin:
    """What `check_origin` found.

    Attributes:
        base: The base on the Hub.
        dataset: The dataset on the Hub.
        refusals: Why the adapter must not be published as it is.
        notes: What is worth a thought besides.
    """

    base: RepoRef | None = None
    dataset: RepoRef | None = None
    refusals: list[ValidationIssue] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def refuse(self, path: str, reason: str) -> None:
        """Adds a reason."""
        self.refusals.append(ValidationIssue(path, reason))

    def warnings(self, private: bool) -> Iterator[str]:
        """What makes a public adapter useless to others, and the notes."""
        yield from self.notes
        for what, stand in (("base", self.base), ("dataset", self.dataset)):
            if stand is not None and stand.private and not private:
                yield f"the adapter is public, but its {what} {stand.id} is private: others cannot load it"


def check_origin(
    papers: AdapterMetadata, client: Client, *, base: str | None, dataset: str | None, ask: bool
) -> Origin:
    """Finds base and dataset of an adapter on the Hub, and compares them with what training used.

    Args:
        papers: What the adapter says of itself.
        client: For its account.
        base: `--base`: an id.
        dataset: `--dataset`: `ID@REVISION`.
        ask: Whether to ask the Hub about what is not named by an option too.

    Returns:
        What stands there, or why it must not be published.
    """
    origin = Origin()
    used, path = papers.base, str(papers.dataset.get("path") or "")
    if base is None and is_local(used, papers.folder):
        origin.refuse("adapter_config.json", f"its base is {used!r}, a folder here: name the Hub's with --base ID")
    elif base is not None or ask:
        origin.base = _base(origin, client, base or used, used, papers.folder)
    if dataset is not None:
        origin.dataset = _dataset(origin, client, dataset, papers.dataset)
    elif is_local(path, papers.folder) and papers.run:
        origin.refuse("run.json", f"its dataset is {path!r}, a folder here: name the Hub's with --dataset ID@REVISION")
    elif path and not papers.dataset.get("revision"):
        origin.notes.append(f"it is not said which revision of {path} it was trained on: --dataset {path}@REVISION")
    if papers.run.get("publishable") is False and base is None and dataset is None and not origin.refusals:
        why = papers.run.get("why_not_publishable") or "it does not say why"
        origin.refuse("run.json", f"it says that this is not for publishing: {why}")
    return origin


def is_local(name: str, folder: Path) -> bool:
    """Whether a base or a dataset is a folder here: no id of the Hub, or a folder that training saw beside it."""
    return not _HUB_ID.fullmatch(name) or any((place / name).is_dir() for place in (folder, folder.parent))


def _base(origin: Origin, client: Client, base: str, used: str, folder: Path) -> RepoRef | None:
    """The base on the Hub; refused where its config is not the one that training used."""
    there = Client(base, "model", client.token)
    info = there.call("looking at the base", lambda: there.api.model_info(base))
    paths = tuple(sibling.rfilename for sibling in info.siblings or ())
    stand = RepoRef(base, str(info.sha), bool(info.private), paths)
    if used == base or not is_local(used, folder):
        if used != base:
            origin.refuse("adapter_config.json", f"it was trained on {used}, which is another model than {base}")
        return stand
    places = (Path(used), folder / used, folder.parent / used)
    here = next((place for place in places if (place / "config.json").is_file()), None)
    if here is None:
        reason = f"the base {used!r} it was trained on is not here any more, so it cannot be compared with {base}"
        origin.refuse("adapter_config.json", reason)
    elif _digest(json.loads(_fetch(there, "config.json", str(info.sha)))) != _digest(read_json(here / "config.json")):
        origin.refuse("adapter_config.json", f"it was trained on another model than {base}: their config.json differ")
    return stand


def _dataset(origin: Origin, client: Client, dataset: str, trained_on: Mapping[str, Any]) -> RepoRef:
    """The dataset on the Hub; refused where its report is not the one that training saw."""
    name, _, revision = dataset.partition("@")
    if not _HUB_ID.fullmatch(name):
        raise InputError(f"{dataset!r} is no dataset of the Hub.", hint="Write --dataset USER/NAME@REVISION.")
    there = Client(name, "dataset", client.token)
    wanted = revision or None
    info = there.call("looking at the dataset", lambda: there.api.repo_info(name, repo_type="dataset", revision=wanted))
    known = trained_on.get("report_sha256")
    if known is not None:
        if known != hashlib.sha256(_fetch(there, "report.json", str(info.sha))).hexdigest():
            at = str(info.sha)[:12]
            origin.refuse(
                "run.json", f"it was trained on another dataset than {name} at {at}: their report.json differ"
            )
    elif trained_on.get("path") != name:
        reason = f"it does not hold its dataset's report_sha256, so it cannot be compared with {name}"
        origin.refuse("run.json", reason)
    return RepoRef(name, str(info.sha), bool(info.private))


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
    if origin.base is None or origin.refusals:
        return found
    there = Client(origin.base.id, "model", client.token)
    for path in origin.base.paths:
        if not LEGAL_FILES.fullmatch(path) or is_there(folder, path):
            continue
        text = _fetch(there, path, str(origin.base.revision), gated=b"")
        if text:
            found[path] = text
            continue
        reason = f"the licence of {there.repo_id} asks for a copy of it, and this login may not read it: put one here"
        if private:
            origin.notes.append(f"{path}: {reason}")
        else:
            origin.refuse(path, reason)
    return found


def _fetch(client: Client, path: str, revision: str, *, gated: bytes | None = None) -> bytes:
    """A file of the Hub; `gated`, if given, where the repository does not let this account in."""
    from huggingface_hub import hf_hub_download

    def fetch() -> bytes:
        kind, token = client.kind, client.token
        try:
            file = hf_hub_download(client.repo_id, path, repo_type=kind, revision=revision, token=token)
        except Exception as error:
            if gated is not None and type(error).__name__ == "GatedRepoError":
                return gated
            raise
        return Path(file).read_bytes()

    return client.call(f"reading {path} of {client.repo_id}", fetch)


def _digest(config: Mapping[str, Any]) -> str:
    """A hash of what a config says, whatever its order and layout."""
    told = {key: value for key, value in config.items() if key not in _UNTOLD}
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
