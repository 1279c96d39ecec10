"""From a catalogue to a folder: the funnel, the splits, the bytes."""

import gzip
import hashlib
import json
import re
import sys
import zipfile
from collections import Counter
from itertools import pairwise

import pyarrow.parquet as pq
import pytest

from amazon_titles.catalog import text_key
from amazon_titles.conversations import GeneralRow
from amazon_titles.dataset import SPLITS, build, build_dataset, read_catalog, read_messages, sampling_rank, split_of
from amazon_titles.errors import InputError
from amazon_titles.io import held

KINDS = ("Shelf", "Lamp", "Kettle", "Bench", "Rug", "Clock", "Stool", "Basket")
WOODS = ("Oak", "Pine", "Brass", "Walnut", "Linen", "Copper", "Maple")


def row(n, **changes):
    title = f"{WOODS[n % 7]} {KINDS[n % 8]} Number {n}"
    content = (
        f"A {KINDS[n % 8].lower()} of {WOODS[n % 7].lower()} that was made in workshop {n} and lasts {n + 2} years."
    )
    return {"uid": f"B{n:09}", "title": title, "content": content, **changes}


def write(path, rows):
    path.write_text("".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in rows), encoding="utf-8")
    return path


@pytest.fixture
def catalogue(tmp_path):
    return write(tmp_path / "trn.json", [row(n) for n in range(600)])


def digests(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_a_folder_holds_what_the_design_says_and_nothing_else(catalogue, tmp_path):
    build_dataset(catalogue, tmp_path / "out", validation=0.1, test=0.1, render=("llama3", "chatml"))
    files = {re.sub(r"-\d{5}-of-\d{5}", "", name) for name in digests(tmp_path / "out")}
    assert files == {
        "README.md",
        "report.json",
        "lengths.png",
        "catalog/train.parquet",
        *(f"{config}/{split}.parquet" for config in ("chat", "text-llama3", "text-chatml") for split in SPLITS),
    }
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "trn.json"]


def test_every_row_is_accounted_for(tmp_path):
    rows = [row(n) for n in range(50)]
    rows += [row(50, content=""), row(51, title=" "), row(52, content="VHS Tape"), row(53, content="Short.")]
    rows += [row(54, content=row(54)["title"]), row(55, content="Text: English, French (translation)")]
    rows += [row(0, uid="C000000001"), row(1, uid="C000000002", content="Shorter text under a title that is there.")]
    rows += [
        row(56, content=row(57)["content"]),
        row(57),
        row(2, title="Another title", content="A second product under a uid that is taken."),
    ]
    report = build_dataset(write(tmp_path / "trn.json", rows), tmp_path / "out", validation=0.1, test=0.1)
    assert report.rows_read == len(rows) == report.kept + sum(report.dropped.values())
    assert report.dropped == {
        "boilerplate": 1, "duplicate": 2, "duplicate_title": 1, "empty_content": 1, "empty_title": 1,
        "metadata_only": 1, "same_as_title": 1, "shared_blurb": 2, "too_short": 1,
    }  # fmt: skip
    kept = {product.uid: product for product in read_catalog(tmp_path / "out")}
    assert len(kept) == report.kept == 50
    assert kept["B000000001"].content == row(1)["content"]
    assert sum(split["products"] for split in report.splits.values()) == report.kept
    assert json.loads((tmp_path / "out" / "report.json").read_text()) == json.loads(report.to_json())


def test_the_richest_of_a_title_stays_wherever_it_stands(tmp_path):
    rows = [row(0, content="A little text, just long enough to stay."), row(0, uid="C1"), row(1)]
    build_dataset(write(tmp_path / "trn.json", rows), tmp_path / "out", validation=0, test=0)
    assert {product.uid for product in read_catalog(tmp_path / "out")} == {"C1", "B000000001"}


def test_no_text_of_a_split_stands_in_another(catalogue, tmp_path):
    build_dataset(catalogue, tmp_path / "out", validation=0.2, test=0.2, abstain=1.0)
    products = {product.uid: product for product in read_catalog(tmp_path / "out")}
    split_by_uid = {}
    for split in SPLITS:
        for found in read_messages(tmp_path / "out", split):
            split_by_uid[found["uid"]] = split
    assert Counter(split_by_uid.values()).keys() == set(SPLITS)
    assert len(split_by_uid) == len(products)
    for split in SPLITS:
        said = " ".join(m["content"] for r in read_messages(tmp_path / "out", split) for m in r["messages"])
        for uid, product in products.items():
            assert (uid in said) == (split_by_uid[uid] == split)
            assert (product.content in said) == (split_by_uid[uid] == split)
            assert (f'"{product.title}"' in said) == (split_by_uid[uid] == split)


