"""What a mix of rows and a recipe teach a real Llama, and what they make it forget.

    python benchmarks/learn.py                       # the quickstart's mix, in whatever time it takes
    python benchmarks/learn.py --variants all        # every variant below; hours on two cores
    python benchmarks/learn.py --variants "rank 8,english"

Each variant is built, trained and asked in one go, on the same sample catalogue, base (`--base`, by default
SmolLM2-135M-Instruct) and kinds of questions: at most 96 of each set (48 or more grounded ones, 60 or more inventions,
half of them near misses), half of everything in Portuguese. Adds to
benchmarks/results/learn.json and writes learn.md anew from it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from amazon_titles.quickstart.plan import REAL

RESULTS = Path(__file__).parent / "results"
LIMIT = 96
MAX_NEW_TOKENS = 80
SETS = ("seen", "grounded", "property", "invented", "general")
SEED = 42


@dataclass(frozen=True)
class Variant:
    """One build and one training; what is not said is as in the quickstart's recipe."""

    why: str
    build: dict[str, Any] = field(default_factory=dict)
    recipe: dict[str, Any] = field(default_factory=dict)
    general: int = REAL.general
    products: int = REAL.products
    engine: str = "autotrain"
    longest: int = MAX_NEW_TOKENS


BUILD: dict[str, Any] = {
    "limit": 420, "max_content_chars": 220, "validation": 0.0, "test": 0.2, **REAL.mix, "property": 0.3
}  # fmt: skip
LONGER = {"limit": 1300, "phrasings": 20, "grounded": 0.45, "abstain": 0.65, "property": 1.0}
# A hundred products to train on, and as many to ask about, by the defaults of `build`.
HUNDRED = {"limit": 200, "test": 0.5, "phrasings": 6, "grounded": 1.0, "abstain": 2.0, "property": 1.0}
ONCE = {"phrasings": 20, "grounded": 1.0, "abstain": 1.5, "property": 1.0}
SHIPPED = {"lr": 5e-4, "epochs": 4}
GENTLE = {"lr": 1e-3, "epochs": 1}
VARIANTS = {
    "quickstart": Variant("the quickstart's mix and recipe, with more questions"),
    "trl": Variant("the same with the trl engine", engine="trl"),
    "all layers": Variant("LoRA on all layers", recipe={"target_modules": "all-linear"}),
    "no general rows": Variant("without general rows", general=0),
    "slower": Variant("half the rate", recipe={"lr": 1e-3}),
    "rank 8": Variant("a quarter of the rank", recipe={"lora_r": 8, "lora_alpha": 16}),
    "english": Variant("questions in English alone", build={"languages": ("en",), "phrasings": 10}),
    "long": Variant("every row once, of three times as many products", build=LONGER, engine="trl",
                    recipe=GENTLE),
    "hundred": Variant("a hundred products in `build`'s own mix, every row four times", build=HUNDRED,
                       engine="trl", recipe={"lr": 1e-3, "epochs": 4}, products=100),
    "shipped": Variant("a hundred by AutoTrain on all layers, as smollm2-135m-lora ships", build=HUNDRED,
                       recipe={**SHIPPED, "target_modules": "all-linear"}, products=100),
    "shipped faster": Variant("the same at twice the rate", build=HUNDRED,
                              recipe={**SHIPPED, "lr": 1e-3, "target_modules": "all-linear"}, products=100),
    "shipped half": Variant("on the upper half of the layers, at twice the rate", build=HUNDRED,
                            recipe={**SHIPPED, "lr": 1e-3}, products=100),
    "shipped half slower": Variant("on the upper half of the layers", build=HUNDRED, recipe=SHIPPED, products=100),
    "few refusals": Variant("a hundred with a tenth of the refusals and half of the properties", engine="trl",
                            build={**HUNDRED, "abstain": 0.2, "property": 0.5}, recipe={"lr": 1e-3, "epochs": 4},
                            products=100),
}  # fmt: skip
MEASURES = (
    ("seen", "fact_recall", "fact recall closed book"),
    ("seen", "rouge_l", "ROUGE-L closed book"),
    ("grounded", "cited", "right source cited"),
    ("grounded", "grounded", "groundedness"),
    ("grounded", "false_abstention", "false refusals"),
    ("property", "property", "the property asked"),
    ("invented", "abstained", "inventions refused"),
    ("general", "correct", "general knowledge"),
)
"""Set, measure and its name in the table."""


def prepare(folder: Path, base_name: str) -> tuple[Any, list[Any], Path]:
    """The base, general rows by it and the sample catalogue, each made once."""
    from amazon_titles.conversations import GeneralRow
    from amazon_titles.quickstart import write_general_rows
    from amazon_titles.sample import write_sample
    from amazon_titles.training import find_base

    folder.mkdir(parents=True, exist_ok=True)
    base = find_base(base_name)
    kept = folder / "general.json"
    if not kept.is_file():
        start = time.perf_counter()
        rows = write_general_rows(base, max(variant.general for variant in VARIANTS.values()), seed=SEED)
        kept.write_text(json.dumps({"seconds": time.perf_counter() - start, "rows": rows}), encoding="utf-8")
    general = [GeneralRow(*row) for row in json.loads(kept.read_text(encoding="utf-8"))["rows"]]
    source = folder / "sample.json"
    if not source.is_file():
        write_sample(source, 2000, seed=SEED)
    return base, general, source


