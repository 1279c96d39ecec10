"""Evaluation with fake models: what is asked, how it is scored, that it resumes, and what may be compared."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import sys
from math import exp
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amazon_titles import plots
from amazon_titles.cli import main
from amazon_titles.conversations import abstention, draws
from amazon_titles.dataset import build_dataset, read_catalog
from amazon_titles.errors import InputError
from amazon_titles.evaluation import (
    MEASURES,
    SETS,
    EvalReport,
    compare,
    evaluate_model,
    save_comparison,
    weights_of,
)
from amazon_titles.evaluation.comparison import page
from amazon_titles.evaluation.general import QUESTIONS
from amazon_titles.evaluation.measures import Outcome, score
from amazon_titles.evaluation.refusal import refuses
from amazon_titles.evaluation.sets import bare_question, drawn, questions
from amazon_titles.sample import write_sample
from tests.catalogue import read_products


class Parrot:
    """Answers what it was told to answer, or nothing."""

    def __init__(self, name, answers):
        self.name, self.answers, self.asked = name, answers, []

    def generate(self, conversations, *, max_new_tokens=256, batch_size=16):
        asked = [bare_question(messages[0]["content"]) for messages in conversations]
        self.asked += asked
        return [next((answer for title, answer in self.answers.items() if title in q), "") for q in asked]


class Talker(Parrot):
    """A parrot that also tells whether it came to an end, and how likely the right answer is to it."""

    nll = 2.0

    def generate_full(self, conversations, *, max_new_tokens=256, batch_size=16):
        texts = self.generate(conversations)
        return [SimpleNamespace(text=text, finished=bool(text), tokens=len(text.split())) for text in texts]

    def answer_losses(self, conversations):
        lengths = [len(messages[1]["content"].split()) for messages in conversations]
        return [(self.nll * length, length) for length in lengths]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Without grounded rows, as the quickstart's."""
    folder = tmp_path_factory.mktemp("evaluation")
    write_sample(folder / "trn.json", 75)
    build_dataset(folder / "trn.json", folder / "dataset", abstain=1.0, grounded=0.0, test=0.2)
    return folder / "dataset"


@pytest.fixture(scope="module")
def whole(dataset):
    """With rows of every kind."""
    folder = dataset.with_name("whole")
    build_dataset(dataset.with_name("trn.json"), folder, abstain=1.0, grounded=1.0, property=1.0, test=0.2)
    return folder


@pytest.fixture(scope="module")
def bare(dataset):
    """With rows of one kind alone."""
    folder = dataset.with_name("bare")
    build_dataset(dataset.with_name("trn.json"), folder, abstain=0.0, grounded=0.0, property=0.0, test=0.2)
    return folder


@pytest.fixture(scope="module")
def truth(dataset):
    return {product.title: product.content for product in read_catalog(dataset)}


def cited(dataset):
    return {product.title: f"{product.content} [{product.uid}]" for product in read_catalog(dataset)}


def test_a_perfect_model_and_a_silent_one(dataset, truth):
    knows = evaluate_model(Parrot("knows", truth), dataset, sets=["seen", "unseen"])
    silent = evaluate_model(Parrot("silent", {}), dataset, sets=["seen", "unseen"])
    scores = knows.scores()
    for measure in ("rouge_l", "chrf", "fact_recall", "fact_precision", "grounded"):
        assert scores["seen"][measure] == 1.0
    assert scores["seen"]["n"] + scores["unseen"]["n"] <= len(truth)
    assert silent.scores()["seen"]["rouge_l"] == 0.0
    assert "fact_precision" not in silent.scores()["seen"], "who states nothing has no precision"
    comparison = compare(silent, knows)
    assert "| ROUGE-L F1 | 0.00 | 1.00 | +1.00 | +1.00 to +1.00 | < 0.001 |" in comparison.to_markdown()


def test_seen_and_unseen_share_no_product(dataset):
    report = evaluate_model(Parrot("silent", {}), dataset, sets=["seen", "unseen"])
    uids = {name: {e.uid for e in report.examples if e.set == name} for name in ("seen", "unseen")}
    assert uids["seen"]
    assert uids["unseen"]
    assert not uids["seen"] & uids["unseen"]


