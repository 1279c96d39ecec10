"""Commands of the data: catalogue → dataset folder → Hub dataset."""

from __future__ import annotations

from typing import Any

import click

from amazon_titles.cli import options as shared
from amazon_titles.errors import InputError


@click.command(epilog="Example:  amazon-titles download --out data")
@click.option("--out", default=".", metavar="DIR", help="Folder for the archive.")
@click.option("--mirror", metavar="USER/REPO", help="Dataset of the Hub with the archive, instead of the Drive file.")
def download(out: str, mirror: str | None) -> None:
    """Fetch the archive that holds trn.json; an interrupted download goes on."""
    from amazon_titles.catalog import download as fetch

    done = fetch(out, mirror=mirror)
    click.echo(f"{done.path}  {done.bytes} bytes  sha256 {done.sha256}")


@click.command(epilog="Example:  amazon-titles build LF-Amazon-1.3M.raw.zip --out dataset --limit 1000")
@click.argument("source")
@click.option("--out", "output_dir", required=True, metavar="DIR", help="The dataset folder to make.")
@click.option("--limit", type=shared.POSITIVE, help="Keep N products, sampled evenly over the whole file.")
@shared.seed(default=42, help="Of every choice.")
@shared.languages
@click.option("--phrasings", default=6, help="Recall rows a product.")
@click.option("--grounded", default=1.0, help="Rows a product with records in view, 0 to 1.")
@click.option("--abstain", default=0.2, help="Rows a product about an invented one, 0 to 4.")
@click.option("--property", default=0.5, help="Rows a product about one property, 0 to 1.")
@click.option("--recall-products", type=shared.POSITIVE, help="Recall rows of N products to train on; all by default.")
@click.option("--base", metavar="smollm2|ID|DIR", help="The model to be trained, to write the general rows.")
@click.option("--general", type=click.IntRange(min=0), help="Those rows, which keep what it knows.  [default: 112]")
@click.option("--min-content-chars", default=40, help="Shorter descriptions drop the product.")
@click.option("--max-content-chars", default=2000, help="Longer ones are cut at a sentence's end.")
@click.option("--validation", default=0.02, help="Share of the products.")
@click.option("--test", default=0.02, help="Share of the products.")
@click.option("--render", multiple=True, default=("llama3",), help="Chat templates: llama3, chatml (repeatable).")
@click.option("--labels", metavar="FILE", help="lbl.json, for related products.")
@click.option(
    "--field", "fields", multiple=True, type=shared.key_value, metavar="uid=NAME",
    help="The catalogue's name of uid, title or content; several of content are joined.  [default: usual names]",
)  # fmt: skip
@click.option("--name", help="What the catalogue is called; by default as its file.")
@click.option("--license", help="Its licence; by default none is named.")
@click.option("--url", help="Address of a product, with {uid} in it; by default there are no links.")
@click.option("--rules", default="auto", help="Cleaning: amazon (trn.json's), generic, auto.")
@click.option("--card-language", default="en", help="Of the dataset card: en, pt.")
@click.option("--encoding", metavar="NAME", help="Of the catalogue: latin-1, utf-16-le.  [default: UTF-8, or its mark]")
@click.option("--fix-encoding", is_flag=True, help="Mend UTF-8 that was read as Latin-1 (CoraÃ§Ã£o).")
@click.option("--sheet", metavar="NAME", help="Of an Excel file.  [default: the first]")
@click.option("--max-bad", default=0.001, help="Share of lines that may hold no product.")
@click.option("--force", is_flag=True, help="Replace a dataset that was made from something else.")
@click.option("--workers", type=shared.POSITIVE, help="Processes; all cores by default.")
@shared.json_report
def build(source: str, fields: shared.Pairs, as_json: bool, base: str | None, **options: Any) -> None:
    """Build a dataset folder from a catalogue.

    A model that is trained on a catalogue alone forgets what else it knew: with --base it writes general rows first.

    SOURCE is trn.json, the zip as downloaded, or another catalogue: JSON, CSV, TSV, Parquet, .xlsx, plain or in gzip,
    zstd or a zip; - for stdin, or hf://datasets/USER/REPO[/FILE].
    """
    from amazon_titles.dataset import build_dataset

    general = options.pop("general")
    if base is None and general:
        raise InputError("General rows are written by the base.", hint="Name the model that you will train: --base ID")
    if base is not None and general != 0:
        from amazon_titles.quickstart import GENERAL, write_general_rows
        from amazon_titles.training import find_base

        found, count = find_base(base), GENERAL if general is None else general
        rows = write_general_rows(found, count, languages=options["languages"], seed=options["seed"])
        options |= {"general": rows, "general_source": found.source}
    named = {name: [column for other, column in fields if other == name] for name, _ in fields}
    report = build_dataset(source, fields=named, **options)
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
