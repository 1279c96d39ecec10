"""The command line: help with an example, one clear sentence for bad input, and nothing half-made."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from amazon_titles.cli import cli, main
from amazon_titles.dataset import read_catalog
from amazon_titles.errors import InputError
from amazon_titles.recipes import Recipe
from amazon_titles.sample import write_sample
from amazon_titles.training import Base


def run(capsys, *arguments: str) -> tuple[int, str, str]:
    code = 0  # a command that is done returns
    try:
        main([*arguments])
    except SystemExit as stopped:
        code = int(stopped.code or 0)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.mark.parametrize("name", sorted(cli.commands))
def test_every_command_has_help_with_an_example(capsys, name):
    code, out, _ = run(capsys, name, "--help")
    assert code == 0
    assert f"amazon-titles {name}" in out.split("Example:")[1]


def test_the_help_lists_every_command_unshortened_in_working_order(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    _, out, _ = run(capsys, "--help")
    listed = out.split("Commands:\n")[1].split("\n\n")[0].splitlines()
    assert [line.split()[0] for line in listed] == list(cli.commands)
    assert all(line.endswith(".") and not line.endswith("...") for line in listed)
    order = [
        "quickstart",
        "download",
        "build",
        "recipe",
        "check",
        "evaluate",
        "train",
        "compare",
        "ask",
        "demo",
        "handin",
    ]
    assert [name for name in cli.commands if name in order] == order


@pytest.mark.parametrize("arguments", [("ask", "What?"), ("evaluate", "--out", "r.json"), ("demo",), ("api",)])
def test_every_command_that_asks_a_model_takes_the_quickstarts(capsys, tmp_path, monkeypatch, arguments):
    for needed in ("torch", "rouge_score", "gradio", "starlette"):
        pytest.importorskip(needed)
    monkeypatch.chdir(tmp_path)
    code, _, err = run(capsys, *arguments)
    assert code == 2
    assert "There is no model at quickstart/adapter yet." in err


def test_usage_errors_exit_2(capsys):
    code, _, err = run(capsys, "build")
    assert code == 2
    assert "Missing argument 'SOURCE'" in err
    assert run(capsys, "nothing")[0] == 2


BAD_CATALOGUES = {
    "missing": None,
    "empty": "",
    "not JSON": "uid,title\n1,2\n",
    "no title": '{"uid": "1", "content": "Something long enough to stay in a dataset, surely."}\n',
}


@pytest.mark.parametrize("kind", BAD_CATALOGUES)
def test_a_bad_catalogue_is_one_sentence_and_leaves_nothing(capsys, tmp_path, kind):
    if (text := BAD_CATALOGUES[kind]) is not None:
        (tmp_path / "trn.json").write_text(text)
    code, out, err = run(capsys, "build", str(tmp_path / "trn.json"), "--out", str(tmp_path / "out" / "dataset"))
    assert code in (1, 2)
    assert out == ""
    assert err.count("Error: ") == 1
    assert "Traceback" not in err
    assert "trn.json" in err
    assert not [path for path in tmp_path.rglob("*") if path.suffix in {".parquet", ".md"}]


def test_no_command_is_silent_for_long(capsys, beat, monkeypatch):
    said = []
    monkeypatch.setattr("amazon_titles.budget.check_recipes", lambda *recipes, **options: said.extend(beat(20)) or [])
    assert run(capsys, "check")[0] == 0
    assert said == ["  check: 0:00:10 so far", "  check: 0:00:20 so far"]


def test_a_folder_that_holds_something_else_is_left_alone(capsys, tmp_path):
    write_sample(tmp_path / "trn.json", 50)
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.tex").write_text("years of work")
    code, _, err = run(capsys, "build", str(tmp_path / "trn.json"), "--out", str(tmp_path / "thesis"))
    assert code == 2
    assert "did not make (chapter1.tex), and would be replaced" in err
    assert [path.name for path in (tmp_path / "thesis").iterdir()] == ["chapter1.tex"]


def test_a_quickstart_into_a_folder_with_other_things_touches_nothing(capsys, tmp_path, monkeypatch):
    pytest.importorskip("transformers")
    monkeypatch.setattr("amazon_titles.quickstart.story.find_autotrain", lambda _: None)
    (tmp_path / "trn.json").write_text("mine")
    code, _, err = run(capsys, "quickstart", "--out", str(tmp_path))
    assert code == 2
    assert "holds what `amazon-titles quickstart` did not make (trn.json)" in err
    assert [path.name for path in tmp_path.iterdir()] == ["trn.json"]


def test_a_quickstart_reads_a_catalogue_of_ones_own_as_build_does(capsys, tmp_path, monkeypatch):
    pytest.importorskip("transformers")
    story = "amazon_titles.quickstart.story"
    monkeypatch.setattr(f"{story}.find_autotrain", lambda _: None)
    monkeypatch.setattr(f"{story}.find_base", lambda name: Base(name, tmp_path, "a test", "chatml", publishable=False))
    monkeypatch.setattr(f"{story}.write_general_rows", lambda *_, **__: [])
    monkeypatch.setattr(f"{story}._evaluate", lambda *_: None)
    monkeypatch.setattr(f"{story}.expected", lambda *_: "")

    def train(recipe: Recipe, **_: object) -> None:
        raise InputError(f"This is where {recipe.params.epochs} epochs begin.")

    monkeypatch.setattr(f"{story}.train", train)
    (tmp_path / "config.json").write_text('{"num_hidden_layers": 2}')
    rows = [f"{n};Chaleira Ipê {n};Chaleira de aço inox com {n + 100} ml, feita à mão em Olinda." for n in range(60)]
    (tmp_path / "loja.csv").write_text("\n".join(["código;peça;texto", *rows]), encoding="latin-1")
    command = ["quickstart", "--catalog", str(tmp_path / "loja.csv"), "--out", str(tmp_path / "out")]
    assert "--encoding latin-1" in run(capsys, *command)[2]
    command += ["--encoding", "latin-1"]
    assert "Name it: --field title=NAME" in run(capsys, *command)[2]
    command += ["--field", "title=peça"]
    assert "where 4 epochs begin" in run(capsys, *command)[2], "a small catalogue is trained on as long as the sample"
    product = next(read_catalog(tmp_path / "out" / "dataset"))
    assert (product.title, product.content) == tuple(rows[int(product.uid)].split(";")[1:])
    assert "60 usable products: too few to train on 60" in run(capsys, *command, "--products", "60")[2]
    assert "where 5 epochs begin" in run(capsys, *command, "--language", "pt")[2], "one language has fewer phrasings"
    report = json.loads((tmp_path / "out" / "dataset" / "report.json").read_text(encoding="utf-8"))
    assert (report["options"]["languages"], report["options"]["phrasings"]) == (["pt"], 10)


def test_build_prints_where_every_row_went(capsys, tmp_path):
    rows = write_sample(tmp_path / "trn.json", 200)
    code, out, _ = run(capsys, "build", str(tmp_path / "trn.json"), "--out", str(tmp_path / "dataset"), "--json")
    report = json.loads(out)
    assert code == 0
    assert report["rows_read"] == rows == report["kept"] + sum(report["dropped"].values())


def test_build_says_where_little_is_left_to_test_with(capsys, tmp_path):
    write_sample(tmp_path / "trn.json", 60)
    command = ["build", str(tmp_path / "trn.json"), "--out", str(tmp_path / "dataset")]
    assert run(capsys, *command)[1].endswith("the evaluation says more: --test 0.2\n")
    for share in ("0", "0.2"):
        assert "evaluation" not in run(capsys, *command, "--test", share)[1]


def test_a_missing_extra_names_its_install_line(capsys, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    code, _, err = run(capsys, "ask", "What?", "--model", str(tmp_path))
    assert code == 1
    assert "pip install 'amazon-titles[model] @" in err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("ask", "What?", "--model", "./nowhere"), "No model folder './nowhere'"),
        (("train", "nowhere.yml"), "No recipe at nowhere.yml"),
        (("check", "nowhere.yml"), "No recipe at nowhere.yml"),
        (("compare", "a.json", "b.json"), "No report a.json"),
        (("recipe", "llama-9", "--dataset", "d"), "No shipped recipe 'llama-9'"),
        (("recipe", "quickstart", "--dataset", "d", "--set", "lr"), "has no '='"),
    ],
)
def test_what_is_not_there_is_said(capsys, tmp_path, monkeypatch, arguments, sentence):
    monkeypatch.chdir(tmp_path)
    if arguments[0] == "ask":
        pytest.importorskip("torch")
        pytest.importorskip("transformers")
    code, out, err = run(capsys, *arguments)
    assert code in (1, 2)
    assert out == ""
    assert sentence in err
    assert list(tmp_path.iterdir()) == []


def test_check_passes_what_is_shipped_and_names_what_is_wrong(capsys, tmp_path):
    code, out, _ = run(capsys, "check")
    assert code == 0
    assert "quickstart" in out
    code, out, _ = run(capsys, "recipe", "quickstart", "--dataset", "my-data", "--set", "epochs=3")
    assert code == 0
    (tmp_path / "my.yml").write_text(out.replace("epochs: 3", "epochz: 3"))
    code, out, _ = run(capsys, "check", str(tmp_path / "my.yml"))
    assert code == 1
    assert "epochz" in out


def test_a_recipe_into_a_file(capsys, tmp_path):
    path = tmp_path / "new" / "my.yml"
    filled = ("recipe", "quickstart-tiny", "--dataset", "dataset")
    assert run(capsys, *filled, "--out", str(path))[:2] == (0, f"{path}  Next: amazon-titles check {path}\n")
    assert path.read_text(encoding="utf-8") == run(capsys, *filled)[1]
    code, _, err = run(capsys, *filled, "--out", str(tmp_path))
    assert (code, err.count("Error: ")) == (2, 1)


@pytest.mark.parametrize("encoding", ["cp1252", "cp850"])
def test_no_output_fails_where_the_encoding_lacks_a_letter(tmp_path, encoding):
    said = "Chá 茶 🫖 — “quente” → ≥ 3"
    code = f"""
import click, json
from amazon_titles.cli import cli, main
@cli.command("say")
@click.argument("as_json")
def say(as_json):
    click.echo(json.dumps([{said!r}], ensure_ascii=False) if as_json == "json" else {said!r})
main(["say", "json"]) if __import__("sys").argv[1] == "json" else main(["say", "text"])
"""
    env = os.environ | {"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    done = {
        how: subprocess.run([sys.executable, "-X", "utf8=0", "-c", code, how], capture_output=True, env=env)
        for how in ("json", "text")
    }
    assert all(run.returncode == 0 for run in done.values()), done
    assert json.loads(done["json"].stdout.decode(encoding)) == [said]
    assert "Ch" in done["text"].stdout.decode(encoding)
