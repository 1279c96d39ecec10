"""Plots: every bar has its value, a zero is seen, colour and mark say what is better, numbers are the language's."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from amazon_titles import plots

ROW = {"set": "seen", "n": 24, "measure": "fact recall", "better": 1}
ROWS = [
    {**ROW, "before": 0.0, "after": 0.94, "change_interval": [0.8, 1.0]},
    {**ROW, "before": 0.5, "after": 0.25, "change_interval": [-0.4, -0.1]},
    {**ROW, "before": 0.5, "after": 0.25, "change_interval": [-0.4, -0.1], "better": -1, "measure": "false abstention"},
    {**ROW, "before": 0.42, "after": 0.38, "change_interval": [-0.2, 0.1]},
    {**ROW, "before": 0.42, "after": 0.78, "better": 0},
]
VERDICTS = ["better", "worse", "better", "no clear change", "no clear change"]
LENGTHS = {
    name: {"counts": [0, 5, 1200, 3], "edges": [0, 10, 20, 1500, 2000], "p50": place}
    for name, place in (("title", 0), ("content", 1990))
}


@pytest.fixture
def axes(monkeypatch):
    """A plot's axes in place of its PNG."""
    pytest.importorskip("matplotlib")
    monkeypatch.setattr(plots, "_png", lambda axes: axes)


def marks():
    return [plots._VERDICTS[verdict][1] for verdict in VERDICTS]


def test_every_bar_has_its_value_and_its_verdict(axes):
    drawn = plots.plot_before_after(ROWS, language="pt")
    said = [text.get_text() for text in drawn.texts]
    assert said[:5] == ["0", "0,50", "0,50", "0,42", "0,42"]
    values = ["0,94", "0,25", "0,25", "0,38", "0,78"]
    assert said[5:] == [f"{value} {mark}" for value, mark in zip(values, marks(), strict=True)]
    colors = [bar.get_facecolor() for bar in drawn.patches[5:]]
    assert (colors[0], colors[3]) == (colors[2], colors[4])
    assert len(set(colors)) == 3
    assert (drawn.get_xlabel(), drawn.get_ylabel()) == ("proporção, de 0 a 1", "perguntas e medida")
    legend = [text.get_text() for text in drawn.figure.legends[0].get_texts()]
    assert legend == ["antes", "depois: melhor ▲", "depois: pior ▼", "depois: sem mudança clara ="]


def test_every_change_has_its_value_and_its_verdict(axes):
    drawn = plots.plot_changes(ROWS, language="pt")
    values = ["+0,94", "-0,25", "-0,25", "-0,04", "+0,36"]
    assert [text.get_text() for text in drawn.texts] == [f"{v} {m}" for v, m in zip(values, marks(), strict=True)]
    assert "vistos: recusa indevida (n=24)" in [label.get_text() for label in drawn.get_yticklabels()]


def test_a_loss_tells_where_it_began_and_ended(axes):
    drawn = plots.plot_losses([{"epoch": 0.1, "loss": 2.5}, {"epoch": 1, "loss": 0.331}], language="pt")
    assert [text.get_text() for text in drawn.texts] == ["2,50", "0,33"]
    assert (drawn.get_xlabel(), drawn.get_ylabel()) == ("época", "perda (nats por token)")


@pytest.mark.parametrize("language", ["en", "pt"])
def test_no_text_of_the_lengths_stands_over_a_bar_or_outside(monkeypatch, language):
    """Pillow's own font has no accents, so that no word of this plot may need one."""
    said, boxes = [], []
    write = plots.ImageDraw.ImageDraw.text

    def noted(self, xy, text, **options):
        said.append(text)
        boxes.append(self.textbbox(xy, text, font=options["font"], anchor=options["anchor"]))
        write(self, xy, text, **options)

    monkeypatch.setattr(plots.ImageDraw.ImageDraw, "text", noted)
    image = Image.open(io.BytesIO(plots.plot_lengths(LENGTHS, language=language)))
    assert all(text.isascii() for text in said)
    assert {"1.200", "2.000"} <= set(said) if language == "pt" else {"1,200", "2,000"} <= set(said)
    bottom = plots._HEIGHT - plots._BOTTOM
    for text, (left, top, right, low) in zip(said, boxes, strict=True):
        panel = plots._WIDTH * (left // plots._WIDTH)
        assert low <= plots._TOP or top >= bottom or right < panel + plots._LEFT, f"{text} stands over the bars"
        assert 0 <= left < right <= image.width, f"{text} is cut"


def test_the_paper_is_white_on_a_dark_page_too():
    pytest.importorskip("matplotlib")
    made = [plots.plot_lengths(LENGTHS), plots.plot_changes(ROWS[:1])]
    for image in map(Image.open, map(io.BytesIO, made)):
        assert image.convert("RGBA").getpixel((1, 1)) == (255, 255, 255, 255)
