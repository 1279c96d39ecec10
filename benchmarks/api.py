"""What eight clients at once cost `amazon-titles api`: `python benchmarks/api.py [--model DIR]`.

Starts it twice, each time in a process of its own: once for a single client, once for eight, who ask the same questions
of the catalogue one after the other. Prints how many were answered, the seconds, and the peak of the process's memory
(Linux), and writes them to benchmarks/results/api.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

QUESTIONS = 24


def measured(model: str, questions: list[str], clients: int, tokens: int) -> dict[str, float]:
    """Answers, seconds, and megabytes at the peak, of so many clients who ask all questions each."""
    from openai import OpenAI

    command = [sys.executable, "-m", "amazon_titles", "api", "--model", model, "--port", "0"]
    command += ["--max-new-tokens", str(tokens)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            address = server.stdout.readline().strip()

            def ask(number: int) -> int:
                with OpenAI(base_url=address, api_key="none", max_retries=0, timeout=3600) as client:
                    name = client.models.list().data[0].id
                    turns = questions[number:] + questions[:number]
                    asked = [[{"role": "user", "content": question}] for question in turns]
                    replies = [client.chat.completions.create(model=name, messages=messages) for messages in asked]
                    return sum(bool(reply.choices[0].message.content) for reply in replies)

            start = time.perf_counter()
            with ThreadPoolExecutor(clients) as pool:
                answered = sum(pool.map(ask, range(clients)))
            seconds = time.perf_counter() - start
            peak = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{server.pid}/status").read_text())[1]
        finally:
            server.terminate()
    megabytes = round(int(peak) / 1024)
    return {"clients": clients, "answered": answered, "seconds": round(seconds, 1), "peak_megabytes": megabytes}


def main() -> None:
    """Measures, prints the figures and writes them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="quickstart/adapter")
    parser.add_argument("--questions", type=int, default=QUESTIONS, help="Of each client.")
    parser.add_argument("--max-new-tokens", type=int, default=256, help="Longest answer.")
    arguments = parser.parse_args()

    from amazon_titles.dataset import read_catalog
    from amazon_titles.model import loading

    dataset = loading.dataset_of(arguments.model, revision=None, token=None)
    titles = [product.title for product in read_catalog(dataset)][: arguments.questions]
    questions = [f'What is "{title}"?' for title in titles]
    load = round(os.getloadavg()[0], 1)
    runs = [measured(arguments.model, questions, clients, arguments.max_new_tokens) for clients in (1, 8)]
    figures = {
        "device": f"CPU, {platform.machine()}", "cores": os.cpu_count(), "load_before": load,
        "model": Path(arguments.model).name, "questions_of_each_client": len(questions),
        "max_new_tokens": arguments.max_new_tokens, "runs": runs,
        "peak_of_eight_over_one": round(runs[1]["peak_megabytes"] / runs[0]["peak_megabytes"], 2),
    }  # fmt: skip
    out = Path(__file__).parent / "results" / "api.json"
    out.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
