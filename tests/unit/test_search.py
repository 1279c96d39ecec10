"""Which product is this question about, and when is it about none."""

from __future__ import annotations

import string
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rapidfuzz.distance import OSA

from amazon_titles.catalog import Product
from amazon_titles.search import CatalogIndex
from amazon_titles.search.words import quotations, similarity
from amazon_titles.text import words_of

TITLES = (
    "Velmo Tarkin Kettle",
    "Velmo Sarrel Kettle",
    "Grinax Puzzle 300",
    "The Garden of Orsk",
    "Rain Barrel Poboxa",
    "Dorvan Lamp KX-4500, Red",
    "Dorvan Lamp KX-4500, Blue",
    "Dorvan Lamp KX-4500, Green",
    "Nisk Reader, Volume 3 (Paperback)",
    "Nisk Reader, Volume 3 (Hardcover)",
    "Nisk Reader, Volume 4 (Paperback)",
    "What We Do at Home",
    "Übersee Café Müller",
    "Headphones Trimulo",
    'The 12" Ruler of Zand',
)


@pytest.fixture(scope="module")
def index():
    return CatalogIndex(Product(f"B{n:09d}", title, "Some text.") for n, title in enumerate(TITLES))


def first(index, question):
    hits = index.search(question)
    return hits[0].product.title if hits else None


@pytest.mark.parametrize(
    ("question", "title"),
    [
        ('What is "Velmo Tarkin Kettle"?', "Velmo Tarkin Kettle"),
        ("Hello! Somebody mentioned Velmo Tarkin Kettle to me. Could you say something?", "Velmo Tarkin Kettle"),
        ("hello, somebody mentioned the velmo sarrel kettle, is it heavy?", "Velmo Sarrel Kettle"),
        ("O que é o Grinax Puzzle 300?", "Grinax Puzzle 300"),
        ("Tell me about the garden of Orsk", "The Garden of Orsk"),
        ("quanto custa a chaleira Velmo Tarkin?", "Velmo Tarkin Kettle"),
        ("is the Tarkin whistling?", "Velmo Tarkin Kettle"),
        ("VELMO TARKIN KETTLE!!!", "Velmo Tarkin Kettle"),
        ("kettle, tarkin, from velmo", "Velmo Tarkin Kettle"),
        ("does the Vemlo Tarkin Ketle leak", "Velmo Tarkin Kettle"),
        ("the kettle by Velmo, the Tarkim one", "Velmo Tarkin Kettle"),
        ("who needs a rainbarrel from Poboxa", "Rain Barrel Poboxa"),
        ("are the head phones from Trimulo good", "Headphones Trimulo"),
        ("ubersee cafe muller", "Übersee Café Müller"),
        ("What is 'Grinax Puzzle 300'?", "Grinax Puzzle 300"),
        ("Is “The Garden of Orsk” sad?", "The Garden of Orsk"),
        ('What is "What We Do at Home"?', "What We Do at Home"),
        ("what is What We Do at Home", "What We Do at Home"),
        ("I was given the Grinax Puzzle 300 in 1998 by 2 friends", "Grinax Puzzle 300"),
        ('Is "The 12" Ruler of Zand" made of wood?', 'The 12" Ruler of Zand'),
        ("Nisk Reader Volume 4", "Nisk Reader, Volume 4 (Paperback)"),
        ("the hardcover of Nisk Reader 3", "Nisk Reader, Volume 3 (Hardcover)"),
    ],
)
def test_finds_the_product(index, question, title):
    assert first(index, question) == title


@pytest.mark.parametrize(
    "question",
    [
        'What is "Zorvex Quillomar Teapot 3000"?',
        'What is "Grinax Puzzle 900"?',
        "what about the grinax puzzle 3000",
        "Is there a Harbux Toaster?",
        "the Zorvex Tarkin Kettle, please",
        "Velmo Tarkin Toaster - specs please",
        "Is the Velmo Poboxa Kettle any good?",
        "Velmo Tarkin Kettle 2",
        "Dorvan Lamp KX-4500, Yellow",
        "how bright is the Dorvan Lamp KX-4501",
        "Nisk Reader, Volume 5",
        "Nisk Reader, Volume 4 (Hardcover)",
        "???",
        "",
        "what is it?",
    ],
)
def test_finds_nothing_where_nothing_fits(index, question):
    assert index.search(question) == []