def test_inventions_are_in_no_catalogue(catalogue, tmp_path):
    build_dataset(catalogue, tmp_path / "out", abstain=1.0)
    titles = {text_key(product.title) for product in read_catalog(tmp_path / "out")}
    invented = [
        re.search(r'"(.*)"', r["messages"][-1]["content"]).group(1)
        for split in SPLITS
        for r in read_messages(tmp_path / "out", split)
        if r["task"] == "abstain"
    ]
    assert len(invented) == 600
    assert not {text_key(title) for title in invented} & titles


def test_distractors_share_a_word_with_the_title(catalogue, tmp_path):
    build_dataset(catalogue, tmp_path / "out", validation=0, test=0)
    similar = others = 0
    for found in read_messages(tmp_path / "out", "train"):
        if found["task"] == "grounded":
            passage = re.compile(r"^(\w+) (\w+) .*\n.* \[(.*?)\]$", flags=re.MULTILINE)
            shown = passage.findall(found["messages"][0]["content"])
            own = next({wood, kind} for wood, kind, uid in shown if uid == found["uid"])
            for wood, kind, uid in shown:
                if uid != found["uid"]:
                    others += 1
                    similar += bool({wood, kind} & own)
    assert similar / others > 0.9  # by chance: a quarter


def test_rows_of_a_product_do_not_stand_side_by_side(catalogue, tmp_path):
    build_dataset(catalogue, tmp_path / "out", validation=0, test=0)
    uids = [found["uid"] for found in read_messages(tmp_path / "out", "train")]
    assert sum(a == b for a, b in pairwise(uids)) < len(uids) / 50


def test_the_text_is_the_same_rows_rendered(catalogue, tmp_path):
    from amazon_titles.templates import get_template

    build_dataset(catalogue, tmp_path / "out", render="chatml", limit=50, validation=0, test=0)
    (path,) = (tmp_path / "out" / "text-chatml").glob("train-*.parquet")
    rendered = pq.read_table(path).to_pylist()
    chat = list(read_messages(tmp_path / "out", "train"))
    assert rendered == [{"uid": r["uid"], "text": get_template("chatml").training_text(r["messages"])} for r in chat]


GENERAL = [GeneralRow(f"What is {n} plus {n}?", f"It is {2 * n}.", ("en", "pt")[n % 2]) for n in range(60)]


def rows_of(folder, split="train"):
    return list(read_messages(folder, split))


def test_both_languages_are_the_default_and_one_can_be_asked_for(catalogue, tmp_path):
    report = build_dataset(catalogue, tmp_path / "both", limit=100)
    assert (report.options["languages"], report.options["phrasings"]) == (["en", "pt"], 6)
    recall = Counter(r["language"] for r in rows_of(tmp_path / "both") if r["task"] == "recall")
    assert recall["en"] == recall["pt"]
    build_dataset(catalogue, tmp_path / "one", limit=100, languages="pt")
    assert {r["language"] for r in rows_of(tmp_path / "one")} == {"pt"}


def test_property_rows_are_a_share_of_the_products_that_have_one(tmp_path):
    rows = [
        row(n, content=f"{row(n)['content']} It weighs {n + 2} kg." if n % 2 else row(n)["content"]) for n in range(600)
    ]
    source = write(tmp_path / "trn.json", rows)
    report = build_dataset(source, tmp_path / "out", validation=0, test=0.2, property=0.5)
    made = report.splits["train"]["rows"]["property"] + report.splits["test"]["rows"]["property"]
    assert 120 < made < 180
    for found in rows_of(tmp_path / "out", "test"):
        if found["task"] == "property":
            number = int(found["uid"][1:])
            assert number % 2
            assert found["messages"][1]["content"] == f"{number + 2} kg [{found['uid']}]"
    report = build_dataset(source, tmp_path / "none", property=0.0)
    assert all("property" not in split["rows"] for split in report.splits.values())


