"""Kills trainings at random moments, and at the swap of the adapter folder, and looks at what stands there then.

    python benchmarks/kills.py                       # 20 kills of each engine, on a tiny base: some minutes
    python benchmarks/kills.py --kills 100 --engine trl

Dataset, base and recipe are made in a folder of their own. A first training leaves the old adapter; each later one has
another rate, is killed with all its children (SIGKILL), and what stands at its place has to be the old adapter, byte
for byte, or a new one with everything in it. At the swap itself three moments are forced: before it, after it, and
between the two renames of a system that cannot swap folders; there the next training has to find both and put the new
one in place before it begins. Writes benchmarks/results/kills.json and kills.md.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

RESULTS = Path(__file__).parent / "results"
OLD_RATE, NEW_RATE = "0.002", "0.001"
FILES = {
    "README.md", "adapter_config.json", "adapter_model.safetensors", "loss.png", "recipe.yml", "run.json",
    "special_tokens_map.json", "tokenizer.json", "tokenizer_config.json",
}  # fmt: skip
MOMENTS = ("before the swap", "between two renames", "after the swap")
# The command line, in a process that kills itself at the swap. It swaps or renames an adapter only: `new` and `old` are
# the names that `staged` gives.
AT_THE_SWAP = """
import os, signal, sys
from pathlib import Path
from amazon_titles import io
from amazon_titles.cli import main

moment, rename, swap = sys.argv.pop(1), Path.rename, io._exchanged
end = lambda: os.kill(os.getpid(), signal.SIGKILL)

def renaming(path, target):
    done = rename(path, target)
    if Path(target).name == io._OLD:
        end()
    return done

def exchanging(one, other):
    if moment == "before the swap":
        end()
    if moment == "between two renames":
        return False
    assert swap(one, other), "this system cannot swap two folders in one step"
    end()

