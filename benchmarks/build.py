"""Builds a dataset from a file like trn.json: us, a `datasets` pipeline, duckdb, and the floor, in one go.

    python benchmarks/build.py                    # 300,000 rows, in a minute or two
    python benchmarks/build.py --rows 2250000     # the size of trn.json: 1.9 GB, and 10 GB of disk while it runs
    python benchmarks/build.py --streamed 1000000 10000000 --limit 1000    # rows made as they are read: no file

The file stays in --folder for the next run.

The rows are made up, with the share of empty descriptions, the length distribution and the defects of trn.json. Every
contender runs in a process of its own; its memory is the proportional set size (PSS) of that process and all it
started, and its disk what its folder takes, both looked at every 0.1 s. Where other work keeps the cores busy, seconds
say nothing, and CPU seconds do: what is measured is written to benchmarks/results/, streamed rows with the linearity.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

ROWS = 300_000
EMPTY = 0.37  # trn.json: 2,248,619 rows, of which 1,364,345 have a title and a description that stand once
REPEATED_TITLE = 0.10
PRESS = 25_000
BARS = {"datasets": 2.0, "floor": 6.5, "goal": 4.0, "memory": 1.5, "streamed memory": 2.0, "linear": 1.15}
RESULTS = Path(__file__).parent / "results"


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


def press(rng: random.Random) -> list[tuple[bytes, bytes, bytes]]:
    """Rows to make others of, with trn.json's median and spread of lengths (log-normal): title, content, the rest."""
    words = vocabulary(rng)
    pool = sentences(rng, words, 50_000)
    titles: list[str] = []
    rows = []
    for _ in range(PRESS):
        size = rng.lognormvariate(3.99, 0.58)
        if titles and rng.random() < REPEATED_TITLE:
            title = rng.choice(titles)
        else:
            title = " ".join(rng.choices(words[:20000], k=max(2, int(size / 6)))).title()[: max(int(size), 6)]
            if rng.random() < 0.3:
                title += f" {rng.randint(2, 900)}"
            titles.append(title)
        content = ""
        if rng.random() > EMPTY:
            size = min(rng.lognormvariate(5.99, 1.0), 190_000)
            said, length = [], 0
            while length < size:
                said.append(rng.choice(pool))
                length += len(said[-1]) + 1
            content = spoil(" ".join(said)[: int(size)].rstrip(), rng)
        related = [rng.randrange(1_305_265) for _ in range(int(rng.expovariate(1 / 19)))]
        rest = json.dumps({"target_ind": related, "target_rel": [1.0] * len(related)})
        rows.append((title.encode(), json.dumps(content)[1:-1].encode(), rest[1:].encode()))
    return rows