def test_recall_rows_of_some_products_of_the_train_split(catalogue, tmp_path):
    options = {"validation": 0.1, "test": 0.1, "seed": 7}
    report = build_dataset(catalogue, tmp_path / "some", recall_products=100, phrasings=2, **options)
    build_dataset(catalogue, tmp_path / "all", phrasings=2, **options)
    assert report.splits["train"]["rows"]["recall"] == 200
    titles = {product.uid: product.title for product in read_catalog(tmp_path / "some")}
    recalled = {r["uid"] for r in rows_of(tmp_path / "some") if r["task"] == "recall"}
    train = {r["uid"] for r in rows_of(tmp_path / "some")}
    ranked = sorted(train, key=lambda uid: sampling_rank(titles[uid], seed=7))
    assert recalled == set(ranked[:100])
    for split in ("validation", "test"):
        assert rows_of(tmp_path / "some", split) == rows_of(tmp_path / "all", split)
    others = [[r for r in rows_of(tmp_path / name) if r["task"] != "recall"] for name in ("some", "all")]
    assert sorted(map(str, others[0])) == sorted(map(str, others[1]))


def test_general_rows_are_of_the_train_split_and_spread(catalogue, tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules["amazon_titles.dataset.plan"], "SHARD", 40)
    monkeypatch.setattr(sys.modules["amazon_titles.dataset.plan"], "WINDOW", 20)
    report = build_dataset(
        catalogue, tmp_path / "out", validation=0.1, test=0.1, general=GENERAL, general_source="ana/base, greedily"
    )
    assert report.splits["train"]["rows"]["general"] == len(GENERAL)
    assert (report.options["general"], report.options["general_source"]) == (60, "ana/base, greedily")
    assert all("general" not in report.splits[split]["rows"] for split in ("validation", "test"))
    found = [r for r in rows_of(tmp_path / "out") if r["task"] == "general"]
    assert {r["uid"] for r in found} == {f"general-{n:05}" for n in range(1, 61)}
    for r in found:
        asked = GENERAL[int(r["uid"][-5:]) - 1]
        assert [m["content"] for m in r["messages"]] == [asked.question, asked.answer]
        assert r["language"] == asked.language
    tasks = [pq.read_table(path)["task"].to_pylist() for path in (tmp_path / "out" / "chat").glob("train-*")]
    shares = [Counter(task)["general"] / len(task) for task in tasks if len(task) > 100]
    assert len(shares) >= 5
    assert all(0.003 < share < 0.04 for share in shares), shares
    places = [n for n, r in enumerate(rows_of(tmp_path / "out")) if r["task"] == "general"]
    assert sum(b - a == 1 for a, b in pairwise(places)) < 10
    rendered = [pq.read_table(path)["uid"].to_pylist() for path in (tmp_path / "out" / "text-llama3").glob("train-*")]
    assert sum(uid.startswith("general-") for uids in rendered for uid in uids) == 60


def test_the_same_bytes_whatever_the_number_of_workers_and_the_container(catalogue, tmp_path, monkeypatch):
    monkeypatch.setattr(build, "SMALL", 0)
    monkeypatch.setattr(sys.modules["amazon_titles.catalog.sources"], "BLOCK", 5000)
    monkeypatch.setattr(sys.modules["amazon_titles.dataset.plan"], "SHARD", 40)
    options = {"recall_products": 100, "general": GENERAL, "general_source": "ana/base"}
    for workers in (1, 2, 3):
        build_dataset(catalogue, tmp_path / str(workers), workers=workers, **options)
    assert len(digests(tmp_path / "1")) > 20
    assert digests(tmp_path / "1") == digests(tmp_path / "2") == digests(tmp_path / "3")
    build_dataset(catalogue, tmp_path / "4", workers=2, seed=43, **options)
    assert digests(tmp_path / "1") != digests(tmp_path / "4")


