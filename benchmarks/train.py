"""Trains one recipe with our trl engine, with AutoTrain, and with plain `trl sft`, in turn, and compares them.

    python benchmarks/train.py                  # a tiny Llama on a CPU; the shape of Llama 3.2 1B where there is a GPU
    python benchmarks/train.py --epochs 4 --products 1000 --threads 4

Base (random weights; the tiny one pretrained for a moment), data and recipe are made in --folder and stay there. Every
contender is a process of its own on the same number of threads, and trains on the same rendered text with the same
rank, rate, schedule, block and batch. Tokens a second are those of the training loop; memory is the sum of the
proportional set sizes (PSS) of a contender's processes every 0.1 s, on a GPU what nvidia-smi shows more than before.
The loss is measured by plain transformers and peft, a row at a time: over the answers' tokens of products that none has
trained on. Writes benchmarks/results/train.json and train.md.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path

from build import memory

RESULTS = Path(__file__).parent / "results"
CONTENDERS = ("us", "autotrain", "trl-isolated", "trl-wrapped")
# How many times as fast at least; on a GPU also the share of the rate of its matrix products.
BARS = {"autotrain": 1.0, "trl-isolated": 1.5, "gpu autotrain": 3.0, "gpu matrix rate": 0.45}
SETTINGS = {
    "tiny": {"block_size": 256, "batch_size": 8, "gradient_accumulation": 1, "lr": 5e-3, "lora_r": 32},
    "1b": {
        "block_size": 1024, "model_max_length": 2048, "batch_size": 8, "gradient_accumulation": 1, "lr": 2e-4,
        "lora_r": 32, "mixed_precision": "bf16", "optimizer": "adamw_torch_fused",
        "disable_gradient_checkpointing": True,
    },
}  # fmt: skip


def texts_of(dataset: Path) -> list[str]:
    """The rendered training rows of a dataset."""
    import pyarrow.parquet as pq

    files = sorted((dataset / "text-llama3").glob("train-*"))
    return [text for path in files for text in pq.read_table(path)["text"].to_pylist()]


def make(folder: Path, size: str, products: int, epochs: int, pretrain: int) -> None:
    """Writes catalogue, dataset, base and recipe; the tiny base has read about other products, as a real one has."""
    from amazon_titles import build_dataset, tiny_llama
    from amazon_titles.recipes import fill_recipe
    from amazon_titles.sample import write_sample

    folder.mkdir(parents=True)
    write_sample(folder / "trn.json", products)
    build_dataset(folder / "trn.json", folder / "dataset", validation=0.1, languages="en", phrasings=3, property=0.0)
    write_sample(folder / "others.json", 4 * products, seed=7)
    build_dataset(folder / "others.json", folder / "others", phrasings=2)
    texts = texts_of(folder / "others")
    base = folder / "base"
    base.mkdir()
    tiny_llama.write_tokenizer(base, texts[:2000])
    if size == "tiny":
        model = tiny_llama.write_model(base, vocab_size=tiny_llama.vocabulary_size(base))
        tiny_llama.pretrain(model, base, texts, steps=pretrain)
    else:
        import torch
        from transformers import LlamaConfig, LlamaForCausalLM

        # Llama 3.2 1B's config.json.
        config = LlamaConfig(
            vocab_size=128256, hidden_size=2048, intermediate_size=8192, num_hidden_layers=16, num_attention_heads=32,
            num_key_value_heads=8, head_dim=64, max_position_embeddings=131072, tie_word_embeddings=True,
            bos_token_id=0, eos_token_id=4, pad_token_id=5, rms_norm_eps=1e-5,
        )  # fmt: skip
        torch.manual_seed(1)
        tiny_llama.save_model(LlamaForCausalLM(config).to(torch.bfloat16), base)
    settings = {**SETTINGS[size], "epochs": epochs, "lora_alpha": 64, "logging_steps": 5}
    (folder / "recipe.yml").write_text(fill_recipe("quickstart-tiny", dataset="dataset", settings=settings))


def command(name: str, folder: Path, autotrain_env: str | None) -> list[str]:
    """What a user would type for a contender."""
    if name in ("us", "autotrain"):
        env = ["--autotrain-env", autotrain_env] if autotrain_env and name == "autotrain" else []
        engine = ["--engine", "trl" if name == "us" else name, "--set", f"project_name={name}", *env]
        return [sys.executable, "-m", "amazon_titles", "train", "recipe.yml", *engine]
    from amazon_titles.recipes import load_recipe

    params = load_recipe(folder / "recipe.yml").params
    bf16 = params.mixed_precision == "bf16"
    options = {
        "model_name_or_path": "base", "dataset_name": "dataset", "dataset_config": "text-llama3", "output_dir": name,
        "packing": True, "packing_strategy": "wrapped" if name == "trl-wrapped" else "bfd",
        "max_length": params.block_size, "num_train_epochs": params.epochs,
        "per_device_train_batch_size": params.batch_size,
        "gradient_accumulation_steps": params.gradient_accumulation, "learning_rate": params.lr,
        "lr_scheduler_type": params.scheduler, "warmup_steps": params.warmup_ratio,
        "weight_decay": params.weight_decay, "optim": params.optimizer, "use_peft": True,
        "lora_r": params.lora_r, "lora_alpha": params.lora_alpha, "lora_dropout": params.lora_dropout,
        "lora_target_modules": "all-linear", "gradient_checkpointing": False, "bf16": bf16,
        "dtype": "bfloat16" if bf16 else "float32", "logging_steps": 5, "save_strategy": "no", "report_to": "none",
    }  # fmt: skip
    words = [word for key, value in options.items() for word in (f"--{key}", str(value))]
    return [str(Path(sys.executable).with_name("trl")), "sft", *words]


def gpu_memory() -> float:
    """GiB in use on the first GPU; 0 without one."""
    if shutil.which("nvidia-smi") is None:
        return 0.0
    query = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits", "--id=0"]
    return float(subprocess.run(query, capture_output=True, text=True).stdout.split()[0]) / 1024


def measure(name: str, folder: Path, threads: int, autotrain_env: str | None, *, gpu: bool) -> dict:
    """Runs a contender: what it took, and what it says of its own loop."""
    for leftover in folder.glob(f"{name}*"):
        shutil.rmtree(leftover)
    log = folder / f"{name}.log"
    variables = {
        **os.environ, "OMP_NUM_THREADS": str(threads), "HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_DATASETS_CACHE": str(folder / "cache"), "GOMP_SPINCOUNT": "2000",
    }  # fmt: skip
    variables["PYTHONPATH"] = os.pathsep.join(
        filter(None, (str(Path(__file__).resolve().parents[1]), os.environ.get("PYTHONPATH")))
    )
    before, peak, start = gpu_memory(), 0.0, time.perf_counter()
    with log.open("w") as file:
        process = subprocess.Popen(
            command(name, folder, autotrain_env), cwd=folder, env=variables, stdout=file, stderr=subprocess.STDOUT
        )
        while process.poll() is None:
            peak = max(peak, gpu_memory() - before if gpu else memory(process.pid))
            time.sleep(0.1)
    seconds = time.perf_counter() - start
    if process.returncode:
        raise SystemExit(f"{name} failed:\n{log.read_text()[-3000:]}")
    tokens, loop = _trained(name, folder, log.read_text())
    return {
        "contender": name, "tokens": tokens, "training_seconds": round(loop, 2), "seconds": round(seconds, 1),
        "tokens_a_second": round(tokens / loop, 1), "peak_gib": round(peak, 3),
    }  # fmt: skip


def _trained(name: str, folder: Path, log: str) -> tuple[int, float]:
    """Tokens that passed through the model, and seconds of the loop."""
    if name in ("us", "autotrain"):
        run = json.loads((folder / name / "run.json").read_text())
        tokens = run["tokens"]
        if name == "autotrain":  # whole blocks only
            from amazon_titles.recipes import load_recipe

            params = load_recipe(folder / "recipe.yml").params
            block = params.block_size
            tokens = run["tokens_an_epoch"] // block * block * params.epochs
        return int(tokens), float(run["training_seconds"])
    runtime = float(re.findall(r"'train_runtime': '?([\d.e+]+)", log)[-1])
    return int(float(re.findall(r"'num_tokens': '?([\d.e+]+)", log)[-1])), runtime


LOSS = """
import sys
from pathlib import Path
import torch
from peft import PeftModel
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM
from amazon_titles.templates import get_template
from amazon_titles.training import rows
folder, adapter = map(Path, sys.argv[1:])
device = "cuda" if torch.cuda.is_available() else "cpu"
files, _ = rows.dataset_files(str(folder / "dataset"), "text-llama3", "validation")
tokenizer = Tokenizer.from_file(str(folder / "base" / "tokenizer.json"))
held = rows.write(files, "text", tokenizer, get_template("llama3"), folder / "held", longest=2048)
model = AutoModelForCausalLM.from_pretrained(folder / "base", dtype=torch.float32)
model = (PeftModel.from_pretrained(model, adapter) if adapter.name != "base" else model).to(device).eval()
total = count = 0
with torch.no_grad():
    for number in range(len(held.ends)):
        ids, answers = held.row(number)
        ids = torch.tensor(ids, device=device, dtype=torch.long)
        wanted = torch.tensor(answers, device=device)[1:]
        logits = model(ids[None], use_cache=False).logits[0, :-1]
        losses = torch.nn.functional.cross_entropy(logits.float(), ids[1:], reduction="none")
        total += float(losses[wanted].sum())
        count += int(wanted.sum())
