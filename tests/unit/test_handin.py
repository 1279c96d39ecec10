"""The hand-in: what is gathered, what is said to be missing, and what is left alone."""

from __future__ import annotations

import json
import re
import shlex

import pytest

from amazon_titles.cli import cli
from amazon_titles.dataset import build_dataset
from amazon_titles.default_model import DEFAULT_MODEL
from amazon_titles.errors import InputError
from amazon_titles.handin import hand_in
from amazon_titles.sample import write_sample
from tests.loopback_hub.folders import adapter_folder, run_json

LINKS = {"video": "https://video.example/watch?v=1", "repository": "https://code.example/ana/titles"}


SHOP = [
    {"uid": f"A{n:03}", "title": f"Orsk Coffee Maker {n}", "content": f"A coffee maker of steel that holds {n} cups."}
    for n in range(60)
]


@pytest.fixture
def adapter(tmp_path):
    return adapter_folder(tmp_path / "adapter", base="ana/Llama-tiny")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("handin")
    (folder / "coffee.jsonl").write_text("".join(json.dumps(row) + "\n" for row in SHOP))
    build_dataset(folder / "coffee.jsonl", folder / "dataset")
    return folder / "dataset"


def evaluation(folder):
    (folder / "eval").mkdir(exist_ok=True)
    report = {"model": "m", "dataset": "d", "settings": {}, "scores": {}, "examples": []}
    for name in ("before", "after"):
        (folder / "eval" / f"{name}.json").write_text(json.dumps(report))
    (folder / "eval" / "comparison.json").write_text(json.dumps({"rows": []}))
    (folder / "eval" / "comparison.md").write_text("# Before and after\n")


def parse(what):
    """The command that something missing is to be mended with, parsed as the command line does; its arguments."""
    arguments = shlex.split(what.partition("amazon-titles ")[2])
    cli.commands[arguments[0]].make_context(arguments[0], arguments[1:])
    return arguments


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


def test_a_missing_test_is_to_be_written_where_it_is_looked_for(tmp_path, adapter, dataset):
    made = hand_in(tmp_path / "work", model=adapter, dataset=dataset, members=["Ada"], **LINKS)
    before, after = (parse(what) for what in made.missing)
    assert before == ["evaluate", "ana/Llama-tiny", "--dataset", str(dataset), "--out", f"{adapter}/eval/before.json"]
    assert after == ["evaluate", str(adapter), "--dataset", str(dataset), "--out", f"{adapter}/eval/after.json"]


def test_the_comparison_belongs_to_it(tmp_path, adapter, dataset):
    evaluation(adapter)
    (adapter / "eval" / "comparison.json").unlink()
    made = hand_in(tmp_path / "work", model=adapter, dataset=dataset, members=["Ada"], **LINKS)
    assert [what.partition(":")[0] for what in made.missing] == ["the comparison of both tests"]
    reports = [f"{adapter}/eval/{name}.json" for name in ("before", "after")]
    assert parse(made.missing[0]) == ["compare", *reports, "--out", f"{adapter}/eval"]


def test_without_a_quickstart_the_default_asks_nobody(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="Make one: amazon-titles quickstart"):
        hand_in(tmp_path / "work", model=DEFAULT_MODEL)


@pytest.mark.parametrize("report", ['{"rows_read": 1}', '{"splits": 3}', '{"splits": {}, "catalogue": "mine"}'])
def test_a_report_of_another_shape_is_no_document(tmp_path, adapter, report):
    evaluation(adapter)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "report.json").write_text(report)
    made = hand_in(tmp_path / "work", model=adapter, dataset=tmp_path / "other", members=["Ada"], **LINKS)
    assert [what for what in made.missing if "none that `amazon-titles build` wrote" in what] == list(made.missing)
    assert not (made.folder / "data.md").exists()


def test_long_addresses_and_names_stay_on_the_page(tmp_path, adapter, dataset):
    video = "https://video.example/watch?v=" + "W" * 150
    made = hand_in(tmp_path / "work", model=adapter, dataset=dataset, members=["Ada " * 40], **LINKS | {"video": video})
    pdf = (made.folder / "handin.pdf").read_bytes()
    assert pdf.count(f"/URI ({video})".encode()) == 3
    right = [float(found) for found in re.findall(rb"/Rect \[ *[\d.]+ +[\d.]+ +([\d.]+)", pdf)]
    assert len(right) == 4
    assert max(right) < 595 - 40


def test_a_trial_is_called_one(tmp_path, adapter, dataset):
    run = run_json("ana/Llama-tiny") | {"publishable": False, "why_not_publishable": "A trial."}
    (adapter / "run.json").write_text(json.dumps(run))
    made = hand_in(tmp_path / "work", model=adapter, dataset=dataset, members=["Ada"], **LINKS)
    assert [what for what in made.missing if "real base model" in what and "A trial." in what]


