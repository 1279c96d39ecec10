"""Every container, and every way in which one is broken."""

import gzip
import io
import json
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pytest

from amazon_titles.catalog import Counts, Reader, open_source, products, sources
from amazon_titles.catalog import download as fetch
from amazon_titles.catalog.download import MIRRORS
from amazon_titles.catalog.products import read_labels
from amazon_titles.dataset import build_dataset
from amazon_titles.errors import AmazonTitlesError, InputError, MissingExtraError
from tests.catalogue import read_products

ROWS = [
    {"uid": f"{n:010}", "title": f"Brass Lamp {n}", "content": f"A lamp of brass that burns for {n} hours at a time."}
    for n in range(50)
]
LINES = "".join(json.dumps(row) + "\n" for row in ROWS).encode()


def write(tmp_path, kind, lines=LINES):
    path = tmp_path / f"trn.{kind}"
    if kind in ("json", "jsonl"):
        path.write_bytes(lines)
    elif kind == "gz":
        path.write_bytes(gzip.compress(lines))
    elif kind == "zst":
        with pa.CompressedOutputStream(str(path), "zstd") as file:
            file.write(lines)
    else:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("LF-Amazon-1.3M/lbl.json.gz", gzip.compress(b"not me"))
            archive.writestr("LF-Amazon-1.3M/trn.json.gz", gzip.compress(lines))
    return path


@pytest.mark.parametrize("kind", ["json", "jsonl", "gz", "zst", "zip"])
def test_every_container_gives_the_same_products(tmp_path, kind):
    products = list(read_products(write(tmp_path, kind)))
    assert [product.uid for product in products] == [row["uid"] for row in ROWS]


def test_stdin(monkeypatch):
    monkeypatch.setattr(sys, "stdin", type("Stdin", (), {"buffer": io.BytesIO(LINES)}))
    assert len(list(read_products("-"))) == 50


def test_a_file_on_the_hub(tmp_path, monkeypatch):
    import huggingface_hub

    asked = []

    def got(repo, path, *, repo_type, revision):
        asked.append((repo, path, repo_type, revision))
        return str(write(tmp_path, "gz"))

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", got)
    assert len(list(read_products("hf://datasets/ada/shop@v1/data/trn.json.gz"))) == 50
    assert asked == [("ada/shop", "data/trn.json.gz", "dataset", "v1")]
    monkeypatch.setattr(huggingface_hub, "list_repo_files", lambda repo, **_: held)
    held = ["README.md", "shop.csv.gz"]
    list(read_products("hf://datasets/ada/shop"))
    assert asked[1] == ("ada/shop", "shop.csv.gz", "dataset", None)
    held += ["b.parquet"]
    with pytest.raises(InputError, match=r"(?s)ada/shop holds b\.parquet, shop\.csv\.gz.*hf://datasets/ada/shop/FILE"):
        list(read_products("hf://datasets/ada/shop"))
    with pytest.raises(InputError, match=r"(?s)ada/shop holds README.*'hf://datasets/ada/shop/data/train-\*\.parquet'"):
        list(read_products("hf://datasets/ada/shop/x-*.csv"))
    with pytest.raises(InputError, match="no address"):
        list(read_products("hf://ada"))


def test_a_catalogue_of_several_files_on_the_hub(tmp_path, monkeypatch):
    import huggingface_hub

    held = [f"data/train-{n:05}-of-00002.jsonl.gz" for n in (1, 0)]
    asked = []

    def got(repo, name, *, repo_type, revision):
        asked.append((name, revision))
        (tmp_path / name).parent.mkdir(exist_ok=True)
        rows = LINES.splitlines(keepends=True)
        (tmp_path / name).write_bytes(gzip.compress(b"".join(rows[25:] if "train-00001" in name else rows[:25])))
        return str(tmp_path / name)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", got)
    monkeypatch.setattr(huggingface_hub, "list_repo_files", lambda repo, **_: ["README.md", *held])
    with open_source("hf://datasets/ada/shop@v1") as opened:
        assert b"".join(opened.blocks()) == LINES
        assert (opened.name, opened.size, opened.bytes_read) == ("shop", opened.size, opened.size)
        whole = opened.sha256()
    assert asked == [(name, "v1") for name in sorted(held)]
    report = build_dataset("hf://datasets/ada/shop", tmp_path / "out", rules="generic")
    assert (report.kept, report.source) == (50, {"name": "shop", "bytes": opened.size, "sha256": whole})
    held.append("data/test-00000-of-00001.jsonl.gz")
    with pytest.raises(InputError, match="ada/shop holds data/test"):
        list(read_products("hf://datasets/ada/shop"))
    assert len(list(read_products("hf://datasets/ada/shop/data/train-*"))) == 50

    def missing(*_, **__):
        raise OSError("no route to host")

    monkeypatch.setattr(huggingface_hub, "list_repo_files", missing)
    with pytest.raises(AmazonTitlesError, match="ada/shop"):
        list(read_products("hf://datasets/ada/shop"))


