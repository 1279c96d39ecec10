"""How far `amazon-titles check`'s hours, memory and tokens are from a real training on this machine.

    python benchmarks/budget.py                              # a tiny Llama, one minute on two cores
    python benchmarks/budget.py --shape smollm2-135m         # SmolLM2-135M's shape with random weights, two minutes

Trains with `amazon_titles.train` on a made-up catalogue and prints, for the trainer's own seconds, for the peak memory
of its process and for the tokens, what was predicted, what was real, and the ratio. Loading and downloading are not
predicted, so they are not counted; nor are the seconds on a CPU, whose speed nobody knows before it trains.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import tempfile
from pathlib import Path

from amazon_titles import load_recipe, tiny_llama, train
from amazon_titles.budget import estimate
from amazon_titles.dataset import build_dataset
from amazon_titles.processes import cores
from amazon_titles.recipes import Recipe, fill_recipe
from amazon_titles.sample import write_sample

BAR = 1.3
"""Either way: what the budget is held to."""

# The quickstart's base; and SmolLM2-135M by its config.json. (hidden, layers, heads, vocabulary)
SHAPES = {"tiny": (192, 4, 6, 1500), "smollm2-135m": (576, 30, 9, 49152)}
# Products, and what the recipe is given besides: enough steps that the first one, which is slower, weighs little.
RUNS = {
    "tiny": (62, {"epochs": 3}),
    "smollm2-135m": (8, {"epochs": 1, "block_size": 256, "batch_size": 4, "lora_r": 32, "lora_alpha": 64}),
}


def write_base(folder: Path, shape: str, texts: list[str]) -> None:
    """A Llama of that shape with random weights, and a tokenizer of that many tokens."""
    hidden, layers, heads, vocabulary = SHAPES[shape]
    folder.mkdir()
    tiny_llama.write_tokenizer(folder, texts, vocab_size=1500)
    path = folder / "tokenizer.json"
    tokenizer = json.loads(path.read_text(encoding="utf-8"))
    tokens = tokenizer["model"]["vocab"]
    # Tokens that no text gives: AutoTrain cuts the base's vocabulary to the tokenizer's.
    tokens |= {f"unused {number}": number for number in range(len(tokens), vocabulary)}
    path.write_text(json.dumps(tokenizer), encoding="utf-8")
    size = tiny_llama.vocabulary_size(folder)
    tiny_llama.write_model(folder, vocab_size=size, hidden_size=hidden, layers=layers, heads=heads)


def prepare(folder: Path, shape: str, settings: dict[str, str]) -> Recipe:
    """A dataset, a base, and the quickstart's recipe for them."""
    products, changes = RUNS[shape]
    write_sample(folder / "sample.json", 2000)
    mix = {"phrasings": 12, "grounded": 0.0, "abstain": 0.25, "property": 0.0, "max_content_chars": 220}
    build_dataset(folder / "sample.json", folder / "dataset", limit=products, **mix)
    texts = [line["content"] for line in map(json.loads, (folder / "sample.json").open(encoding="utf-8"))]
    write_base(folder / "base", shape, texts)
    (folder / "recipe.yml").write_text(
        fill_recipe("quickstart-tiny", dataset="dataset", settings={**changes, **settings}), encoding="utf-8"
    )
    return load_recipe(folder / "recipe.yml")


def main() -> None:
    """Predicts, trains, compares."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=SHAPES, default="tiny")
    parser.add_argument("--engine", default="autotrain")
    parser.add_argument("--autotrain-env", type=Path)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change the recipe")
    options = parser.parse_args()
    env = options.autotrain_env and options.autotrain_env.resolve()
    settings = dict(pair.split("=", 1) for pair in options.set)
    with tempfile.TemporaryDirectory(prefix="budget-") as name:
        os.chdir(name)
        recipe = prepare(Path(name), options.shape, settings)
        budget = estimate(recipe, engine=options.engine)
        here = next(place for place in budget.places if place.flavor == "here")
        run = train(recipe, engine=options.engine, autotrain_env=env).run
        peak = resource.getrusage(resource.RUSAGE_CHILDREN if options.engine == "autotrain" else resource.RUSAGE_SELF)
        os.chdir("/")
    busy = peak.ru_utime + peak.ru_stime
    gigabytes = peak.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e9
    rows = {
        "peak memory, GB": (budget.memory_gb, gigabytes),
        "tokens a pass": (budget.tokens, run["tokens_an_epoch"]),
    }
    if here.hours is not None:
        rows["seconds of training"] = (here.hours * 3600, run["training_seconds"] or run["seconds"])
    print(f"{options.shape}, {options.engine}, {run['device']}, {cores()} cores; rests on:")
    for line in budget.rests_on:
        print(f"  {line}")
    print(f"load of the machine {os.getloadavg()[0]:.1f}; {busy:.0f} s of its cores, starting included")
    print(f"{'':<22}{'predicted':>12}{'real':>12}{'ratio':>8}")
    for what, (predicted, real) in rows.items():
        print(f"{what:<22}{predicted:>12,.1f}{real:>12,.1f}{predicted / real:>8.2f}")
    wrong = [what for what, (predicted, real) in rows.items() if not 1 / BAR <= predicted / real <= BAR]
    print(f"within 30 %: {'all' if not wrong else 'all but ' + ', '.join(wrong)}")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
