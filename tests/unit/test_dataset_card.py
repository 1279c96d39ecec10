"""The dataset card says what the report says."""

import json
import re

import pytest
import yaml

from amazon_titles import cards, resources
from amazon_titles.dataset import build_dataset


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("card")
    rows = [
        {
            "uid": f"B{n:09}",
            "title": f"Lamp {n} | <b>bold</b> `code`",
            "content": f"A lamp&#8217;s light | in <i>room</i> `{n}`, bright.Now go on reading for {n} hours.",
        }
        for n in range(60)
    ]
    rows += [{"uid": "B000000099", "title": "Nothing | `here`", "content": "x"}]
    rows = [row | {"target_ind": [], "target_rel": []} for row in rows]
    (folder / "trn.json").write_text("".join(json.dumps(row) + "\n" for row in rows))
    build_dataset(folder / "trn.json", folder / "out")
    return json.loads((folder / "out" / "report.json").read_text())


@pytest.mark.parametrize("language", ["en", "pt"])
def test_the_card_renders_and_its_head_is_yaml(report, language):
    card = cards.dataset_card(report, language=language)
    head = yaml.safe_load(card.split("---\n")[1])
    assert head["license"] == "unknown"
    assert [config["config_name"] for config in head["configs"]] == ["chat", "text-llama3", "catalog"]
    assert head["configs"][0]["default"] is True
    assert "{{" not in card
    assert "{%" not in card
    assert "None" not in card


def test_every_count_is_in_the_card(report):
    card = cards.dataset_card(report)
    for reason, count in report["dropped"].items():
        assert re.search(rf"`{reason}`\) \| {count} \|", card)
    for rule, count in report["cleaned"].items():
        assert re.search(rf"`{rule}`\) \| {count} \|", card)
    assert f"| **In this dataset** | **{report['kept']}** |" in card
    assert "2,248,619" in card


@pytest.mark.parametrize("language", ["en", "pt"])
def test_a_product_and_its_conversation_stand_before_the_code(report, language):
    shown = report["conversations"][language]
    card = cards.dataset_card(report, language=language)
    top, _, rest = card.partition("```python")
    cells = {"`title`": shown["title"], "`content`": shown["content"]}
    cells |= {f"`{message['role']}`": message["content"] for message in shown["messages"]}
    told = dict(re.findall(r"^\| (`\w+`) \| (.*) \|$", top, re.M))
    assert {name: re.sub(r"\\(.)", r"\1", told[name]) for name in cells} == cells
    assert re.search(r"^## (Selection|Seleção)", rest, re.M)
    (other,) = {"en", "pt"} - {language}
    alone = cards.dataset_card({**report, "conversations": {other: report["conversations"][other]}}, language=language)
    assert report["conversations"][other]["messages"][0]["content"].split(" ")[0] in alone
    without = cards.dataset_card({**report, "conversations": {}}, language=language)
    assert "`assistant`" not in without.partition("```python")[0]


@pytest.mark.parametrize("language", ["en", "pt"])
def test_text_of_products_breaks_no_table(report, language):
    for line in cards.dataset_card(report, language=language).splitlines():
        if line.startswith("|"):
            cells = re.sub(r"`[^`]*`", "", re.sub(r"\\.", "", line))
            assert "<" not in cells
            assert cells.count("`") == 0


def test_every_piece_of_wording_is_in_both_languages():
    wording = yaml.safe_load((resources.folder("hub_cards") / "dataset_card.yml").read_text(encoding="utf-8"))
    template = (resources.folder("hub_cards") / "dataset_card.md.jinja").read_text(encoding="utf-8")
    for name, piece in wording.items():
        assert set(piece) == {"en", "pt"}, name
        assert all(text.strip() for text in piece.values())
    used = set(re.findall(r"say\.(\w+)", template))
    assert used <= set(wording)
    assert {name for name in wording if not name.startswith(("dropped_", "rule_"))} == used - {"dropped_examples"}


SOURCE = "written by ana/base itself, | greedily `x`"


@pytest.mark.parametrize("language", ["en", "pt"])
def test_every_task_has_its_column_and_general_rows_their_source(report, language):
    plain = cards.dataset_card(report, language=language)
    assert "| `recall` | `grounded` | `abstain` | `property` |\n|---|---:|---:|---:|---:|---:|\n| `train` |" in plain
    assert "**`general`**" not in plain
    assert "general" not in plain.split("| `task` |")[1].splitlines()[0]
    general = {
        **report,
        "options": {**report["options"], "general": 7, "general_source": SOURCE, "recall_products": 24},
    }
    general["splits"]["train"]["rows"]["general"] = 7
    card = cards.dataset_card(general, language=language)
    assert "| `property` | `general` |" in card
    train = next(line for line in card.splitlines() if line.startswith("| `train` |"))
    assert train.endswith("| 7 |")
    assert re.search(r"\*\*`general`\*\* \S+ 7 ", card)
    assert r"written by ana/base itself, \| greedily 'x'" in card.replace("\n", " "), "none of it acts"
    assert " 24 " in card


def test_a_licence_that_the_hub_does_not_know_gets_a_name(report):
    changed = {**report, "catalogue": {**report["catalogue"], "license": "Ada's own: v2"}}
    head = yaml.safe_load(cards.dataset_card(changed).split("---\n")[1])
    assert (head["license"], head["license_name"]) == ("other", "ada-s-own-v2")


def test_numbers_are_written_as_the_language_does(report):
    assert "2.248.619" in cards.dataset_card(report, language="pt")


@pytest.mark.parametrize(("text", "code"), [
    ("Chaleira de ferro número {n}, com {n} litros e cabo de madeira, para o café da manhã.", "pt"),
    ("Wasserkocher aus Eisen Nummer {n}, fasst {n} Liter und hat einen Griff aus Holz.", "de"),
])  # fmt: skip
def test_the_language_of_a_catalogue_is_found_and_the_card_is_in_ours(tmp_path, text, code):
    names = ("Velmo", "Grinax", "Orsk", "Tarkin", "Popeth", "Namum", "Zorvex", "Brasealm", "Cebrer", "Tretith")
    rows = [{"uid": f"X{n}", "title": f"{name} {n}", "content": text.format(n=f"{n}7{n}") + f" {name}."}
            for n, name in enumerate(names * 6)]  # fmt: skip
    (tmp_path / "mine.json").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    build_dataset(tmp_path / "mine.json", tmp_path / "out", card_language="pt", min_content_chars=10)
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    head = yaml.safe_load(card.split("---")[1])
    assert head["language"] == sorted({"en", "pt", code})
    assert head["pretty_name"] == "mine em conversas"
    assert f"no idioma do catálogo: `{code}`" in card
    assert "2,0 % validação" in card
    english = build_dataset(tmp_path / "mine.json", tmp_path / "english", min_content_chars=10)
    assert english.catalogue["language"] == code
    drawn = [(tmp_path / name / "lengths.png").read_bytes() for name in ("out", "english")]
    assert drawn[0] != drawn[1]
