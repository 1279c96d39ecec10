"""What lies beside a model: whatever it is, the page shows what is as it should be, in the language's own spelling."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from amazon_titles.evaluation.measures import MEASURES
from amazon_titles.names import portuguese
from amazon_titles.page import markup
from amazon_titles.page.evidence import Evidence
from amazon_titles.page.texts import LANGUAGES, TEXTS
from amazon_titles.resources import folder as resource

ROW = {"set": "seen", "n": 2, "measure": "fact recall", "key": "fact_recall", "headline": True}
RUN = {
    "base_model": "ana/base",
    "dataset": {"path": "ana/titles", "revision": "1234"},
    "tokens": 1058208,
    "seconds": 71.4,
    "losses": [{"epoch": 1, "loss": 2.0}, {"epoch": 2.0, "loss": 0.0164}],
}


def beside(folder: Path, *, comparison=None, run=None, recipe=None) -> Path:
    """A model's folder with what is told; a text is written as it is."""
    (folder / "eval").mkdir(parents=True, exist_ok=True)
    for name, value in (("eval/comparison.json", comparison), ("run.json", run), ("recipe.yml", recipe)):
        if value is not None:
            content = value if isinstance(value, str) else json.dumps(value)
            (folder / name).write_bytes(content.encode("utf-8", "surrogatepass"))
    for name in ("eval/before_after.png", "loss.png"):
        (folder / name).write_bytes(b"\x89PNG")
    return folder


def shown(folder: Path) -> dict[str, str]:
    evidence = Evidence.of(folder)
    return {code: evidence.to_html(TEXTS[code], code) for code in LANGUAGES}


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just("\ud800") | st.just(10**400)
ANYTHING = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8)


def places(value, at=()):
    """Where anything stands in a value: the keys that lead there."""
    yield at
    if isinstance(value, (dict, list)):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(inner, (*at, key))


def changed(value, at, by):
    """The value with what stands at a place put there; without it where that is `GONE`."""
    if not at:
        return None if by is GONE else by
    copy = value.copy()
    if by is GONE and len(at) == 1:
        del copy[at[0]]
    else:
        copy[at[0]] = changed(value[at[0]], at[1:], by)
    return copy


GONE = object()
COMPARED = ROW | {"before": 0.25, "after": 1, "before_interval": [0.1, 0.3], "after_interval": [0.9, 1.0]}
USUAL = {
    "comparison": {"rows": [COMPARED, COMPARED | {"set": "unseen", "measure": "chrF", "key": "chrf"}]},
    "run": RUN | {"engine": "trl", "device": "cpu", "valid_losses": [{"epoch": 1, "loss": 2.5}]},
    "recipe": {"params": {"lr": 0.005, "epochs": 3, "quantization": "int4"}},
}
PLACES = [place for place in places(USUAL) if place]


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(st.sampled_from(PLACES), ANYTHING | st.just(GONE)), min_size=1, max_size=3))
def test_no_odd_value_beside_a_model_stops_its_page(tmp_path_factory, changes):
    files = USUAL
    for at, by in changes:
        if at in list(places(files)):
            files = changed(files, at, by)
    for page in shown(beside(tmp_path_factory.mktemp("model"), **files)).values():
        page.encode("utf-8")


ODD = {
    "rows null": {"comparison": {"rows": None}},
    "rows of strings": {"comparison": {"rows": ["seen", {**ROW, "before": 0.5, "after": 1.0}]}},
    "no before": {"comparison": {"rows": [{**ROW, "before": None, "after": 1.0}]}},
    "a truth is no number": {"comparison": {"rows": [{**ROW, "before": True, "after": 1.0}]}},
    "no number": {"comparison": {"rows": [{**ROW, "before": float("nan"), "after": 10**400}]}},
    "a key that is a list": {"comparison": {"rows": [{**ROW, "key": [], "before": 0.0, "after": 1.0}]}},
    "no formula": {"comparison": {"rows": [{**ROW, "set": "$\\nope$", "before": 0.0, "after": 1.0}]}},
    "an interval of words": {"comparison": {"rows": [{**ROW, "before": 0, "after": 1, "before_interval": "ab"}]}},
    "dataset a string": {"run": RUN | {"dataset": "ana/titles"}},
    "a name that is too long": {"run": RUN | {"base_model": "x" * 5000}},
    "tokens and seconds strings": {"run": RUN | {"tokens": "many", "seconds": "few"}},
    "losses floats": {"run": RUN | {"losses": [2.0, 1.0]}},
    "a last loss without loss": {"run": RUN | {"losses": [*RUN["losses"], {"epoch": 2.0, "runtime": 3.0}]}},
    "losses without epoch": {"run": RUN | {"losses": [{"loss": 2.0}]}},
    "valid losses without loss": {"run": RUN | {"valid_losses": [{"epoch": 1.0}]}},
    "deep": {"run": "[" * 100_000},
    "no YAML": {"recipe": "params: ["},
    "a tag that YAML cannot make": {"recipe": "params: !!timestamp soon"},
    "no day of the calendar": {"recipe": "params: 2026-99-99"},
}


@pytest.mark.parametrize("files", ODD.values(), ids=ODD)
def test_an_odd_file_counts_as_not_there(tmp_path, files):
    pages = shown(beside(tmp_path, **files))
    assert set(pages) == set(LANGUAGES)