@pytest.mark.parametrize("plain", [True, False])
def test_blocks_hold_whole_lines_whatever_their_size(tmp_path, monkeypatch, plain):
    path = write(tmp_path, "json" if plain else "gz", LINES[:-1])
    for size in (1, 7, 100, 1000, 1 << 20):
        monkeypatch.setattr(sources, "BLOCK", size)
        with open_source(path) as source:
            blocks = list(source.blocks())
        assert b"".join(blocks) == LINES[:-1]
        assert all(block.endswith(b"\n") for block in blocks[:-1])


@pytest.mark.parametrize("kind", ["json", "gz"])
@pytest.mark.parametrize("place", [0, 20, 50])
def test_an_endless_line_is_passed_over_and_named(tmp_path, monkeypatch, kind, place):
    for module in (sources, products):
        monkeypatch.setattr(module, "MAX_LINE", 5000)
    monkeypatch.setattr(sources, "BLOCK", 512)
    lines = LINES.splitlines(keepends=True)
    lines.insert(place, b'{"uid": "' + b"x" * 20_000 + b'"}\n')
    counts, number, named = Counts(), 0, []
    with open_source(write(tmp_path, kind, b"".join(lines))) as source:
        for block in source.blocks():
            assert len(block) < 7000
            _, bad = Reader().read(block, counts)
            named += [(number + found.line, found.reason, len(found.text)) for found in bad]
            number += len(block.splitlines())
    assert named == [(place + 1, "too_long", 200)]
    assert (counts.rows_read, number) == (50, 51)


@pytest.mark.parametrize("kind", ["gz", "zip", "zst"])
def test_a_truncated_container_is_an_error(tmp_path, kind):
    path = write(tmp_path, kind, LINES * 50)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    with pytest.raises(InputError, match="ends too early or is damaged"):
        list(read_products(path))


def test_a_zip_bomb_is_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "_BOMB_FROM", 1 << 20)
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(b" " * (64 << 20)))
    with pytest.raises(InputError, match="100 times"):
        list(read_products(path))


def test_what_is_no_catalogue_is_explained(tmp_path):
    with pytest.raises(InputError, match="There is no file"):
        build_dataset(tmp_path / "nothing.json", tmp_path / "out")
    for content, message in [
        (b"", "is empty"),
        (b" \n\n", "is empty"),
        (b"<html>\n", "a page of HTML"),
        (b"uid,title\n1,2\n", 'has the fields "uid", "title", and none that is usual for content'),
        (b'{"asin": "1", "name": "A lamp"}\n', 'has the fields "asin", "name"'),
        (b'{"asin": "1", "name": "A lamp\n', r"Line 1 of catalogue.json is no product .not_json.*begins: '{\"asin"),
    ]:
        path = tmp_path / "catalogue.json"
        path.write_bytes(content)
        with pytest.raises(InputError, match=message):
            build_dataset(path, tmp_path / "out")
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("photos/cat.jpg", b"miaow")
    with pytest.raises(InputError, match=r"holds no trn\.json\.gz but photos/cat\.jpg"):
        build_dataset(tmp_path / "other.zip", tmp_path / "out")


def test_bad_lines_are_counted_by_reason(tmp_path):
    bad = [
        b"{oops\n",
        b'{"uid": 5, "title": "A", "content": "B"}\n',
        b'{"uid": "5", "content": "B"}\n',
        b'{"uid": "5", "title": "\xff\xfe", "content": "B"}\n',
        b"\n",
    ]
    counts = Counts()
    path = tmp_path / "trn.json"
    path.write_bytes(LINES + b"".join(bad))
    assert len(list(read_products(path, counts=counts))) == 50
    assert counts.bad_lines == {"not_json": 1, "wrong_type": 1, "missing_field": 1, "bad_utf8": 1}
    assert counts.rows_read == 50


