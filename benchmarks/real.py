"""Real rows of trn.json: what is learnt by heart, by the length of the descriptions and by the number of products.

    REAL_ROWS=rows.json python benchmarks/real.py             # 64 products, descriptions of at most 220 characters
    REAL_ROWS=rows.json python benchmarks/real.py --all       # 400 and 800 characters, 200 and 371 products too: hours

Rows: `head -n 500 trn.json > rows.json`. The same story as the quickstart's, at the same exposures a product. Adds to
benchmarks/results/real.json and writes real.md anew from it: numbers only, no row's text.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from learn import BUILD, RESULTS, Variant, measure, prepare, table

SIZES = [(64, 220), (64, 400), (64, 800), (200, 220), (371, 220)]


def main() -> None:
    """Measures and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", action="store_true", help="every size; hours on two cores")
    parser.add_argument("--base", default="smollm2")
    parser.add_argument("--folder", type=Path, default=Path("build/real"), help="for what is made")
    options = parser.parse_args()
    rows = os.environ.get("REAL_ROWS")
    if not rows or not Path(rows).is_file():
        sys.exit("No real rows. Set REAL_ROWS to a file of trn.json's rows, as of: head -n 500 trn.json > rows.json")
    base, general, _ = prepare(options.folder, options.base)
    path = RESULTS / "real.json"
    results = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    for products, chars in SIZES if options.all else SIZES[:1]:
        name = f"{products} products, {chars} characters"
        print(f"== {name}", flush=True)
        build = {**BUILD, "limit": None, "max_content_chars": chars, "rules": "amazon"}
        variant = Variant(f"descriptions of at most {chars} characters", build=build, products=products)
        results[name] = measure(variant, options.folder / f"{products}-{chars}", base, general, Path(rows))
        path.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        (RESULTS / "real.md").write_text(
            "# Real rows of trn.json\n\nWritten by `benchmarks/real.py`; base and reading as in learn.md.\n\n"
            + table(results),
            encoding="utf-8",
        )
        print(table({name: results[name]}), flush=True)


if __name__ == "__main__":
    main()