def test_what_is_right_beside_something_odd_is_shown(tmp_path):
    beside(
        tmp_path,
        comparison={"rows": ["odd", {**ROW, "before": 0.25, "after": 1}]},
        run=RUN | {"losses": [*RUN["losses"], {"epoch": 2.0}], "engine": 3},
    )
    (tmp_path / "recipe.yml").write_bytes(b"params: {lr: 0.005} # \xff")
    page = shown(tmp_path)["en"]
    assert "+0.75" in page
    assert "0.016" in page
    assert "learning rate" not in page, "the recipe is not UTF-8"


def test_a_portuguese_page_spells_numbers_as_portuguese_does(tmp_path):
    beside(tmp_path, run=RUN, recipe={"params": {"lr": 0.005, "epochs": 3, "quantization": "v1.5"}})
    evidence = Evidence.of(tmp_path)
    assert [value for _, value in evidence.settings(TEXTS["pt"])] == [
        "ana/base", "ana/titles@1234", "1.058.208", "71", "0,016", "3", "0,005", "v1.5",
    ]  # fmt: skip
    assert {"1,058,208", "0.016", "0.005"} <= {value for _, value in evidence.settings(TEXTS["en"])}


def test_no_change_is_less_than_nothing():
    rows = [{**ROW, "before": 0.5, "after": 0.4999, "better": 1}]
    for code, zero in (("en", "+0.00"), ("pt", "+0,00")):
        page = Evidence(rows, {}, {}, {}).to_html(TEXTS[code], code)
        assert f">{zero}<" in page
    assert markup.number(-0.0, TEXTS["en"], places=2) == "0.00"
    assert markup.number(-0.006, TEXTS["en"], places=2, sign="+") == "-0.01"


def test_sets_and_measures_are_called_as_the_card_calls_them():
    card = yaml.safe_load((resource("hub_cards") / "model_card.yml").read_text(encoding="utf-8"))
    names = [name for name in card if name.startswith(("set_name_", "measure_"))]
    assert len(names) > 10
    for name in names:
        assert portuguese().get(card[name]["en"], card[name]["en"]) == card[name]["pt"]
    assert f"“{card['set_name_grounded']['pt']}”" in TEXTS["pt"].measured
    assert {measure.title for measure in MEASURES.values()} - portuguese().keys() == {"chrF"}


ASK = """
from amazon_titles.page.evidence import Evidence
from amazon_titles.page.texts import TEXTS
print(Evidence.of("ana/model").to_html(TEXTS["en"], "en"))
"""


def offline(home: Path) -> str:
    """What the page says of `ana/model` where no Hub may be asked."""
    variables = {**os.environ, "HF_HOME": str(home), "HF_HUB_CACHE": str(home / "hub"), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run([sys.executable, "-c", ASK], env=variables, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_hub_that_is_not_reached_is_not_taken_for_one_without_an_evaluation(tmp_path):
    assert TEXTS["en"].unreached in offline(tmp_path), "nothing is cached"
    cached = tmp_path / "hub" / "models--ana--model"
    snapshot = cached / "snapshots" / ("0" * 40)
    (cached / "refs").mkdir(parents=True)
    (cached / "refs" / "main").write_text("0" * 40)
    beside(snapshot, run=RUN)
    (snapshot / "adapter_config.json").write_text("{}")
    said = offline(tmp_path)
    assert TEXTS["en"].unreached in said, "nobody knows"
    assert "1,058,208" in said
    unknown = cached / ".no_exist" / ("0" * 40) / "eval"
    unknown.mkdir(parents=True)
    (unknown / "comparison.json").touch()
    assert markup.part("note", sentence=TEXTS["en"].no_evaluation) in offline(tmp_path), "the Hub has said so"


def test_the_sentence_without_a_comparison_names_commands_that_there_are():
    from amazon_titles.cli import cli

    for texts in TEXTS.values():
        for command in ("evaluate", "compare"):
            assert f"amazon-titles {command}" in texts.no_evaluation
            assert command in cli.commands
    assert "--out" in [option for each in cli.commands["compare"].params for option in each.opts]


@pytest.mark.parametrize("how", ["a file", "a folder"])
def test_what_a_link_leads_to_is_not_shown(tmp_path, how):
    """`eval/before_after.png` may link /etc/passwd, and whoever opens the page would read it."""
    elsewhere = beside(tmp_path / "elsewhere", comparison={"rows": [COMPARED]}, run=RUN)
    (elsewhere / "eval" / "before_after.png").write_bytes(b"\x89PNG somebody's own")
    folder = tmp_path / "model"
    folder.mkdir()
    if how == "a folder":
        (folder / "eval").symlink_to(elsewhere / "eval", target_is_directory=True)
        (folder / "run.json").symlink_to(elsewhere / "run.json")
    else:
        (folder / "eval").mkdir()
        for name in ("eval/before_after.png", "eval/comparison.json", "loss.png", "run.json"):
            (folder / name).symlink_to(elsewhere / name)
    found = Evidence.of(folder)
    assert (found.plots, found.rows, found.run) == ({}, [], {})


def test_a_picture_is_one(tmp_path):
    folder = beside(tmp_path)
    (folder / "loss.png").write_bytes(b"root:x:0:0:root:/root:/bin/bash\n")
    assert set(Evidence.of(folder).plots) == {"eval/before_after.png"}
