"""Questions from a file, and the command `ask`, with a model that says what it is told to say."""

from __future__ import annotations

import json

import pytest
from test_model_retrieve import RIGHT, Told, asked_of

from amazon_titles.cli import main
from amazon_titles.errors import InputError
from amazon_titles.model import CatalogModel, Sampling
from amazon_titles.model.files import ask_file, read_questions
from amazon_titles.model.loading import tell_of_another_catalogue

QUESTIONS = ['What is "Velmo Tarkin Kettle"?', "Fale sobre Grinax Puzzle 300", 'What is "Zorvex 3000"?', "hm?", "so?"]


@pytest.fixture
def questions(tmp_path):
    path = tmp_path / "questions.jsonl"
    lines = [json.dumps({"question": text, "id": n}) for n, text in enumerate(QUESTIONS[:-1])]
    path.write_text("\n".join([*lines, "", json.dumps(QUESTIONS[-1])]) + "\n", encoding="utf-8")
    return path


def answers(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_line_ends_at_its_end_alone(tmp_path):
    (tmp_path / "q.jsonl").write_bytes('\ufeff"one\u2028\u0085?"\r\n{"question": "two?"}'.encode())
    assert [question.text for question in read_questions(tmp_path / "q.jsonl")] == ["one\u2028\u0085?", "two?"]


def test_what_powershell_wrote_is_read(tmp_path):
    (tmp_path / "q.jsonl").write_bytes('"É isto?"\r\n"two?"\r\n'.encode("utf-16"))
    assert [question.text for question in read_questions(tmp_path / "q.jsonl")] == ["É isto?", "two?"]


def test_every_question_has_its_answer_in_order(questions, tmp_path):
    model = asked_of(Told(RIGHT))
    assert ask_file(model, questions, tmp_path / "new" / "out.jsonl", batch_size=2) == 5
    written = answers(tmp_path / "new" / "out.jsonl")
    assert [row.get("id") for row in written] == [0, 1, 2, 3, None]
    for row, text in zip(written, QUESTIONS, strict=True):
        row.pop("id", None)
        assert row == model.ask(text).to_dict()
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["out.jsonl"]


class Fails(Told):
    """Fails at its third question, as a power cut would."""

    def generate_full(self, conversations, **options):
        if len(self.asked) + len(conversations) > 1:
            raise KeyboardInterrupt
        return super().generate_full(conversations, **options)


@pytest.mark.parametrize("torn", [b"", b'{"version": 1, "ki'])
def test_what_was_answered_is_not_asked_again(questions, tmp_path, torn):
    whole, out = tmp_path / "whole.jsonl", tmp_path / "out.jsonl"
    ask_file(asked_of(Told(RIGHT)), questions, whole, batch_size=1)
    out.write_text("older answers")
    with pytest.raises(KeyboardInterrupt):
        ask_file(asked_of(Fails(RIGHT)), questions, out, batch_size=1)
    assert out.read_text() == "older answers", "nothing half-made is seen"
    (partial,) = tmp_path.glob(".out.jsonl.*.partial")
    with partial.open("ab") as file:
        file.write(torn)
    chat_model = Told(RIGHT)
    assert ask_file(asked_of(chat_model), questions, out, batch_size=1) == 4
    assert out.read_bytes() == whole.read_bytes()
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("change", [{"k": 1}, {"sampling": Sampling(0.5)}, {"identity": "trained anew"}])
def test_another_model_or_option_starts_anew(questions, tmp_path, change):
    out = tmp_path / "out.jsonl"
    with pytest.raises(KeyboardInterrupt):
        ask_file(asked_of(Fails(RIGHT)), questions, out, batch_size=1)
    assert ask_file(asked_of(Told(RIGHT)), questions, out, **change) == 5
    assert not list(tmp_path.glob(".*")), "what was left behind is tidied"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is empty"),
        ('{"question": "a"}\n{"q": 1}\n', "Line 2 of .* holds no question"),
        ('"a"\n\n{"question": "a"', "Line 3 of .* is no JSON"),
        ('{"question": "  "}', "Line 1 of .* holds no question"),
        ("[1]", "Line 1 of .* holds no question"),
    ],
)
def test_a_bad_file_of_questions_is_a_sentence(tmp_path, text, sentence):
    (tmp_path / "q.jsonl").write_text(text)
    with pytest.raises(InputError, match=sentence):
        read_questions(tmp_path / "q.jsonl")