print(total / count)
"""


def held_out(folder: Path, name: str) -> float:
    """The loss on the answers' tokens of the validation split, in nats."""
    variables = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])}
    arguments = [sys.executable, "-c", LOSS, str(folder), str(folder / name)]
    done = subprocess.run(arguments, capture_output=True, text=True, env=variables)
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    return round(float(done.stdout.split()[-1]), 4)


MATRIX = """
import time, torch
a, b = (torch.randn(8192, 8192, device="cuda", dtype=torch.bfloat16) for _ in range(2))
for _ in range(10): a @ b
torch.cuda.synchronize(); start = time.perf_counter()
for _ in range(100): a @ b
torch.cuda.synchronize()
print(100 * 2 * 8192**3 / (time.perf_counter() - start))
"""
PARAMETERS = {"1b": 1_235_814_400}  # of Llama 3.2 1B, its tied embedding counted once


def verdicts(rows: dict[str, dict], size: str, matrix_rate: float | None) -> list[tuple[str, float, float, bool]]:
    """What is asked, what was measured, the bar, and whether it holds."""
    us, found = rows["us"], []
    for name in ("autotrain", "trl-isolated"):
        if name in rows:
            bar = BARS["gpu autotrain"] if matrix_rate and name == "autotrain" else BARS[name]
            ratio = us["tokens_a_second"] / rows[name]["tokens_a_second"]
            found.append((f"tokens/s against {name}", round(ratio, 2), bar, ratio >= bar))
            ratio = us["peak_gib"] / rows[name]["peak_gib"]
            found.append((f"peak memory against {name} (at most)", round(ratio, 2), 1.0, ratio <= 1.0))
    if "autotrain" in rows:
        ratio = us["held_out_loss"] / rows["autotrain"]["held_out_loss"]
        found.append(("held-out answer loss against autotrain (below)", round(ratio, 3), 1.0, ratio < 1.0))
    if matrix_rate:
        share = 4 * PARAMETERS[size] * us["tokens_a_second"] / matrix_rate
        bar = BARS["gpu matrix rate"]
        found.append(("share of the measured bf16 matrix rate", round(share, 3), bar, share >= bar))
    return found


