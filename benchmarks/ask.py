"""Finds products in a made-up catalogue: our index, SQLite FTS5 and bm25s, in one go, with the same questions.

    python benchmarks/ask.py                       # 100,000 products, in two minutes
    python benchmarks/ask.py --products 1364345    # as many as trn.json has: 1.5 GB of disk while it runs

bm25s comes with `pip install -e '.[bench]'`. The catalogue stays in --folder for the next run. Every contender runs in
a process of its own; its memory is the proportional set size (PSS) of that process, looked at every 0.1 s. Times of a
search are given by the clock and by the processor, which differ where the machine has other work.

SQLite and bm25s are asked as their manuals say: any of the question's words, ranked by BM25, stop words left out. They
always find something, so only ours can refuse.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

import pyarrow.parquet as pq
from ask_catalogue import ABSENT, make

K = 10
BARS = {
    "build seconds": 30.0,
    "build GiB": 1.5,
    "p50 ms": 5.0,
    "p99 ms": 25.0,
    "found": 0.95,
    "refused": 0.90,
    "false refusals": 0.05,
}
COLUMNS = (
    "build seconds", "build GiB", "disk MB", "p50 ms", "p99 ms", "p50 CPU ms", "p99 CPU ms", "right first",
    "found", "in ten", "false refusals", "refused",
)  # fmt: skip
Found = list[tuple[str, bool]]
"""uids, the best first, each with whether it fits as well as the best."""


def titles(folder: Path) -> Iterator[tuple[str, str]]:
    """Yields `uid, title` of a catalogue."""
    for path in sorted((folder / "catalog").glob("*.parquet")):
        for batch in pq.ParquetFile(path).iter_batches(columns=["uid", "title"]):
            yield from zip(batch["uid"].to_pylist(), batch["title"].to_pylist(), strict=True)


def ours(folder: Path, _: Path) -> Callable[[str], Found]:
    """`CatalogIndex`, with the products' texts."""
    from amazon_titles.search import CatalogIndex

    index = CatalogIndex.build(folder)
    return lambda question: [(hit.product.uid, hit.tied) for hit in index.search(question, K)]


def sqlite(folder: Path, out: Path) -> Callable[[str], Found]:
    """SQLite FTS5, on disk."""
    from amazon_titles.search.stopwords import STOP
    from amazon_titles.text import words_of

    database = sqlite3.connect(out / "fts.db")
    database.execute("PRAGMA synchronous=OFF")
    database.execute("CREATE VIRTUAL TABLE products USING fts5(uid UNINDEXED, title, tokenize='unicode61')")
    database.executemany("INSERT INTO products VALUES (?, ?)", titles(folder))
    database.commit()
    database.execute("INSERT INTO products(products) VALUES ('optimize')")
    database.commit()

    def find(question: str) -> Found:
        words = " OR ".join(f'"{word}"' for word in dict.fromkeys(words_of(question)) if word not in STOP)
        query = "SELECT uid FROM products WHERE products MATCH ? ORDER BY rank LIMIT ?"
        return [(uid, False) for (uid,) in database.execute(query, (words, K))] if words else []

    return find


def bm25s(folder: Path, _: Path) -> Callable[[str], Found]:
    """bm25s, in memory."""
    import bm25s as library

    from amazon_titles.search.stopwords import STOP

    uids, texts = map(list, zip(*titles(folder), strict=True))
    stop = sorted(STOP)
    retriever = library.BM25()
    retriever.index(library.tokenize(texts, stopwords=stop, show_progress=False), show_progress=False)
    del texts

    def find(question: str) -> Found:
        tokens = library.tokenize([question], stopwords=stop, show_progress=False)
        rows, scores = retriever.retrieve(tokens, k=K, show_progress=False)
        return [(uids[row], False) for row, score in zip(rows[0], scores[0], strict=True) if score > 0]

    return find


CONTENDERS = {"ours": ours, "sqlite": sqlite, "bm25s": bm25s}