@pytest.mark.parametrize("kind", ["dataset", "whole", "bare"])
def test_every_set_has_questions_whatever_rows_the_dataset_was_built_with(request, kind):
    folder = request.getfixturevalue(kind)
    asked = questions(folder, list(SETS))
    by_set = {name: [q for q in asked if q.set == name] for name in SETS}
    assert all(by_set.values())
    titles = {product.title for product in read_catalog(folder)}
    for question in [*by_set["grounded"], *by_set["property"]]:
        assert question.record in question.shown
        assert 2 - (question.set == "property") <= len(question.shown) <= 4
        assert question.reference.endswith(f"[{question.uid}]")
        assert question.title in question.asked
        assert "\n" not in question.asked
    for question in by_set["invented"]:
        assert not any(f'"{title}"' in question.asked for title in titles)
    assert {q.kind for q in by_set["invented"]} == {"near miss", "made up"}
    for name in ("grounded", "invented"):
        assert sorted(q.uid for q in by_set[name]) == sorted(q.uid for q in by_set["unseen"]), "the same products"
    assert {q.uid for q in by_set["property"]} <= {q.uid for q in by_set["unseen"]}
    assert asked == questions(folder, list(SETS)), "the same questions every time"


def test_a_limit_draws_the_same_products_for_every_set(whole):
    few = questions(whole, ["unseen", "grounded", "seen"], limit=5)
    drawn = {name: [q.uid for q in few if q.set == name] for name in ("unseen", "grounded", "seen")}
    assert len(drawn["unseen"]) == len(drawn["seen"]) == 5
    assert set(drawn["unseen"]) == set(drawn["grounded"])
    every = [q.uid for q in questions(whole, ["unseen"])]
    assert drawn["unseen"] == [uid for uid in every if uid in drawn["unseen"]], "in the dataset's order"
    assert drawn["unseen"] != every[:5], "similar products stand side by side, so the first are no sample"


def test_texts_in_view_are_cited(whole):
    right = evaluate_model(Parrot("right", cited(whole)), whole, sets=["grounded"]).scores()["grounded"]
    assert right["cited"] == right["grounded"] == 1.0
    assert right["fact_recall"] > 0.9, "but for facts that the cut took"
    wrong = {product.title: "It is red. [B000000000]" for product in read_catalog(whole)}
    assert evaluate_model(Parrot("wrong", wrong), whole, sets=["grounded"]).scores()["grounded"]["cited"] == 0.0


def test_invented_products_are_scored_by_refusal(dataset):
    refuses = evaluate_model(Parrot("refuses", {"": abstention("it")}), dataset, sets=["seen", "invented"])
    scores = refuses.scores()
    assert scores["invented"]["abstained"] == 1.0
    assert "rouge_l" not in scores["invented"]
    assert scores["seen"]["false_abstention"] == 1.0
    assert "grounded" not in scores["seen"], "a refusal states nothing"
    assert set(scores["invented"]["kinds"]) == {"near miss", "made up"}
    assert sum(kind["n"] for kind in scores["invented"]["kinds"].values()) == scores["invented"]["n"]


REFUSALS = (
    "I'm not familiar with a product called that.",
    "I’m sorry, but I don’t have any information about it.",
    "I am unable to find that title.",
    "Unfortunately, I couldn't find any product by that name in my training data.",
    "There is no product with that name in the list.",
    "I do not know.",
    "It is not listed in the catalogue that you gave me.",
    "The product does not seem to exist.",
    "None of the products above is called that.",
    "As an AI, I cannot verify that this book exists.",
    "I have no information on that item.",
    "I apologize, but there is no information available about it.",
    "Desculpe, não encontrei esse produto.",
    "Infelizmente, não tenho informações sobre isso.",
    "Não conheço esse livro.",
    "Nenhum dos produtos tem esse nome.",
)


@pytest.mark.parametrize("answer", REFUSALS)
def test_a_refusal_in_other_words_is_one(dataset, answer):
    assert refuses(answer)
    report = evaluate_model(Parrot("base", {"": answer}), dataset, sets=["invented"], limit=2)
    assert report.scores()["invented"]["abstained"] == 1.0