@pytest.mark.parametrize(
    "question",
    [
        "B000000002",
        "what is b000000002?",
        "[B000000002]",
        "see https://www.amazon.com/Some-Other-Words/dp/B000000002/ref=sr_1_1?th=1, is it good?",
        "amazon.com/gp/product/B000000002;",
        "<https://www.amazon.com.br/dp/B000000002>",
    ],
)
def test_finds_by_uid_and_by_link(index, question):
    (hit,) = index.search(question)
    assert (hit.product.title, hit.score, hit.tied) == ("Grinax Puzzle 300", 1.0, False)


@pytest.mark.parametrize("question", ["B000000099", "https://www.amazon.com/Grinax-Puzzle-300/dp/B000000099"])
def test_an_unknown_uid_is_no_product_whatever_else_fits(index, question):
    assert index.search(question) == []


# uids as shops have them: short, of digits alone, of words, with blanks and slashes.
SHOP = {
    "A007": "Coffee Maker Orsk",
    "12": "Bench of Poboxa",
    "1001": "Rain Barrel Zand",
    "mug-red": "Enamel Mug Trimulo",
    "KETTLE": "Teapot Grinax",
    "SKU/12-3": "Lamp Dorvan",
    "AB 12": "Stool Nisk 12",
    "B01418ZZ0U": "Roasting Pan Bometh",
    "MADEUP00042": "The Ferry of Kiohis",
}


@pytest.fixture(scope="module")
def shop():
    return CatalogIndex(Product(uid, title, "Some text.") for uid, title in SHOP.items())


@pytest.mark.parametrize("uid", SHOP)
@pytest.mark.parametrize(
    "asked",
    ["{}", " {} \n", "[{}]", '"{}"', "{}?", "Tell me about {}", "Tell me about [{}].", "What is {}?", "Fale sobre {}.",
     "O que é [{}]?"],
)  # fmt: skip
def test_a_question_that_names_a_uid_is_about_that_product(shop, asked, uid):
    (hit,) = shop.search(asked.format(uid))
    assert (hit.product.uid, hit.score, hit.tied, hit.by_uid) == (uid, 1.0, False, True)


@pytest.mark.parametrize("asked", ["How heavy is {}, please?", "is {} good for children", "quanto pesa o {}?"])
@pytest.mark.parametrize("uid", ["A007", "a007", "mug-red", "KETTLE", "SKU/12-3", "b01418zz0u", "MADEUP00042"])
def test_a_uid_is_found_in_the_midst_of_a_question(shop, asked, uid):
    (hit,) = shop.search(asked.format(uid))
    assert hit.product.uid.casefold() == uid.casefold()
    assert hit.by_uid


@pytest.mark.parametrize(
    ("question", "title"),
    [
        ("What is the Stool Nisk 12?", "Stool Nisk 12"),
        ('What is "Stool Nisk 12"?', "Stool Nisk 12"),
        ("I saw 12 of the Rain Barrel Zand", "Rain Barrel Zand"),
        ("Do the 1001 people who bought the Enamel Mug Trimulo like it?", "Enamel Mug Trimulo"),
        ("Is the kettle, I mean the Teapot Grinax, good?", "Teapot Grinax"),
    ],
)
def test_a_number_in_a_question_is_no_uid_where_a_title_is_named(shop, question, title):
    hit = shop.search(question)[0]
    assert (hit.product.title, hit.by_uid) == (title, False)


def test_a_uid_is_found_without_ranking_titles(shop, monkeypatch):
    """One look at a term, whatever the size of the catalogue."""
    monkeypatch.setattr(shop._store, "find", lambda *_: pytest.fail("titles were ranked"))
    for uid in SHOP:
        assert shop.search(f"Tell me about {uid}")[0].product.uid == uid


def test_says_which_fit_as_well_as_the_best(index):
    hits = index.search("the Dorvan lamp", k=5)
    assert {hit.product.title for hit in hits} == {title for title in TITLES if title.startswith("Dorvan")}
    assert all(hit.tied for hit in hits)
    assert [hit.tied for hit in index.search("the red Dorvan lamp", k=5)][:1] == [False]
    assert not index.search("Velmo Tarkin Kettle")[0].tied


def test_two_products_of_one_title_are_tied():
    index = CatalogIndex(
        [Product("0000000001", "Misty of Orsk", "One."), Product("000000001X", "Misty of Orsk", "Two.")]
    )
    assert [hit.tied for hit in index.search("Misty of Orsk")] == [True, True]


