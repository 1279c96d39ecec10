"""Every cleaning rule on its own, and what all of them together promise."""

import html
import json
import os
import time
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amazon_titles.catalog.cleaning import (
    CHARACTER_RULES,
    CONTENT_RULES,
    TITLE_RULES,
    clean,
    collapse_spaces,
    fix_encoding,
    remove_controls,
    remove_copyright,
    remove_edition_notes,
    space_sentences,
    unescape_entities,
)
from amazon_titles.catalog.filters import drop_reason, key_hash, text_key
from amazon_titles.text import cut_text

AMAZON = CONTENT_RULES["amazon"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Kerr&#8217;s best&#8211;selling", "Kerr’s best–selling"),
        ("a dash&#151;here, &#147;quoted&#148;", "a dash—here, “quoted”"),  # cp1252 codes
        ("it&#x92;s", "it’s"),
        ("Heroes &amp; Villains", "Heroes & Villains"),
        ("twice &amp;amp; escaped &amp;#8217;", "twice & escaped ’"),
        ("R&D; Q&A?a=1&copy=2 AT&T", "R&D; Q&A?a=1&copy=2 AT&T"),  # no entities
        ("&notanentity; stays", "&notanentity; stays"),
    ],
)
def test_entities(before, after):
    assert clean(before, {"entities": unescape_entities}, {}) == after


def test_a_hostile_chain_of_escapes_costs_one_pass():
    start = time.perf_counter()
    assert clean("&" + "amp;" * 100_000 + "lt;", CHARACTER_RULES, {}) == "<"
    assert time.perf_counter() - start < 2


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a\x00b\x7fc", "abc"),
        ("it\x92s \x93so\x94", "it’s “so”"),
        ("one\ttwo\nthree", "one two three"),
        ("soft\u00adhyphen zero\u200bwidth \ufeffmark \ufffd!", "softhyphen zerowidth mark !"),
        ("\ud83d alone", " alone"),
        ("plain", "plain"),
    ],
)
def test_controls(before, after):
    assert remove_controls(before) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [("  a  b ", "a b"), ("a\u00a0b\u2003c", "a b c"), ("already clean", "already clean"), ("", "")],
)
def test_spaces(before, after):
    assert collapse_spaces(before) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("the cat.Now, even infants", "the cat. Now, even infants"),
        ("What fun!She said", "What fun! She said"),
        ('he said "yes."Then left', 'he said "yes." Then left'),
        ("the end.A story", "the end. A story"),
        ("My Weekly‘A stirring tale’", "My Weekly ‘A stirring tale’"),
        ("J.K.Rowling in the U.S.A. at 2.5 m", "J.K.Rowling in the U.S.A. at 2.5 m"),
        ("visit Example.Com or www.example.com now", "visit Example.Com or www.example.com now"),
        ("wait... What?", "wait... What?"),
    ],
)
def test_sentences(before, after):
    assert space_sentences(before) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("A tale.--This text refers to theHardcoveredition.", "A tale."),
        ("A tale. --This text refers to an out of print or unavailable edition of this title.", "A tale."),
        ("--This text refers to thePaperbackedition.", ""),
        ("One.--This text refers to an alternatePaperbackedition.Two.", "One. Two."),
        ("This text refers to many things.", "This text refers to many things."),
    ],
)
def test_edition_notes(before, after):
    assert remove_edition_notes(before) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("needed.Copyright 1989 Reed Business Information, Inc.", "needed."),
        (
            "Good.(Jan.)Copyright © Reed Business Information, a division of Reed Elsevier Inc. All rights reserved.",
            "Good.(Jan.)",
        ),
        ("evanescent. (c)Copyright 2002 Cahners Business Information, Inc. More.", "evanescent. More."),
        ("Roland GreenCopyright © American Library Association. All rights reserved", "Roland Green"),
        ("A book about Copyright law", "A book about Copyright law"),
    ],
)
def test_copyright(before, after):
    assert remove_copyright(before) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            "<p>A <b>lamp</b>.<br/>Brass</p><ul><li>one</li><li class='x'>two</li></ul>end",
            "A lamp.\nBrass\n- one\n- two\nend",
        ),
        ("&lt;p&gt;A lamp.&lt;br&gt;Brass&lt;/p&gt;", "A lamp.\nBrass"),
        ("<td>A lamp</td><td>of brass</td>", "A lamp of brass"),
        ("H<sub>2</sub>O<!-- a note --><style>p {color: red}</style><SCRIPT>alert(1)</SCRIPT>!", "H2O\n!"),
        ("one\r\n\r\ntwo  three\n", "one\ntwo three"),
        ("5 < 6 > 4, <3, a<b and c>d, <your name>, 1<2>", "5 < 6 > 4, <3, a<b and c>d, <your name>, 1<2>"),
    ],
)
def test_tags_go_and_line_breaks_stay(before, after):
    applied = {}
    cleaned = clean(before, CONTENT_RULES["generic"], applied)
    assert cleaned.startswith(after)
    assert ("html" in applied) == ("<p" in before or "<t" in before or "H<" in before or "&lt;" in before)
    for rules in (TITLE_RULES, AMAZON):  # one line each
        assert clean(before, rules, {}).startswith(after.replace("\n", " "))


def test_a_list_keeps_its_dashes():
    text = clean("Box:<ul><li>a lamp</li>\n<li>a cord</li></ul>and more", CONTENT_RULES["generic"], {})
    assert text == "Box:\n- a lamp\n- a cord\nand more"