@pytest.mark.parametrize("code", ["SKU-{}", "a_{}.b/c", "REF {}", "código.{}"])
def test_a_right_answer_has_full_marks_whatever_the_codes_of_a_catalogue_look_like(tmp_path, code):
    write_sample(tmp_path / "sample.json", 80)
    rows = [json.loads(line) for line in (tmp_path / "sample.json").read_text(encoding="utf-8").splitlines()]
    own = [{"sku": code.format(n), "title": row["title"], "content": row["content"]} for n, row in enumerate(rows)]
    (tmp_path / "own.json").write_text("\n".join(map(json.dumps, own)), encoding="utf-8")
    build_dataset(tmp_path / "own.json", tmp_path / "own", test=0.5)
    asked = questions(tmp_path / "own", ["grounded", "property"])
    assert len(asked) > 20
    for question in asked:
        scores = score(question, Outcome(question.reference))
        full = "property" if question.set == "property" else "fact_recall"
        assert (scores["cited"], scores["grounded"], scores.get(full, 1.0)) == (1.0, 1.0, 1.0), question
        other = score(question, Outcome(f"{question.reference} [{code.format(1234)}]"))
        assert other["cited"] == (code == "REF {}"), "with a blank in it, any words in brackets would be a code"


def test_a_description_refuses_nothing(dataset):
    assert not [product.content for product in read_catalog(dataset) if refuses(product.content)]
    late = "A kettle of iron. " * 12 + "I do not know a better one."
    assert not refuses(late), "that is a review, not a refusal"
    assert not refuses("The capital of France is Paris.")


def test_real_descriptions_are_hardly_ever_taken_for_refusals():
    rows = os.environ.get("REAL_ROWS")
    if not rows:
        pytest.skip(
            "no real rows: set REAL_ROWS to a file of trn.json's rows, such as: head -n 500 trn.json > rows.json"
        )
    contents = [product.content for product in read_products(rows)]
    assert sum(map(refuses, contents)) <= 0.01 * len(contents)


def test_general_knowledge_is_right_as_a_whole_word(dataset):
    right = {q.question: f"I think it is {q.accepted[-1]}." for q in QUESTIONS}
    report = evaluate_model(Parrot("right", right), dataset, sets=["general"])
    assert report.scores()["general"]["correct"] == 1.0
    assert report.scores()["general"]["n"] == len(QUESTIONS) >= 102
    (six,) = (q for q in questions(dataset, ["general"]) if "hexagon" in q.text)
    assert score(six, Outcome("It has 16 sides."))["correct"] == 0.0
    assert score(six, Outcome("SIX sides"))["correct"] == 1.0


def test_what_a_model_does_not_tell_is_absent_and_never_zero(dataset, truth):
    plain = evaluate_model(Parrot("plain", truth), dataset, sets=["seen"], limit=4)
    assert not {"loss", "perplexity", "ended", "cited", "correct"} & plain.scores()["seen"].keys()
    full = evaluate_model(Talker("full", truth), dataset, sets=["seen"], limit=4).scores()["seen"]
    assert full["loss"] == pytest.approx(2.0)
    assert full["perplexity"] == pytest.approx(exp(2.0))
    assert full["intervals"]["perplexity"] == pytest.approx([exp(2.0)] * 2, abs=1e-3)
    assert full["ended"] == 1.0
    unmeasured = evaluate_model(Talker("full", truth), dataset, sets=["seen"], limit=4, losses=False).scores()["seen"]
    assert unmeasured.keys() == full.keys() - {"loss", "perplexity"}
    keys = {row["key"] for row in compare(plain, plain).rows()}
    assert not keys & {"loss", "perplexity", "ended"}


@pytest.mark.parametrize("nll", [float("nan"), float("inf")])
def test_a_loss_that_overflowed_is_absent(dataset, nll):
    model = Talker("broken", {})
    model.nll = nll
    scores = evaluate_model(model, dataset, sets=["seen"], limit=2).scores()["seen"]
    assert not {"loss", "perplexity"} & scores.keys()


@given(st.lists(st.sampled_from("abcdefgh")), st.integers(1, 9))
def test_a_draw_is_of_the_products_alone_and_in_their_order(uids, limit):
    rows = [{"uid": uid, "place": place} for place, uid in enumerate(uids)]
    first = {row["uid"]: row for row in reversed(rows)}
    chosen = sorted(first, key=lambda uid: draws(uid, 0)[0])[:limit]
    assert drawn(rows, limit) == sorted((first[uid] for uid in chosen), key=lambda row: row["place"])
    assert drawn(rows, None) == sorted(first.values(), key=lambda row: row["place"])