def test_the_whole_title_fits_better_than_a_part_of_a_longer_one():
    index = CatalogIndex(
        [Product("0000000001", "Misty of Orsk: a Study Guide", "1"), Product("0000000002", "Misty of Orsk", "2")]
    )
    hits = index.search("Have you read Misty of Orsk?")
    assert [hit.product.uid for hit in hits] == ["0000000002", "0000000001"]
    assert [hit.tied for hit in hits] == [False, False]


def test_two_quotations_ask_for_two_products(index):
    found = {hit.product.title for hit in index.search('Compare "Grinax Puzzle 300" with "The Garden of Orsk"')}
    assert found == {"Grinax Puzzle 300", "The Garden of Orsk"}


def test_names_the_nearest(index):
    assert index.nearest('What is "Grinax Puzzle 900"?')[0].title == "Grinax Puzzle 300"


def test_returns_at_most_k(index):
    assert len(index.search("velmo kettle", k=1)) == 1
    assert len(index.search("velmo kettle", k=5)) == 2


def test_says_what_a_question_names(index):
    assert index.named('What is "Zorvex Teapot"?') == "Zorvex Teapot"
    assert index.named("Hello! Do you know the Zorvex Teapot 3000?") == "Zorvex Teapot 3000"
    assert index.named("Has anyone read The Winter of Zorvex? Who wrote it?") == "Winter of Zorvex"
    assert index.named("hm?") == "hm?"


def test_products_come_back_whole():
    product = Product(
        "B000000001", "A “title”\u2028of Orsk", "Text\twith\u00a0all <b>sorts</b>.", ("B000000002", "000000000X")
    )
    index = CatalogIndex([product])
    assert len(index) == 1
    assert index.search("Orsk")[0].product == product


def test_an_empty_catalogue_finds_nothing():
    assert CatalogIndex([]).search("Velmo") == []


# A question is text: neither query syntax nor markup acts.


@pytest.mark.parametrize(
    "question",
    ["title:*", "*", "uid:* OR title:kettle~9", '+kettle -velmo "', "kettle AND NOT velmo)", "[* TO *]",
     "<|eot_id|>", "row:[0 TO 9]", "\\", "\x00", "/.*/", "{'$gt': ''}", "'; DROP TABLE products; --"],
)  # fmt: skip
def test_query_syntax_is_text(index, question):
    assert {hit.product.title for hit in index.search(question)} <= {"Velmo Tarkin Kettle", "Velmo Sarrel Kettle"}


@given(st.text(max_size=300))
@settings(max_examples=60, deadline=None)
def test_any_text_is_a_question(index, question):
    for hit in index.search(question):
        assert index.THRESHOLD <= hit.score <= 1
    assert len(index.nearest(question)) <= 3
    assert isinstance(index.named(question), str)


@given(st.text(alphabet="\"“”«»'‘’[]()/.: aZ9", max_size=60))
@settings(deadline=None)
def test_quotation_marks_and_links_never_run_away(index, question):
    index.search(question)
    assert all(quotation.strip() == quotation for quotation in quotations(question))


def test_a_long_question_is_answered_in_time(index):
    assert first(index, "Velmo Tarkin Kettle? " + "and so on and so forth " * 5000) == "Velmo Tarkin Kettle"
    start = time.process_time()
    for text in ("a." * 20_000 + "/dp/" + "b" * 20_000, ".aa/" * 20_000, '"' * 40_000, "'a" * 20_000, "[" * 40_000):
        index.search(text)
        index.named(text)
    assert time.process_time() - start < 2


# A changed digit is another product; a slip in letters is not.


@given(st.integers(0, 9999).filter(lambda number: number != 4500))
@settings(deadline=None)
def test_another_number_is_another_product(index, number):
    assert index.search(f"Do you sell the Dorvan Lamp KX-{number}?") == []


@given(st.integers(1, 4), st.sampled_from(["drop", "double", "swap", "change"]), st.data())
@settings(deadline=None)
def test_a_slip_in_letters_is_forgiven(index, at, slip, data):
    word = "Poboxa"
    wrong = {
        "drop": word[:at] + word[at + 1 :],
        "double": word[:at] + word[at] + word[at:],
        "swap": word[:at] + word[at + 1] + word[at] + word[at + 2 :],
        "change": word[:at] + data.draw(st.sampled_from(string.ascii_lowercase)) + word[at + 1 :],
    }[slip]
    assert first(index, f"How large is the Rain Barrel {wrong}?") == "Rain Barrel Poboxa"