def test_half_a_character_beside_a_nan_is_bad_alone(tmp_path):
    path, counts = tmp_path / "trn.json", Counts()
    path.write_bytes(LINES + b'{"uid": "5", "title": "\\ud800", "content": NaN}\n')
    assert len(list(read_products(path, counts=counts))) == 50
    assert counts.bad_lines == {"not_json": 1}


def test_another_catalogue_by_naming_its_fields(tmp_path):
    path = tmp_path / "shop.jsonl"
    row = {"sku": 17, "name": "Brass Lamp", "text": ["A lamp of brass.", "It burns for 12 hours at a time."]}
    path.write_text(json.dumps(row) + "\n" + json.dumps({"sku": 18, "name": None, "text": None}) + "\n")
    counts = Counts()
    fields = {"uid": "sku", "title": "name", "content": "text"}
    (product,) = read_products(path, counts=counts, rules="generic", fields=fields)
    assert (product.uid, product.title) == ("17", "Brass Lamp")
    assert product.content == "A lamp of brass. It burns for 12 hours at a time."
    assert counts.dropped == {"empty_title": 1}
    with pytest.raises(InputError, match="'colour'"):
        build_dataset(path, tmp_path / "out", fields={"colour": "color"})


def test_labels_name_the_related_products(tmp_path):
    (tmp_path / "lbl.json").write_text("".join(json.dumps({"uid": f"L{n}", "title": "x"}) + "\n" for n in range(3)))
    (tmp_path / "trn.json").write_text(json.dumps({**ROWS[0], "target_ind": [2, 0, 7]}) + "\n")
    labels = read_labels(tmp_path / "lbl.json")
    (product,) = read_products(tmp_path / "trn.json", labels=labels)
    assert product.related == ("L2", "L0")
    (tmp_path / "lbl.json").write_text('{"uid": "L0"}\n{"title": "no uid"}\n')
    with pytest.raises(InputError, match="without a uid"):
        read_labels(tmp_path / "lbl.json")


class Drive:
    """Stands in for gdown."""

    __spec__ = "installed"

    def __init__(self, payload):
        self.payload, self.calls = payload, []

    def download(self, *, id, output, resume, quiet):
        self.calls.append((id, resume))
        assert quiet is not sys.stderr.isatty(), "its own bar is for terminals"
        if self.payload is None:
            return None
        if isinstance(self.payload, Exception):
            raise self.payload
        Path(f"{output}k2x9.part").write_bytes(self.payload)
        self.meanwhile()
        Path(f"{output}k2x9.part").replace(output)
        return output

    def meanwhile(self):
        """What happens when all is there but the name."""


def test_a_download_resumes_and_says_what_it_got(tmp_path, monkeypatch):
    archive = write(tmp_path, "zip").read_bytes()
    drive = Drive(archive)
    monkeypatch.setitem(sys.modules, "gdown", drive)
    got = fetch(tmp_path / "data")
    assert got.path == tmp_path / "data" / "LF-Amazon-1.3M.raw.zip"
    assert got.bytes == len(archive)
    assert drive.calls == [("12zH4mL2RX8iSvH0VCNnd3QxO4DzuHWnK", True)]
    assert fetch(tmp_path / "data") == got
    assert len(drive.calls) == 1
    assert len(list(read_products(got.path))) == 50


def test_a_file_hears_how_much_of_a_download_is_there(tmp_path, monkeypatch, beat):
    drive = Drive(bytes(25_000_000) + b"PK\x05\x06" + bytes(18))  # a zip with nothing in it
    monkeypatch.setitem(sys.modules, "gdown", drive)
    said = []
    monkeypatch.setattr(drive, "meanwhile", lambda: said.extend(beat(10)))
    fetch(tmp_path)
    assert said == [
        "  downloading LF-Amazon-1.3M.raw.zip: 0 MB …",
        "  downloading LF-Amazon-1.3M.raw.zip: 25 MB, 0:00:10 so far",
    ]