def test_the_loss_is_a_mean_over_tokens(dataset):
    report = evaluate_model(Talker("full", {}), dataset, sets=["seen"], limit=2)
    scores = [({"loss": 1.0}, 30), ({"loss": 4.0}, 10)]
    examples = [
        dataclasses.replace(example, scores=score, loss_tokens=tokens)
        for example, (score, tokens) in zip(report.examples, scores, strict=True)
    ]
    assert dataclasses.replace(report, examples=examples).scores()["seen"]["loss"] == 1.75


def test_losses_of_two_tokenizers_are_not_compared(dataset):
    first = evaluate_model(Talker("first", {}), dataset, sets=["seen"], limit=3)
    rows = {row["key"]: row for row in compare(first, first).rows()}
    assert rows["perplexity"]["before"] == pytest.approx(exp(2.0))
    assert "change_interval" not in rows["perplexity"]
    others = [dataclasses.replace(example, loss_tokens=99) for example in first.examples]
    second = dataclasses.replace(first, examples=others)
    assert not {"loss", "perplexity"} & {row["key"] for row in compare(first, second).rows()}


def test_a_comparison_has_the_change_with_its_interval_and_its_test(dataset, truth):
    half = dict(list(truth.items())[::2])
    before = evaluate_model(Parrot("half", half), dataset, sets=["seen"])
    after = evaluate_model(Parrot("knows", truth), dataset, sets=["seen"])
    row = next(row for row in compare(before, after).rows() if row["key"] == "fact_recall")
    assert row["set"] == "seen"
    assert row["measure"] == "fact recall"
    low, high = row["change_interval"]
    assert low < row["after"] - row["before"] < high
    assert row["before_interval"][0] < row["before"] < row["before_interval"][1]
    assert row["p_value"] < 0.001
    same = next(row for row in compare(after, after).rows() if row["key"] == "fact_recall")
    assert same["p_value"] == 1.0
    assert same["change_interval"] == [0.0, 0.0]


def test_yardsticks_stand_in_the_same_table(whole):
    report = evaluate_model(Parrot("right", cited(whole)), whole, sets=["seen", "unseen", "grounded"])
    rows = {(row["set"], row["by"]): row for row in compare(report, report).yardsticks()}
    copied = rows["unseen", "the record copied, no model"]
    assert copied["rouge_l"] == copied["cited"] == 1.0
    assert rows["unseen", "the title echoed"]["fact_recall"] == 0.0
    other = rows["unseen", "another product's text"]
    assert rows["unseen", "the title echoed"]["rouge_l"] < 0.5
    assert other["rouge_l"] < 0.5
    assert other["grounded"] < 0.5
    for who in ("base", "fine-tuned"):
        assert rows["unseen", f"{who}, from memory"]["rouge_l"] == 1.0
        assert rows["unseen", f"{who}, texts in view"]["cited"] == 1.0
        assert ("seen", f"{who}, texts in view") not in rows
    assert "cited" not in rows["unseen", "base, from memory"]


def test_refusals_of_the_index_and_of_the_model_are_counted_apart(dataset, truth):
    knows = evaluate_model(Parrot("knows", truth), dataset)
    refuses = evaluate_model(Parrot("refuses", {"": abstention("it")}), dataset)
    rows = {(row["set"], row["kind"]): row for row in compare(knows, refuses).refusals()}
    invented = rows["invented", ""]
    assert invented["after"] == invented["index_or_after"] == 1.0
    assert invented["before"] < 0.5
    assert 0.5 < invented["index"] <= 1.0
    assert rows["seen", ""]["index"] == 0.0
    assert rows["seen", ""]["before"] == 0.0
    assert rows["seen", ""]["after"] == 1.0, "a false refusal of the model's"
    assert rows["invented", "near miss"]["n"] + rows["invented", "made up"]["n"] == invented["n"]
    assert ("general", "") not in rows


