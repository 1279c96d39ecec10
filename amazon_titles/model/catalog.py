"""`Catalog`: the records that answers cite, and where they come from."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

from amazon_titles.catalog import Product
from amazon_titles.errors import InputError
from amazon_titles.hub_errors import explain
from amazon_titles.model.answer import Source
from amazon_titles.search import CatalogIndex, Hit

_BUILD = "Make one: amazon-titles build SOURCE --out DIR"
_REBUILD = "Build the dataset, or fetch it, again: amazon-titles build SOURCE --out DIR"


class Searcher(Protocol):
    """What finds products: `CatalogIndex` is one."""

    def search(self, question: str, k: int = 3) -> Sequence[Hit]:
        """The products that a question fits, best first; none where nothing fits."""

    def nearest(self, question: str, k: int = 3) -> Sequence[Product]:
        """The nearest titles, also where none of them fits."""

    def named(self, question: str) -> str:
        """What the question seems to name."""


@dataclass(frozen=True, slots=True)
class Catalog:
    """A catalogue to answer about.

    Attributes:
        index: Finds its products.
        dataset: Folder or Hub id, as it was named.
        revision: The Hub's commit, or `sha256:` and the first 12 digits of the report's hash for a folder.
        url: Link of a product, with `{uid}`; "" where there are none.
        folder: Where the dataset lies on this machine; None where it does not.
        made_up: Whether it is the made-up sample, whose products do not exist.
    """

    index: Searcher
    dataset: str
    revision: str
    url: str
    folder: Path | None
    made_up: bool = False

    @classmethod
    def open(cls, dataset: str | Path, *, token: str | None = None) -> Catalog:
        """Opens a dataset folder, or a dataset of the Hub (`ID` or `ID@REVISION`).

        Raises:
            InputError: There is no such folder, it is no dataset, or a file of it is damaged; the message names it.
            AmazonTitlesError: The Hub does not give it; the message says why.
        """
        folder = _folder(dataset, token=token)
        report, told = _report(folder)
        name, _, asked = str(dataset).partition("@") if not Path(dataset).is_dir() else (str(dataset), "", "")
        _require_shards(folder)
        # A snapshot of the Hub lies in a folder that is named by its commit.
        commit = folder.name if folder.parent.name == "snapshots" else asked
        revision = commit or f"sha256:{hashlib.sha256(report).hexdigest()[:12]}"
        url, made_up = str(told.get("url") or ""), bool(told.get("made_up"))
        return cls(CatalogIndex.build(folder), name, revision, url, folder, made_up)

    def source(self, product: Product, *, shown: bool = False, cited: bool = False) -> Source:
        """A product as the source of an answer."""
        url = self.url.replace("{uid}", quote(product.uid, safe=""))
        return Source(product.uid, product.title, url, self.dataset, self.revision, shown, cited)


def _folder(dataset: str | Path, *, token: str | None) -> Path:
    """The folder of a dataset: itself, or what is fetched of a Hub id, the rendered text aside."""
    if Path(dataset).is_dir():
        return Path(dataset)
    repo, _, revision = str(dataset).partition("@")
    if repo.startswith((".", "/", "~")) or repo.count("/") != 1 or Path(repo).exists():
        raise InputError(f"No dataset folder {repo!r}.", hint=_BUILD)
    from huggingface_hub import snapshot_download

    wanted = ["report.json", "catalog/*", "chat/*"]
    try:
        return Path(
            snapshot_download(repo, repo_type="dataset", revision=revision or None, allow_patterns=wanted, token=token)
        )
    except Exception as error:
        raise explain(error, repo, "dataset", token=token) from None


def _report(folder: Path) -> tuple[bytes, dict[str, Any]]:
    """The dataset's report, and what it says of the catalogue."""
    path = folder / "report.json"
    try:
        report = path.read_bytes()
    except OSError:
        raise InputError(f"{folder} is no dataset folder: it has no report.json.", hint=_BUILD) from None
    try:
        told = dict(json.loads(report)["catalogue"])
        told["url"]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is damaged ({_line(error)}).", hint=_REBUILD) from None
    return report, told


def _require_shards(folder: Path) -> None:
    """Refuses a catalogue of which a file is missing: it would answer that products do not exist."""
    files = {path.name for path in (folder / "catalog").glob("train-*.parquet")}
    counts = {found.group(1) for name in files if (found := re.fullmatch(r"train-\d+-of-(\d+)\.parquet", name))}
    for count in counts:
        for number in range(int(count)):
            name = f"train-{number:05}-of-{count}.parquet"
            if name not in files:
                raise InputError(f"{folder / 'catalog' / name} is missing.", hint=_REBUILD)


def _line(error: Exception) -> str:
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__