def test_a_download_from_a_mirror(tmp_path, monkeypatch, beat):
    import huggingface_hub

    archive = write(tmp_path, "zip")
    cache = tmp_path / "hub" / "datasets--ada--mirror" / "blobs"
    cache.mkdir(parents=True)
    entries = [
        SimpleNamespace(path="README.md", size=9),
        SimpleNamespace(path="raw"),  # a folder has no size
        SimpleNamespace(path="raw/LF-Amazon-1.3M.raw.zip", size=20_000_000),
    ]
    said = []

    def download(repo, path, repo_type):
        (cache / "0f3a.incomplete").write_bytes(bytes(5_000_000))
        said.extend(beat(10))
        (cache / "0f3a.incomplete").unlink()
        return str(archive)

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(huggingface_hub.HfApi, "list_repo_tree", lambda self, repo, recursive, repo_type: entries)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    got = fetch(tmp_path / "data", mirror="ada/mirror")
    assert got.path.read_bytes() == archive.read_bytes()
    assert said == [
        "  downloading raw/LF-Amazon-1.3M.raw.zip: 0 of 20 MB …",
        "  downloading raw/LF-Amazon-1.3M.raw.zip: 5 of 20 MB, 0:00:30 left",
    ]
    entries.pop()
    with pytest.raises(InputError, match="ada/mirror holds no zip"):
        fetch(tmp_path / "other", mirror="ada/mirror")


class FileURLRetrievalError(Exception):
    """gdown's, where Drive says that a file's quota is used up."""


QUOTA = [None, b"<html>quota", FileURLRetrievalError("Too many users have viewed or downloaded this file recently.")]


@pytest.mark.parametrize("payload", QUOTA, ids=["gdown 4", "a page", "gdown 5"])
def test_a_failed_download_leaves_nothing(tmp_path, monkeypatch, payload):
    import huggingface_hub

    asked = []

    def listed(self, repo, recursive, repo_type):
        asked.append(repo)
        return [SimpleNamespace(path="README.md", size=9)]

    monkeypatch.setitem(sys.modules, "gdown", Drive(payload))
    monkeypatch.setattr(huggingface_hub.HfApi, "list_repo_tree", listed)
    with pytest.raises(InputError, match="Neither Drive nor a mirror gave LF-Amazon") as refused:
        fetch(tmp_path)
    assert "--mirror USER/REPO" in str(refused.value)
    assert asked == list(MIRRORS)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("payload", QUOTA, ids=["gdown 4", "a page", "gdown 5"])
def test_where_drives_quota_is_used_up_a_mirror_is_asked(tmp_path, monkeypatch, capsys, payload):
    """The first mirror is gone, and the second holds trn.json and no archive."""
    import huggingface_hub

    rows = write(tmp_path, "gz")

    def listed(self, repo, recursive, repo_type):
        if repo == MIRRORS[0]:
            raise ConnectionError("gone")
        return [SimpleNamespace(path="tst.json.gz", size=9), SimpleNamespace(path="raw/trn.json.gz", size=9)]

    monkeypatch.setitem(sys.modules, "gdown", Drive(payload))
    monkeypatch.setattr(huggingface_hub.HfApi, "list_repo_tree", listed)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", lambda repo, path, repo_type: str(rows))
    got = fetch(tmp_path / "data")
    assert got.path == tmp_path / "data" / "trn.json.gz"
    assert list((tmp_path / "data").iterdir()) == [got.path]
    said = capsys.readouterr().err
    assert f"Drive returned no zip: the file was downloaded too often lately. Trying the mirror {MIRRORS[0]} …" in said
    assert f"Trying the mirror {MIRRORS[1]} …" in said
    monkeypatch.setitem(sys.modules, "gdown", None)
    assert fetch(tmp_path / "data") == got, "what is there is not fetched again"
    assert len(list(read_products(got.path))) == 50


def test_a_download_that_broke_off_is_gone_on_with_and_no_mirror_asked(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "gdown", Drive(ConnectionResetError()))
    (tmp_path / ".LF-Amazon-1.3M.raw.zip.downloadk2x9.part").write_bytes(b"PK")
    with pytest.raises(InputError, match="was interrupted: ConnectionResetError") as refused:
        fetch(tmp_path)
    assert "again to resume" in str(refused.value)
    assert len(list(tmp_path.glob("*.part"))) == 1


def test_a_download_without_gdown_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "gdown", None)
    with pytest.raises(MissingExtraError, match="gdown"):
        fetch(tmp_path)
