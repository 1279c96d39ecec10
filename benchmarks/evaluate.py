"""Answers the questions of an evaluation: one at a time through `generate` of transformers, in its batches, and ours.

    python benchmarks/evaluate.py                                   # a tiny Llama made on the spot: two minutes
    python benchmarks/evaluate.py --model DIR|REPO --device cuda    # any other, where it runs

All answer the same questions greedily. A token counts where it belongs to an answer: not what `generate` goes on to
write in the rows of a batch that have ended. Exit 1 where ours is less than 5 times as fast as one at a time, or, in
float32, where an answer differs.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from amazon_titles import tiny_llama
from amazon_titles.conversations import question
from amazon_titles.model import Generation
from amazon_titles.model.loading import load_local
from amazon_titles.model.local import LocalModel
from amazon_titles.sample import sample_products
from amazon_titles.templates import Message, get_template

BAR = 5.0
SEED = 7
BATCH = 32
Questions = Sequence[Sequence[Message]]


def make_model(folder: Path, steps: int) -> None:
    """A tiny Llama that has learnt to end its answers, so that some are short and some are long."""
    template = get_template("llama3")
    rows = list(sample_products(1000, seed=SEED + 1))
    texts = [
        template.training_text(
            [
                {"role": "user", "content": question(str(row["title"]), phrasing=number)},
                {"role": "assistant", "content": str(row["content"])},
            ]
        )
        for number, row in enumerate(rows)
        if row["content"]
    ]
    tiny_llama.write_tokenizer(folder, texts)
    model = tiny_llama.write_model(folder, vocab_size=tiny_llama.vocabulary_size(folder), seed=SEED)
    tiny_llama.pretrain(model, folder, texts, steps=steps, batch_size=4, seed=SEED)


def alone(model: LocalModel, questions: Questions, max_new_tokens: int, batch_size: int = 1) -> list[Generation]:
    """`generate` of transformers, as its documentation has it."""
    import torch

    llm, tokenizer = model._model, model._tokenizer
    tokenizer.padding_side = "left"
    tokenizer.pad_token = tokenizer.pad_token or model.template.end
    end = tokenizer.convert_tokens_to_ids(model.template.end)
    answers = []
    for start in range(0, len(questions), batch_size):
        texts = [model.template.prompt(messages) for messages in questions[start : start + batch_size]]
        ids = tokenizer(texts, return_tensors="pt", padding=batch_size > 1, return_token_type_ids=False).to(llm.device)
        with torch.inference_mode():
            out = llm.generate(
                **ids, max_new_tokens=max_new_tokens, do_sample=False, eos_token_id=end, pad_token_id=end
            )
        for new in out[:, ids["input_ids"].shape[1] :].tolist():
            said = new[: new.index(end)] if end in new else new
            text = tokenizer.decode(said, skip_special_tokens=True).strip()
            answers.append(Generation(text, end in new, len(said)))
    return answers


def measure(name: str, answer: Callable[[], list[Generation]], repeats: int) -> dict[str, Any]:
    """The best of some runs, because other programs only ever slow one down."""
    best, cpu = float("inf"), float("inf")
    for _ in range(repeats):
        start, before = time.perf_counter(), time.process_time()
        answers = answer()
        best, cpu = min(best, time.perf_counter() - start), min(cpu, time.process_time() - before)
    tokens = sum(answer.tokens for answer in answers)
    return {
        "name": name, "seconds": round(best, 3), "cpu_seconds": round(cpu, 3), "tokens": tokens,
        "tokens_per_second": round(tokens / best, 1), "tokens_per_cpu_second": round(tokens / cpu, 1),
        "answers": answers,
    }  # fmt: skip


def main() -> None:
    """Runs the contenders in turn, prints the table and writes it to benchmarks/results/."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="folder or Hub id; by default a tiny Llama is made")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--questions", type=int, default=96)
    parser.add_argument("--max-new-tokens", type=int, default=160)
    parser.add_argument("--steps", type=int, default=250, help="of the tiny Llama's pretraining")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--threads", type=int, help="of torch; by default its own choice")
    parser.add_argument("--name", default="evaluate", help="of the files in benchmarks/results/")
    args = parser.parse_args()

    import torch
    import transformers

    if args.threads:
        torch.set_num_threads(args.threads)
    with tempfile.TemporaryDirectory() as made:
        if not args.model:
            make_model(Path(made), args.steps)
        model = load_local(args.model or made, device=args.device, dtype=args.dtype)
    titles = [str(row["title"]) for row in sample_products(args.questions, seed=SEED)]
    asked = [[{"role": "user", "content": question(title, phrasing=n)}] for n, title in enumerate(titles)]

    def ours(batch_size: int) -> Callable[[], list[Generation]]:
        return lambda: model.generate_full(asked, max_new_tokens=args.max_new_tokens, batch_size=batch_size)

    def theirs(batch_size: int) -> Callable[[], list[Generation]]:
        return lambda: alone(model, asked, args.max_new_tokens, batch_size)

    ours(BATCH)()  # warm
    contenders = {
        "generate, one at a time": theirs(1),
        f"generate, batches of {BATCH}": theirs(BATCH),
        "ours, one at a time": ours(1),
        **{f"ours, batches of {size}": ours(size) for size in (8, BATCH, 64)},
    }
    results = [
        measure(name, answer, 1 if name.endswith("one at a time") else args.repeats)
        for name, answer in contenders.items()
    ]
    first = results[0]
    right = first["answers"]
    lines = ["| | seconds | tokens/s | times as fast | same answers |", "|---|---:|---:|---:|---:|"]
    for result in results:
        answers = result.pop("answers")
        result["times"] = round(result["tokens_per_second"] / first["tokens_per_second"], 2)
        result["times_cpu"] = round(result["tokens_per_cpu_second"] / first["tokens_per_cpu_second"], 2)
        result["same"] = sum(one == other for one, other in zip(answers, right, strict=True))
        lines.append(
            f"| {result['name']} | {result['seconds']:.1f} | {result['tokens_per_second']:,.0f} "
            f"| {result['times']:.1f} | {result['same']} of {len(right)} |"
        )
    parameters = sum(parameter.numel() for parameter in model._model.parameters())
    setting = {
        "model": f"{model.name if args.model else 'a tiny Llama'} of {parameters / 1e6:.1f} M parameters",
        "pretraining_steps": None if args.model else args.steps, "questions": args.questions,
        "max_new_tokens": args.max_new_tokens, "dtype": args.dtype, "seed": SEED, "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name() if args.device.startswith("cuda") else f"{platform.machine()} CPU",
        "torch": torch.__version__, "transformers": transformers.__version__, "ended": sum(a.finished for a in right),
    }  # fmt: skip
    told = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in setting.items())
    table = "\n".join(lines)
    print(f"{table}\n\n{told}")
    out = Path(__file__).parent / "results"
    out.mkdir(exist_ok=True)
    (out / f"{args.name}.md").write_text(f"{table}\n\n{told}\n", encoding="utf-8")
    (out / f"{args.name}.json").write_text(json.dumps({**setting, "results": results}, indent=2) + "\n", "utf-8")
    judged = next(result for result in results if result["name"] == f"ours, batches of {BATCH}")
    if judged["times"] < BAR or (args.dtype == "float32" and judged["same"] < len(right)):
        print(f"missed: {judged['times']} times (bar {BAR}), {judged['same']} same answers", file=sys.stderr)
        raise SystemExit(1)


if __name__ == "__main__":
    main()