def ask(model: Path, dataset: Path, report: Path, longest: int = MAX_NEW_TOKENS) -> dict[str, Any]:
    """The scores of a model on every set, with answers of at most `longest` tokens, made once."""
    from amazon_titles.evaluation import EvalReport, evaluate_model
    from amazon_titles.model import CatalogModel
    from amazon_titles.training.speed import computes_in_bf16

    if not report.is_file():
        loaded = CatalogModel.from_pretrained(model, dataset=dataset, dtype="bfloat16" if computes_in_bf16() else None)
        evaluate_model(
            loaded,
            dataset,
            sets=SETS,
            limit=LIMIT,
            batch_size=32,
            max_new_tokens=longest,
            losses=False,
            out=report,
        )
    return EvalReport.load(report).scores()


def measure(variant: Variant, place: Path, base: Any, general: list[Any], source: Path) -> dict[str, Any]:
    """Builds, trains and asks one variant, in a folder of its own."""
    from amazon_titles import build_dataset
    from amazon_titles.recipes import fill_recipe, load_recipe
    from amazon_titles.training import train
    from amazon_titles.training.speed import computes_in_bf16, upper_half

    dataset = place / "dataset"
    options = {**BUILD, **variant.build}
    report = build_dataset(
        source, dataset, seed=SEED, render=(base.template,), force=True,
        recall_products=variant.products, general=general[: variant.general], general_source=base.source, **options,
    )  # fmt: skip
    # The questions are the same where the dataset is: what the base answers is asked once.
    asked = hashlib.sha256(f"{(dataset / 'report.json').read_text(encoding='utf-8')}{base.source}".encode()).hexdigest()
    before = ask(base.folder, dataset, place.parent / f"before-{asked[:12]}.json")
    settings: dict[str, Any] = {
        "base_model": base.path, "project_name": "adapter", "data.train_split": f"text-{base.template}:train",
        "mixed_precision": "bf16" if computes_in_bf16() else None,
        "target_modules": upper_half(json.loads((base.folder / "config.json").read_text(encoding="utf-8"))),
        **variant.recipe,
    }  # fmt: skip
    recipe = place / "recipe.yml"
    recipe.write_text(fill_recipe("quickstart", dataset=str(dataset), settings=settings), encoding="utf-8")
    adapter = place / "adapter"
    run = train(load_recipe(recipe), engine=variant.engine, output_dir=adapter).run
    (place / "after.json").unlink(missing_ok=True)
    after = ask(adapter, dataset, place / "after.json", variant.longest)
    return {
        "why": variant.why, "products": variant.products, "rows": report.splits["train"]["rows"],
        "tokens": run["tokens"],
        "seconds": run["training_seconds"], "engine": variant.engine, "versions": run["versions"],
        "build": options, "recipe": settings | {"base_model": base.source}, "before": before, "after": after,
    }  # fmt: skip


def table(results: dict[str, Any]) -> str:
    """The results as Markdown: a row a variant, a column a measure, with 95 % intervals."""
    names = [title for *_, title in MEASURES]
    lines = [
        "| variant | tokens | minutes | " + " | ".join(names) + " | general before |",
        "|---|---:|---:|" + "---:|" * (len(names) + 1),
    ]
    for name, row in results.items():
        cells = [_cell(row["after"], group, key) for group, key, _ in MEASURES]
        minutes = f"{(row['seconds'] or 0) / 60:.1f}"
        lines.append(
            f"| {name} | {row['tokens']:,} | {minutes} | {' | '.join(cells)} | "
            f"{_cell(row['before'], 'general', 'correct')} |"
        )
    return "\n".join(lines) + "\n"


def _cell(scores: dict[str, Any], group: str, key: str) -> str:
    values = scores.get(group, {})
    if values.get(key) is None:
        return ""
    low, high = values.get("intervals", {}).get(key) or (values[key], values[key])
    return f"{values[key]:.2f} ({low:.2f} to {high:.2f}, n {values['n']})"


def main() -> None:
    """Measures the variants that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--variants", default="quickstart", help="names with commas between them, or all")
    parser.add_argument("--base", default="smollm2")
    parser.add_argument("--folder", type=Path, default=Path("build/learn"), help="for what is made")
    options = parser.parse_args()
    names = list(VARIANTS) if options.variants == "all" else options.variants.split(",")
    if unknown := [name for name in names if name not in VARIANTS]:
        sys.exit(f"No variant {unknown[0]!r}; there is: {', '.join(VARIANTS)}")
    path = RESULTS / "learn.json"
    results = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    base, general, source = prepare(options.folder, options.base)
    for name in names:
        print(f"== {name}: {VARIANTS[name].why}", flush=True)
        results[name] = measure(VARIANTS[name], options.folder / name.replace(" ", "-"), base, general, source)
        results[name]["machine"] = f"{platform.machine()}, {platform.system()}"
        path.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        (RESULTS / "learn.md").write_text(document(results), encoding="utf-8")
        print(table({name: results[name]}), flush=True)


def document(results: dict[str, Any]) -> str:
    """The page of results."""
    told = "- **{}**: {why}; {engine}; rows {rows}"
    whys = "\n".join(told.format(name, **row) for name, row in results.items())
    bases = ", ".join(sorted({row["recipe"]["base_model"] for row in results.values()}))
    return (
        "# What a mix of rows and a recipe teach, and what they make a model forget\n\n"
        f"Written by `benchmarks/learn.py` on a CPU with two cores. Base: {bases}. In parentheses: 95 % intervals "
        f"(bootstrap over the questions) and the number of questions. The minutes are the training's, with "
        f"whatever else the machine did.\n\n{table(results)}\n{whys}\n"
    )


if __name__ == "__main__":
    main()