Path.rename, io._exchanged = renaming, exchanging
main()
"""


def make(folder: Path) -> None:
    """A dataset, a tiny base and a recipe of a few seconds."""
    from amazon_titles import build_dataset, tiny_llama
    from amazon_titles.recipes import fill_recipe
    from amazon_titles.sample import write_sample

    write_sample(folder / "trn.json", 40)
    build_dataset(folder / "trn.json", folder / "dataset", phrasings=1, validation=0.1)
    (folder / "base").mkdir()
    tiny_llama.write_tokenizer(folder / "base", ["a kettle of iron"], vocab_size=300)
    size = tiny_llama.vocabulary_size(folder / "base")
    tiny_llama.write_model(folder / "base", vocab_size=size, hidden_size=48, layers=1, heads=3)
    settings = {"epochs": 2, "lora_r": 4, "logging_steps": 1, "amazon_titles.checkpoint_steps": 5}
    (folder / "recipe.yml").write_text(fill_recipe("quickstart-tiny", dataset="dataset", settings=settings))


def digests(adapter: Path) -> dict[str, str]:
    """Every file of an adapter folder, at every depth."""
    files = (path for path in adapter.rglob("*") if not path.is_dir())
    return {path.relative_to(adapter).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


class Series:
    """The trainings of one engine in one folder."""

    def __init__(self, folder: Path, engine: str, autotrain_env: str) -> None:
        self.folder, self.engine = folder, engine
        self.adapter, self.keep = folder / "adapter", folder / "kept" / "adapter"
        self.options = ["--autotrain-env", autotrain_env] if engine == "autotrain" else []
        seconds = [self.run(OLD_RATE), self.run(OLD_RATE)]  # the first also fills the system's caches
        self.seconds = seconds[-1]
        self.old = digests(self.adapter)
        assert set(self.old) == FILES, self.old
        shutil.copytree(self.adapter, self.keep)

    def command(self, rate: str, program: tuple[str, ...] = ("-m", "amazon_titles")) -> list[str]:
        """What a user would type; a killed training of the trl engine is to be resumed."""
        resume = ["--resume"] if self.engine == "trl" else []
        options = ["--engine", self.engine, "--set", f"lr={rate}", *resume, *self.options]
        return [sys.executable, *program, "train", "recipe.yml", *options]

    def start(self, command: list[str]) -> subprocess.Popen:
        """In a session of its own, so that all its children can be killed with it."""
        root = str(Path(__file__).resolve().parents[1])
        path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
        with (self.folder / "log").open("w") as log:
            variables = {**os.environ, "PYTHONPATH": path, "HF_HUB_OFFLINE": "1"}
            return subprocess.Popen(
                command, cwd=self.folder, env=variables, stdout=log, stderr=log, start_new_session=True
            )

    def run(self, rate: str) -> float:
        """An undisturbed training; its seconds."""
        begun = time.perf_counter()
        if self.start(self.command(rate)).wait():
            raise SystemExit(f"{self.engine} failed:\n{(self.folder / 'log').read_text()[-3000:]}")
        return time.perf_counter() - begun

    def state(self, adapter: Path | None = None) -> str:
        """`old` to the byte, `new` with everything in it, `none`, or `broken`."""
        from amazon_titles.adapter_files import weight_problems

        adapter = adapter or self.adapter
        if not adapter.exists():
            return "none"
        found = digests(adapter)
        if found == self.old:
            return "old"
        if set(found) != FILES or list(weight_problems(adapter / "adapter_model.safetensors")):
            return "broken"
        run = json.loads((adapter / "run.json").read_text())
        card, picture = (adapter / "README.md").read_text(), (adapter / "loss.png").read_bytes()
        new = f"lr: {NEW_RATE}" in (adapter / "recipe.yml").read_text() and f"{run['losses'][-1]['loss']:.3f}" in card
        return "new" if new and picture.endswith(b"IEND\xaeB`\x82") else "broken"

    def put_back(self, *, anew: bool) -> None:
        """The old adapter, where a new one stands; and no checkpoints, where the next training is to begin."""
        if self.state() != "old":
            shutil.rmtree(self.adapter, ignore_errors=True)
            shutil.copytree(self.keep, self.adapter)
        if anew:
            shutil.rmtree(self.folder / "adapter.checkpoints", ignore_errors=True)

    def kill_at_random(self, rng: random.Random, *, anew: bool) -> str | None:
        """One training, killed; what stands then, or None where it was faster."""
        self.put_back(anew=anew)
        process = self.start(self.command(NEW_RATE))
        try:
            process.wait(rng.uniform(0, self.seconds))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return self.state()
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        if process.returncode:
            raise SystemExit(f"{self.engine} failed by itself:\n{(self.folder / 'log').read_text()[-3000:]}")
        return None

    def kill_at(self, moment: str) -> list[str]:
        """One training, killed at the swap; what stands then, and what the next training makes of it first."""
        from amazon_titles.io import staged
        from amazon_titles.training.adapter import ADAPTER

        self.put_back(anew=True)
        process = self.start(self.command(NEW_RATE, ("-c", AT_THE_SWAP, moment)))
        if process.wait() != -signal.SIGKILL:
            raise SystemExit(f"{self.engine}, {moment}:\n{(self.folder / 'log').read_text()[-3000:]}")
        found = [self.state()]
        with suppress(KeyboardInterrupt), staged(self.adapter, ADAPTER):
            raise KeyboardInterrupt
        return [*found, self.state()]


def series(folder: Path, engine: str, kills: int, seed: int, autotrain_env: str) -> dict:
    """All kills of one engine."""
    make(folder)
    rng, trainings = random.Random(seed), Series(folder, engine, autotrain_env)
    stood: Counter[str] = Counter()
    faster = 0
    while stood.total() < kills:
        state = trainings.kill_at_random(rng, anew=stood.total() % 2 == 0)
        if state is None:
            faster += 1
        else:
            stood[state] += 1
            print(f"{engine}: {stood.total()} of {kills}, {state}", file=sys.stderr, flush=True)
    forced = {moment: trainings.kill_at(moment) for moment in MOMENTS}
    trainings.put_back(anew=False)
    trainings.run(NEW_RATE)
    names = {path.name for path in folder.iterdir()}
    left = sorted(names - {"adapter", "base", "dataset", "kept", "log", "recipe.yml", "trn.json"})
    return {
        "engine": engine, "seconds": round(trainings.seconds, 1), "kills": kills, "stood": dict(stood),
        "faster": faster, "forced": forced, "then": trainings.state(), "left": left,
    }  # fmt: skip


def sound(result: dict) -> bool:
    """Whether each kill left the old adapter or a new one, and the last training a new one and nothing besides."""
    expected = {"before the swap": "old", "between two renames": "new", "after the swap": "new"}
    forced = all(result["forced"][moment][-1] == state for moment, state in expected.items())
    return not {"none", "broken"} & set(result["stood"]) and forced and result["then"] == "new" and not result["left"]


def report(results: list[dict], about: dict) -> str:
    """The results as a page."""
    lines = [
        "# Trainings, killed", "",
        f"{about['machine']}, seed {about['seed']}. A kill takes the training and all its children, at a random moment "
        "of its seconds. *old*: the adapter of before, byte for byte; *new*: the next one with weights, card and plot. "
        "The next three columns: killed there, what stands, and what the next training has put there before it begins.",
        "", "| engine | seconds | kills | old | new | neither | " + " | ".join(MOMENTS) + " | 100 % |",
        "|---|" + "---:|" * 5 + "---|" * 4,
    ]  # fmt: skip
    for result in results:
        stood = result["stood"]
        neither = sum(count for state, count in stood.items() if state not in ("old", "new"))
        forced = [" → ".join(result["forced"][moment]) for moment in MOMENTS]
        cells = [
            result["engine"],
            result["seconds"],
            result["kills"],
            stood.get("old", 0),
            stood.get("new", 0),
            neither,
        ]
        lines.append(f"| {' | '.join(map(str, [*cells, *forced, 'yes' if sound(result) else 'NO']))} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Kills, and writes the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20, help="of each engine")
    parser.add_argument("--engine", action="append", choices=["autotrain", "trl"], help="by default both")
    parser.add_argument("--seed", type=int, default=1)
    here = Path(__file__).resolve().parents[1] / ".venv-autotrain"
    parser.add_argument("--autotrain-env", default=str(here), help="environment that has AutoTrain")
    options = parser.parse_args()
    results = []
    for engine in options.engine or ["autotrain", "trl"]:
        with tempfile.TemporaryDirectory() as folder:
            results.append(series(Path(folder), engine, options.kills, options.seed, options.autotrain_env))
    about = {"machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores", "seed": options.seed}
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "kills.json").write_text(json.dumps({**about, "results": results}, indent=2) + "\n")
    page = report(results, about)
    (RESULTS / "kills.md").write_text(page)
    print(page)
    sys.exit(not all(map(sound, results)))


if __name__ == "__main__":
    main()
