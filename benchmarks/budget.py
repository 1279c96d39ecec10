"""How far `amazon-titles check`'s hours and memory are from a real training on this machine.

    python benchmarks/budget.py                              # a tiny Llama, one minute on two cores
    python benchmarks/budget.py --shape smollm2-135m         # SmolLM2-135M's shape with random weights, two minutes
    python benchmarks/budget.py --steps                      # what the constants were fitted to, two minutes

Trains with `amazon_titles.train` on a made-up catalogue and prints, for the trainer's own seconds and for the peak
memory of its process, what was predicted, what was real, and the ratio. Loading and downloading are not predicted, so
they are not counted. `--steps` trains a few steps of several small Llamas with plain peft and counts the seconds of the
cores, which do not depend on what else the machine does.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

from amazon_titles import load_recipe, resources, tiny_llama, train
from amazon_titles.budget import Shape, estimate
from amazon_titles.budget.flavors import Flavor, core_rate, cores
from amazon_titles.budget.speed import BUSY, tokens_per_second
from amazon_titles.dataset import build_dataset
from amazon_titles.recipes import Recipe, fill_recipe
from amazon_titles.sample import write_sample
from amazon_titles.training import SPIN_COUNT

BAR = 1.3
"""Either way: what the budget is held to."""

# The quickstart's base; and SmolLM2-135M by its config.json. (hidden, layers, heads, vocabulary)
SHAPES = {"tiny": (192, 4, 6, 1500), "smollm2-135m": (576, 30, 9, 49152)}
# Products, and what the recipe is given besides: enough steps that the first one, which is slower, weighs little.
RUNS = {
    "tiny": (62, {"epochs": 3}),
    "smollm2-135m": (8, {"epochs": 1, "block_size": 256, "batch_size": 4, "lora_r": 32, "lora_alpha": 64}),
}


# Hidden, layers, heads, vocabulary; rows a step, tokens a row; rank; gradient checkpointing.
STEPS = (
    (192, 4, 6, 1500, 8, 256, 32, False),
    (192, 4, 6, 1500, 8, 256, 8, False),
    (192, 4, 6, 1500, 4, 128, 32, False),
    (384, 6, 6, 1500, 4, 256, 16, False),
    (384, 6, 6, 32000, 4, 256, 16, False),
    (576, 10, 9, 1500, 2, 256, 32, False),
    (576, 10, 9, 1500, 2, 256, 32, True),
    (576, 10, 9, 49152, 2, 256, 32, False),
)


def time_steps(steps: int = 3) -> None:
    """Times steps of `STEPS`, and prints what the budget makes of them."""
    print(
        f"{'hidden layers heads vocabulary, rows x tokens, rank':<56}{'predicted':>10}{'real':>8}  us of a core a token"
    )
    for hidden, layers, heads, vocabulary, rows, tokens, rank, again in STEPS:
        shape = Shape(hidden, hidden * 8 // 3, layers, heads, heads // 3, hidden // heads, vocabulary, True)
        settings = {
            "block_size": tokens,
            "batch_size": rows,
            "lora_r": rank,
            "disable_gradient_checkpointing": not again,
        }
        recipe = load_recipe(resources.recipes()["quickstart-tiny"]).with_settings(settings)
        core_rate.cache_clear()
        one_core = Flavor("one core", 0, 0, core_rate(), core_rate(), None, cores=1)
        predicted = BUSY["autotrain"] / tokens_per_second(recipe, shape, one_core, "autotrain")
        real = step_seconds(shape, rows, tokens, rank, steps, again=again) / (rows * tokens)
        what = f"{hidden} {layers} {heads} {vocabulary}, {rows} x {tokens}, {rank}{', checkpointing' if again else ''}"
        print(f"{what:<56}{predicted * 1e6:>10.0f}{real * 1e6:>8.0f}{predicted / real:>8.2f}")


def step_seconds(shape: Shape, rows: int, tokens: int, rank: int, steps: int, *, again: bool) -> float:
    """Seconds of all cores that a step takes."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=shape.vocab, hidden_size=shape.hidden, intermediate_size=shape.intermediate,
        num_hidden_layers=shape.layers, num_attention_heads=shape.heads, num_key_value_heads=shape.kv_heads,
        tie_word_embeddings=True,
    )  # fmt: skip
    lora = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear", task_type="CAUSAL_LM")
    model = get_peft_model(LlamaForCausalLM(config), lora)
    if again:
        model.gradient_checkpointing_enable()
        model.enable_input_require_grads()
    model.train()
    optimizer = torch.optim.AdamW([weight for weight in model.parameters() if weight.requires_grad])
    ids = torch.randint(0, shape.vocab, (rows, tokens))
    start = 0.0
    for number in range(steps + 1):
        if number == 1:  # the first is slower
            start = time.process_time()
        model(input_ids=ids, labels=ids, use_cache=False).loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
    return (time.process_time() - start) / steps


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
    parser.add_argument("--steps", action="store_true", help="time steps of several small Llamas")
    options = parser.parse_args()
    if options.steps:
        os.environ.setdefault("GOMP_SPINCOUNT", SPIN_COUNT)
        time_steps()
        return
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
        "seconds of training": (here.hours * 3600, run["training_seconds"] or run["seconds"]),
        "peak memory, GB": (budget.memory_gb, gigabytes),
        "tokens a pass": (budget.tokens, run["tokens_an_epoch"]),
    }
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
