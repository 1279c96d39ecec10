"""Errors are sentences with the next command, and a secret never leaves the machine nor reaches a terminal."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from amazon_titles import resources
from tests.loopback_hub import LoopbackHub
from tests.loopback_hub.clients import TOKEN, environment, push, try_to_push
from tests.loopback_hub.folders import adapter_folder, dataset_folder

pytestmark = pytest.mark.integration

READ_TOKEN = "hf_" + "LoopbackReadToken".ljust(34, "1")
PLANTED = "hf_" + "PlantedTokenOfSomebody".ljust(34, "x")


def refusal(python: str, what: str, folder: Path, repo_id: str, hub: LoopbackHub, home: Path, **options: Any) -> str:
    """The message of a push that must fail: on stderr, without a traceback, nothing on stdout, no token."""
    done = try_to_push(python, what, folder, repo_id, hub, home, **options)
    assert done.returncode in (1, 2), done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert TOKEN not in done.stderr
    return done.stderr


def test_who_may_write(hub: LoopbackHub, client_python: str, tmp_path: Path) -> None:
    hub.state.add_account("ana", READ_TOKEN, role="read")
    folder = dataset_folder(tmp_path / "dataset")

    def said(repo_id: str, **options: Any) -> str:
        return refusal(client_python, "dataset", folder, repo_id, hub, tmp_path, **options)

    nobody = said("ana/titles", login=None)
    assert "You are not logged in to the Hub." in nobody
    assert "auth login" in nobody or "huggingface-cli login" in nobody
    assert "The Hub rejects this token." in said("ana/titles", login=TOKEN[:-2] + "zz")
    assert "The token of 'ana' may only read." in said("ana/titles", login=READ_TOKEN)
    foreign = said("meta/titles")
    assert "meta/titles belongs to 'meta', and you are logged in as 'ana'." in foreign
    assert "ana/…, a-lab/…" in foreign
    assert "is not a valid Hub id" in said("ana/two words")
    assert "HF_HUB_OFFLINE" in said("ana/titles", env={"HF_HUB_OFFLINE": "1"})
    assert "The Hub cannot be reached" in said("ana/titles", env={"HF_ENDPOINT": "http://127.0.0.1:9"})
    assert ("dataset", "ana/titles") not in hub.state.repos
    push(client_python, "dataset", folder, "a-lab/titles", hub, tmp_path)


def test_what_stands_there_already(hub: LoopbackHub, client_python: str, tmp_path: Path) -> None:
    hub.put("dataset", "ana/other", {"data.csv": b"a,b\n", "README.md": b"# Mine\n"})
    hub.put("dataset", "ana/public", {"report.json": b"{}"})
    head = hub.repo("ana/other", "dataset").branches["main"]
    folder = dataset_folder(tmp_path / "dataset")
    other = refusal(client_python, "dataset", folder, "ana/other", hub, tmp_path)
    assert "ana/other exists and contains something other than a dataset of this library (2 files" in other
    assert hub.repo("ana/other", "dataset").branches["main"] == head
    public = refusal(client_python, "dataset", folder, "ana/public", hub, tmp_path)
    assert "ana/public is public" in public
    assert "--public" in public
    push(client_python, "dataset", folder, "ana/public", hub, tmp_path, private=False)


def test_bases_that_cannot_be_had(hub: LoopbackHub, client_python: str, tmp_path: Path) -> None:
    hub.put("model", "meta/gated", {"config.json": b"{}"})
    hub.repo("meta/gated").gated = True
    adapter = adapter_folder(tmp_path / "adapter", base="base")
    (tmp_path / "base").mkdir()
    (tmp_path / "base/config.json").write_text("{}")
    gated = refusal(client_python, "adapter", adapter, "ana/adapter", hub, tmp_path, base="meta/gated")
    assert "The model meta/gated is gated, and this account has no access." in gated
    assert f"Accept its conditions at {hub.endpoint}/meta/gated" in gated
    nothing = refusal(client_python, "adapter", adapter, "ana/adapter", hub, tmp_path, base="ana/nothing")
    assert "There is no model ana/nothing on the Hub" in nothing
    options = {"base": "ana/tiny", "dataset": "ana/tiny@v9"}
    no_data = refusal(client_python, "adapter", adapter, "ana/adapter", hub, tmp_path, **options)
    assert "There is no dataset ana/tiny on the Hub" in no_data
    hub.put("dataset", "ana/data", {"report.json": b"{}"})
    options["dataset"] = "ana/data@v9"
    no_revision = refusal(client_python, "adapter", adapter, "ana/adapter", hub, tmp_path, **options)
    assert "The dataset ana/data has no such revision" in no_revision
    hub.repo("meta/gated").accepted.add("ana")
    push(client_python, "adapter", adapter, "ana/adapter", hub, tmp_path, base="meta/gated")


def test_no_room_left(hub: LoopbackHub, client_python: str, tmp_path: Path) -> None:
    hub.state.accounts[TOKEN].quota = 1000
    folder = dataset_folder(tmp_path / "dataset")
    said = refusal(client_python, "dataset", folder, "ana/titles", hub, tmp_path)
    assert "The Hub has no room left for ana/titles" in said
    assert set(hub.repo("ana/titles", "dataset").files()) == {".gitattributes"}


def test_a_card_that_the_hub_refuses(hub: LoopbackHub, client_python: str, tmp_path: Path) -> None:
    folder = dataset_folder(tmp_path / "dataset")
    card = folder / "README.md"
    card.write_text(card.read_text().replace("license: other", "license: homemade"))
    said = refusal(client_python, "dataset", folder, "ana/titles", hub, tmp_path)
    assert "The Hub refuses the card of ana/titles" in said
    assert "license" in said
    assert set(hub.repo("ana/titles", "dataset").files()) == {".gitattributes"}


def plant(folder: Path, place: str) -> None:
    """Hides a token in a file of the folder."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = folder / place
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        rows = pq.read_table(path)
        messages = rows["messages"].to_pylist()
        messages[2][1]["content"] = f"my key is {PLANTED}, keep it"
        rows = rows.set_column(3, "messages", pa.array(messages, rows.schema.field("messages").type))
        pq.write_table(rows, path, compression="zstd")
    elif path.suffix == ".safetensors":
        content = path.read_bytes()
        length = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + length]) | {"__metadata__": {"note": PLANTED}}
        text = json.dumps(header).encode()
        path.write_bytes(len(text).to_bytes(8, "little") + text + content[8 + length :])
    elif path.suffix == ".json" and path.exists():
        path.write_text(json.dumps(json.loads(path.read_text()) | {"token": PLANTED}))
    else:
        path.write_text((path.read_text() if path.exists() else "") + f"\n# {PLANTED}\n")