@pytest.mark.parametrize("language", ["en", "pt"])
def test_it_is_of_the_catalogue_that_it_is_of(tmp_path, adapter, dataset, language):
    """AmazonTitles is what trn.json alone is called, and the sample is made up."""
    evaluation(adapter)
    rows = [row | {"uid": f"{n:010}", "target_ind": [], "target_rel": []} for n, row in enumerate(SHOP)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    write_sample(tmp_path / "sample.json", 60)
    build_dataset(tmp_path / "rows.jsonl", tmp_path / "rows")
    build_dataset(tmp_path / "sample.json", tmp_path / "sample")
    told = {}
    for name, folder in (("coffee", dataset), ("rows", tmp_path / "rows"), ("sample", tmp_path / "sample")):
        options = {"members": ["Ada"], "language": language, **LINKS}
        made = hand_in(tmp_path / "work", model=adapter, dataset=folder, **options)
        told[name] = (made.folder / "video.txt").read_text(encoding="utf-8")
        real = [what for what in made.missing if "made up" in what]
        assert bool(real) == (name == "sample"), made.missing
    assert "coffee" in told["coffee"].splitlines()[0]
    assert "AmazonTitles-1.3MM" in told["rows"].splitlines()[0]
    assert {"en": "made-up", "pt": "inventados"}[language] in told["sample"].splitlines()[0]
    assert not [name for name in ("coffee", "sample") if "AmazonTitles" in told[name]]
    made = hand_in(tmp_path / "work", model=adapter, dataset=tmp_path / "nowhere", language=language)
    assert "AmazonTitles" not in (made.folder / "video.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("language", ["en", "pt"])
def test_a_title_on_the_page_is_cut_into_lines(tmp_path, adapter, language, monkeypatch):
    from matplotlib.figure import Figure

    shown = []
    drawn = Figure.text
    monkeypatch.setattr(
        Figure, "text", lambda self, x, y, s, **more: (shown.append(s), drawn(self, x, y, s, **more))[1]
    )
    (tmp_path / "coffee.jsonl").write_text("".join(json.dumps(row) + "\n" for row in SHOP))
    build_dataset(tmp_path / "coffee.jsonl", tmp_path / "coffee", name="Coffee makers " * 9)
    options = {"members": ["Ada"], "language": language, **LINKS}
    hand_in(tmp_path / "work", model=adapter, dataset=tmp_path / "coffee", **options)
    title = shown[: shown.index("")]
    assert len(title) > 2
    assert max(map(len, title)) <= 60
    assert " ".join(title).count("Coffee makers") == 9


@pytest.mark.parametrize(("language", "word"), [("pt", "Integrantes"), ("en", "Members")])
def test_the_documents_are_of_the_language(tmp_path, adapter, dataset, language, word):
    made = hand_in(tmp_path / "work", model=adapter, dataset=dataset, members=["Ada"], language=language, **LINKS)
    assert word in (made.folder / "video.txt").read_text(encoding="utf-8")
    how = {"pt": "Como carregar", "en": "How to load"}[language]
    assert how in (made.folder / "data.md").read_text(encoding="utf-8")


def test_its_own_folder_is_made_anew(tmp_path, adapter, dataset):
    evaluation(adapter)
    (adapter / "eval" / "my-other-test.json").write_text("{}")
    hand_in(tmp_path / "work", model=adapter, dataset=dataset, members=["Ada"], **LINKS)
    assert not (tmp_path / "work" / "eval" / "my-other-test.json").exists()
    hand_in(tmp_path / "work", model=adapter, dataset=dataset)
    assert not (tmp_path / "work" / "handin.pdf").exists()
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("path", ["notes.txt", "eval/notes.md", "eval/photos/us.jpg", "film/film.mp4"])
def test_what_it_did_not_make_is_named_and_stays(tmp_path, adapter, dataset, path):
    hand_in(tmp_path / "work", model=adapter, dataset=dataset)
    (tmp_path / "work" / path).parent.mkdir(exist_ok=True)
    (tmp_path / "work" / path).write_text("mine")
    with pytest.raises(InputError, match=rf"\({path}\)"):
        hand_in(tmp_path / "work", model=adapter, dataset=dataset)
    assert (tmp_path / "work" / path).read_text() == "mine"


def test_a_folder_with_a_recipe_of_ones_own_is_no_hand_in(tmp_path, adapter):
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "recipe.yml").write_text("mine")
    with pytest.raises(InputError, match=r"\(recipe\.yml\)"):
        hand_in(tmp_path / "work", model=adapter)
    assert (tmp_path / "work" / "recipe.yml").read_text() == "mine"


def test_a_hand_in_that_fails_leaves_the_one_before(tmp_path, adapter, dataset, monkeypatch):
    hand_in(tmp_path / "work", model=adapter, dataset=dataset, members=["Ada"], **LINKS)
    before = {path: path.read_bytes() for path in (tmp_path / "work").rglob("*") if path.is_file()}

    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("amazon_titles.handin._links", stopped)
    with pytest.raises(KeyboardInterrupt):
        hand_in(tmp_path / "work", model=adapter, dataset=dataset)
    assert {path: path.read_bytes() for path in (tmp_path / "work").rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        *(({"video": text}, "--video") for text in ("my video", "http://[", "https://…", "https://...", "http://a:b")),
        *(({"video": text}, "--video") for text in ("https://youtu.be/…", "https://video.example/a b", "https:///x")),
        ({"repository": "github"}, "--repo"),
        ({"language": "fr"}, "'fr'"),
    ],
)
def test_wrong_input_leaves_nothing(tmp_path, adapter, wrong, said):
    with pytest.raises(InputError, match=said):
        hand_in(tmp_path / "work", model=adapter, **wrong)
    with pytest.raises(InputError):
        hand_in(tmp_path / "work", model=tmp_path / "nothing")
    assert not (tmp_path / "work").exists()
