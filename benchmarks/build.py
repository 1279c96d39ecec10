"""Builds a dataset from a file like trn.json: us, a `datasets` pipeline, duckdb, and the floor, in one go.

    python benchmarks/build.py                    # 300,000 rows, in a minute or two
    python benchmarks/build.py --rows 2250000     # the size of trn.json: 1.9 GB, and 10 GB of disk while it runs

The file stays in --folder for the next run.

The file is made up, with the row count, the share of empty descriptions, the length distribution and the defects of
trn.json. Every contender runs in a process of its own; its memory is the proportional set size (PSS) of that process
and all it started, summed every 0.1 s.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROWS = 300_000
EMPTY = 0.37  # trn.json: 2,248,619 rows, of which 1,364,345 have a title and a description that stand once
REPEATED_TITLE = 0.10
BARS = {"datasets": 2.0, "floor": 8.0, "goal": 4.0, "memory": 1.5}


def vocabulary(rng: random.Random, words: int = 60_000) -> list[str]:
    """Made-up words, the first ones short and the commonest."""
    parts = [c + v for c in "bcdfghjklmnprstvwz" for v in ("a", "e", "i", "o", "u", "an", "er", "is", "or")]
    return ["".join(rng.choices(parts, k=1 + int(2.2 * (i / words) ** 0.3 + rng.random() * 1.5))) for i in range(words)]


def sentences(rng: random.Random, words: list[str], number: int) -> list[str]:
    """Sentences whose words are as unevenly common as those of a language (Zipf's law)."""
    weights = [1 / (rank + 2.7) for rank in range(len(words))]
    drawn = rng.choices(words, weights, k=number * 14)
    made, at = [], 0
    for _ in range(number):
        length = rng.randint(5, 20)
        chosen = drawn[at : at + length] or rng.choices(words, k=length)
        at += length
        made.append(" ".join(chosen).capitalize() + rng.choice("..........!?"))
    return made


def spoil(text: str, rng: random.Random) -> str:
    """Puts in the defects of the real rows, at the rates that were counted in 1,000 of them."""
    if rng.random() < 0.20:
        text = text.replace(" a", "&#8217;s a", 2).replace(" be", " &#151; be", 1).replace(" do", " &amp; do", 1)
    if rng.random() < 0.17:
        text = text.replace(". ", ".", 2)
    if rng.random() < 0.13:
        text = text.replace(" ", "  ", 3)
    if rng.random() < 0.13:
        text += f"Copyright {rng.randint(1985, 2004)} Reed Business Information, Inc."
    if rng.random() < 0.20:
        text += rng.choice(("--This text refers to theHardcoveredition.", "--This text refers to an out of print or "
                            "unavailable edition of this title."))  # fmt: skip
    return text


def make(path: Path, rows: int) -> None:
    """Writes the file: titles and descriptions with trn.json's median and spread (log-normal), and related products."""
    rng = random.Random(7)
    words = vocabulary(rng)
    pool = sentences(rng, words, 200_000)
    titles: list[str] = []
    partial = path.with_suffix(".partial")
    with partial.open("w", encoding="utf-8") as file:
        for number in range(rows):
            size = rng.lognormvariate(3.99, 0.58)
            if titles and rng.random() < REPEATED_TITLE:
                title = rng.choice(titles)
            else:
                title = " ".join(rng.choices(words[:20000], k=max(2, int(size / 6)))).title()[: max(int(size), 6)]
                if rng.random() < 0.3:
                    title += f" {rng.randint(2, 900)}"
                if len(titles) < 50_000:
                    titles.append(title)
            content = ""
            if rng.random() > EMPTY:
                size = min(rng.lognormvariate(5.99, 1.0), 190_000)
                while len(content) < size:
                    content += rng.choice(pool) + " "
                content = spoil(content[: int(size)].rstrip(), rng)
            related = [rng.randrange(1_305_265) for _ in range(int(rng.expovariate(1 / 19)))]
            row = {"uid": f"{number:010}", "title": title, "content": content, "target_ind": related}
            file.write(json.dumps({**row, "target_rel": [1.0] * len(related)}) + "\n")
    partial.replace(path)


def run_us(source: Path, out: Path, workers: int | None) -> int:
    """Everything: cleaning, deduplication, splits, all configs with one phrasing, card."""
    from amazon_titles import build_dataset

    return build_dataset(source, out, phrasings=1, rules="amazon", workers=workers).kept


def run_datasets(source: Path, out: Path) -> int:
    """A `datasets` pipeline that does the same work with our functions, in one process.

    Distractors are the neighbours in the file, which costs nothing; ours are similar products, which costs a pass.
    """
    os.environ |= {"HF_DATASETS_CACHE": str(out / "cache"), "HF_DATASETS_DISABLE_PROGRESS_BARS": "1"}
    from datasets import load_dataset

    from amazon_titles.catalog import Product, key_hash
    from amazon_titles.catalog.cleaning import CHARACTER_RULES, CONTENT_RULES, clean
    from amazon_titles.catalog.filters import drop_reason
    from amazon_titles.conversations import MixtureConfig, build_examples
    from amazon_titles.templates import get_template

    template, mix, seen = get_template("llama3"), MixtureConfig(phrasings=1), set()

    def tidy(row: dict) -> dict:
        title, content = clean(row["title"], CHARACTER_RULES, {}), clean(row["content"], CONTENT_RULES["amazon"], {})
        return {"title": title, "content": content[:2000]}

    def keep(row: dict) -> bool:
        if drop_reason(row["title"], row["content"], min_chars=40):
            return False
        keys = {key_hash(row["title"]), key_hash(row["content"])}
        if keys & seen:
            return False
        seen.update(keys)
        return True

    def chat(batch: dict) -> dict:
        products = list(map(Product, batch["uid"], batch["title"], batch["content"]))
        others = [[*products[max(i - 2, 0) : i], *products[i + 1 : i + 3]] for i in range(len(products))]
        rows = [
            row for p, o in zip(products, others, strict=True) for row in build_examples(p, o, mix, lambda title: False)
        ]
        return {name: [getattr(row, name) for row in rows] for name in ("uid", "task", "language", "messages")}

    rows = load_dataset("json", data_files=str(source), split="train").select_columns(["uid", "title", "content"])
    rows = rows.filter(lambda row: bool(row["content"])).map(tidy).filter(keep)
    rows.to_parquet(out / "catalog.parquet")
    for name, part in rows.train_test_split(test_size=0.04, seed=42).items():
        said = part.map(chat, batched=True, remove_columns=part.column_names)
        said.to_parquet(out / f"chat-{name}.parquet")
        text = said.map(lambda row: {"text": template.training_text(row["messages"])})
        text.select_columns(["uid", "text"]).to_parquet(out / f"text-{name}.parquet")
    return len(rows)


def run_duckdb(source: Path, out: Path) -> int:
    """The plain conversion: no cleaning, no deduplication, no conversations."""
    import duckdb

    columns = "{uid: 'VARCHAR', title: 'VARCHAR', content: 'VARCHAR'}"
    rows = f"read_json('{source}', format='newline_delimited', columns={columns})"
    kept = f"SELECT uid, title, content FROM {rows} WHERE content <> ''"
    duckdb.sql(f"COPY ({kept}) TO '{out / 'plain.parquet'}' (COMPRESSION zstd)")
    ((found,),) = duckdb.sql(f"SELECT count(*) FROM '{out / 'plain.parquet'}'").fetchall()
    return int(found)


def run_floor(source: Path, out: Path) -> int:
    """What no builder can be faster than, in one process: decode the rows and write those that have a description."""
    import msgspec
    import pyarrow as pa
    import pyarrow.parquet as pq

    class Row(msgspec.Struct):
        uid: str
        title: str
        content: str

    decode = msgspec.json.Decoder(Row).decode_lines
    schema = pa.schema([("uid", pa.string()), ("title", pa.string()), ("content", pa.string())])
    kept, carry = 0, b""
    with source.open("rb") as file, pq.ParquetWriter(out / "floor.parquet", schema, compression="zstd") as writer:
        while block := file.read(16 << 20):
            end = block.rfind(b"\n") + 1
            rows = [row for row in decode(carry + block[:end]) if row.content]
            carry = block[end:]
            kept += len(rows)
            columns = [[row.uid for row in rows], [row.title for row in rows], [row.content for row in rows]]
            writer.write_table(pa.Table.from_arrays([pa.array(c, pa.string()) for c in columns], schema=schema))
    return kept


def memory(process: int) -> float:
    """GiB of proportional set size of a process and all its children."""
    total, todo = 0, [process]
    while todo:
        number = todo.pop()
        try:
            for task in Path(f"/proc/{number}/task").iterdir():
                todo += map(int, (task / "children").read_text().split())
            rollup = Path(f"/proc/{number}/smaps_rollup").read_text()
        except (OSError, ProcessLookupError):
            continue
        total += int(next(line for line in rollup.splitlines() if line.startswith("Pss:")).split()[1])
    return total / (1 << 20)


def measure(name: str, source: Path, folder: Path) -> tuple[float, float, int, float]:
    """Runs a contender in a process of its own: seconds, peak GiB, rows kept, CPU seconds."""
    out = folder / name
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    command = [sys.executable, __file__, "--contender", name, "--source", str(source), "--out", str(out)]
    start, before = time.perf_counter(), os.times()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    peak = 0.0
    while process.poll() is None:
        peak = max(peak, memory(process.pid))
        time.sleep(0.1)
    seconds = time.perf_counter() - start
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    answer = process.stdout.read() if process.stdout else ""
    if process.returncode:
        raise SystemExit(f"{name} failed")
    shutil.rmtree(out)
    return seconds, peak, int(answer.split()[-1]), cpu


CONTENDERS = {
    "us": lambda source, out: run_us(source, out / "dataset", None),
    "us-1": lambda source, out: run_us(source, out / "dataset", 1),
    "datasets": run_datasets,
    "duckdb": run_duckdb,
    "floor": run_floor,
}


def main() -> None:
    """Runs the contenders in turn and prints the table; exit 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "amazon-titles-bench")
    parser.add_argument("--only", nargs="+", choices=CONTENDERS, default=list(CONTENDERS))
    parser.add_argument("--contender", choices=CONTENDERS, help=argparse.SUPPRESS)
    parser.add_argument("--source", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.contender:
        print(CONTENDERS[args.contender](args.source, args.out))
        return
    args.folder.mkdir(parents=True, exist_ok=True)
    source = args.folder / f"made-{args.rows}.json"
    if not source.exists():
        make(source, args.rows)
    size = source.stat().st_size / 1e6
    print(f"{args.rows:,} rows, {size:,.0f} MB, {len(os.sched_getaffinity(0))} cores\n")
    print("| | seconds | CPU seconds | rows/s | MB/s | peak GiB | kept |\n|---|---:|---:|---:|---:|---:|---:|")
    taken: dict[str, tuple[float, float, int, float]] = {}
    for name in args.only:
        seconds, peak, kept, cpu = taken[name] = measure(name, source, args.folder)
        speed = f"{args.rows / seconds:,.0f} | {size / seconds:.0f}"
        print(f"| {name} | {seconds:.1f} | {cpu:.1f} | {speed} | {peak:.2f} | {kept:,} |", flush=True)
    if not {"us", "us-1", "datasets", "floor"} <= set(taken):
        return
    faster, one, slower = (
        taken["datasets"][0] / taken["us"][0],
        taken["datasets"][0] / taken["us-1"][0],
        taken["us"][0] / taken["floor"][0],
    )
    print(f"\nus against datasets: {faster:.1f} times as fast (one process each: {one:.1f}; bar {BARS['datasets']})")
    print(f"us against the floor: {slower:.1f} times its time (bar {BARS['floor']}, goal {BARS['goal']})")
    print(f"our peak memory: {taken['us'][1]:.2f} GiB (bar {BARS['memory']} at 2.25 million rows)")
    if faster < BARS["datasets"] or slower > BARS["floor"] or taken["us"][1] > BARS["memory"]:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