@pytest.mark.parametrize(
    ("what", "place"),
    [
        ("dataset", "README.md"),
        ("dataset", "report.json"),
        ("dataset", "chat/train-00000-of-00001.parquet"),
        ("adapter", "README.md"),
        ("adapter", "adapter_config.json"),
        ("adapter", "adapter_model.safetensors"),
        ("adapter", "recipe.yml"),
        ("adapter", "run.json"),
        ("adapter", "tokenizer_config.json"),
        ("adapter", "eval/comparison.md"),
    ],
)
def test_a_planted_token_stops_the_push(
    hub: LoopbackHub, client_python: str, tmp_path: Path, what: str, place: str
) -> None:
    folder = (dataset_folder if what == "dataset" else adapter_folder)(tmp_path / "folder")
    plant(folder, place)
    said = refusal(client_python, what, folder, "ana/folder", hub, tmp_path)
    assert f"{place}: it holds what looks like a Hugging Face token" in said
    assert PLANTED not in said
    assert hub.received(PLANTED.encode()) == []
    assert ({"dataset": "dataset", "adapter": "model"}[what], "ana/folder") not in hub.state.repos


def test_a_token_in_what_stays_here_or_in_a_word(hub: LoopbackHub, client_python: str, tmp_path: Path) -> None:
    folder = adapter_folder(tmp_path / "adapter")
    (folder / "training_params.json").write_text(json.dumps({"token": PLANTED}))  # AutoTrain's own, never sent
    (folder / "train.log").write_text(f"login with {PLANTED}")
    push(client_python, "adapter", folder, "ana/adapter", hub, tmp_path)
    assert hub.received(PLANTED.encode()) == []
    data = dataset_folder(tmp_path / "dataset")
    own = "my-company-secret-0123456789"
    said = refusal(
        client_python, "dataset", data, "ana/d", hub, tmp_path, commit_message=f"by {own}", env={"CI_TOKEN": own}
    )
    assert "the commit message: it holds the value of CI_TOKEN" in said
    assert own not in said


