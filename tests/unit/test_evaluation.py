"""Evaluation with a fake model: what is asked, how it is scored, and what may be compared."""

from __future__ import annotations

import dataclasses

import pytest

from amazon_titles.conversations import abstention
from amazon_titles.dataset import build_dataset, read_catalog
from amazon_titles.errors import InputError
from amazon_titles.evaluation import EvalReport, compare, evaluate_model
from amazon_titles.sample import write_sample


class Parrot:
    """Answers what it was told to answer, or nothing."""

    def __init__(self, name, answers):
        self.name, self.answers, self.asked = name, answers, []

    def generate(self, conversations, *, max_new_tokens=256, batch_size=16):
        questions = [messages[0]["content"] for messages in conversations]
        self.asked += questions
        return [next((answer for title, answer in self.answers.items() if title in q), "") for q in questions]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluation")
    write_sample(folder / "trn.json", 200)
    build_dataset(folder / "trn.json", folder / "dataset", abstain=1.0, grounded=0.0, test=0.2)
    return folder / "dataset"


def test_a_perfect_model_and_a_silent_one(dataset):
    truth = {product.title: product.content for product in read_catalog(dataset)}
    knows = evaluate_model(Parrot("knows", truth), dataset, sets=["seen", "unseen"])
    silent = evaluate_model(Parrot("silent", {}), dataset, sets=["seen", "unseen"])
    scores = knows.scores()
    assert scores["seen"]["rouge_l"] == 1.0
    assert scores["seen"]["fact_recall"] == 1.0
    assert scores["seen"]["n"] + scores["unseen"]["n"] <= len(truth)
    assert silent.scores()["seen"]["rouge_l"] == 0.0
    comparison = compare(silent, knows)
    assert "| ROUGE-L F1 | 0.00 | 1.00 | +1.00 |" in comparison.to_markdown()


def test_seen_and_unseen_share_no_product(dataset):
    report = evaluate_model(Parrot("silent", {}), dataset, sets=["seen", "unseen"])
    uids = {name: {e.uid for e in report.examples if e.set == name} for name in ("seen", "unseen")}
    assert uids["seen"]
    assert uids["unseen"]
    assert not uids["seen"] & uids["unseen"]


def test_invented_products_are_scored_by_refusal_alone(dataset):
    refuses = evaluate_model(Parrot("refuses", {"": abstention("it")}), dataset, sets=["invented"])
    assert refuses.scores()["invented"]["abstained"] == 1.0
    assert "rouge_l" not in refuses.scores()["invented"]


def test_a_report_survives_its_file(dataset, tmp_path):
    report = evaluate_model(Parrot("silent", {}), dataset, limit=2)
    (tmp_path / "report.json").write_text(report.to_json())
    assert EvalReport.load(tmp_path / "report.json") == report
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(InputError, match="is no evaluation report"):
        EvalReport.load(tmp_path / "other.json")
    with pytest.raises(InputError, match="No report"):
        EvalReport.load(tmp_path / "missing.json")


def test_what_is_not_comparable_is_not_compared(dataset):
    report = evaluate_model(Parrot("silent", {}), dataset, limit=2)
    with pytest.raises(InputError, match="different datasets"):
        compare(report, dataclasses.replace(report, dataset="another"))
    with pytest.raises(InputError, match="different settings"):
        compare(report, evaluate_model(Parrot("silent", {}), dataset, limit=1))
    with pytest.raises(InputError, match="different questions"):
        compare(report, dataclasses.replace(report, examples=report.examples[1:]))
    with pytest.raises(InputError, match="No set 'sean'"):
        evaluate_model(Parrot("silent", {}), dataset, sets=["sean"])
