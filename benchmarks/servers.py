"""How much faster does a server answer many questions at a time than one by one? `evaluate --parallel`, measured.

    make test-servers                                   # installs vLLM on the CPU
    vllm serve …                                        # the line that the adapter's card prints
    python benchmarks/servers.py http://127.0.0.1:8000/v1 --model-name titles

The same questions of the dataset, greedily, with 1, 4 and 16 requests at a time, by `evaluate`'s own code; the answers
of all are compared with those of the first. Exit 1 where 16 at a time are less than 3 times as fast as one.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path

from amazon_titles.evaluation import evaluate_model
from amazon_titles.model import CatalogModel

BAR = 3.0
RESULTS = Path(__file__).with_name("results")


def main() -> None:
    """Measures, prints the table, and writes results/servers.json and .md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("address")
    parser.add_argument("--model-name")
    parser.add_argument("--dataset", default="quickstart/dataset")
    parser.add_argument("--questions", type=int, default=48)
    parser.add_argument("--max-new-tokens", type=int, default=80)
    parser.add_argument("--parallel", type=int, nargs="+", default=[1, 4, 16])
    args = parser.parse_args()

    rows, first = [], None
    for parallel in [max(args.parallel), *args.parallel]:  # the first run warms the server up, and is not kept
        model = CatalogModel.from_pretrained(args.address, name=args.model_name, parallel=parallel)
        start = time.perf_counter()
        report = evaluate_model(
            model, args.dataset, sets=["seen", "grounded"], limit=args.questions // 2,
            max_new_tokens=args.max_new_tokens,
        )  # fmt: skip
        seconds = time.perf_counter() - start
        answers = [example.answer for example in report.examples]
        if first is None:
            first = answers
            continue
        same = sum(one == other for one, other in zip(answers, first, strict=True))
        rows.append({"parallel": parallel, "seconds": round(seconds, 1), "questions": len(answers), "same": same})
        rows[-1]["times"] = round(rows[0]["seconds"] / rows[-1]["seconds"], 2)
        print(json.dumps(rows[-1]), flush=True)
    lines = ["| at a time | seconds | times as fast | the same answers |", "|---:|---:|---:|---:|"]
    lines += [
        f"| {row['parallel']} | {row['seconds']} | {row['times']} | {row['same']} of {row['questions']} |"
        for row in rows
    ]
    about = f"{model.server}, {args.max_new_tokens} tokens at most an answer, {os.cpu_count()} cores."
    RESULTS.mkdir(exist_ok=True)
    told = "# A server that is asked many questions at a time\n\n" + about + "\n\n" + "\n".join(lines) + "\n"
    (RESULTS / "servers.md").write_text(told, encoding="utf-8")
    (RESULTS / "servers.json").write_text(json.dumps({"server": model.server, "rows": rows}, indent=1) + "\n", "utf-8")
    print("\n".join(lines))
    if rows[-1]["times"] < BAR:
        print(f"missed: {rows[-1]['times']} times (bar {BAR})", file=sys.stderr)
        raise SystemExit(1)


if __name__ == "__main__":
    main()
