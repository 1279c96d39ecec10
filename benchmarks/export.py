"""Does an exported model answer as its adapter does? The same questions in transformers and in llama.cpp.

    python benchmarks/export.py --adapter quickstart/adapter --dataset quickstart/dataset --questions 48

For every type of weights it exports the adapter, asks llama.cpp's server the questions of the dataset that the model
was trained on, greedily, as `ask` and `evaluate` do, and compares the answers with those of the adapter in transformers
in float32. Where one differs, both stacks' first differing token is weighed by transformers' logits: a gap near zero is
a tie that rounding decides. Wants `pip install xllamacpp`, which is llama.cpp.
"""

from __future__ import annotations

import argparse
import json
import platform
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from amazon_titles.evaluation.sets import questions
from amazon_titles.export import export_gguf, llama_cpp
from amazon_titles.model.loading import load_local

RESULTS = Path(__file__).with_name("results")
LONGEST = 80  # tokens of an answer, as the quickstart evaluates


def gap(model: Any, prompt: str, wanted: str, got: str) -> float:
    """How much likelier transformers finds its own next token than llama.cpp's, in logits, where the answers part."""
    network, tokenizer = model.parts()
    own, other = (tokenizer(text, add_special_tokens=False).input_ids for text in (wanted, got))
    same = next((place for place, pair in enumerate(zip(own, other, strict=False)) if pair[0] != pair[1]), None)
    if same is None:  # one answer is the beginning of the other
        same = min(len(own), len(other))
    end = tokenizer.convert_tokens_to_ids(model.template.end)
    ids = torch.tensor([tokenizer(prompt).input_ids + own[:same]])
    with torch.inference_mode():
        logits = network(input_ids=ids).logits[0, -1].float()
    chosen = [tokens[same] if same < len(tokens) else end for tokens in (own, other)]
    return float(logits[chosen[0]] - logits[chosen[1]])


def main() -> None:
    """Measures, prints the table, and writes results/export.json and .md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--adapter", default="quickstart/adapter")
    parser.add_argument("--dataset", default="quickstart/dataset")
    parser.add_argument("--questions", type=int, default=48)
    parser.add_argument("--quantize", nargs="+", default=["f32", "bf16", "q8_0", "q4_0"])
    options = parser.parse_args()
    asked = questions(options.dataset, ["seen", "grounded"], limit=-(-options.questions // 2))[: options.questions]
    conversations = [[{"role": "user", "content": row.text}] for row in asked]
    model = load_local(options.adapter, device="cpu", dtype="float32")
    start = time.perf_counter()
    wanted = [answer.text for answer in model.generate_full(conversations, max_new_tokens=LONGEST, batch_size=8)]
    print(f"transformers: {len(wanted)} answers in {time.perf_counter() - start:.0f} s", flush=True)
    rows = []
    for quantize in options.quantize:
        with tempfile.TemporaryDirectory() as folder:
            file, start = Path(folder, "model.gguf"), time.perf_counter()
            report = export_gguf(options.adapter, file, quantize=quantize, dataset=options.dataset)
            took, start = time.perf_counter() - start, time.perf_counter()
            with llama_cpp(file) as served:
                found = served.generate_full(conversations, max_new_tokens=LONGEST, batch_size=1)
            alike = [one.text == text for one, text in zip(found, wanted, strict=True)]
            row = {
                "quantize": quantize, "bytes": report.bytes, "export_seconds": round(took, 1),
                "questions": len(wanted), "same": sum(alike),
                "answer_seconds": round(time.perf_counter() - start, 1),
                "gaps": [
                    round(gap(model, model.template.prompt(talk), text, one.text), 3)
                    for one, text, talk in zip(found, wanted, conversations, strict=True) if one.text != text
                ],
            }  # fmt: skip
        rows.append(row)
        print(json.dumps(row), flush=True)
        write({"adapter": json.loads(Path(options.adapter, "run.json").read_text())["base_model"].rpartition("/")[2],
               "machine": platform.machine(), "versions": {name: version(name) for name in
               ("torch", "transformers", "peft", "gguf", "xllamacpp")}, "rows": rows})  # fmt: skip


def write(found: dict[str, Any]) -> None:
    """Writes results/export.json and results/export.md."""
    head = (
        "| weights | file, MB | export, s | the same answers | logit gaps of the others |\n|---|---:|---:|---:|---|\n"
    )
    lines = [
        f"| {row['quantize']} | {row['bytes'] / 1e6:.1f} | {row['export_seconds']} | {row['same']} of "
        f"{row['questions']} | {', '.join(f'{gap:.3f}' for gap in row['gaps']) or '–'} |\n"
        for row in found["rows"]
    ]
    told = ", ".join(f"{name} {number}" for name, number in found["versions"].items())
    text = f"# Exported answers\n\nAn adapter of {found['adapter']}, {told}, CPU.\n\n{head}{''.join(lines)}"
    (RESULTS / "export.md").write_text(text, encoding="utf-8")
    (RESULTS / "export.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