def test_the_most_improved_and_the_most_damaged_stand_side_by_side(dataset, truth):
    titles = list(truth)
    before = evaluate_model(Parrot("before", {title: truth[title] for title in titles[::2]}), dataset)
    after = evaluate_model(Parrot("after", {title: truth[title] for title in titles[1::2]}), dataset)
    found = compare(before, after).examples(2)
    assert [pair.change for pair in found["improved"] if pair.before.set == "seen"] == [1.0, 1.0]
    assert all(pair.before.uid == pair.after.uid for pair in found["improved"])
    assert all(pair.change < 0 for pair in found["damaged"])
    same = compare(before, before).examples()
    assert same == {"improved": [], "damaged": []}
    text = page(compare(before, after))
    assert "## Most improved of each set" in text
    assert "## Most damaged of each set" in text
    assert found["improved"][0].after.answer in text


def test_markup_in_an_answer_stays_text(dataset):
    evil = "```\n# A heading\n<script>alert(1)</script>\n````"
    before = evaluate_model(Parrot("before", {}), dataset, sets=["general"])
    after = evaluate_model(Parrot("after", {"France": f"{evil} Paris"}), dataset, sets=["general"])
    text = page(compare(before, after))
    start = text.index("`````text\n")
    assert start < text.index("<script>") < text.index("\n`````", start + 10)


def test_a_report_survives_its_file(dataset, tmp_path):
    report = evaluate_model(Talker("silent", {}), dataset, limit=2, out=tmp_path / "new" / "report.json")
    assert EvalReport.load(tmp_path / "new" / "report.json") == report
    lines = (tmp_path / "new" / "report.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == [dataclasses.asdict(example) for example in report.examples]
    assert {path.name for path in (tmp_path / "new").iterdir()} == {"report.json", "report.jsonl"}
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(InputError, match="is not an evaluation report"):
        EvalReport.load(tmp_path / "other.json")
    with pytest.raises(InputError, match="No report"):
        EvalReport.load(tmp_path / "missing.json")


def test_a_report_of_the_first_version_still_loads(dataset, tmp_path):
    new = json.loads(evaluate_model(Parrot("silent", {}), dataset, limit=2).to_json())
    old = {key: new[key] for key in ("model", "dataset", "settings", "scores")}
    fields = ("set", "uid", "question", "reference", "answer", "scores")
    old["examples"] = [{key: example[key] for key in fields} for example in new["examples"]]
    (tmp_path / "old.json").write_text(json.dumps(old))
    report = EvalReport.load(tmp_path / "old.json")
    assert report.version == 1
    assert compare(report, report).rows()
    assert compare(report, report).yardsticks()
    assert compare(report, report).refusals()


class Tired(Talker):
    """Stops after some batches, as a killed process does."""

    batches = 2

    def generate_full(self, conversations, *, max_new_tokens=256, batch_size=16):
        if not self.batches:
            raise KeyboardInterrupt
        self.batches -= 1
        return super().generate_full(conversations)


def test_a_file_hears_how_many_questions_are_answered(dataset, truth, tmp_path, beat, capsys):
    options = {"limit": 4, "batch_size": 4, "sets": ["seen", "unseen", "invented"]}
    with pytest.raises(KeyboardInterrupt):
        evaluate_model(Tired("model", truth), dataset, out=tmp_path / "after.json", **options)
    capsys.readouterr()

    class Slow(Talker):
        def generate_full(self, conversations, **limits):
            said.extend(beat(10))
            return super().generate_full(conversations, **limits)

    said = []
    evaluate_model(Slow("slow", truth), dataset, **options)
    assert said == [
        "  asking slow: 0 of 12 questions …",
        "  asking slow: 0 of 12 questions, 0:00:10 so far",
        "  asking slow: 4 of 12 questions, 0:00:22 left",
        "  asking slow: 8 of 12 questions, 0:00:10 left",
    ]
    said.clear()
    evaluate_model(Slow("model", truth), dataset, out=tmp_path / "after.json", **options)
    assert said == ["  asking model: 8 of 12 questions …", "  asking model: 8 of 12 questions, 0:00:10 so far"]


def test_an_interrupted_evaluation_goes_on_where_it_stopped(dataset, truth, tmp_path, capsys):
    options = {"limit": 4, "batch_size": 4}
    whole = evaluate_model(Talker("model", truth), dataset, **options)
    out = tmp_path / "after.json"
    with pytest.raises(KeyboardInterrupt):
        evaluate_model(Tired("model", truth), dataset, out=out, **options)
    journal = tmp_path / "after.partial.jsonl"
    assert not out.exists()
    assert f"8 answers are saved in {journal}" in capsys.readouterr().err
    assert len(journal.read_text().splitlines()) == 9
    with journal.open("ab") as file:
        file.write(b'{"number": 3, "te')  # cut off by the kill
    second = Talker("model", truth)
    assert evaluate_model(second, dataset, out=out, **options) == whole
    assert len(second.asked) == len(whole.examples) - 8
    assert not journal.exists()
    assert EvalReport.load(out) == whole
    third = Talker("model", truth)
    evaluate_model(third, dataset, out=out, **options)
    assert len(third.asked) == len(whole.examples), "a finished one is measured anew"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"limit": 3}, "other questions and settings"),
        ({"weights": "b"}, "other weights"),
        ({"max_new_tokens": 8}, "other settings"),
        ({"sets": ["seen"]}, "with other questions"),
    ],
)
def test_a_journal_of_another_evaluation_is_refused_and_kept(dataset, tmp_path, changed, said):
    options = {"limit": 4, "batch_size": 4, "weights": "a", "out": tmp_path / "after.json"}
    with pytest.raises(KeyboardInterrupt):
        evaluate_model(Tired("model", {}), dataset, **options)
    journal = (tmp_path / "after.partial.jsonl").read_bytes()
    with pytest.raises(InputError, match=said):
        evaluate_model(Talker("model", {}), dataset, **options | changed)
    assert (tmp_path / "after.partial.jsonl").read_bytes() == journal


