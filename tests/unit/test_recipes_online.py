"""What the Hub says of a recipe, with a Hub that is a folder and a class."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fsspec.implementations.dirfs import DirFileSystem
from fsspec.implementations.local import LocalFileSystem
from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

from amazon_titles import resources
from amazon_titles.recipes import load_recipe, online


class Gone(RepositoryNotFoundError):
    def __init__(self):  # without a response, whose class the two client generations do not share
        Exception.__init__(self, "gone")


class Gated(GatedRepoError):
    def __init__(self):
        Exception.__init__(self, "gated")


class NoRoute(Exception):
    """As httpx2.ConnectError: no OSError, no HfHubHTTPError."""


class Hub:
    """Says what the tests want to hear."""

    gated = False
    missing = frozenset()
    down = False
    repos = frozenset()
    spaces = frozenset()

    def _ask(self, name):
        if self.down:
            raise NoRoute
        if name in self.missing:
            raise Gone

    def auth_check(self, name):
        self._ask(name)
        if self.gated:
            raise Gated

    def dataset_info(self, name):
        self._ask(name)

    def repo_exists(self, name, repo_type="model"):
        self._ask(name)
        return name in (self.repos if repo_type == "model" else self.spaces)

    @classmethod
    def download(cls, name, allow_patterns):
        cls()._ask(name)
        return cls.files


@pytest.fixture
def hub(monkeypatch, tmp_path):
    folder = tmp_path / "datasets/me/data"
    (folder / "text-llama3").mkdir(parents=True)
    pq.write_table(pa.table({"text": ["word " * 400] * 9}), folder / "text-llama3/train-0.parquet")
    files = "[{split: train, path: text-llama3/train-*.parquet}]"
    (folder / "README.md").write_text(f"---\nconfigs:\n- config_name: text-llama3\n  data_files: {files}\n---\n")

    class Mine(Hub):
        pass

    monkeypatch.setattr(online, "HfApi", Mine)
    monkeypatch.setattr("huggingface_hub.HfFileSystem", lambda: DirFileSystem(str(tmp_path), LocalFileSystem()))
    monkeypatch.setattr(online, "snapshot_download", Mine.download)
    Mine.files = tmp_path / "downloaded"
    Mine.files.mkdir()
    monkeypatch.setenv("HF_USERNAME", "me")
    return Mine


def problems(**settings):
    recipe = load_recipe(resources.recipes()["llama-3.2-1b-lora-space"])
    return recipe.with_settings({"data.path": "me/data", **settings}).problems(online=True)


def test_nothing_is_wrong(hub):
    assert problems() == []


def test_a_gated_base(hub):
    hub.gated = True
    [problem] = problems()
    assert problem.key == "base_model"
    assert "has not accepted its licence at huggingface.co/meta-llama/Llama-3.2-1B-Instruct" in problem.reason


@pytest.mark.parametrize(
    ("name", "key"), [("meta-llama/Llama-3.2-1B-Instruct", "base_model"), ("me/data", "data.path")]
)
def test_what_the_hub_does_not_have(hub, name, key):
    hub.missing = {name}
    [problem] = problems()
    assert problem.key == key
    assert "does not have" in problem.reason


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"pad_token": "<|pad|>"}, None),
        ({"auto_map": {"AutoTokenizer": "x"}}, "brings code"),
    ],
)
def test_the_files_of_a_base_on_the_hub_are_read_too(hub, config, words):
    told = {"eos_token": "<|eot_id|>", "chat_template": "x", "pad_token": "<|pad|>"} | config
    (hub.files / "tokenizer_config.json").write_text(json.dumps(told))
    assert [words in problem.reason for problem in problems()] == ([True] if words else [])


def test_a_split_or_column_that_is_not_there(hub):
    [problem] = problems(train_split="text-llama3:test")
    assert "has no split test" in problem.reason
    [problem] = problems(text_column="content")
    assert "lacks; it has text" in problem.reason


def test_the_repo_of_a_push_exists_already(hub):
    """AutoTrain's UploadLogs creates it without exist_ok: a 409 at the first step."""
    hub.repos = {"me/Llama-3-2-1B-amazon-titles-space"}
    [problem] = problems()
    assert problem.key == "project_name"
    assert problems(project_name="Llama-another") == []


def test_the_space_of_a_run_exists_already(hub):
    """SpaceRunner creates it without exist_ok either."""
    hub.spaces = {"me/autotrain-Llama-3-2-1B-amazon-titles-space"}
    [problem] = problems()
    assert "in the Space me/autotrain-Llama-3-2-1B-amazon-titles-space, which exists" in problem.reason
    assert problems(project_name="Llama-another") == []


def test_a_hub_that_cannot_be_reached_is_a_warning(hub):
    hub.down = True
    found = problems()
    assert {problem.key for problem in found} == {"base_model", "data.path", "hub.push_to_hub"}
    assert {problem.severity for problem in found} == {"warning"}


def test_local_folders_are_not_asked_for(hub, tmp_path, monkeypatch):
    hub.down = True
    monkeypatch.chdir(tmp_path)
    (tmp_path / "base").mkdir()
    recipe = load_recipe(resources.recipes()["quickstart-tiny"]).with_settings(
        {"data.path": str(tmp_path / "datasets/me/data")}
    )
    assert recipe.problems(online=True) == []