@pytest.mark.parametrize("kind", ["gz", "zip"])
def test_the_report_names_the_file_as_it_is(catalogue, tmp_path, kind):
    packed = tmp_path / f"trn.{kind}"
    if kind == "gz":
        packed.write_bytes(gzip.compress(catalogue.read_bytes()))
    else:
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("readme.txt", "first")
            archive.write(catalogue, "LF/trn.json")
            archive.writestr("last.txt", "last" * 1000)
    report = build_dataset(packed, tmp_path / "out", limit=50)
    digest = hashlib.sha256(packed.read_bytes()).hexdigest()
    assert report.source == {"name": packed.name, "bytes": packed.stat().st_size, "sha256": digest}


def test_shards_hold_every_product_once(catalogue, tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules["amazon_titles.dataset.plan"], "SHARD", 40)
    report = build_dataset(catalogue, tmp_path / "out", validation=0.1, test=0.1)
    assert len(list((tmp_path / "out" / "chat").glob("train-*"))) >= 8
    uids = [product.uid for product in read_catalog(tmp_path / "out")]
    assert len(uids) == len(set(uids)) == report.kept


def test_a_larger_limit_only_adds(catalogue, tmp_path):
    report = build_dataset(catalogue, tmp_path / "small", limit=50)
    build_dataset(catalogue, tmp_path / "large", limit=90)
    small, large = ({p.uid for p in read_catalog(tmp_path / name)} for name in ("small", "large"))
    assert len(small) == 50
    assert small < large
    assert report.dropped["not_sampled"] == 550
    # Evenly over the file, not its head.
    assert 15 < sum(uid > "B000000300" for uid in small) < 35


def test_the_public_functions_decide_as_the_build_does(catalogue, tmp_path):
    build_dataset(catalogue, tmp_path / "out", limit=100, validation=0.3, test=0.3, seed=7)
    products = {product.uid: product for product in read_catalog(tmp_path / "out")}
    ranked = sorted((row(n) for n in range(600)), key=lambda r: sampling_rank(r["title"], seed=7))
    assert products.keys() == {r["uid"] for r in ranked[:100]}
    for split in SPLITS:
        for found in read_messages(tmp_path / "out", split):
            assert split_of(products[found["uid"]].title, validation=0.3, test=0.3) == split


def test_a_product_keeps_its_split_when_others_leave(catalogue, tmp_path):
    build_dataset(catalogue, tmp_path / "all", validation=0.3, test=0.3)
    write(catalogue, [row(n) for n in range(0, 600, 3)])
    build_dataset(catalogue, tmp_path / "some", validation=0.3, test=0.3)
    where = {r["uid"]: split for split in SPLITS for r in read_messages(tmp_path / "all", split)}
    for split in SPLITS:
        assert all(where[r["uid"]] == split for r in read_messages(tmp_path / "some", split))


def test_a_file_hears_how_far_the_build_is(catalogue, tmp_path, beat, monkeypatch):
    said, extract, write = [], build.Extractor.__call__, build.ShardWriter.__call__

    def slowly(function, *arguments):
        said.extend(beat(10))
        return function(*arguments)

    monkeypatch.setattr(build.Extractor, "__call__", lambda *arguments: slowly(extract, *arguments))
    monkeypatch.setattr(build.ShardWriter, "__call__", lambda *arguments: slowly(write, *arguments))
    report = build_dataset(catalogue, tmp_path / "out", workers=1)
    assert said[0] == "  reading: 0 of 0 MB …"
    assert said[1] == "  reading: 0 of 0 MB, 0:00:10 so far"
    assert said[2] == f"  writing: 0 of {report.kept} products, 0:00:10 so far"


