"""Kills the commands that take seconds, at random moments, and looks at what stands there then, and what was left over.

    nice python benchmarks/kills_cheap.py --adapter quickstart/adapter --dataset quickstart/dataset --kills 20

`build`, `handin`, `merge` and the index of a dataset: each is killed (SIGKILL) alone, so that its children have to end
by themselves. What stands then has to be the old folder, byte for byte, or the new one; two seconds later no child may
be left; the same command, run again, has to finish, and leave nothing beside its folder. Trainings are killed by
`kills.py`. Writes benchmarks/results/kills_cheap.json.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

RESULTS = Path(__file__).parent / "results"
INDEX = "import sys; from amazon_titles.search import CatalogIndex; CatalogIndex.build(sys.argv[1])"


def digest(place: Path) -> str:
    """Of every name and byte below a folder; "" where there is none. Of indexes, whether each is as it was written."""
    from amazon_titles.search.storage import _intact

    state = hashlib.sha256()
    if place.name == "indexes":  # tantivy draws the names of its files
        made = [path for path in place.glob("[!.]*") if path.is_dir()]
        return ("whole" if all(map(_intact, made)) else "damaged") if made else ""
    for path in sorted(path for path in place.rglob("*") if path.is_file() and path.suffix != ".lock"):
        state.update(path.relative_to(place).as_posix().encode() + path.read_bytes())
    return state.hexdigest() if place.exists() else ""


def children(group: int) -> list[int]:
    """The processes whose session was the killed one's."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, session = stat.read_text().rpartition(")")[2].split()[:4]
        except OSError:
            continue
        if int(session) == group and state != "Z":
            found.append(int(stat.parent.name))
    return found


def series(name: str, old: list[str], new: list[str], place: Path, variables: dict[str, str], kills: int) -> dict:
    """One command: made once by `old`, then killed while it makes it by `new`."""

    def start(command: list[str]) -> subprocess.Popen:
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        return subprocess.Popen([sys.executable, *command], env=variables, start_new_session=True, **quiet)

    def finish(command: list[str]) -> bool:
        return start(command).wait() == 0

    begun = time.perf_counter()
    assert finish(new), new
    seconds, made_new = time.perf_counter() - begun, digest(place)
    # Whatever is dated or measured differs between two runs: then only whole or not can be told, by the next run.
    finish(new)
    same = digest(place) == made_new
    counts: Counter[str] = Counter()
    rng = random.Random(name)
    while counts["killed"] < kills:
        shutil.rmtree(place, ignore_errors=True)
        if old:
            assert finish(old), old
        was = digest(place)
        process = start(new)
        try:
            process.wait(rng.uniform(0, seconds))
            continue  # it was faster
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
        process.wait()
        found = digest(place)
        counts["killed"] += 1
        counts["old" if found == was else "new" if found == made_new or not same else "broken"] += 1
        time.sleep(2)
        counts["orphans"] += len(children(process.pid))
        counts["finished by the same command"] += finish(new) and (digest(place) == made_new or not same)
        left = [path.name for path in place.parent.glob(f".{place.name}.*")]
        left += [path.name for path in place.glob(".*.building-*")]
        counts["leftovers"] += len(left)
        print(f"{name}: {dict(counts)} {left or ''}", file=sys.stderr, flush=True)
    return {"seconds": round(seconds, 1), "new is told by its bytes": same, **counts}


def main() -> None:
    """All series."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--adapter", required=True)
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--only", default="build,handin,merge,index")
    given = parser.parse_args()
    from amazon_titles.sample import write_sample

    adapter, dataset = (str(Path(path).resolve()) for path in (given.adapter, given.dataset))
    with tempfile.TemporaryDirectory() as place:
        folder, cli = Path(place), ["-m", "amazon_titles"]
        write_sample(folder / "trn.json", 2000)
        root = str(Path(__file__).resolve().parents[1])
        variables = {
            **os.environ,
            "PYTHONPATH": root,
            "AMAZON_TITLES_CACHE": str(folder / "cache"),
            "HF_HUB_OFFLINE": "1",
        }
        build = [*cli, "build", str(folder / "trn.json"), "--out", str(folder / "d"), "--force", "--workers", "2"]
        handin = [*cli, "handin", str(folder / "h"), "--model", adapter, "--dataset", dataset]
        merge = [*cli, "merge", adapter, "--out", str(folder / "m")]
        rows = {
            "build": ([*build, "--seed", "1"], build, folder / "d"),
            "handin": ([*handin, "--member", "Ada"], [*handin, "--member", "Grace"], folder / "h"),
            "merge": ([], merge, folder / "m"),
            "index": ([], ["-c", INDEX, dataset], folder / "cache" / "indexes"),
        }
        done = {name: series(name, *rows[name], variables, given.kills) for name in given.only.split(",")}
    print(json.dumps(done, indent=2))
    path = RESULTS / "kills_cheap.json"
    before = json.loads(path.read_text()) if path.is_file() else {}
    path.write_text(json.dumps(before | done, indent=2) + "\n")


if __name__ == "__main__":
    main()
