"""Real rows of trn.json: what is learnt by heart, by the length of the descriptions and by the number of products.

    REAL_ROWS=rows.json python benchmarks/real.py                     # 64 products, at most 220 characters each
    REAL_ROWS=rows.json python benchmarks/real.py --quickstart        # the same with the quickstart's mix and recipe
    REAL_ROWS=rows.json python benchmarks/real.py --sizes 64x400,64x800,200x220,371x220       # hours on two cores

Rows: `head -n 500 trn.json > rows.json`. Each product is asked about in twenty ways, once, by the trl engine. Adds to
benchmarks/results/real.json and writes real.md anew from it: numbers only, no row's text.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from learn import BUILD, GENTLE, MAX_NEW_TOKENS, ONCE, RESULTS, Variant, measure, prepare, table


def main() -> None:
    """Measures and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="64x220", help="products x most characters, with commas between them")
    parser.add_argument("--quickstart", action="store_true", help="the quickstart's mix and recipe instead")
    parser.add_argument("--base", default="smollm2")
    parser.add_argument("--folder", type=Path, default=Path("build/real"), help="for what is made")
    options = parser.parse_args()
    rows = os.environ.get("REAL_ROWS")
    if not rows or not Path(rows).is_file():
        sys.exit("No real rows. Set REAL_ROWS to a file of trn.json's rows, as of: head -n 500 trn.json > rows.json")
    base, general, _ = prepare(options.folder, options.base)
    path = RESULTS / "real.json"
    results = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    for products, chars in (map(int, size.split("x")) for size in options.sizes.split(",")):
        name = f"{products} products, {chars} characters" + ", quickstart's recipe" * options.quickstart
        print(f"== {name}", flush=True)
        build = {**BUILD, "limit": None, "max_content_chars": chars, "rules": "amazon"}
        longest = max(MAX_NEW_TOKENS, chars * 2 // 5)  # a whole description and its code
        variant = Variant(name, {**build, **ONCE}, GENTLE, products=products, engine="trl", longest=longest)
        if options.quickstart:
            variant = Variant(name, build, products=products, longest=longest)
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
