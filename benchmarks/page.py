"""How soon the page answers, and what two hundred questions cost it: `python benchmarks/page.py [--model DIR]`.

Starts `amazon-titles demo` in a process of its own. A browser clicks and waits for the answers; then a client asks
eight questions at once, and two hundred one after the other while the process's memory is watched. Prints the figures
and writes them to benchmarks/results/page.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

QUESTIONS = 200


def resident(process: int) -> float:
    """Megabytes of memory that a process holds (Linux)."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024


def clicked(address: str, examples: list[str]) -> list[float]:
    """Seconds from the click to both whole answers, in a browser."""
    from amazon_titles.video.browser import browser

    seconds = []
    with browser() as opened:
        page = opened.new_page()
        page.goto(address)
        page.locator("#question textarea").wait_for()
        for question in examples:
            page.fill("#question textarea", question)
            page.evaluate("document.querySelector('#after section').dataset.state = 'left'")
            start = time.perf_counter()
            page.click("#ask")
            page.locator("#after section[data-state=done]").wait_for()
            seconds.append(time.perf_counter() - start)
    return seconds


def main() -> None:
    """Measures, prints the figures and writes them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="quickstart/adapter")
    model = parser.parse_args().model

    import gradio
    import torch
    from gradio_client import Client

    from amazon_titles.dataset import read_catalog
    from amazon_titles.model import loading

    dataset = loading.dataset_of(model, revision=None, token=None)
    titles = [product.title for product in read_catalog(dataset)]
    questions = [f'What is "{titles[number % len(titles)]}"?' for number in range(QUESTIONS)]
    command = [sys.executable, "-m", "amazon_titles", "demo", "--model", model]
    load = round(os.getloadavg()[0], 1)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            start = time.perf_counter()
            address = process.stdout.readline().strip()
            ready = time.perf_counter() - start
            clicks = clicked(address, questions[:10])
            client = Client(address, verbose=False)

            def ask(question: str) -> bool:
                return 'data-state="done"' in client.predict(question, "closed", "en", api_name="/ask")[2]

            start = time.perf_counter()
            with ThreadPoolExecutor(8) as eight:
                answered = sum(eight.map(ask, questions[10:18]))
            at_once = time.perf_counter() - start
            memory = {0: round(resident(process.pid))}
            for number, question in enumerate(questions, start=1):
                ask(question)
                if number % 50 == 0:
                    memory[number] = round(resident(process.pid))
        finally:
            process.terminate()
    result = {
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else f"CPU, {platform.machine()}",
        "cores": len(os.sched_getaffinity(0)),
        "versions": f"Python {platform.python_version()}, gradio {gradio.__version__}",
        "load_before": load,
        "ready_seconds": round(ready, 1),
        "first_answer_seconds": round(clicks[0], 2),
        "median_answer_seconds": round(statistics.median(clicks), 2),
        "eight_at_once": {"answered": answered, "seconds": round(at_once, 1)},
        "megabytes_after_questions": memory,
    }
    report = json.dumps(result, indent=2) + "\n"
    (Path(__file__).parent / "results" / "page.json").write_text(report, encoding="utf-8")
    print(report, end="")


if __name__ == "__main__":
    main()