def test_a_token_in_the_hubs_answer_is_not_repeated(hub: LoopbackHub, client_python: str, tmp_path: Path) -> None:
    folder = dataset_folder(tmp_path / "dataset")
    for pattern in ("GET /api/whoami", "/preupload/", "/objects/batch", "PUT /upload", "/commit/main"):
        hub.fail(pattern, status=418, message=f"Bearer {TOKEN} and {PLANTED} are wrong")
        said = refusal(client_python, "dataset", folder, "ana/titles", hub, tmp_path)
        assert "418" in said
        assert PLANTED not in said


def command(
    python: str, hub: LoopbackHub, home: Path, *arguments: str, **more: str
) -> subprocess.CompletedProcess[str]:
    """A command of this library as a user runs it."""
    line = [python, "-m", "amazon_titles", *arguments]
    variables = environment(hub, home, **more)
    return subprocess.run(line, env=variables, cwd=home, capture_output=True, text=True, timeout=120)


def test_the_commands(hub: LoopbackHub, client_python: str, tmp_path: Path) -> None:
    dataset_folder(tmp_path / "dataset")
    adapter_folder(tmp_path / "adapter")
    dry = command(client_python, hub, tmp_path, "push-dataset", "dataset", "ana/titles", "--dry-run")
    assert dry.returncode == 0, dry.stderr
    assert hub.log == []
    assert "report.json" in dry.stdout
    assert "# Titles" in dry.stdout, "the card is shown"
    assert "Nothing was sent" in dry.stdout
    done = command(client_python, hub, tmp_path, "push-dataset", "dataset", "ana/titles", "--tag", "v1")
    assert done.returncode == 0, done.stderr
    assert f"published: {hub.endpoint}/datasets/ana/titles at " in done.stdout
    again = command(client_python, hub, tmp_path, "push-dataset", "dataset", "ana/titles", "--tag", "v1")
    assert "unchanged: already published" in again.stdout
    told = json.loads(command(client_python, hub, tmp_path, "push-dataset", "dataset", "ana/titles", "--json").stdout)
    assert (told["changed"], told["commit"]) == (False, hub.repo("ana/titles", "dataset").branches["main"])
    adapter = command(client_python, hub, tmp_path, "push-adapter", "adapter", "ana/adapter", "--public")
    assert adapter.returncode == 0, adapter.stderr
    assert not hub.repo("ana/adapter").private
    wrong = command(client_python, hub, tmp_path, "push-adapter", "nothing", "ana/adapter")
    assert wrong.returncode == 2
    assert "There is no folder nothing." in wrong.stderr


def test_train_hears_before_the_training_that_autotrains_push_would_die(
    hub: LoopbackHub, client_python: str, tmp_path: Path
) -> None:
    recipe = (resources.folder("autotrain") / "quickstart-tiny.yml").read_text()
    (tmp_path / "recipe.yml").write_text(recipe)
    hub.put("model", "ana/adapter", {"README.md": b"# Mine\n"})
    hub.put("dataset", "ana/titles", {"report.json": b"{}"})
    settings = {
        "base_model": "ana/tiny", "data.path": "ana/titles", "project_name": "adapter", "push_to_hub": "true",
        "hub.username": "ana",
    }  # fmt: skip
    flags = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
    done = command(client_python, hub, tmp_path, "train", "recipe.yml", *flags)
    assert done.returncode == 2
    assert "ana/adapter" in done.stderr
    assert "exists already" in done.stderr
    assert {path.name for path in tmp_path.iterdir() if "adapter" in path.name} == set()


def test_a_traceback_on_demand_holds_no_token_either(hub: LoopbackHub, client_python: str, tmp_path: Path) -> None:
    dataset_folder(tmp_path / "dataset")
    hub.fail("/commit/main", status=418, message=f"Bearer {TOKEN} and {PLANTED} are wrong")
    arguments = ("push-dataset", "dataset", "ana/titles")
    done = command(client_python, hub, tmp_path, *arguments, AMAZON_TITLES_DEBUG="1")
    assert done.returncode != 0
    assert "418" in done.stderr
    for token in (TOKEN, PLANTED):
        assert token not in done.stdout + done.stderr
