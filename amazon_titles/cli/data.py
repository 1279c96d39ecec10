"""Commands of the data: catalogue → dataset folder → Hub dataset."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

import click

from amazon_titles.cli import options as shared
from amazon_titles.errors import InputError


@click.command(epilog="Example:  amazon-titles download --out data")
@click.option("--out", default=".", metavar="DIR", help="Folder to save the archive in.")
@click.option("--mirror", metavar="USER/REPO", help="Hub dataset with the archive, instead of Google Drive.")
def download(out: str, mirror: str | None) -> None:
    """Download trn.json; an interrupted download resumes."""
    from amazon_titles.catalog import download as fetch

    done = fetch(out, mirror=mirror)
    click.echo(f"{done.path}  {done.bytes} bytes  sha256 {done.sha256}")


def _by_name(context: click.Context, parameter: click.Parameter, pairs: shared.Pairs) -> dict[str, list[str]]:
    return {name: [value for other, value in pairs if other == name] for name, _ in pairs}


_READING = (
    click.option(
        "--field", "fields", multiple=True, type=shared.key_value, metavar="uid=NAME", callback=_by_name,
        help="Column for uid, title or content; several for content are joined.  [default: common names]",
    ),
    click.option("--encoding", metavar="NAME", help="Such as latin-1.  [default: UTF-8, or the file's BOM]"),
    click.option("--fix-encoding", is_flag=True, help="Repair UTF-8 that was decoded as Latin-1 (CoraÃ§Ã£o)."),
    click.option("--sheet", metavar="NAME", help="Sheet of an Excel file.  [default: the first]"),
    click.option("--min-content-chars", default=40, help="Drop products with a shorter description."),
    click.option("--max-bad", default=0.001, help="Maximum share of lines without a product."),
    click.option("--workers", type=shared.POSITIVE, help="Number of processes; by default one per core."),
)  # fmt: skip


def reading(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of commands that read a catalogue."""
    return reduce(lambda decorated, option: option(decorated), reversed(_READING), command)


@click.command(epilog="Example:  amazon-titles build LF-Amazon-1.3M.raw.zip --out dataset --limit 1000 --base smollm2")
@click.argument("source")
@click.option("--out", "output_dir", required=True, metavar="DIR", help="Dataset folder to create.")
@click.option("--limit", type=shared.POSITIVE, help="Keep N products, sampled evenly from the whole file.")
@shared.seed(default=42, help="Random seed.")
@shared.languages
@click.option("--phrasings", default=6, help="Recall rows per product.")
@click.option("--grounded", default=1.0, help="Rows per product with product texts in the question, 0 to 1.")
@click.option("--abstain", default=2.0, help="Rows per product about invented products, 0 to 4.")
@click.option("--property", default=1.0, help="Rows per product about a single property, 0 to 1.")
@click.option("--recall-products", type=shared.POSITIVE, help="Products with recall rows for training; by default all.")
@click.option("--base", metavar="smollm2|ID|DIR", help="The model you will train; it writes the general rows.")
@click.option("--general", type=click.IntRange(min=0), help="General rows, which reduce forgetting.  [default: 112]")
@click.option("--max-content-chars", default=2000, help="Cut longer descriptions at the end of a sentence.")
@click.option("--validation", default=0.02, help="Share of products in the validation split.")
@click.option("--test", default=0.02, help="Share of products in the test split.")
@click.option("--render", multiple=True, default=("llama3",), help="Chat templates: llama3, chatml (repeatable).")
@click.option("--labels", metavar="FILE", help="lbl.json, with the related products.")
@reading
@click.option("--name", help="Name of the catalogue; by default the file name.")
@click.option("--license", help="Licence of the catalogue, for the dataset card.")
@click.option("--url", help="Link to a product, such as https://shop.example/{uid}.")
@click.option("--rules", default="auto", help="Cleaning rules: amazon (for trn.json), generic, auto.")
@click.option("--card-language", default="en", help="Language of the dataset card: en, pt.")
@click.option("--force", is_flag=True, help="Replace a dataset that was built from another source.")
@shared.json_report
def build(source: str, as_json: bool, base: str | None, **options: Any) -> None:
    """Build a dataset folder from a catalogue.

    SOURCE is trn.json, the downloaded zip, or another catalogue as JSON, CSV, TSV, Parquet or .xlsx, which may be
    compressed (gzip, zstd, zip); use - for stdin, or hf://datasets/USER/REPO[/FILE].

    A model trained on a catalogue alone forgets other knowledge. With --base, that model first writes general rows to
    train on.
    """
    from amazon_titles.dataset import build_dataset

    general = options.pop("general")
    if base is None and general:
        raise InputError("--general needs the model that writes the rows.", hint="Name it: --base ID")
    if base is not None and general != 0:
        from amazon_titles.quickstart import GENERAL, write_general_rows
        from amazon_titles.training import find_base

        found, count = find_base(base), GENERAL if general is None else general
        rows = write_general_rows(found, count, seed=options["seed"])
        options |= {"general": rows, "general_source": found.source}
    report = build_dataset(source, **options)
    click.echo(report.to_json() if as_json else report.to_text(), nl=False)


@click.command("push-dataset", epilog="Example:  amazon-titles push-dataset dataset USER/amazon-titles")
@click.argument("folder")
@click.argument("repo_id")
@shared.publishing
def push_dataset(folder: str, repo_id: str, public: bool, as_json: bool, **options: Any) -> None:
    """Publish a dataset folder on the Hugging Face Hub."""
    from amazon_titles.hub import push_dataset_to_hub

    report = push_dataset_to_hub(folder, repo_id, private=not public, **options)
    click.echo(report.to_json() if as_json else report)