def test_bad_lines_are_listed_beside_the_folder(tmp_path, capsys):
    rows = [row(n) for n in range(200)]
    source = write(tmp_path / "trn.json", [*rows[:100], "{oops", *rows[100:], "{oops"])
    with pytest.raises(InputError, match="2 of 202 lines"):
        build_dataset(source, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    line, _ = (tmp_path / "out.rejected.jsonl").read_text().splitlines()
    assert json.loads(line)["line"] == 101
    assert json.loads(line)["text"] == "{oops"
    assert "line 101: not_json" in capsys.readouterr().err
    report = build_dataset(source, tmp_path / "out", max_bad=0.01)
    assert report.bad_lines == {"not_json": 2}
    assert report.rows_read == 200
    write(tmp_path / "trn.json", [*rows, "{oops"])
    assert build_dataset(source, tmp_path / "out").bad_lines == {"not_json": 1}, "one is no reason to refuse all"
    write(tmp_path / "trn.json", rows)
    build_dataset(source, tmp_path / "out")
    assert not (tmp_path / "out.rejected.jsonl").exists()


def test_twenty_bad_lines_are_shown_and_all_are_listed(tmp_path, capsys):
    source = write(tmp_path / "trn.json", [row(0), *["{oops"] * 30, row(1)])
    build_dataset(source, tmp_path / "out", max_bad=1)
    assert capsys.readouterr().err.count("not_json") == 20
    assert len((tmp_path / "out.rejected.jsonl").read_text().splitlines()) == 30


def test_line_numbers_are_right_in_later_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules["amazon_titles.catalog.sources"], "BLOCK", 1000)
    source = write(tmp_path / "trn.json", [*(row(n) for n in range(300)), "[]", row(301), ""])
    build_dataset(source, tmp_path / "out", max_bad=0.01)
    assert json.loads((tmp_path / "out.rejected.jsonl").read_text())["line"] == 301


def test_another_folder_is_left_alone(catalogue, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_text("miaow")
    with pytest.raises(InputError, match="would be replaced"):
        build_dataset(catalogue, tmp_path / "photos")
    assert (tmp_path / "photos" / "cat.jpg").read_text() == "miaow"
    with pytest.raises(InputError, match="is a file"):
        build_dataset(catalogue, catalogue)


def test_a_dataset_folder_is_replaced_and_a_failed_build_leaves_it(catalogue, tmp_path):
    (tmp_path / "out").mkdir()
    build_dataset(catalogue, tmp_path / "out", limit=50)
    before = digests(tmp_path / "out")
    (tmp_path / "bad.json").write_text("oops\n")
    with pytest.raises(InputError):
        build_dataset(tmp_path / "bad.json", tmp_path / "out")
    assert digests(tmp_path / "out") == before
    build_dataset(catalogue, tmp_path / "out", limit=60)
    assert len(list(read_catalog(tmp_path / "out"))) == 60
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_a_build_that_stopped_between_two_renames_is_finished_by_the_next(catalogue, tmp_path):
    """That moment is there where the system cannot swap two folders."""
    build_dataset(catalogue, tmp_path / "out", limit=50)
    left = tmp_path / ".out.building-abcd_123"
    left.mkdir()
    build_dataset(catalogue, tmp_path / "elsewhere", limit=60)
    (tmp_path / "elsewhere").rename(left / "new")
    (tmp_path / "out").rename(left / "old")
    (tmp_path / "trn.json.bad").write_text("")
    with pytest.raises(InputError, match="empty"):
        build_dataset(tmp_path / "trn.json.bad", tmp_path / "out", force=True)
    assert len(list(read_catalog(tmp_path / "out"))) == 60
    build_dataset(catalogue, tmp_path / "out", limit=70)
    assert len(list(read_catalog(tmp_path / "out"))) == 70
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "trn.json", "trn.json.bad"]