def made(rows: int) -> Iterator[bytes]:
    """Yields the lines of the file. What was pressed comes again and again as other products.

    Each time with other consonants in its titles, as of another language, and another first sentence: none repeats.
    """
    rng = random.Random(7)
    pressed, consonants = press(rng), "bcdfghjklmnprstvwz"
    for first in range(0, rows, PRESS):
        others = "".join(rng.sample(consonants, len(consonants))) if first else consonants
        table = bytes.maketrans((consonants + consonants.upper()).encode(), (others + others.upper()).encode())
        for number, (title, content, rest) in enumerate(pressed[: rows - first], start=first):
            said = b"Lot %d. %b" % (first // PRESS, content) if content else b""
            title = title.translate(table)
            yield b'{"uid": "%010d", "title": "%b", "content": "%b", %b\n' % (number, title, said, rest)


def make(path: Path, rows: int) -> None:
    """Writes the file."""
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        file.writelines(made(rows))
    partial.replace(path)


def run_us(source: Path, out: Path, workers: int | None, limit: int | None = None) -> int:
    """Everything, with every default: cleaning, deduplication, splits, all configs, card."""
    from amazon_titles import build_dataset

    return build_dataset(source, out, rules="amazon", workers=workers, limit=limit).kept


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

    template, mix, seen = get_template("llama3"), MixtureConfig(), set()

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


def disk(folder: Path) -> int:
    """Bytes that a folder takes; what vanishes meanwhile takes none."""
    total = 0
    for path in folder.rglob("*"):
        with suppress(OSError):
            total += path.stat().st_blocks * 512
    return total


class Taken(NamedTuple):
    """What a contender took: seconds, CPU seconds, the most GiB of memory and GB of disk, and the rows it kept."""

    seconds: float
    cpu: float
    memory: float
    disk: float
    kept: int


def measure(name: str, source: Path | int, folder: Path, limit: int | None = None) -> Taken:
    """Runs a contender in a process of its own, on a file, or on so many rows that are made as it reads them."""
    out = folder / name
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    command = [sys.executable, __file__, "--contender", name, "--out", str(out)]
    command += ["--limit", str(limit)] if limit else []
    maker = None
    if isinstance(source, int):
        maker = subprocess.Popen([sys.executable, __file__, "--made", str(source)], stdout=subprocess.PIPE)
    start = time.perf_counter()
    process = subprocess.Popen(
        [*command, "--source", "-" if maker else str(source)], stdin=maker and maker.stdout, stdout=subprocess.PIPE
    )
    peak, most, ended = 0.0, 0, 0
    while not ended:
        peak, most = max(peak, memory(process.pid)), max(most, disk(out))
        time.sleep(0.1)
        ended, status, used = os.wait4(process.pid, os.WNOHANG)
    seconds = time.perf_counter() - start
    answer = process.stdout.read() if process.stdout else b""
    if status or (maker and maker.wait()):
        raise SystemExit(f"{name} failed")
    shutil.rmtree(out)
    return Taken(seconds, used.ru_utime + used.ru_stime, peak, most / 1e9, int(answer.split()[-1]))


CONTENDERS = {
    "us": lambda source, out, limit: run_us(source, out / "dataset", None, limit),
    "us-1": lambda source, out, limit: run_us(source, out / "dataset", 1, limit),
    "datasets": lambda source, out, _: run_datasets(source, out),
    "duckdb": lambda source, out, _: run_duckdb(source, out),
    "floor": lambda source, out, _: run_floor(source, out),
}
COLUMNS = "| | seconds | CPU seconds | µs CPU a row | peak GiB | peak disk GB | kept |\n|---|" + "---:|" * 6


def line(name: str, rows: int, took: Taken) -> str:
    """A row of the table."""
    a_row = f"{took.seconds:.1f} | {took.cpu:.1f} | {took.cpu / rows * 1e6:.1f}"
    return f"| {name} | {a_row} | {took.memory:.2f} | {took.disk:.2f} | {took.kept:,} |"


def say(lines: list[str], said: str) -> None:
    """Prints a line, and keeps it for the file."""
    print(said, flush=True)
    lines.append(said)


def about() -> str:
    """The machine, and how many processes want its cores."""
    cores, load = len(os.sched_getaffinity(0)), os.getloadavg()[0]
    return f"{cores} cores, {platform.machine()}, Python {platform.python_version()}, load {load:.1f}"


def streamed(sizes: list[int], limit: int | None, folder: Path) -> bool:
    """Builds from rows that are made as they are read, size by size; whether it was linear and within its memory."""
    name, lines, found = "build-streamed" + (f"-{limit}" if limit else ""), list[str](), list[float]()
    say(lines, f"Rows through a pipe, {f'--limit {limit}' if limit else 'without --limit'}; {about()}\n")
    say(lines, COLUMNS)
    fits = True
    for rows in sizes:
        took = measure("us", rows, folder, limit)
        say(lines, line(f"{rows:,} rows", rows, took))
        found.append(took.cpu / rows)
        fits = fits and took.memory <= BARS["streamed memory"]
    growth = found[-1] / found[0]
    say(lines, f"\nCPU a row, last size against first: {growth:.2f} (at most {BARS['linear']}); memory at most 2 GiB")
    RESULTS.joinpath(f"{name}.md").write_text("\n".join(lines) + "\n", "utf-8")
    return fits and growth <= BARS["linear"]


def main() -> None:
    """Runs the contenders in turn and prints the table; exit 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--streamed", type=int, nargs="+", help="sizes to build, of rows made as they are read")
    parser.add_argument("--limit", type=int, help="products that ours keeps")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "amazon-titles-bench")
    parser.add_argument("--only", nargs="+", choices=CONTENDERS, default=list(CONTENDERS))
    parser.add_argument("--contender", choices=CONTENDERS, help=argparse.SUPPRESS)
    parser.add_argument("--made", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--source", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.made:
        sys.stdout.buffer.writelines(made(args.made))
        return
    if args.contender:
        print(CONTENDERS[args.contender](args.source, args.out, args.limit))
        return
    args.folder.mkdir(parents=True, exist_ok=True)
    if args.streamed:
        raise SystemExit(not streamed(args.streamed, args.limit, args.folder))
    source = args.folder / f"pressed-{args.rows}.json"
    if not source.exists():
        make(source, args.rows)
    lines: list[str] = []
    say(lines, f"{args.rows:,} rows, {source.stat().st_size / 1e6:,.0f} MB; {about()}\n")
    say(lines, COLUMNS)
    taken: dict[str, Taken] = {}
    for name in args.only:
        taken[name] = measure(name, source, args.folder, args.limit)
        say(lines, line(name, args.rows, taken[name]))
    if not {"us", "floor"} <= set(taken):
        return
    us, floor = taken["us"], taken["floor"]
    # Both cores work for us and one for the floor; on quiet ones this is the ratio of the seconds, or a little less.
    cores = len(os.sched_getaffinity(0))
    by_cpu, slower = us.cpu / cores / floor.cpu, us.seconds / floor.seconds
    say(lines, f"\nus against the floor: {slower:.1f} times its seconds (bar {BARS['floor']}, goal {BARS['goal']}),")
    say(lines, f"{us.cpu / floor.cpu:.1f} times its CPU seconds, over {cores} cores {by_cpu:.1f}")
    missed = slower > BARS["floor"] or us.memory > BARS["memory"]
    if {"us-1", "datasets"} <= set(taken):
        faster, one = (taken["datasets"].seconds / taken[name].seconds for name in ("us", "us-1"))
        bar = BARS["datasets"]
        say(lines, f"us against datasets: {faster:.1f} times as fast (one process each: {one:.1f}; bar {bar})")
        missed = missed or faster < BARS["datasets"]
    say(lines, f"our peak memory: {us.memory:.2f} GiB (bar {BARS['memory']} at 2.25 million rows)")
    RESULTS.joinpath("build.md").write_text("\n".join(lines) + "\n", "utf-8")
    raise SystemExit(missed)


if __name__ == "__main__":
    main()