def test_a_file_that_is_not_there_or_not_text_is_a_sentence(tmp_path, questions):
    with pytest.raises(InputError, match="No questions at"):
        read_questions(tmp_path / "none.jsonl")
    (tmp_path / "q.jsonl").write_bytes(b"\xff\xfe\xff")  # half a character of UTF-16
    with pytest.raises(InputError, match="cannot be read"):
        read_questions(tmp_path / "q.jsonl")
    with pytest.raises(InputError, match="is a folder"):
        ask_file(asked_of(Told()), questions, tmp_path)


@pytest.fixture
def ask(monkeypatch, capsys):
    """Runs `ask` with a model that says `RIGHT`; gives the exit code, stdout and stderr."""
    monkeypatch.setattr(CatalogModel, "from_pretrained", lambda *_, **__: asked_of(Told(RIGHT)))

    def run(*arguments):
        code = 0
        try:
            main(["ask", *map(str, arguments), "--model", "any"])
        except SystemExit as stopped:
            code = stopped.code
        return (code, *capsys.readouterr())

    return run


def test_the_command_answers(ask, questions, tmp_path):
    model = asked_of(Told(RIGHT))
    assert ask(QUESTIONS[0]) == (0, model.ask(QUESTIONS[0]).to_text() + "\n", "")
    assert ask(QUESTIONS[0], "--json", "-k", 1)[1] == model.ask(QUESTIONS[0], k=1).to_json() + "\n"
    out = tmp_path / "a.jsonl"
    assert ask("--questions", questions, "--out", out) == (0, f"{out}  5 new answers\n", "")
    assert len(answers(out)) == 5


@pytest.mark.parametrize("question", QUESTIONS[:3])
def test_on_a_terminal_the_words_come_as_they_are_said(ask, monkeypatch, question):
    import sys

    monkeypatch.setattr(type(sys.stdout), "isatty", lambda _: True, raising=False)
    answer = asked_of(Told(RIGHT)).ask(question)
    code, out, _ = ask(question)
    assert code == 0
    said = {"answer": answer.text + "\n" + answer.notes(), "refusal": answer.to_text()}
    assert out == said.get(answer.kind, RIGHT + "\n\n" + answer.to_text()) + "\n"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "Give one QUESTION, or --questions with --out"),
        (["What?", "--questions", "q.jsonl"], "Give one QUESTION, or --questions with --out"),
        (["--questions", "q.jsonl"], "Give one QUESTION, or --questions with --out"),
        (["--questions", "q.jsonl", "--out", "a.jsonl"], "No questions at q.jsonl"),
        (["What?", "--temperature", "0"], "is not above 0"),
        (["What?", "--temperature", "nan"], "is not above 0"),
    ],
)
def test_what_cannot_be_asked_is_said(ask, tmp_path, monkeypatch, arguments, sentence):
    monkeypatch.chdir(tmp_path)
    code, out, err = ask(*arguments)
    assert (code, out) == (2, "")
    assert sentence in err
    assert list(tmp_path.iterdir()) == []


def test_no_answer_commands_a_terminal(monkeypatch, capsys):
    chat_model = Told("\x1b[2JVelmo Tarkin Kettle \x9b2J\u202eholds 4.1 litres. [B00KETTLE1]")
    monkeypatch.setattr(CatalogModel, "from_pretrained", lambda *_, **__: asked_of(chat_model))
    main(["ask", QUESTIONS[0], "--model", "any"])
    out = capsys.readouterr().out
    assert "holds 4.1 litres" in out
    assert not [sign for sign in out if not sign.isprintable() and sign != "\n"]


def test_one_line_says_that_a_model_was_trained_on_another_catalogue(tmp_path, capsys):
    def told(catalogue, **dataset):
        (tmp_path / "run.json").write_text(json.dumps({"dataset": dataset}))
        tell_of_another_catalogue(tmp_path, catalogue)
        return capsys.readouterr().err

    assert told("sha256:0123456789ab", report_sha256="0123456789abcdef", revision=None) == ""
    assert told("sha256:ffffffffffff", report_sha256=None, revision="c0ffee") == "", "a folder is not compared with it"
    assert told("c0ffee", report_sha256=None, revision="c0ffee") == ""
    for other in (told("sha256:ffffffffffff", report_sha256="0123456789abcdef"), told("beef", revision="c0ffee")):
        assert other.count("\n") == 1
        assert "not the catalogue that the model was trained on" in other
    (tmp_path / "run.json").unlink()
    tell_of_another_catalogue(tmp_path, "c0ffee")
    assert capsys.readouterr().err == "", "a base was trained on none"
