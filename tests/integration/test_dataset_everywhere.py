"""The folder in other hands: both generations of `datasets`, duckdb; and builds that are killed or fed nonsense."""

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from amazon_titles.dataset import SPLITS, build_dataset
from amazon_titles.errors import InputError

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[2]
OTHER = Path(os.environ.get("AMAZON_TITLES_OTHER_PYTHON", ROOT / ".venv-autotrain" / "bin" / "python"))
FUZZ_ROUNDS = int(os.environ.get("FUZZ_ROUNDS", "30"))


def make(path, number):
    kinds = ("Shelf", "Lamp", "Kettle", "Bench", "Rug", "Clock", "Stool", "Basket", "Bowl", "Chair", "Desk")
    with path.open("w") as file:
        for n in range(number):
            content = f"A {kinds[n % 11].lower()} from workshop {n}&#8217;s floor: {n % 97 + 2} kilograms.Well made."
            row = {"uid": f"B{n:09}", "title": f"{kinds[n % 11]} of Series {n // 11}", "content": content}
            file.write(json.dumps({**row, "target_ind": [n % 7], "target_rel": [1.0]}) + "\n")
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    where = tmp_path_factory.mktemp("everywhere")
    build_dataset(make(where / "trn.json", 3000), where / "out", validation=0.1, test=0.1, render=("llama3", "chatml"))
    return where / "out"


