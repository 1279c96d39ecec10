"""Secrets of every shape that a folder may hold, in every form of file; and none where none is."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from amazon_titles import secrets

A, U, H = (
    "aB3dE5gH7j" * 20,
    "AB3DE5GH7J" * 5,
    "0a1b2c3d4e" * 10,
)


def shapes() -> dict[str, str]:
    jwt = ".".join(("ey" + "J" + A[:30], "ey" + "J" + A[:40], A[:43]))
    return {
        "hf": "hf" + "_" + A[:34],
        "hf jwt": "hf" + "_jwt_" + jwt,
        "hf oauth": "hf" + "_oauth_" + jwt,
        "hf org": "api" + "_org_" + A[:34],
        "github": "gh" + "p_" + A[:36],
        "github user": "gh" + "u_" + A[:36],
        "github refresh": "gh" + "r_" + A[:36],
        "github fine": "github" + "_pat_" + A[:60],
        "gitlab": "gl" + "pat-" + A[:20],
        "aws": "AK" + "IA" + U[:16],
        "aws session": "AS" + "IA" + U[:16],
        "aws secret": "aws_secret_access" + "_key = " + A[:38] + "/+",
        "aws secret json": json.dumps({"Secret" + "AccessKey": A[:40]}),
        "google": "AI" + "za" + A[:35],
        "google oauth": "ya" + "29." + A[:60],
        "slack bot": "xox" + "b-" + A[:30],
        "slack user": "xox" + "p-" + A[:30],
        "stripe": "sk" + "_live_" + A[:24],
        "npm": "np" + "m_" + A[:36],
        "pypi": "py" + "pi-" + A[:90],
        "openai": "s" + "k-" + A[:48],
        "openai project": "s" + "k-proj-" + A[:80],
        "anthropic": "s" + "k-ant-api03-" + A[:80],
        "jwt": jwt,
        "sendgrid": "S" + "G." + A[:22] + "." + A[:43],
        "groq": "gs" + "k_" + A[:52],
        "private key": "-----" + "BEGIN OPENSSH PRIVATE" + " KEY-----",
        "bearer": "Authorization: " + "Bearer " + A[:40],
        "address": "postgres" + "://ana:" + A[:12] + "@db.example/x",
        "password": "pass" + "word: " + A[:10],
        "password json": json.dumps({"pass" + "word": A[:10]}),
        "password in json in json": json.dumps(json.dumps({"pass" + "word": A[:10]})),
        "senha": "senha" + " = " + A[:10],
        "netrc": "machine api.wandb.ai\n  login user\n  pass" + "word " + H[:40],
        "wandb": "WANDB_API" + "_KEY=" + H[:40],
        "wandb login": "wandb " + "login " + H[:40],
        "kaggle": json.dumps({"username": "ana", "key": H[:32]}),
        "env key": "export MY_SERVICE" + "_KEY='" + A[:32] + "'",
        "env pat": "AZURE" + "_PAT=" + A[:52],
        "env secret": "CLIENT" + "_SECRET: " + A[:32],
        "api key": "api" + '_key="' + A[:32] + '"',
    }


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-be"])
def test_at_least_94_of_100_shapes_are_found(encoding):
    missed = [name for name, text in shapes().items() if not secrets.find(f"a line\n{text}\nmore".encode(encoding), {})]
    assert len(shapes()) >= 31
    assert len(missed) <= 0.06 * len(shapes()), missed


def test_redacting_takes_the_same_out():
    for name, text in shapes().items():
        told = secrets.redact(f"The server says {text}")
        assert secrets.find(told.encode(), {}) is None, name
        assert told != f"The server says {text}", name


KEY = "s" + "k-" + A[:48]
WORDS = ["desk", KEY]


@pytest.mark.parametrize(
    "column",
    [
        pa.array(WORDS),
        pa.array(WORDS, pa.large_string()),
        pa.array(WORDS, pa.string_view()),
        pa.array(WORDS).dictionary_encode(),
        pa.array([word.encode() for word in WORDS]),
        pa.array([[{"role": "user", "content": word}] for word in WORDS]),
        pa.array([[("k", word)] for word in WORDS], pa.map_(pa.string(), pa.string())),
        pa.array([None, {"a": {"b": KEY}}]),
        pa.array([[None, KEY], None], pa.large_list(pa.string())),
        pa.array([[KEY, "x"]], pa.list_(pa.string(), 2)),
    ],
    ids=lambda column: str(column.type)[:40],
)
def test_every_column_of_texts_is_searched(tmp_path, column):
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"n": pa.array([1] * len(column)), "x": column}), path, compression="zstd")
    assert secrets.find_in_file(path, {}) == "what looks like an API key"
    pq.write_table(pa.table({"n": pa.array([1] * len(column))}), path)
    assert secrets.find_in_file(path, {}) is None


def test_values_of_the_environment(monkeypatch, tmp_path):
    (tmp_path / "token").write_text("x")
    values = {
        "SHOP_KEY": "/" + A[:30],
        "SHOP_PAT": A[:20],
        "SHOP_SECRET": "/abc/def+ghi/jkl",
        "HF_TOKEN_PATH": "/home/ana/token",
        "A_SECRET": str(tmp_path / "token"),
        "TOKENIZER_NAME": "a-very-long-name-of-one",
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    known = set(secrets.known_secrets().values())
    assert {"the value of SHOP_KEY", "the value of SHOP_PAT", "the value of SHOP_SECRET"} <= known
    assert not {f"the value of {name}" for name in ("HF_TOKEN_PATH", "A_SECRET", "TOKENIZER_NAME")} & known


@pytest.mark.parametrize(
    "piece",
    [
        "sk-",
        "eyJ",
        "eyJa.eyJ",
        "password:",
        "://a",
        "_KEY=",
        "-----BEGIN AA ",
        "Bearer a",
        '"key": ',
        "npm_-",
        "login a password ",
    ],
)
def test_the_time_grows_as_the_text_does(piece):
    text = (piece * (200_000 // len(piece))).encode()

    def seconds(data: bytes) -> float:
        start = time.process_time()
        secrets.find(data, {})
        return time.process_time() - start

    assert min(seconds(text) for _ in range(2)) < 2.0, "100 kB took 12 s"


def test_no_false_alarms():
    root = Path(__file__).parents[2]
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, check=False).stdout.split(b"\0")
    files = [root / os.fsdecode(name) for name in listed if name] or list(root.rglob("*.py"))
    files += [path for path in (root / "quickstart").rglob("*") if path.is_file()]
    if rows := os.environ.get("REAL_ROWS"):
        files.append(Path(rows))
    found = {str(path): said for path in files if path.is_file() and (said := secrets.find_in_file(path, {}))}
    assert len(files) > 100
    assert found == {}
