"""The hand-in: what is gathered, what is said to be missing, and what is left alone."""

from __future__ import annotations

import json

import pytest

from amazon_titles.dataset import build_dataset
from amazon_titles.errors import InputError
from amazon_titles.handin import hand_in
from amazon_titles.sample import write_sample
from tests.loopback_hub.folders import adapter_folder, run_json

LINKS = {"video": "https://video.example/watch?v=1", "repository": "https://code.example/ana/titles"}


@pytest.fixture
def adapter(tmp_path):
    return adapter_folder(tmp_path / "adapter", base="ana/Llama-tiny")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("handin")
    write_sample(folder / "trn.json", 60)
    build_dataset(folder / "trn.json", folder / "dataset")
    return folder / "dataset"


def evaluation(folder):
    (folder / "eval").mkdir(exist_ok=True)
    report = {"model": "m", "dataset": "d", "settings": {}, "scores": {}, "examples": []}
    for name in ("before", "after"):
        (folder / "eval" / f"{name}.json").write_text(json.dumps(report))


def test_everything_is_there(tmp_path, adapter, dataset):
    evaluation(adapter)
    made = hand_in(tmp_path / "work", model=adapter, dataset=dataset, members=["Zoë $5$ Ångström"], **LINKS)
    assert made.missing == ()
    assert "Still missing:\n  nothing" in made.to_text()
    assert {path.name for path in made.folder.iterdir()} == {
        "data.md", "fine-tuning.md", "recipe.yml", "eval", "video.txt", "handin.pdf",
    }  # fmt: skip
    pdf = (made.folder / "handin.pdf").read_bytes()
    assert pdf.startswith(b"%PDF")
    for address in LINKS.values():
        assert f"/URI ({address})".encode() in pdf
    described = (made.folder / "video.txt").read_text(encoding="utf-8")
    assert "- Zoë $5$ Ångström\n" in described
    assert "Modelo base: Llama-tiny\n" in described
    assert (made.folder / "data.md").read_text(encoding="utf-8").startswith("# ")


def test_what_is_missing_is_said_with_what_to_do(tmp_path, adapter):
    (adapter / "recipe.yml").unlink()
    made = hand_in(tmp_path / "work", model=adapter, dataset=tmp_path / "nowhere")
    for part in ("recipe", "before", "after", "document of the data", "--member", "--repo", "--video", "handin.pdf"):
        assert sum(part in what for what in made.missing) >= 1, part
    assert {path.name for path in made.folder.iterdir()} == {"fine-tuning.md", "eval", "video.txt"}


def test_a_trial_is_called_one(tmp_path, adapter, dataset):
    run = run_json("ana/Llama-tiny") | {"publishable": False, "why_not_publishable": "A trial."}
    (adapter / "run.json").write_text(json.dumps(run))
    made = hand_in(tmp_path / "work", model=adapter, dataset=dataset, members=["Ada"], **LINKS)
    assert [what for what in made.missing if "real base model" in what and "A trial." in what]


@pytest.mark.parametrize(("language", "word"), [("pt", "Integrantes"), ("en", "Members")])
def test_the_documents_are_of_the_language(tmp_path, adapter, dataset, language, word):
    made = hand_in(tmp_path / "work", model=adapter, dataset=dataset, members=["Ada"], language=language, **LINKS)
    assert word in (made.folder / "video.txt").read_text(encoding="utf-8")
    how = {"pt": "Como carregar", "en": "How to load"}[language]
    assert how in (made.folder / "data.md").read_text(encoding="utf-8")


def test_its_own_folder_is_made_anew_and_another_is_left(tmp_path, adapter, dataset):
    hand_in(tmp_path / "work", model=adapter, dataset=dataset, members=["Ada"], **LINKS)
    hand_in(tmp_path / "work", model=adapter, dataset=dataset)
    assert not (tmp_path / "work" / "handin.pdf").exists()
    (tmp_path / "work" / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"notes\.txt"):
        hand_in(tmp_path / "work", model=adapter, dataset=dataset)
    assert (tmp_path / "work" / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [({"video": "my video"}, "--video"), ({"repository": "github"}, "--repo"), ({"language": "fr"}, "'fr'")],
)
def test_wrong_input_leaves_nothing(tmp_path, adapter, wrong, said):
    with pytest.raises(InputError, match=said):
        hand_in(tmp_path / "work", model=adapter, **wrong)
    with pytest.raises(InputError):
        hand_in(tmp_path / "work", model=tmp_path / "nothing")
    assert not (tmp_path / "work").exists()