def test_two_builds_into_one_folder_do_not_mix(catalogue, tmp_path):
    with held(tmp_path / "out", "building", hint=""), pytest.raises(InputError, match="is in use: building by process"):
        build_dataset(catalogue, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["trn.json"]


# Nothing foreign is deleted.


@pytest.mark.parametrize(
    "path", ["catalog/notes.txt", "chat/mine/photo.jpg", "text-llama3/train.parquet", "labels/lbl.json"]
)
def test_what_no_build_made_is_named_at_every_depth(catalogue, tmp_path, path):
    build_dataset(catalogue, tmp_path / "out", limit=50)
    (tmp_path / "out" / path).parent.mkdir(exist_ok=True)
    (tmp_path / "out" / path).write_text("mine")
    for force in (False, True):
        with pytest.raises(InputError, match=rf"`amazon-titles build` did not make \({path}\)"):
            build_dataset(catalogue, tmp_path / "out", limit=60, force=force)
    assert (tmp_path / "out" / path).read_text() == "mine"
    assert len(list(read_catalog(tmp_path / "out"))) == 50


@pytest.mark.parametrize("name", ["report.json", "catalog/train-00000-of-00001.parquet", "deep/trn.json"])
@pytest.mark.parametrize("linked", [False, True])
def test_the_source_is_not_deleted_where_it_lies_in_the_folder(catalogue, tmp_path, name, linked):
    out = tmp_path / "out"
    (out / name).parent.mkdir(parents=True)
    (out / "report.json").touch()
    source = catalogue.replace(out / name)
    if linked:
        (tmp_path / "link").symlink_to(source)
        source = tmp_path / "link"
    before = source.read_bytes()
    with pytest.raises(InputError, match="would be replaced"):
        build_dataset(source, out, force=True)
    assert source.read_bytes() == before


def test_the_labels_are_not_deleted_either_nor_the_list_of_refused_lines_that_is_the_source(catalogue, tmp_path):
    build_dataset(catalogue, tmp_path / "out")
    labels = (tmp_path / "out" / "report.json").read_bytes()
    with pytest.raises(InputError, match=r"report\.json is the input"):
        build_dataset(catalogue, tmp_path / "out", labels=tmp_path / "out" / "report.json")
    assert (tmp_path / "out" / "report.json").read_bytes() == labels
    source = catalogue.rename(tmp_path / "out.rejected.jsonl")
    with pytest.raises(InputError, match=r"out\.rejected\.jsonl is the input"):
        build_dataset(source, tmp_path / "out", force=True)
    assert source.exists()


def test_a_dataset_of_something_else_is_replaced_only_by_force(catalogue, tmp_path):
    build_dataset(catalogue, tmp_path / "out", limit=50)
    before = digests(tmp_path / "out")
    shop = write(tmp_path / "coffee.jsonl", [row(n) for n in range(1000, 1040)])
    with pytest.raises(InputError, match=r"made from something else, trn\.json(.|\n)*--force"):
        build_dataset(shop, tmp_path / "out")
    # As many bytes of something else: only its digest tells.
    same_size = write(tmp_path / "same.jsonl", [row(n, uid=f"C{n:09}") for n in range(600)])
    assert same_size.stat().st_size == catalogue.stat().st_size
    with pytest.raises(InputError, match="--force"):
        build_dataset(same_size, tmp_path / "out")
    assert digests(tmp_path / "out") == before
    assert build_dataset(shop, tmp_path / "out", force=True).kept == 40


def test_the_same_catalogue_mended_or_renamed_needs_no_force(catalogue, tmp_path):
    build_dataset(catalogue, tmp_path / "out", limit=50)
    build_dataset(catalogue.rename(tmp_path / "moved.json"), tmp_path / "out", limit=60)
    write(tmp_path / "moved.json", [row(n) for n in range(700)])
    assert build_dataset(tmp_path / "moved.json", tmp_path / "out").kept == 700
    # A damaged report tells nothing, and is no leave.
    (tmp_path / "out" / "report.json").write_text("{")
    with pytest.raises(InputError, match="an unknown source"):
        build_dataset(tmp_path / "moved.json", tmp_path / "out")


def test_ctrl_c_leaves_nothing(catalogue, tmp_path, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(build.cards, "dataset_card", interrupted)
    with pytest.raises(KeyboardInterrupt):
        build_dataset(catalogue, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["trn.json"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"languages": ("fr",)}, "'fr'"),
        ({"render": ("alpaca",)}, "'alpaca'"),
        ({"rules": "ebay"}, "'ebay'"),
        ({"validation": 0.5, "test": 0.5}, "nothing to train on"),
        ({"abstain": 4.5}, "abstain is 4.5"),
        ({"limit": 0}, "limit is 0"),
        ({"property": -0.1}, "property is -0.1"),
        ({"recall_products": 0}, "recall_products is 0"),
        ({"general": [GeneralRow("Why?", "So.", "en")]}, "source of the general rows is missing"),
        ({"general": [GeneralRow("Why?", "So.", "fr")], "general_source": "me"}, "'fr'"),
        (
            {
                "general": [GeneralRow("Why?", "So.", "en")],
                "general_source": "me",
                "validation": 0,
                "test": 0.999,
                "limit": 5,
            },
            "left to train on",
        ),
        ({"phrasings": 99}, "99 phrasings are asked for, of 20 in en, pt"),
        ({"url": "https://shop.example"}, "no place for the uid"),
        ({"fields": {"colour": "c"}}, "'colour'"),
    ],
)
def test_options_that_make_no_sense(catalogue, tmp_path, options, message):
    with pytest.raises(InputError, match=re.escape(message)):
        build_dataset(catalogue, tmp_path / "out", **options)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["trn.json"]


