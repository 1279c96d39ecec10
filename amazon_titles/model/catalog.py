"""`Catalog`: the records that answers cite, and where they come from."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from amazon_titles.catalog import Product
from amazon_titles.errors import InputError
from amazon_titles.hub_errors import explain
from amazon_titles.io import is_local, shards
from amazon_titles.model.answer import Source
from amazon_titles.search import CatalogIndex

_BUILD = "Make one: amazon-titles build SOURCE --out DIR"
_REBUILD = "Build the dataset, or fetch it, again: amazon-titles build SOURCE --out DIR"


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

    index: CatalogIndex
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
        name, asked = (str(dataset), "") if is_local(dataset) else str(dataset).partition("@")[::2]
        folder = Path(dataset) if is_local(dataset) else _download(name, asked, token)
        report = folder / "report.json"
        if not report.is_file():
            raise InputError(f"{folder} is no dataset folder: it has no report.json.", hint=_BUILD)
        try:
            data = report.read_bytes()
            told = json.loads(data)["catalogue"]
            url, made_up = str(told["url"] or ""), bool(told.get("made_up"))
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            raise InputError(f"{report} is damaged ({str(error)[:200]}).", hint=_REBUILD) from None
        _require_shards(folder)
        # A snapshot of the Hub lies in a folder that is named by its commit.
        commit = folder.name if folder.parent.name == "snapshots" else asked
        revision = commit or f"sha256:{hashlib.sha256(data).hexdigest()[:12]}"
        return cls(CatalogIndex.build(folder), name, revision, url, folder, made_up)

    def source(self, product: Product, *, shown: bool = False, cited: bool = False) -> Source:
        """A product as the source of an answer."""
        url = self.url.replace("{uid}", quote(product.uid, safe=""))
        return Source(product.uid, product.title, url, self.dataset, self.revision, shown, cited)


def _download(repo: str, revision: str, token: str | None) -> Path:
    """The folder of a Hub dataset, the rendered text aside."""
    if repo.startswith((".", "/", "~")) or repo.count("/") != 1 or Path(repo).exists():
        raise InputError(f"No dataset folder {repo!r}.", hint=_BUILD)
    from huggingface_hub import HfApi

    hub, wanted = HfApi(token=token), ["report.json", "catalog/*", "chat/*"]
    try:
        return Path(hub.snapshot_download(repo, repo_type="dataset", revision=revision or None, allow_patterns=wanted))
    except Exception as error:
        raise explain(error, repo, "dataset", token=token) from None


def _require_shards(folder: Path) -> None:
    """Refuses a catalogue of which a file is missing: it would answer that products do not exist."""
    names = {path.name for path in shards(folder, "catalog", "train")}
    for count in {found[1] for name in names if (found := re.fullmatch(r"train-\d+-of-(\d+)\.parquet", name))}:
        for number in range(int(count)):
            if (name := f"train-{number:05}-of-{count}.parquet") not in names:
                raise InputError(f"{folder / 'catalog' / name} is missing.", hint=_REBUILD)