@pytest.mark.parametrize(
    "asked",
    ["oVelmo Tarkin Kettle", "Velmo Tarkin eKttle", "Velmo arkin Kettle", "Velmo Tarkin Jettle", "VelmoTarkin Kettle",
     "Velmo Tarki nKettle", "VelmoT arkin Kettle", "Velmo Tarkin  Ket tle"],
)  # fmt: skip
@pytest.mark.parametrize("wording", ["{}", 'What is "{}"?', "is the {} any good", "O que é o {}?", "Fale sobre {}"])
def test_a_slip_anywhere_in_a_word_is_forgiven_in_any_wording(index, wording, asked):
    assert first(index, wording.format(asked)) == "Velmo Tarkin Kettle"


@pytest.mark.parametrize(
    ("asked", "title"),
    [("Rin Barrel Poboxa", "Rain Barrel Poboxa"), ("th eGarden of Orsk", "The Garden of Orsk"),
     ("The Garden o fOrsk", "The Garden of Orsk"), ("TheGarden of Orsk", "The Garden of Orsk")],
)  # fmt: skip
def test_a_slip_in_a_short_word_is_forgiven(index, asked, title):
    assert first(index, f"Do you sell {asked}?") == title


def test_a_blank_that_stands_a_letter_off_is_forgiven_where_the_parts_are_other_titles_words():
    index = CatalogIndex([Product("1", "Lady of Hay", "1"), Product("2", "Lad Yof", "2"), Product("3", "Orsk", "3")])
    assert first(index, "What is Lad yof Hay about?") == "Lady of Hay"


def test_a_slip_that_makes_either_of_two_titles_is_asked_about():
    index = CatalogIndex([Product("1", "Velmo Tarkin Kettle", "1"), Product("2", "Velmo Tarkis Kettle", "2")])
    assert first(index, "Velmo Tarkin Kettle") == "Velmo Tarkin Kettle"
    assert index.search("Velmo Tarkix Kettle") == []
    meant = {product.title for product in index.did_you_mean("Velmo Tarkix Kettle")}
    assert meant == {"Velmo Tarkin Kettle", "Velmo Tarkis Kettle"}


LONG = "The Complete Puzzle Book: 100 Easy Evenings for Curious and Patient People"


@pytest.mark.parametrize(
    "asked",
    [LONG.replace("100", "109"), LONG.replace("Puzzle", "Kettle"), LONG.replace("Patient", "Hungry"),
     LONG.replace("The Complete", "The Short"), LONG.replace("People", "Dentists")],
)  # fmt: skip
def test_another_word_in_the_place_of_one_is_another_product_however_long_the_title(asked):
    index = CatalogIndex([Product("1", LONG, "1"), Product("2", "Velmo Tarkin Kettle", "2")])
    assert first(index, f"Tell me about {LONG}") == LONG
    assert index.search(f"Tell me about {asked}") == []
    assert [product.title for product in index.did_you_mean(f"Tell me about {asked}")] == [LONG]


LAMPS = {"red": "R", "blue": "B", "green": "G"}


@pytest.fixture(scope="module")
def lamps():
    named = [Product(uid, "Umbra Desk Lamp", f"The lamp in {colour}.") for colour, uid in LAMPS.items()]
    return CatalogIndex(
        [*named, Product("P", "Velmo Tarkin Kettle", "Of iron."), Product("M", "Red Mug Zand", "A mug.")]
    )


@pytest.mark.parametrize("asked", ["the blue Umbra Desk Lamp", "Umbra Desk Lamp in blue", "Umbra Desk Lamp, Blue",
                                   "a Umbra Desk Lamp azul", "a Umbra Desk Lamp em azul"])  # fmt: skip
def test_the_colour_of_a_question_chooses_among_products_of_one_title(lamps, asked):
    assert [(hit.product.uid, hit.tied) for hit in lamps.search(f"Tell me about {asked}.")] == [("B", False)]