def test_what_is_no_journal_and_no_place_is_refused_before_the_model_is_asked(dataset, tmp_path):
    model = Parrot("model", {})
    (tmp_path / "after.partial.jsonl").write_text("[]\nnonsense\n")
    with pytest.raises(InputError, match="belongs to another evaluation"):
        evaluate_model(model, dataset, out=tmp_path / "after.json")
    with pytest.raises(InputError, match="is a folder"):
        evaluate_model(model, dataset, out=tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be made"):
        evaluate_model(model, dataset, out=tmp_path / "file" / "deep" / "after.json")
    assert model.asked == []


def test_weights_are_told_apart(tmp_path):
    assert weights_of("USER/NAME") == ""
    (tmp_path / "adapter_model.safetensors").write_bytes(b"one")
    first = weights_of(tmp_path)
    (tmp_path / "adapter_model.safetensors").write_bytes(b"two")
    assert weights_of(tmp_path) != first


def test_what_is_not_comparable_is_not_compared(dataset, whole):
    report = evaluate_model(Parrot("silent", {}), dataset, limit=2)
    with pytest.raises(InputError, match="different datasets"):
        compare(report, evaluate_model(Parrot("silent", {}), whole, limit=2))
    with pytest.raises(InputError, match="different settings"):
        compare(report, evaluate_model(Parrot("silent", {}), dataset, limit=1))
    with pytest.raises(InputError, match="different numbers of questions: seen 2 and 1"):
        compare(report, dataclasses.replace(report, examples=report.examples[1:]))
    other = [dataclasses.replace(report.examples[0], question="Why?"), *report.examples[1:]]
    with pytest.raises(InputError, match=r"different questions, such as .* and 'Why\?'"):
        compare(report, dataclasses.replace(report, examples=other))
    with pytest.raises(InputError, match="different versions, 4 and 1"):
        compare(report, dataclasses.replace(report, version=1))
    templated = Parrot("silent", {})
    templated.template = SimpleNamespace(jinja="{{ another }}")
    with pytest.raises(InputError, match="their chat templates differ"):
        compare(report, evaluate_model(templated, dataset, limit=2))
    with pytest.raises(InputError, match="No set 'sean'"):
        evaluate_model(Parrot("silent", {}), dataset, sets=["sean"])


def test_compare_writes_everything_and_prints_the_table(dataset, truth, tmp_path, capsys):
    for name, answers in (("before", {}), ("after", truth)):
        evaluate_model(Talker(name, answers), dataset, limit=3, out=tmp_path / f"{name}.json")
    main(["compare", str(tmp_path / "before.json"), str(tmp_path / "after.json"), "--out", str(tmp_path / "both")])
    out, _ = capsys.readouterr()
    assert out.startswith("| set | n | measure | before | after | change |")
    folder = tmp_path / "both"
    assert {path.name for path in folder.iterdir()} == {
        "comparison.md", "comparison.json", "before_after.png", "changes.png",
    }  # fmt: skip
    assert out in (folder / "comparison.md").read_text()
    assert json.loads((folder / "comparison.json").read_text())["rows"]
    assert all((folder / name).read_bytes().startswith(b"\x89PNG") for name in ("before_after.png", "changes.png"))
    with pytest.raises(InputError, match="is a file"):
        save_comparison(compare(*(EvalReport.load(tmp_path / "after.json"),) * 2), tmp_path / "after.json")


def test_a_terminal_gets_the_headlines_aligned_and_one_sentence(dataset, truth, tmp_path, capsys, monkeypatch):
    reports = [evaluate_model(Talker(name, answers), dataset) for name, answers in (("before", {}), ("after", truth))]
    files = [str(tmp_path / f"{report.model}.json") for report in reports]
    for report, path in zip(reports, files, strict=True):
        report.save(path)
    monkeypatch.setattr(type(sys.stdout), "isatty", lambda _: True, raising=False)
    monkeypatch.setenv("COLUMNS", "110")
    shown = {}
    for options in ((), ("--all",), ("--card-language", "pt"), ("--json",)):
        main(["compare", *files, *options])
        shown[options] = capsys.readouterr().out
    short, summary = shown[()].strip().rsplit("\n", 1)
    assert "|" not in short
    assert len({line.index("  ROUGE-L") for line in short.splitlines() if "ROUGE-L" in line}) == 1
    assert "chrF" not in short
    assert "chrF" in shown[("--all",)]
    counts = re.fullmatch(r"Of (\d+) measures, (\d+) improved and 0 got worse \(p < 0.05\).", summary)
    assert counts
    assert 0 < int(counts[2]) <= int(counts[1])
    assert "melhoraram e 0 pioraram (p < 0,05)." in shown[("--card-language", "pt")]
    assert json.loads(shown[("--json",)])["rows"]


def test_the_scores_of_a_report_are_a_table(dataset, truth):
    report = evaluate_model(Talker("model", truth), dataset, limit=3)
    assert "| seen | 3 | fact recall | 1.00 | 1.00 to 1.00 |" in report.to_markdown().splitlines()
    assert "chrF" not in report.to_markdown()
    assert "chrF" in report.to_markdown(full=True)


def test_a_comparison_follows_the_language_of_the_card(dataset, truth, tmp_path, capsys, monkeypatch):
    drawn = []
    for name in ("plot_before_after", "plot_changes"):
        plot = getattr(plots, name)
        monkeypatch.setattr(
            f"amazon_titles.evaluation.comparison.{name}",
            lambda rows, *, language, plot=plot: drawn.append(language) or plot(rows, language=language),
        )
    for name, answers in (("before", {}), ("after", truth)):
        evaluate_model(Talker(name, answers), dataset, limit=3, out=tmp_path / f"{name}.json")
    files = [str(tmp_path / f"{name}.json") for name in ("before", "after")]
    for language in ("en", "pt"):
        main(["compare", *files, "--out", str(tmp_path / language), "--card-language", language])
    assert drawn == ["en", "en", "pt", "pt"]
    out = capsys.readouterr().out
    english, portuguese = ((tmp_path / language / "comparison.md").read_text("utf-8") for language in ("en", "pt"))
    assert "| vistos | 3 | ROUGE-L F1 | 0,00 | 1,00 | +1,00 |" in portuguese
    assert "| vistos | 3 | ROUGE-L F1 | 0,00 | 1,00 | +1,00 |" in out
    jsons = [(tmp_path / language / "comparison.json").read_bytes() for language in ("en", "pt")]
    assert jsons[0] == jsons[1]
    # What is ours is not left in English: no line is the same but those of questions and answers.
    ours = [set(re.sub(r"(?s)(`{3,})text\n.*?\n\1", "", text).splitlines()) for text in (english, portuguese)]
    assert [line for line in set.intersection(*ours) if re.search("[a-z]{3}", line)] == []


def test_every_headline_is_of_a_set_and_the_short_table_is_short(dataset, truth):
    report = evaluate_model(Talker("model", truth), dataset, limit=3)
    assert {name for measure in MEASURES.values() for name in measure.sets} == set(SETS)
    comparison = compare(report, report)
    assert len(comparison.to_markdown(full=False).splitlines()) <= 16
    assert len(comparison.to_markdown().splitlines()) > 25
