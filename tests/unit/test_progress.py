"""What is said while work goes on: a bar on a terminal, lines everywhere else, and never ten seconds of silence."""

from __future__ import annotations

import io
import re
import sys
import threading

from amazon_titles import progress
from amazon_titles.progress import bar, lines, say, step


class Terminal(io.StringIO):
    def isatty(self):
        return True


class File(io.StringIO):
    """A file that says when so many lines stand in it."""

    def __init__(self, wanted):
        super().__init__()
        self.wanted, self.there = wanted, threading.Event()

    def write(self, text):
        written = super().write(text)
        if self.getvalue().count("\n") >= self.wanted:
            self.there.set()
        return written


def test_a_line_at_the_start_then_one_every_ten_seconds(beat):
    with bar("training", 1000, unit="steps", tokens=256) as advance:
        assert beat(9, lambda: advance(note="loss 1.50")) == ["  training: 0 of 1,000 steps …"]
        told = beat(21, lambda: advance(note="loss 1.25"))
    assert told == [
        "  training: 10 of 1,000 steps, loss 1.25, 256 tokens/s, 0:16:30 left",
        "  training: 20 of 1,000 steps, loss 1.25, 256 tokens/s, 0:16:20 left",
        "  training: 30 of 1,000 steps, loss 1.25, 256 tokens/s, 0:16:10 left",
    ]


def test_after_ten_seconds_a_line_for_five_percent(beat):
    with bar("asking", 40, unit="questions") as advance:
        told = beat(16, advance)
    assert [line.split(" of")[0] for line in told[1:]] == [f"  asking: {n}" for n in (10, 12, 14, 16)]


def test_what_is_done_before_the_ten_seconds_has_one_line_or_none(beat, capsys):
    with bar("asking", 9, unit="questions") as advance:
        assert len(beat(9, advance)) == 1
    with bar("indexing", unit="products", announce=False) as advance:
        assert beat(9, advance) == []
    assert capsys.readouterr().err == ""


def test_work_that_does_not_advance_is_not_silent(beat):
    with bar("merging"):
        assert beat(25) == ["  merging …", "  merging: 0:00:10 so far", "  merging: 0:00:20 so far"]
    with bar("asking", 12, unit="questions"):
        assert beat(10)[-1] == "  asking: 0 of 12 questions, 0:00:10 so far"


def test_what_an_earlier_run_has_done_does_not_count_for_the_speed(beat):
    with bar("asking", 100, unit="questions", done=60) as advance:
        told = beat(10, advance)
    assert told == ["  asking: 60 of 100 questions …", "  asking: 70 of 100 questions, 0:00:30 left"]


def test_a_file_that_grows_can_be_measured(beat):
    sizes = iter(range(100, 400, 3))
    with lines("fetching", 1890, unit="MB", measure=lambda: next(sizes)):
        assert beat(10)[-1] == "  fetching: 130 of 1,890 MB, 0:09:47 left", "100 MB were there"


def test_nothing_is_added_to_lines_that_come_by_themselves(beat):
    def log():
        for n in range(3):
            yield f"line {n}"

    with bar("the job", announce=False):
        for line in log():
            say(line)
            assert beat(9) == [line]
    with lines("push-dataset", announce=False), bar("sending"):
        assert beat(10)[-1] == "  sending: 0:00:10 so far", "of work within work the innermost speaks"
    assert progress._Lines.open == []


def test_the_lines_come_by_themselves_and_end_with_the_work(monkeypatch):
    monkeypatch.setattr(progress, "SECONDS", 0.001)
    monkeypatch.setattr(sys, "stderr", file := File(wanted=4))
    before = threading.active_count()
    with bar("loading", announce=False):
        assert file.there.wait(60)
    assert threading.active_count() == before
    assert re.fullmatch(r"(  loading: 0:00:0\d so far\n)+", file.getvalue())


def test_on_a_terminal_a_bar_and_nothing_where_another_draws_one(monkeypatch):
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    with lines("fetching", unit="MB") as advance:
        advance()
    assert terminal.getvalue() == ""
    with bar("training", 216, unit="steps", done=200) as advance:
        advance(8, note="loss 1.25")
    assert "training, steps" in terminal.getvalue()
    assert "208/216" in terminal.getvalue()
    assert "loss 1.25" in terminal.getvalue()
    with bar("merging"):
        pass
    assert "merging" in terminal.getvalue()


def test_a_step_says_what_came_of_it(beat, clock, capsys):
    with step(2, 9, "Build") as done:
        clock.now += 3
        done("48 products")
    assert capsys.readouterr().err == "[2/9] Build …\n[2/9] done in 3.0 s: 48 products\n"


def test_a_command_of_a_notebook_says_lines_though_it_is_given_a_terminal(monkeypatch):
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    monkeypatch.setenv("JPY_PARENT_PID", "7")
    with bar("training", 10, unit="steps"):
        pass
    assert terminal.getvalue() == "  training: 0 of 10 steps …\n"
    monkeypatch.delenv("JPY_PARENT_PID")
    assert progress.on_terminal()