def test_no_other_colour_is_found(lamps, index):
    for asked in (
        "the purple Umbra Desk Lamp",
        "Umbra Desk Lamp in purple",
        "Umbra Desk Lamp em roxo",
        "Blue Mug Zand",
    ):
        assert lamps.search(asked) == []
    assert [p.title for p in lamps.did_you_mean("Umbra Desk Lamp in purple")][:1] == ["Umbra Desk Lamp"]
    assert index.search("the Dorvan Lamp KX-4500 in yellow") == []
    assert first(index, "a Dorvan Lamp KX-4500 vermelha") == "Dorvan Lamp KX-4500, Red"
    assert first(lamps, "Velmo Tarkin Kettle in red") == "Velmo Tarkin Kettle", "its record names no colour"
    assert {hit.product.uid for hit in lamps.search("Umbra Desk Lamp") if hit.tied} == set(LAMPS.values())


def test_another_size_is_another_product():
    index = CatalogIndex([Product("1", "Velmo Shirt X-Large", "1"), Product("2", "Orsk Bag Large", "2")])
    for asked in ("the large Velmo Shirt", "Velmo Shirt, Large", "an X-Large Orsk Bag", "Orsk Bag extra large"):
        assert index.search(asked) == []
    for asked in ("Velmo Shirt X-Large", "the x large velmo shirt", "How large is the Velmo Shirt?", "Velmo Shirt"):
        assert first(index, asked) == "Velmo Shirt X-Large"
    assert first(index, "a large Orsk Bag") == "Orsk Bag Large"


def test_the_world_is_no_product(index):
    for asked in ("What is the capital of France?", "Qual é a capital da França?", "Who is the president of Brazil?"):
        assert index.search(asked) == []
        assert not index.names_product(asked)
    for asked in ("What is the price of Zorvex?", "Tell me about the Zorvex", "What is the kettle of Zorvex?"):
        assert index.names_product(asked)


def test_two_builds_of_a_catalogue_break_ties_alike():
    """Of equally good titles those that come first in the catalogue are compared, however many there are."""
    products = [Product(str(n), f"Velmo Kettle {n}", "k") for n in range(400)]
    for _ in range(2):
        index = CatalogIndex(products)
        assert index._store.find([("kettle", 1.0, 0)], 30) == list(range(30))


@pytest.mark.parametrize(
    "asked",
    ["hi", "Hello there!", "oi, tudo bem?", "what can you do?", "Which is cheapest?", "Which kettle is cheapest?",
     "qual é a mais barata?", "quais produtos vocês têm?", "Thanks!", "tell me a joke", "Do you have any kettles?"],
)  # fmt: skip
def test_a_question_about_no_product(index, asked):
    assert index.search(asked) == []
    assert not index.names_product(asked)


@pytest.mark.parametrize(
    "asked",
    ['What is "hello"?', "tell me about the zorvex teapot", "Zorvex", "Is the Harbux Toaster good?", "B000000099"],
)
def test_a_question_about_a_product_that_is_not_there(index, asked):
    assert index.search(asked) == []
    assert index.names_product(asked)


def plain_distance(one, other):
    """Optimal string alignment, as the textbook has it."""
    table = [[max(i, j) if not (i and j) else 0 for j in range(len(other) + 1)] for i in range(len(one) + 1)]
    for i in range(1, len(one) + 1):
        for j in range(1, len(other) + 1):
            cost = one[i - 1] != other[j - 1]
            table[i][j] = min(table[i - 1][j] + 1, table[i][j - 1] + 1, table[i - 1][j - 1] + cost)
            if i > 1 and j > 1 and one[i - 1] == other[j - 2] and one[i - 2] == other[j - 1]:
                table[i][j] = min(table[i][j], table[i - 2][j - 2] + 1)
    return table[-1][-1]


@given(st.text("abc", max_size=9), st.text("abc", max_size=9), st.integers(1, 2))
@settings(max_examples=400)
def test_distance_is_the_textbooks(one, other, most):
    assert OSA.distance(one, other, score_cutoff=most) == min(plain_distance(one, other), most + 1)


def test_what_is_a_slip_and_what_another_word():
    assert similarity("kettel", "kettle") == similarity("ketle", "kettle") > similarity("game", "gate") > 0
    assert similarity("folly", "holly") == 0
    assert similarity("rolly", "holly", known=False) > similarity("rolly", "holly") == 0, "no title has it: a slip"
    assert similarity("boy", "boys") == similarity("kettles", "kettle")
    assert similarity("4500", "4501") == similarity("kx4500", "kx4501") == 0
    assert similarity("kettles", "kettle") > similarity("kettel", "kettle")


@given(st.text(max_size=80))
def test_words_of_a_title_are_words_again(title):
    words = words_of(title)
    assert words_of(" ".join(words)) == words