def test_hostile_tags_cost_one_pass():
    start = time.perf_counter()
    for hostile in (
        "<!--" * 100_000,
        "<p" + " " * 300_000,
        "<p " + "=" * 300_000,
        "<p " * 100_000 + ">",
        "<style>" * 100_000,
        "&lt;" * 100_000 + "b>" * 100_000,
    ):
        clean(hostile, CONTENT_RULES["generic"], {})
    assert time.perf_counter() - start < 4


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("CoraÃ§Ã£o Ã  la donâ€™t 30 Â°C", "Coração à la don’t 30 °C"),
        ("CORAÃ‡ÃƒO", "CORAÇÃO"),
        ("Coração, lâmpada, CAFÉ®, “MAÇÔ, ¿Qué?, Â ou Ã", "Coração, lâmpada, CAFÉ®, “MAÇÔ, ¿Qué?, Â ou Ã"),
    ],
)
def test_double_encoding(before, after):
    assert fix_encoding(before) == after


def test_generic_rules_leave_amazons_habits_alone():
    note = "A tale.--This text refers to theHardcoveredition."
    assert clean(note, CONTENT_RULES["generic"], {}) == note


_MESSY = st.lists(
    st.one_of(
        st.text(max_size=12),
        st.sampled_from([
            "&amp;", "&#151;", "&#x92;", "amp;", "&", "#38;", "  ", "\n", "\x92", ".", "cat.Now", "‘A", "--", "(c)",
            "Copyright", "<p>", "<br", "<li>", ">", "&lt;", "<!--",
            "This text refers to the", "edition", " of this title.", " 1999 Reed Business Information, Inc.", "\u00a0",
        ]),
    ),
    max_size=14,
).map("".join)  # fmt: skip


@given(_MESSY, st.sampled_from(sorted(CONTENT_RULES)))
def test_cleaning_twice_changes_nothing(text, rules):
    once = clean(text, CONTENT_RULES[rules], {})
    applied = {}
    assert clean(once, CONTENT_RULES[rules], applied) == once
    assert not applied


def _letters(text):
    return [c for c in unicodedata.normalize("NFKC", text) if c.isalnum()]


@given(_MESSY.filter(lambda text: "&" not in text))
def test_the_character_rules_lose_no_letter_and_no_digit(text):
    raw = "".join(c for c in text if not 0x80 <= ord(c) < 0xA0)  # C1 codes become what they were in cp1252
    assert _letters(clean(raw, CHARACTER_RULES, {})) == _letters(raw)


@given(_MESSY, st.integers(2, 60))
def test_a_cut_is_short_enough_and_a_beginning(text, limit):
    line = clean(text, AMAZON, {})
    short = cut_text(line, limit)
    assert len(short) <= limit
    assert line.startswith(short.removesuffix("…"))
    assert cut_text(short, limit) == short


def test_a_cut_ends_with_a_sentence():
    assert cut_text("First one here. Second one there. Third.", 34) == "First one here. Second one there."
    assert (
        cut_text("He won. The prize was named for Arthur C. Clarke and others.", 44)
        == "He won. The prize was named for Arthur C.…"
    )
    assert (
        cut_text("The prize was great. It honours Arthur C. Clarke.", 42)
        == "The prize was great. It honours Arthur C.…"
    )
    assert cut_text("The prize was grand. By Dr. No and more.", 30) == "The prize was grand."
    assert cut_text("No sentence ends in these words at all", 20) == "No sentence ends in…"


@pytest.mark.parametrize(
    ("title", "content", "reason"),
    [
        ("", "x" * 99, "empty_title"),
        ("A title", "", "empty_content"),
        ("Worship [VHS]", "WORSHIP (VHS).", "same_as_title"),
        ("On Happiness", "Text: English, French (translation)", "metadata_only"),
        ("Infallible?", "Text: English (translation)Original Language: German", "metadata_only"),
        ("Bunny", "By Marilyn Sadler, Illustrated by Roger Bollen", "boilerplate"),
        ("Tunes", "VHS Tape", "boilerplate"),
        ("Tutu", "Pink tutu.", "too_short"),
        ("Tutu", "By hand and with patience we sew every single tutu in our shop.", None),
        ("Tutu", "High quality 3 layer ballet tutu. 12 inches in length", None),
    ],
)
def test_reasons_to_drop(title, content, reason):
    assert drop_reason(title, content, min_chars=40) == reason


def test_one_normalisation():
    assert text_key("Mog's  Kittens!") == text_key("MOG’S KITTENS")
    assert text_key("ﬁne №5") == text_key("FINE No5")
    assert text_key("!!!") != text_key("???")
    assert key_hash("Größe 5") != key_hash("Größe 6")


@pytest.mark.skipif("REAL_ROWS" not in os.environ, reason="REAL_ROWS names no file of real rows of trn.json")
def test_real_rows_lose_no_letter_and_stay_clean():
    rows = [json.loads(line) for line in Path(os.environ["REAL_ROWS"]).read_text(encoding="utf-8").splitlines()]
    for row in rows:
        for text in (row["title"], row["content"]):
            assert _letters(clean(text, CHARACTER_RULES, {})) == _letters(html.unescape(html.unescape(text)))
            once = clean(text, AMAZON, {})
            assert clean(once, AMAZON, {}) == once
            assert "Reed Business" not in once
            assert "--This text refers" not in once
