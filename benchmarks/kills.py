"""Kills every command that writes, at random moments, and looks at what stands there then, and at what was left over.

    nice python benchmarks/kills.py                           # 20 kills of each: an hour or two on two cores
    nice python benchmarks/kills.py --only train-trl,merge --kills 100

Dataset, base, recipe and adapter are made in a folder of their own, the Hub is one on this machine. A command is
killed (SIGKILL) alone, so that its children have to end by themselves. What stands then has to be the old state, byte
for byte, or the new one; two seconds later none of its processes may be left; the same command, run again, has to
finish, and to leave nothing beside what it makes, nor among the temporary files. The swap itself, which a random kill
hardly ever hits, is in `tests/unit/test_training_folder.py`. Writes benchmarks/results/kills.json and kills.md.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import random
import shutil
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
sys.path.insert(0, str(ROOT))
INDEX = "import sys; from amazon_titles.search import CatalogIndex; CatalogIndex.build(sys.argv[1])"
MARK = "AMAZON_TITLES_KILLS"  # a variable that all processes of one command inherit
COLUMNS = ("seconds", "kills", "old", "new", "neither", "finished", "orphans", "leftovers")


@dataclass(frozen=True)
class Command:
    """A command, and the state that it is to change.

    Attributes:
        old: Makes the state of before; empty for none.
        new: Is killed.
        look: What stands there, as a digest; "" for nothing.
        is_new: Whether what stands there is new and whole, where two runs write different bytes (seconds, dates).
        place: What is put back before each kill; None where `old` has to do it.
        status: Its exit once it is done: the hand-in's is 1, since things that are required of it are missing here.
    """

    old: list[str]
    new: list[str]
    look: Callable[[], str]
    is_new: Callable[[], bool] | None = None
    place: Path | None = None
    status: int = 0


def digest(*places: Path) -> str:
    """Of every name and byte at and below some places; "" where there is nothing."""
    state, found = hashlib.sha256(), False
    for path in sorted(path for place in places for path in (place, *place.rglob("*")) if path.is_file()):
        state.update(path.as_posix().encode() + path.read_bytes())
        found = True
    return state.hexdigest() if found else ""


def remove(place: Path) -> None:
    """A file or a folder, if there is one."""
    if place.is_dir():
        shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)


def copy(place: Path, to: Path) -> None:
    """A file or a folder, if there is one."""
    if place.exists():
        (shutil.copytree if place.is_dir() else shutil.copyfile)(place, to)


def processes(mark: str) -> list[str]:
    """Those that inherited this mark, and have not ended."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            ended = (folder / "stat").read_text().rpartition(")")[2].split()[0] == "Z"
            if mark.encode() in (folder / "environ").read_bytes() and not ended:
                found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()[:100])
        except OSError:
            continue
    return found