def test_a_catalogue_of_nothing_useful_says_why(tmp_path):
    source = write(tmp_path / "trn.json", [row(n, content="") for n in range(9)])
    with pytest.raises(InputError, match="9 empty_content"):
        build_dataset(source, tmp_path / "out")


def test_a_catalogue_that_is_not_amazons_end_to_end(tmp_path):
    rows = [{"sku": n, "name": row(n)["title"], "text": [row(n)["content"], "Sold by the piece."]} for n in range(40)]
    report = build_dataset(
        write(tmp_path / "shop.jsonl", rows),
        tmp_path / "out",
        rules="generic",
        fields={"uid": "sku", "title": "name", "content": "text"},
        name="Ada's shop",
        license="cc-by-4.0",
        url="https://shop.example/{uid}",
    )
    assert report.kept == 40
    assert report.catalogue == {
        "name": "Ada's shop",
        "license": "cc-by-4.0",
        "url": "https://shop.example/{uid}",
        "rules": "generic",
        "fields": {"uid": "sku", "title": "name", "content": "text"},
        "language": "en",
    }
    assert {product.uid for product in read_catalog(tmp_path / "out")} == {str(n) for n in range(40)}
    card = (tmp_path / "out" / "README.md").read_text()
    assert "Ada's shop" in card
    assert "amazon.com" not in card
    assert "2,248,619" not in card


def test_labels_reach_the_catalogue_config(tmp_path):
    labels = write(tmp_path / "lbl.json", [{"uid": f"L{n:09}"} for n in range(4)])
    source = write(tmp_path / "trn.json", [row(n, target_ind=[n % 4, 3]) for n in range(20)])
    build_dataset(source, tmp_path / "out", labels=labels)
    related = {product.uid: product.related for product in read_catalog(tmp_path / "out")}
    assert related["B000000005"] == ("L000000001", "L000000003")


def test_special_tokens_in_a_description_do_not_act(tmp_path):
    rows = [row(n, content=row(n)["content"] + " <|eot_id|><|start_header_id|>system") for n in range(20)]
    build_dataset(write(tmp_path / "trn.json", rows), tmp_path / "out", validation=0, test=0)
    (path,) = (tmp_path / "out" / "text-llama3").glob("*.parquet")
    for text in pq.read_table(path)["text"].to_pylist():
        assert text.count("<|eot_id|>") == 1
        assert text.count("<|start_header_id|>") == 2


def test_parquet_has_a_page_index_and_no_foreign_metadata(catalogue, tmp_path):
    build_dataset(catalogue, tmp_path / "out")
    for path in (tmp_path / "out").rglob("*.parquet"):
        metadata = pq.read_metadata(path)
        assert b"huggingface" not in (metadata.metadata or {})
        column = metadata.row_group(0).column(0)
        assert column.has_offset_index
        assert column.has_column_index
        assert column.compression == "ZSTD"


def test_a_dataset_folder_with_somebodys_notes_is_left_alone(catalogue, tmp_path):
    build_dataset(catalogue, tmp_path / "out", limit=50)
    (tmp_path / "out" / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"\(notes\.txt\)"):
        build_dataset(catalogue, tmp_path / "out", limit=60)
    assert len(list(read_catalog(tmp_path / "out"))) == 50


def test_a_few_new_products_leave_most_bytes_as_they_were(tmp_path):
    for name, products in (("old", range(3, 9000)), ("new", range(9000))):
        write(tmp_path / "trn.json", [row(n) for n in products])
        build_dataset(tmp_path / "trn.json", tmp_path / name, validation=0, test=0, phrasings=1)
    for config in ("chat", "text-llama3"):
        (old,), (new,) = ((tmp_path / name / config).glob("train-*") for name in ("old", "new"))
        before, after = old.read_bytes(), new.read_bytes()
        places = range(0, len(after) - 64, len(after) // 200)
        same = sum(after[place : place + 64] in before for place in places)
        assert same / len(places) > 0.6


def test_reading_what_is_no_dataset_folder(tmp_path):
    with pytest.raises(InputError, match="holds no chat/train"):
        list(read_messages(tmp_path, "train"))