def contend(name: str, folder: Path, out: Path, limit: int) -> dict[str, object]:
    """Builds and asks, in this process."""
    start = time.perf_counter()
    find = CONTENDERS[name](folder, out)
    built = time.perf_counter() - start
    (out / "built").touch()
    start = time.perf_counter()
    if name == "ours":
        find = ours(folder, out)  # from the cache, with every file's checksum
    opened = time.perf_counter() - start
    asked = json.loads((folder / "questions.json").read_text(encoding="utf-8"))
    random.Random(1).shuffle(asked)
    asked = asked[:limit]
    for one in asked[:20]:
        find(one["question"])
    times, cpu, kinds = [], [], {}
    for one in asked:
        start, before = time.perf_counter(), time.process_time()
        found = find(one["question"])
        times.append(1000 * (time.perf_counter() - start))
        cpu.append(1000 * (time.process_time() - before))
        kind = kinds.setdefault(one["kind"], {"n": 0, "first": 0, "listed": 0, "in ten": 0, "refused": 0})
        kind["n"] += 1
        kind["refused"] += not found
        kind["in ten"] += any(uid == one["uid"] for uid, _ in found)
        kind["first"] += bool(found) and found[0][0] == one["uid"]
        kind["listed"] += bool(found) and any(
            uid == one["uid"] and (not at or tied) for at, (uid, tied) in enumerate(found)
        )
    times.sort()
    cpu.sort()
    present = [kind for name, kind in kinds.items() if name not in ABSENT]
    absent = [kind for name, kind in kinds.items() if name in ABSENT]
    here, away = sum(kind["n"] for kind in present), sum(kind["n"] for kind in absent)
    return {
        "build seconds": built,
        "open seconds": opened,
        "p50 ms": times[len(times) // 2],
        "p99 ms": times[int(len(times) * 0.99)],
        "p50 CPU ms": cpu[len(cpu) // 2],
        "p99 CPU ms": cpu[int(len(cpu) * 0.99)],
        "questions": len(asked),
        "right first": sum(kind["first"] for kind in present) / here,
        "found": sum(kind["listed"] for kind in present) / here,
        "in ten": sum(kind["in ten"] for kind in present) / here,
        "false refusals": sum(kind["refused"] for kind in present) / here,
        "refused": sum(kind["refused"] for kind in absent) / max(away, 1),
        "kinds": kinds,
    }


def memory(process: int) -> float:
    """GiB of proportional set size of a process."""
    try:
        rollup = Path(f"/proc/{process}/smaps_rollup").read_text()
    except (OSError, ProcessLookupError):
        return 0.0
    return int(next(line for line in rollup.splitlines() if line.startswith("Pss:")).split()[1]) / (1 << 20)


def measure(name: str, folder: Path, limit: int) -> dict[str, object]:
    """Runs a contender in a process of its own, and tells its memory while it built and in all."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        out = Path(scratch)
        command = [sys.executable, __file__, "--contender", name, "--folder", str(folder), "--out", str(out)]
        environment = {**os.environ, "AMAZON_TITLES_CACHE": str(out / "cache")}
        process = subprocess.Popen(
            [*command, "--questions", str(limit)], stdout=subprocess.PIPE, text=True, env=environment
        )
        building = peak = 0.0
        while process.poll() is None:
            peak = max(peak, memory(process.pid))
            if not (out / "built").exists():
                building = peak
            time.sleep(0.1)
        if process.returncode:
            raise SystemExit(f"{name} failed")
        result = json.loads(process.stdout.read().splitlines()[-1]) if process.stdout else {}
        size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file()) / 1e6
    return {"build GiB": building, "peak GiB": peak, "disk MB": size, **result}


def table(results: dict[str, dict], products: int) -> str:
    """The Markdown report."""
    cores = len(os.sched_getaffinity(0))
    lines = [
        f"# Finding {products:,} products",
        "",
        f"{cores} cores, {platform.machine()}, Python {platform.python_version()}, tantivy {version('tantivy')}. "
        "*found*: the right product first, or among those that fit equally, which only ours tells. *refused*: of "
        "questions about products that are not there.",
        "",
        f"| | {' | '.join(COLUMNS)} |",
        f"|---|{'---:|' * len(COLUMNS)}",
    ]
    for name, result in results.items():
        lines.append(f"| {name} | {' | '.join(f'{result[column]:,.3g}' for column in COLUMNS)} |")
    lines += [
        "",
        "## Ours by kind, worst first",
        "",
        "| kind | n | right | first | refused |",
        "|---|---:|---:|---:|---:|",
    ]
    kinds = results["ours"]["kinds"]
    right = {
        kind: (count["refused"] if kind in ABSENT else count["listed"]) / count["n"] for kind, count in kinds.items()
    }
    for kind in sorted(kinds, key=lambda kind: right[kind]):
        count = kinds[kind]
        lines.append(f"| {kind} | {count['n']} | {right[kind]:.3f} | {count['first']} | {count['refused']} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Runs the contenders in turn and writes the report; exit 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--products", type=int, default=100_000)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "amazon-titles-ask")
    parser.add_argument("--only", nargs="+", choices=CONTENDERS, default=list(CONTENDERS))
    parser.add_argument("--results", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--questions", type=int, default=200, help="for the others; ours is asked all of them")
    parser.add_argument("--contender", choices=CONTENDERS, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.contender:
        print(json.dumps(contend(args.contender, args.folder, args.out, args.questions)))
        return
    folder = args.folder / f"made-{args.products}"
    if not (folder / "report.json").exists():
        shutil.rmtree(folder, ignore_errors=True)
        make(folder, args.products)
    results = {}
    for name in args.only:
        results[name] = measure(name, folder, 100_000 if name == "ours" else args.questions)
        shown = {key: value for key, value in results[name].items() if key != "kinds"}
        print(name, {key: round(value, 3) for key, value in shown.items()}, file=sys.stderr, flush=True)
    if "ours" not in results:
        return
    report = table(results, args.products)
    print(report)
    args.results.mkdir(exist_ok=True)
    (args.results / "ask.md").write_text(report, encoding="utf-8")
    (args.results / "ask.json").write_text(
        json.dumps({"products": args.products, **results}, indent=1) + "\n", encoding="utf-8"
    )
    us = results["ours"]
    atleast = ("found", "refused")
    missed = [name for name, bar in BARS.items() if (us[name] < bar if name in atleast else us[name] > bar)]
    if missed:
        raise SystemExit("Missed: " + ", ".join(missed))


if __name__ == "__main__":
    main()
