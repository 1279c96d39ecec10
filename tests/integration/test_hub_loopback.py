"""The loopback Hub stands in for the Hub: git agrees with its ids, and both generations of clients work unmodified."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.loopback_hub import LoopbackHub
from tests.loopback_hub.clients import run

pytestmark = pytest.mark.integration


ROUND_TRIP = """
import json, os, pathlib, sys
from huggingface_hub import HfApi, CommitOperationAdd, hf_hub_download, snapshot_download
api = HfApi()
assert api.whoami()["name"] == "ana"
api.create_repo("a-lab/things", repo_type="dataset", private=True)
api.create_repo("a-lab/things", repo_type="dataset", private=True, exist_ok=True)
folder = pathlib.Path("folder"); (folder / "deep" / "er").mkdir(parents=True)
(folder / "README.md").write_text("---\\nlicense: mit\\n---\\n# Things\\n")
(folder / "deep/er/small.txt").write_text("a" * 10)
(folder / "big.bin").write_bytes(os.urandom(12_000_000))
(folder / "middle.bin").write_bytes(b"b" * 1000)
for number in range(60):
    (folder / f"many-{number}.txt").write_text(str(number))
done = api.upload_folder(repo_id="a-lab/things", repo_type="dataset", folder_path=folder)
rows = api.list_repo_tree("a-lab/things", repo_type="dataset", recursive=True)
files = {row.path: row for row in rows if hasattr(row, "size")}
assert len(files) == 65, len(files)
assert files["big.bin"].lfs.size == 12_000_000 and files["README.md"].lfs is None
back = pathlib.Path(snapshot_download("a-lab/things", repo_type="dataset"))
for path in folder.rglob("*"):
    if path.is_file():
        assert (back / path.relative_to(folder)).read_bytes() == path.read_bytes(), path
head = api.repo_info("a-lab/things", repo_type="dataset").sha
api.create_tag("a-lab/things", tag="v1", repo_type="dataset")
api.create_branch("a-lab/things", branch="side", repo_type="dataset")
refs = api.list_repo_refs("a-lab/things", repo_type="dataset")
assert {t.name: t.target_commit for t in refs.tags} == {"v1": head} and len(refs.branches) == 2
assert len(api.list_repo_commits("a-lab/things", repo_type="dataset")) == 2
infos = api.get_paths_info("a-lab/things", ["middle.bin", "nothing"], repo_type="dataset")
assert [info.path for info in infos] == ["middle.bin"]
from huggingface_hub import HfFileSystem
with HfFileSystem().open("datasets/a-lab/things/big.bin", "rb") as file:
    file.seek(11_999_000); assert len(file.read()) == 1000
print(json.dumps({"head": head}))
"""


def test_client_round_trip(hub: LoopbackHub, client_python: str, tmp_path: Path) -> None:
    run(client_python, ROUND_TRIP, hub, tmp_path)
    assert len(hub.requests(r"^PUT /upload/.*/\w+/\d+$")) == 3, "12 MB should go up in three parts"
    assert hub.repo("a-lab/things", "dataset").private


ERRORS = """
import json
from huggingface_hub import HfApi, CommitOperationAdd
import huggingface_hub.errors as errors
api = HfApi()
said = {}
def attempt(name, call):
    try:
        call()
        said[name] = "nothing"
    except Exception as error:
        status = getattr(getattr(error, "response", None), "status_code", None)
        said[name] = [type(error).__name__, status]
attempt("no repo", lambda: api.repo_info("ana/nothing"))
attempt("no revision", lambda: api.repo_info("ana/public", revision="v9"))
attempt("no file", lambda: api.hf_hub_download("ana/public", "nothing.txt"))
attempt("gated", lambda: api.hf_hub_download("meta/gated", "config.json"))
attempt("foreign", lambda: api.create_repo("meta/mine"))
attempt("exists", lambda: api.create_repo("ana/public"))
add = lambda: CommitOperationAdd("a.txt", b"a")
head = api.repo_info("ana/public").sha
attempt("fresh", lambda: api.create_commit("ana/public", [add()], commit_message="a", parent_commit=head))
late = CommitOperationAdd("b.txt", b"b")
attempt("stale", lambda: api.create_commit("ana/public", [late], commit_message="b", parent_commit=head))
card = CommitOperationAdd("README.md", b"---\\nlicense: homemade\\n---\\n")
attempt("card", lambda: api.create_commit("ana/public", [card], commit_message="c"))
attempt("no login", lambda: HfApi(token="hf_nobody").whoami())
print(json.dumps(said))
"""


def test_client_errors(hub: LoopbackHub, client_python: str, tmp_path: Path) -> None:
    hub.put("model", "ana/public", {"x.txt": b"x"})
    hub.put("model", "meta/gated", {"config.json": b"{}"})
    hub.repo("meta/gated").gated = True
    said = json.loads(run(client_python, ERRORS, hub, tmp_path).stdout)
    # the same answers; the names differ between the generations
    assert said.pop("no file")[0] in ("EntryNotFoundError", "RemoteEntryNotFoundError")
    assert said.pop("no login") in (["HfHubHTTPError", 401], ["HTTPError", 401])
    assert said == {
        "no repo": ["RepositoryNotFoundError", 404],
        "no revision": ["RevisionNotFoundError", 404],
        "gated": ["GatedRepoError", 403],
        "foreign": ["HfHubHTTPError", 403],
        "exists": ["HfHubHTTPError", 409],
        "fresh": "nothing",
        "stale": ["HfHubHTTPError", 412],
        "card": ["ValueError", None],
    }
    assert b"b" not in hub.state.read(hub.repo("ana/public").files()["a.txt"])


def test_ids_are_gits(tmp_path: Path) -> None:
    if shutil.which("git") is None:
        pytest.skip("git is not installed")

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments], cwd=tmp_path, check=True, capture_output=True, text=True
        ).stdout.strip()

    git("init", "-q", "-b", "main")
    with LoopbackHub() as hub:
        contents = {"b.txt": b"b\n", "a/deep/file": b"1", "a.txt": b"", "a/z": b"2", "a-b/c": b"3"}
        hub.put("model", "ana/ids", contents)
        for path, content in (contents | {".gitattributes": hub.read("ana/ids", ".gitattributes")}).items():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_bytes(content)
        git("add", "-A")
        ours = hub.repo("ana/ids").resolve("main")
        assert git("write-tree") == ours.folders[""]
        assert git("hash-object", "b.txt") == ours.files["b.txt"].oid
