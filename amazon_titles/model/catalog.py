"""`Catalog`: the records that answers cite, and where they come from."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from amazon_titles.catalog import Product
from amazon_titles.errors import InputError
from amazon_titles.io import is_local, read_object
from amazon_titles.model.answer import Source
from amazon_titles.search import CatalogIndex
from amazon_titles.search.index import dataset_folder

_BUILD = "Make one, or fetch it again: amazon-titles build SOURCE --out DIR"


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
        another: Whether the model was trained on another one, such as an older version: then the records decide.
    """

    index: CatalogIndex
    dataset: str
    revision: str
    url: str
    folder: Path | None
    made_up: bool = False
    another: bool = False

    @classmethod
    def open(cls, dataset: str | Path, *, token: str | None = None) -> Catalog:
        """Opens a dataset folder, or a dataset of the Hub (`ID` or `ID@REVISION`).

        Raises:
            InputError: There is no such folder, it is no dataset, or a file of it is damaged; the message names it.
            AmazonTitlesError: The Hub does not give it; the message says why.
        """
        folder = dataset_folder(dataset, ["report.json", "catalog/*", "chat/*"], token=token)
        report = folder / "report.json"
        if not report.is_file():
            raise InputError(f"{folder} is not a dataset folder: it has no report.json.", hint=_BUILD)
        data = report.read_bytes()
        told = read_object(data).get("catalogue")
        if not isinstance(told, dict) or "url" not in told:
            raise InputError(f"{report} is damaged: it describes no catalogue.", hint=_BUILD)
        # A snapshot of the Hub lies in a folder that is named by its commit.
        of_hub = folder.parent.name == "snapshots"
        revision = folder.name if of_hub else f"sha256:{hashlib.sha256(data).hexdigest()[:12]}"
        name = str(dataset) if is_local(dataset) else str(dataset).partition("@")[0]
        index, url = CatalogIndex.build(folder), str(told["url"] or "")
        return cls(index, name, revision, url, folder, bool(told.get("made_up")))

    def source(self, product: Product, *, shown: bool = False, cited: bool = False, variant: str = "") -> Source:
        """A product as the source of an answer."""
        url = self.url.replace("{uid}", quote(product.uid, safe=""))
        return Source(product.uid, product.title, url, self.dataset, self.revision, shown, cited, variant)