def digests(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


LOADER = """
import json, sys
import datasets
counts = {}
for config in ("chat", "text-llama3", "text-chatml", "catalog"):
    for streaming in (False, True):
        loaded = datasets.load_dataset(sys.argv[1], config, streaming=streaming)
        for split, rows in loaded.items():
            number = 0
            for row in rows:
                number += 1
                if config == "chat":
                    assert [m["role"] for m in row["messages"]] == ["user", "assistant"], row
            counts[f"{config} {split} {streaming}"] = number
first = datasets.load_dataset(sys.argv[1], split="train[:1]")[0]
print(json.dumps({"version": datasets.__version__, "counts": counts, "first": sorted(first)}))
"""


@pytest.mark.parametrize("python", [Path(sys.executable), OTHER], ids=["this", "other"])
def test_datasets_loads_every_config_streaming_or_not(folder, tmp_path, python):
    if not python.is_file():
        pytest.skip(f"{python} is no interpreter; name one with AMAZON_TITLES_OTHER_PYTHON, or run make")
    environment = {**os.environ, "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1", "PYTHONPATH": ""}
    done = subprocess.run(
        [python, "-c", LOADER, str(folder)], capture_output=True, text=True, env=environment, cwd=tmp_path, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    report = json.loads((folder / "report.json").read_text())
    assert found["first"] == ["language", "messages", "task", "uid"]
    for streaming in (False, True):
        assert found["counts"][f"catalog train {streaming}"] == report["kept"]
        for split in SPLITS:
            rows = sum(report["splits"][split]["rows"].values())
            for config in ("chat", "text-llama3", "text-chatml"):
                assert found["counts"][f"{config} {split} {streaming}"] == rows


def test_duckdb_finds_no_title_and_no_description_in_two_splits(folder):
    duckdb = pytest.importorskip("duckdb")
    query = f"""
        WITH said AS (
            SELECT regexp_extract(filename, '/chat/([a-z]+)-', 1) AS split, uid, m.content AS content
            FROM (SELECT uid, filename, unnest(messages) AS m
                  FROM read_parquet('{folder}/chat/*.parquet', filename=true))
            UNION ALL
            SELECT regexp_extract(filename, '/text-llama3/([a-z]+)-', 1), uid, text
            FROM read_parquet('{folder}/text-llama3/*.parquet', filename=true)
        ),
        home AS (SELECT uid, any_value(split) AS split, count(DISTINCT split) AS splits FROM said GROUP BY uid),
        product AS (
            SELECT p.uid, p.title, p.content, home.split, home.splits
            FROM read_parquet('{folder}/catalog/*.parquet') AS p JOIN home USING (uid)
        )
        SELECT
            (SELECT count(*) FROM product),
            (SELECT count(*) FROM product WHERE splits > 1),
            (SELECT count(*) - count(DISTINCT lower(title)) FROM product),
            (SELECT count(*) - count(DISTINCT lower(content)) FROM product),
            (SELECT count(*) FROM said JOIN (SELECT * FROM product WHERE split = 'test') AS p ON said.split <> 'test'
                AND (contains(said.content, '"' || p.title || '"') OR contains(said.content, p.content)
                     OR contains(said.content, '[' || p.uid || ']')))
    """
    report = json.loads((folder / "report.json").read_text())
    assert duckdb.sql(query).fetchall() == [(report["kept"], 0, 0, 0, 0)]


# Ctrl-C where the pool has its first worker, ready for work, and nothing yet that could end it.
EARLY = """
import os, signal, time
from concurrent.futures import ProcessPoolExecutor as Pool
spawn = Pool._spawn_process
Pool._spawn_process = lambda pool: (spawn(pool), time.sleep(0.5), os.kill(os.getpid(), signal.SIGINT))
"""
BUILDER = """
import sys
from amazon_titles.dataset import build, build_dataset
build.SMALL = 0
build_dataset(sys.argv[1], sys.argv[2], workers=2)
"""


def test_killed_at_any_moment_and_run_again_gives_the_same_bytes(tmp_path):
    source = make(tmp_path / "trn.json", 12_000)
    command = [sys.executable, "-c", BUILDER, str(source)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    start = time.perf_counter()
    subprocess.run([*command, str(tmp_path / "whole")], check=True, env=environment)
    seconds = time.perf_counter() - start
    expected = digests(tmp_path / "whole")
    rng = random.Random(5)
    killed = tries = 0
    while killed < 4:
        tries += 1
        assert tries < 40, "every build was over before it could be killed"
        begun = time.perf_counter()
        running = subprocess.Popen([*command, str(tmp_path / "out")], env=environment, start_new_session=True)
        try:
            running.wait(seconds * rng.uniform(0.1, 0.95))
            seconds = min(seconds, time.perf_counter() - begun)  # less was to do than at first, or else ran besides
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()
            killed += 1
        assert not (tmp_path / "out").exists() or digests(tmp_path / "out") == expected
    subprocess.run([*command, str(tmp_path / "out")], check=True, env=environment)
    assert digests(tmp_path / "out") == expected
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "trn.json", "whole"]


def test_ctrl_c_in_the_middle_leaves_nothing(tmp_path):
    source = make(tmp_path / "trn.json", 12_000)
    command = [sys.executable, "-c", BUILDER, str(source), str(tmp_path / "out")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    running = subprocess.Popen(
        command,
        env=environment,
        start_new_session=True,
        stderr=subprocess.PIPE,
        text=True,
        # A shell that runs the tests in the background has them ignore Ctrl-C, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    while running.poll() is None and not list(tmp_path.glob(".out.building-*/scratch/*")):
        time.sleep(0.01)
    os.killpg(running.pid, signal.SIGINT)
    _, said = running.communicate(timeout=60)
    assert running.returncode != 0
    assert "KeyboardInterrupt" in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["trn.json"]


def test_ctrl_c_while_the_workers_start_ends_them_too(tmp_path):
    ended = subprocess.run(
        [sys.executable, "-c", EARLY + BUILDER, str(make(tmp_path / "trn.json", 2_000)), str(tmp_path / "out")],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert ended.returncode != 0
    assert "KeyboardInterrupt" in ended.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["trn.json"]


def test_a_killed_build_leaves_no_worker_behind(tmp_path):
    source = make(tmp_path / "trn.json", 12_000)
    command = [sys.executable, "-c", BUILDER, str(source), str(tmp_path / "out")]
    running = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, start_new_session=True)
    children = Path(f"/proc/{running.pid}/task/{running.pid}/children")
    workers = []
    while len(workers) < 2 and running.poll() is None:
        workers = children.read_text().split() if children.exists() else []
        time.sleep(0.01)
    running.kill()
    running.wait()
    if len(workers) < 2:
        pytest.skip("the build was over before it could be killed")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and any(_runs(worker) for worker in workers):
        time.sleep(0.1)
    assert not any(_runs(worker) for worker in workers)


def _runs(process):
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def mutate(line, rng):
    """A row with something wrong with it."""
    kind = rng.randrange(9)
    at = rng.randrange(len(line))
    if kind == 0:
        return line[:at]
    if kind == 1:
        return line[:at] + bytes([rng.randrange(256)]) + line[at + 1 :]
    if kind == 2:
        return line[:at] + line[at:][::-1]
    row = json.loads(line)
    name = rng.choice(list(row))
    if kind == 3:
        del row[name]
    elif kind == 4:
        row[name] = rng.choice(
            [None, 5, -1.5, True, [], {}, ["a", "b"], [[1]], "", " ", "\x00", "\ud800", "&amp;" * 99]
        )
    elif kind == 5:
        row["content"] = "".join(
            chr(rng.choice([rng.randrange(32, 127), rng.randrange(0x80, 0x3000)])) for _ in range(90)
        )
    elif kind == 6:
        row["title"] = row["title"] * rng.randrange(1, 300)
    elif kind == 7:
        row["content"] = row["content"].replace(
            " ", rng.choice(["<|eot_id|>", "\u2028", "  ", '"', "\\", "\x1f", "{title}"])
        )
    else:
        row["uid"] = rng.choice(["", "a b", "\n", "]x[", "é" * 50])
    return json.dumps(row).encode()


def test_mutated_rows_never_break_a_build(tmp_path):
    rng = random.Random(int(os.environ.get("FUZZ_SEED", "0")))
    lines = make(tmp_path / "clean.json", 300).read_bytes().splitlines()
    for _ in range(FUZZ_ROUNDS):
        chosen = [mutate(line, rng) if rng.random() < 0.3 else line for line in lines]
        (tmp_path / "trn.json").write_bytes(b"\n".join(chosen))
        try:
            report = build_dataset(tmp_path / "trn.json", tmp_path / "out", max_bad=1.0, validation=0.1, test=0.1)
        except InputError as error:
            # Only a first line that is no product may stop it.
            if "Line " not in str(error):
                raise
            continue
        assert report.rows_read == report.kept + sum(report.dropped.values())
        rejected = tmp_path / "out.rejected.jsonl"
        listed = [json.loads(line) for line in rejected.read_text().splitlines()] if rejected.exists() else []
        assert len(listed) == sum(report.bad_lines.values())