class Series:
    """Commands in one folder, with temporary files and caches of their own."""

    def __init__(self, folder: Path, variables: dict[str, str]) -> None:
        self.folder, self.log, self.variables = folder, folder / "log", variables

    def start(self, command: list[str]) -> tuple[subprocess.Popen, str]:
        """Starts a command, and gives the mark of its processes."""
        mark = uuid.uuid4().hex
        with self.log.open("w") as log:
            variables = {**self.variables, MARK: mark}
            process = subprocess.Popen(
                [sys.executable, *command],
                cwd=self.folder,
                env=variables,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return process, mark

    def finish(self, command: list[str], status: int = 0) -> float:
        """Runs a command undisturbed; its seconds."""
        begun = time.perf_counter()
        if (got := self.start(command)[0].wait()) != status:
            raise SystemExit(f"exit {got} of {' '.join(command)}:\n{self.log.read_text()[-3000:]}")
        return time.perf_counter() - begun

    def names(self) -> set[str]:
        """What lies beside what is made."""
        places = ("*", "tmp/*", "report/*", "cache/indexes/*")
        return {path.relative_to(self.folder).as_posix() for place in places for path in self.folder.glob(place)}

    def kill(self, name: str, command: Command, kills: int, seed: int) -> dict[str, object]:
        """One command, made once by `old`, then killed while it makes the state of `new`."""
        kept = self.folder / "kept"
        self.finish(command.new, command.status)
        seconds = self.finish(command.new, command.status)  # the first also fills the system's caches
        new = command.look()
        there = self.names()
        if command.old:
            self.finish(command.old, command.status)
        elif command.place is not None:
            remove(command.place)
        old = command.look()
        assert old != new
        if command.place is not None:
            copy(command.place, kept)
        counts, rng = Counter(dict.fromkeys(COLUMNS[1:], 0)), random.Random(f"{name} {seed}")

        def is_new() -> bool:
            return command.look() == new or (command.is_new is not None and command.is_new())

        while counts["kills"] < kills:
            self.put_back(command, kept, old)
            process, mark = self.start(command.new)
            try:
                process.wait(rng.uniform(0, seconds))
                continue  # it was faster
            except subprocess.TimeoutExpired:
                process.kill()
            process.wait()
            ends = time.monotonic() + 2
            counts["kills"] += 1
            state = "old" if command.look() == old else "new" if is_new() else "neither"
            counts[state] += 1
            time.sleep(max(0, ends - time.monotonic()))
            orphans = processes(mark)
            counts["orphans"] += len(orphans)
            again = self.start(command.new)[0].wait()
            counts["finished"] += (finished := again == command.status and is_new())
            left = sorted(self.names() - there - {"kept"})
            counts["leftovers"] += len(left)
            said = "" if finished else f"\nexit {again}\n{self.log.read_text()[-3000:]}"
            print(f"{name}: {dict(counts)} {state} {orphans or ''} {left or ''}{said}", file=sys.stderr, flush=True)
        remove(kept)
        return {"seconds": round(seconds, 1), **counts}

    def put_back(self, command: Command, kept: Path, old: str) -> None:
        """The old state."""
        if command.look() == old:
            return
        if command.place is None:
            self.finish(command.old, command.status)
        else:
            remove(command.place)
            copy(kept, command.place)
        assert command.look() == old


def trained(adapter: Path, rate: str) -> bool:
    """Whether an adapter of this rate stands there with everything in it, and its card and its plot are its own."""
    from amazon_titles.adapter_files import weight_problems

    if not (adapter / "run.json").is_file() or list(weight_problems(adapter / "adapter_model.safetensors")):
        return False
    loss = json.loads((adapter / "run.json").read_text())["losses"][-1]["loss"]
    recipe, card = (adapter / "recipe.yml").read_text(), (adapter / "README.md").read_text()
    own = f"lr: {rate}" in recipe and f"{loss:.3f}" in card and (adapter / "tokenizer.json").is_file()
    return own and (adapter / "loss.png").read_bytes().endswith(b"IEND\xaeB`\x82")


def evaluated(report: Path, questions: int) -> bool:
    """Whether a report of so many questions stands there, and the examples beside it."""
    from amazon_titles.evaluation import EvalReport

    lines = report.with_suffix(".jsonl").read_text().splitlines()
    return len(EvalReport.load(report).examples) == len(lines) == questions


def handed(folder: Path) -> bool:
    """Whether Grace's documents stand there, whole; a PDF tells when it was made."""
    whole = len(list(folder.iterdir())) == 7 and (folder / "draft.pdf").read_bytes().rstrip().endswith(b"%%EOF")
    return whole and "Grace" in (folder / "video.txt").read_text()


def make(folder: Path) -> None:
    """Two datasets, a tiny base, a recipe of some seconds, and two adapters of other weights."""
    from amazon_titles import build_dataset, tiny_llama
    from amazon_titles.recipes import fill_recipe
    from amazon_titles.sample import write_sample
    from tests.loopback_hub.folders import adapter_folder
    from tests.tiny_models import make_adapter

    for name in ("tmp", "cache/indexes"):
        (folder / name).mkdir(parents=True)
    write_sample(folder / "many.json", 2000)
    write_sample(folder / "trn.json", 40)
    for name, seed in (("data", 1), ("data2", 2)):
        build_dataset(folder / "trn.json", folder / name, phrasings=1, validation=0.1, seed=seed)
    base = folder / "base"
    base.mkdir()
    tiny_llama.write_tokenizer(base, ["a kettle of iron"], vocab_size=300)
    size = tiny_llama.vocabulary_size(base)
    tiny_llama.write_model(base, vocab_size=size, hidden_size=48, layers=1, heads=3)
    settings = {"epochs": 2, "lora_r": 4, "logging_steps": 1, "amazon_titles.checkpoint_steps": 5}
    recipe = fill_recipe("quickstart-tiny", dataset="data", settings={**settings, "base_model": "base"})
    (folder / "recipe.yml").write_text(recipe)
    dataset = {"path": str(folder / "data"), "revision": None}
    make_adapter(base, folder / "tuned", recipe=recipe, run={"dataset": dataset})
    shutil.rmtree(folder / "trained")
    for number in (1, 2):  # pushed are larger ones, whose parts go up one by one
        adapter_folder(folder / f"pushed{number}", seed=number, big=5_200_384)


def commands(folder: Path, hub: object, autotrain_env: str) -> dict[str, Command]:
    """What is killed."""
    from tests.integration.test_hub_push import on_hub

    cli = ["-m", "amazon_titles"]

    def made(place: str, old: list[str], new: list[str], *files: str, **more: object) -> Command:
        path = folder / place
        look = partial(digest, *(path / name for name in files or ("",)))
        return Command(old and [*cli, *old], [*cli, *new], look, place=path, **more)

    def pushed(kind: str, repo: str, old: list[str], new: list[str]) -> Command:
        def look() -> str:
            return json.dumps(on_hub(hub, repo, kind))

        return Command([*cli, *old], [*cli, *new], look)

    def training(name: str, *options: str) -> Command:
        how = ["train", "recipe.yml", "--set", f"project_name={name}", *options, "--set"]
        new = partial(trained, folder / name, "0.001")
        return made(name, [*how, "lr=0.002"], [*how, "lr=0.001"], is_new=new)

    build = ["build", "many.json", "--out", "built", "--force", "--workers", "2"]
    handin = ["handin", "handed", "--model", "tuned", "--dataset", "data", "--member"]
    evaluate = ["evaluate", "tuned", "--dataset", "data", "--out", "report/after.json", "--max-new-tokens", "16"]
    evaluate += ["--sets", "seen,general", "--limit"]
    counted = 108  # questions of general knowledge, asked whatever the limit is
    return {
        "build": made("built", [*build, "--seed", "1"], build),
        "index": Command([], ["-c", INDEX, "data"], partial(digest_of_indexes, folder / "cache/indexes"),
                         place=folder / "cache/indexes"),
        "push-dataset": pushed("dataset", "ana/data", ["push-dataset", "data", "ana/data"],
                               ["push-dataset", "data2", "ana/data"]),
        "push-adapter": pushed("model", "ana/adapter", ["push-adapter", "pushed1", "ana/adapter"],
                               ["push-adapter", "pushed2", "ana/adapter"]),
        "evaluate": made("report", [*evaluate, "2"], [*evaluate, "4"], "after.json", "after.jsonl",
                         is_new=partial(evaluated, folder / "report/after.json", counted)),
        "merge": made("merged", [], ["merge", "tuned", "--out", "merged"]),
        "export": made("titles.gguf", [], ["export", "tuned", "--out", "titles.gguf"]),
        "handin": made("handed", [*handin, "Ada"], [*handin, "Grace"], status=1,
                       is_new=partial(handed, folder / "handed")),
        "train-trl": training("trl", "--engine", "trl", "--resume"),
        "train-autotrain": training("autotrained", "--autotrain-env", autotrain_env),
    }  # fmt: skip


def report(told: dict) -> str:
    """The results as a page."""
    lines = [
        "# Commands, killed", "",
        f"Written by `benchmarks/kills.py`: {told['machine']}. Each command is killed alone (SIGKILL), at a random "
        "moment of its seconds. *old*: what stands there then is the state of before, byte for byte; *new*: the next "
        "one, whole; *finished*: the same command, run again, ends as ever and leaves the new state. *orphans*: "
        "processes of it that still ran two seconds after it; *leftovers*: files and folders beside what it makes, "
        "after the next run.",
        "", f"| command | {' | '.join(COLUMNS)} |", "|---|" + "---:|" * len(COLUMNS),
    ]  # fmt: skip
    for name, row in told["commands"].items():
        lines.append(f"| {name} | {' | '.join(str(row[column]) for column in COLUMNS)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """All series."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20, help="of each command")
    parser.add_argument("--only", help="some of them, with commas between")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--autotrain-env", default=str(ROOT / ".venv-autotrain"), help="environment with AutoTrain")
    given = parser.parse_args()
    path = RESULTS / "kills.json"
    with ExitStack() as stack:
        from tests.loopback_hub import LoopbackHub
        from tests.loopback_hub.clients import TOKEN, environment

        folder = Path(stack.enter_context(TemporaryDirectory()))
        hub = stack.enter_context(LoopbackHub())
        hub.state.add_account("ana", TOKEN)
        hub.put("model", "ana/tiny", {"config.json": b"{}"})
        make(folder)
        places = {"TMPDIR": str(folder / "tmp"), "AMAZON_TITLES_CACHE": str(folder / "cache")}
        series = Series(folder, environment(hub, folder / "cache", **places))
        rows = commands(folder, hub, given.autotrain_env)
        for name in given.only.split(",") if given.only else rows:
            row = series.kill(name, rows[name], given.kills, given.seed)
            # What was measured before stays, so that one of them may be measured anew.
            told = json.loads(path.read_text()) if path.is_file() else {}
            told = {"machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"} | told
            told["commands"] = {key: ({**told.get("commands", {}), name: row}).get(key) for key in rows}
            told["commands"] = {key: one for key, one in told["commands"].items() if one}
            path.write_text(json.dumps(told, indent=2) + "\n")
            path.with_suffix(".md").write_text(report(told))
    print(report(told))
    sound = [row["neither"] + row["orphans"] + row["leftovers"] == 0 and row["finished"] == row["kills"]
             for row in told["commands"].values()]  # fmt: skip
    sys.exit(not all(sound))


def digest_of_indexes(place: Path) -> str:
    """Whether each index is as it was written: tantivy draws the names of its files."""
    from amazon_titles.search.storage import _intact

    made = [path for path in place.glob("[!.]*") if path.is_dir()]
    return ("whole" if all(map(_intact, made)) else "damaged") if made else ""


if __name__ == "__main__":
    main()
