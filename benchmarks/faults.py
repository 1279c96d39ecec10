"""What a training on a CPU gains where freed memory stays with its process (`processes.COMPUTING`).

    python benchmarks/faults.py

Takes the same steps (SmolLM2-135M, LoRA on the upper half of the layers, one row of 512 tokens, as the quickstart has
it), in a process with glibc's defaults and in one with our variables, in turn, on today's stack and on AutoTrain's.
Writes benchmarks/results/faults.md. Wants a quiet machine.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

RESULTS = Path(__file__).parent / "results"
TOKENS, WARM, STEPS = 512, 3, 12


def train(base: str) -> dict[str, float]:
    """A few steps of this process: seconds, processor's seconds and page faults a step, and the peak of memory."""
    import resource

    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    from amazon_titles.training.speed import computes_in_bf16, upper_half

    config = json.loads((Path(base) / "config.json").read_text(encoding="utf-8"))
    model = AutoModelForCausalLM.from_pretrained(base, trust_remote_code=False).float()
    model = get_peft_model(model, LoraConfig(r=32, lora_alpha=64, target_modules=upper_half(config).split(","))).train()
    optimizer = torch.optim.AdamW([parameter for parameter in model.parameters() if parameter.requires_grad])
    row = torch.randint(model.config.vocab_size, (1, TOKENS), generator=torch.Generator().manual_seed(0))
    for step in range(WARM + STEPS):
        if step == WARM:
            before, start = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=computes_in_bf16()):
            loss = model(input_ids=row, labels=row, use_cache=False).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    after = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "seconds": (time.perf_counter() - start) / STEPS,
        "processor": (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / STEPS,
        "faults": (after.ru_minflt - before.ru_minflt) / STEPS,
        "GiB": after.ru_maxrss / (1 << 20),
    }


def main() -> None:
    """Runs both in turn and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--as", dest="child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(train(options.child)))
        return
    from amazon_titles.processes import COMPUTING
    from amazon_titles.training import find_autotrain, find_base

    base, bare = find_base("smollm2"), {key: value for key, value in os.environ.items() if key not in COMPUTING}
    spin = {"GOMP_SPINCOUNT": COMPUTING["GOMP_SPINCOUNT"]}
    kinds = {
        f"{stack}: {kind}": (python, variables)
        for stack, python in {"today's stack": sys.executable, "AutoTrain's": str(find_autotrain())}.items()
        for kind, variables in {"glibc's defaults": bare | spin, "freed memory kept": bare | COMPUTING}.items()
    }
    measured: dict[str, list[dict[str, float]]] = {kind: [] for kind in kinds}
    for _ in range(options.rounds):
        for kind, (python, variables) in kinds.items():
            command = [python, __file__, "--as", str(base.folder)]
            done = subprocess.run(command, env=variables, check=True, stdout=subprocess.PIPE, text=True)
            measured[kind].append(json.loads(done.stdout.splitlines()[-1]))
    best = {kind: min(rows, key=lambda row: row["seconds"]) for kind, rows in measured.items()}
    lines = [
        "# Memory that a training keeps between its steps\n",
        f"Written by `benchmarks/faults.py`: SmolLM2-135M, {STEPS} steps of {TOKENS} tokens on a CPU, the best of "
        f"{options.rounds} rounds.\n",
        "| | processor's seconds a step | seconds a step | page faults a step | peak, GiB |",
        "|---|---:|---:|---:|---:|",
    ]
    for kind, row in best.items():
        lines.append(
            f"| {kind} | {row['processor']:.2f} | {row['seconds']:.2f} | {row['faults']:,.0f} | {row['GiB']:.2f} |"
        )
    seconds = [row["seconds"] for row in best.values()]
    lines.append(
        f"\nTimes as fast: today's stack {seconds[0] / seconds[1]:.2f}, AutoTrain's {seconds[2] / seconds[3]:.2f}."
    )
    text = "\n".join(lines) + "\n"
    (RESULTS / "faults.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