def table(told: dict) -> str:
    """The result as Markdown."""
    lines = [
        f"{told['device']}, {told['threads']} threads, {told['size']} base, {told['epochs']} epochs of "
        f"{told['rows']} rows. Python {platform.python_version()}, "
        + ", ".join(f"{name} {version}" for name, version in told["versions"].items()),
        f"Load of the machine before and after: {told['load']}." if told["load"] else "",
        "",
        "| contender | tokens/s | training s | all s | tokens | peak GiB | held-out answer loss |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for row in told["contenders"]:
        lines.append(
            f"| {row['contender']} | {row['tokens_a_second']:,.0f} | {row['training_seconds']:.1f} | "
            f"{row['seconds']:.0f} | {row['tokens']:,} | {row['peak_gib']:.2f} | {row['held_out_loss']:.3f} |"
        )
    lines += [
        f"| the base, untrained | | | | | | {told['base_loss']:.3f} |",
        "",
        "| asked | found | bar | |",
        "|---|---:|---:|---|",
    ]
    lines += [f"| {what} | {value} | {bar} | {'holds' if ok else 'MISSED'} |" for what, value, bar, ok in told["bars"]]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Runs the contenders in turn and prints the table; exit 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SETTINGS, help="of the base; by default 1b where there is a GPU, else tiny")
    parser.add_argument("--products", type=int, help="of the sample catalogue; 300, on a GPU 1500")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--pretrain", type=int, default=300, help="steps of the tiny base's pretraining, done once")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--repeat", type=int, default=1, help="rounds; of each contender the fastest counts")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "amazon-titles-train")
    parser.add_argument("--autotrain-env", help="environment with AutoTrain, if it is not .venv-autotrain here")
    parser.add_argument("--only", nargs="+", choices=CONTENDERS, default=list(CONTENDERS))
    args = parser.parse_args()
    import torch

    gpu = torch.cuda.is_available()
    device = torch.cuda.get_device_name() if gpu else f"CPU, {_cpu()}"
    size = args.size or ("1b" if gpu else "tiny")
    products = args.products or (1500 if gpu else 300)
    env = str(Path(args.autotrain_env or ".venv-autotrain").absolute())
    folder = args.folder / f"{size}-{products}-{args.epochs}-{args.pretrain}"
    if not (folder / "recipe.yml").exists():
        shutil.rmtree(folder, ignore_errors=True)
        make(folder, size, products, args.epochs, args.pretrain)
    load = os.getloadavg()[0]
    taken: dict[str, dict] = {}
    for _ in range(args.repeat):
        for name in args.only:
            row = measure(name, folder, args.threads, env if Path(env).is_dir() else None, gpu=gpu)
            print(f"{name}: {row['tokens_a_second']:,.0f} tokens/s, {row['peak_gib']:.2f} GiB", flush=True)
            if name not in taken or row["tokens_a_second"] > taken[name]["tokens_a_second"]:
                taken[name] = {**row, "held_out_loss": held_out(folder, name)}
    rate = None
    if gpu and size in PARAMETERS:
        rate = float(subprocess.run([sys.executable, "-c", MATRIX], capture_output=True, text=True).stdout)
    versions = {name: metadata.version(name) for name in ("torch", "transformers", "trl", "peft")}
    told = {
        "device": device, "threads": args.threads, "size": size, "epochs": args.epochs, "versions": versions,
        "rows": json.loads((folder / "dataset" / "report.json").read_text())["splits"]["train"]["rows"],
        "load": [round(load, 1), round(os.getloadavg()[0], 1)], "contenders": list(taken.values()),
        "base_loss": held_out(folder, "base"), "matrix_rate": rate, "bars": verdicts(taken, size, rate),
    }  # fmt: skip
    told["rows"] = sum(told["rows"].values())
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "train.json").write_text(json.dumps(told, indent=2) + "\n")
    (RESULTS / "train.md").write_text(table(told))
    print(table(told))
    if not all(ok for *_, ok in told["bars"]):
        raise SystemExit(1)


def _cpu() -> str:
    names = [
        line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line
    ]
    return names[0] if names else platform.machine()


if __name__ == "__main__":
    main()
