"""Commands that tell the whole story."""

from __future__ import annotations

import click

from amazon_titles.cli.options import autotrain_env_option


@click.command(epilog="Example:  amazon-titles quickstart --catalog trn.json --products 32")
@click.option("--out", default="quickstart", show_default=True, metavar="DIR", help="The folder to make.")
@click.option("--catalog", metavar="FILE", help="A catalogue of your own; by default a sample is made.")
@click.option("--products", type=click.IntRange(min=1), help="Products to train on.  [default: 48]")
@autotrain_env_option
def quickstart(out: str, catalog: str | None, products: int | None, autotrain_env: str | None) -> None:
    """Run the whole story on this machine: no account, no GPU, about six minutes."""
    from amazon_titles.quickstart import PRODUCTS
    from amazon_titles.quickstart import quickstart as run

    result = run(out, catalog=catalog, products=products or PRODUCTS, autotrain_env=autotrain_env)
    click.echo(result.comparison.to_markdown(full=False), nl=False)
