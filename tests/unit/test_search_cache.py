"""Where an index is kept: used again while it is right, built again when stale or damaged, safe for two at once."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from amazon_titles.catalog import Product
from amazon_titles.dataset.folder import CATALOG, open_parquet, table
from amazon_titles.errors import InputError
from amazon_titles.search import CatalogIndex, storage


@pytest.fixture(autouse=True)
def indexes(tmp_path, monkeypatch):
    """A cache of the test's own; gives the folder of its indexes."""
    monkeypatch.setenv("AMAZON_TITLES_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "indexes"


def write(folder: Path, titles: list[str], *, shards: int = 1) -> Path:
    """A dataset folder with these products."""
    products = [Product(f"B{n:09d}", title, f"About {title}.", (f"B{n + 1:09d}",)) for n, title in enumerate(titles)]
    shutil.rmtree(folder, ignore_errors=True)
    for shard in range(shards):
        with open_parquet(folder / "catalog" / f"train-{shard:05d}-of-{shards:05d}.parquet", CATALOG) as writer:
            writer.write_table(table(products[shard::shards], CATALOG))
    (folder / "report.json").write_text(json.dumps({"titles": len(titles)}), encoding="utf-8")
    return folder


@pytest.fixture
def dataset(tmp_path):
    return write(tmp_path / "dataset", ["Velmo Tarkin Kettle", "Grinax Puzzle 300", "The Garden of Orsk"], shards=2)


def only(indexes: Path) -> Path:
    (folder,) = (path for path in indexes.iterdir() if path.is_dir())
    return folder


def counted(monkeypatch) -> list[Path]:
    """The indexes that are built from here on."""
    built: list[Path] = []
    real = storage.write

    def write(folder, tables):
        built.append(folder)
        return real(folder, tables)

    monkeypatch.setattr(storage, "write", write)
    return built


def test_is_kept_and_used_again(dataset, indexes, monkeypatch):
    first = CatalogIndex.build(dataset)
    built = counted(monkeypatch)
    again = CatalogIndex.build(dataset)
    assert not built
    assert len(first) == len(again) == 3
    (hit,) = again.search("the puzzle of Grinax")
    assert hit.product == Product(hit.product.uid, "Grinax Puzzle 300", "About Grinax Puzzle 300.", hit.product.related)
    assert len(hit.product.related) == 1
    assert only(indexes)


def test_holds_more_products_than_a_block_of_texts(tmp_path):
    titles = [f"Lamp {'abcdefghij'[n % 10]}{n} Zorvo" for n in range(700)]
    index = CatalogIndex.build(write(tmp_path / "many", titles, shards=3))
    for number in (0, 255, 256, 257, 511, 699):
        (hit,) = index.search(f"lamp {'abcdefghij'[number % 10]}{number}")
        assert (hit.product.title, hit.product.content) == (titles[number], f"About {titles[number]}.")


def test_a_dataset_that_was_built_again_gets_a_new_index(dataset):
    assert CatalogIndex.build(dataset).search("Bexo Drill") == []
    write(dataset, ["Velmo Tarkin Kettle", "Bexo Drill"])
    index = CatalogIndex.build(dataset)
    assert len(index) == 2
    assert index.search("Bexo Drill")


def test_another_text_under_the_same_report_is_seen(dataset):
    CatalogIndex.build(dataset)
    report = (dataset / "report.json").read_bytes()
    write(dataset, ["Velmo Tarkin Kettle", "Grinax Puzzle 300", "The Garden of Orsx"], shards=2)
    (dataset / "report.json").write_bytes(report)
    assert CatalogIndex.build(dataset).search('"Garden of Orsx"')[0].score == 1


def alter(path: Path, found: bytes, put: bytes) -> None:
    """Other bytes in the middle of a file, which keeps its size and its end."""
    held = path.read_bytes()
    at = held.index(found)
    assert len(found) == len(put)
    assert at + len(put) < len(held) - 65_536
    path.write_bytes(held[:at] + put + held[at + len(put) :])


@pytest.fixture
def large(tmp_path):
    """A dataset with a file whose end says nothing of its beginning."""
    folder = tmp_path / "large"
    products = [
        Product("B000000000", "Velmo Tarkin Kettle", "Of brass. " + random.Random(1).randbytes(50_000).hex(), ())
    ]
    path = folder / "catalog" / "train-00000-of-00001.parquet"
    with open_parquet(path, CATALOG) as writer:
        writer.write_table(table(products, CATALOG))
    pq.write_table(pq.read_table(path), path, compression="none", use_dictionary=False)
    return folder


def test_an_altered_copy_does_not_poison_the_index_of_the_good_one(large, tmp_path):
    shutil.copytree(large, tmp_path / "altered")
    alter(tmp_path / "altered" / "catalog" / "train-00000-of-00001.parquet", b"Of brass.", b"Of poison")
    assert CatalogIndex.build(tmp_path / "altered").search("Velmo Tarkin Kettle")[0].product.content[:9] == "Of poison"
    assert CatalogIndex.build(large).search("Velmo Tarkin Kettle")[0].product.content[:9] == "Of brass."


def test_a_catalogue_that_is_altered_in_its_place_is_seen(large):
    """As many bytes, and the time of before: what the system itself notes of a change still tells."""
    CatalogIndex.build(large)
    path = large / "catalog" / "train-00000-of-00001.parquet"
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns
    alter(path, b"Of brass.", b"Of poison")
    os.utime(path, ns=times)
    assert CatalogIndex.build(large).search("Velmo Tarkin Kettle")[0].product.content[:9] == "Of poison"


def test_a_catalogue_that_changes_while_it_is_read_gets_no_index(large, indexes, monkeypatch):
    real = storage.write

    def write(folder, tables):
        done = real(folder, tables)
        alter(large / "catalog" / "train-00000-of-00001.parquet", b"Of brass.", b"Of poison")
        return done

    monkeypatch.setattr(storage, "write", write)
    with pytest.raises(InputError, match="was changed while it was read"):
        CatalogIndex.build(large)
    assert not [path for path in indexes.iterdir() if path.is_dir()]
    monkeypatch.setattr(storage, "write", real)
    assert CatalogIndex.build(large).search("Velmo Tarkin Kettle")[0].product.content[:9] == "Of poison"


READ_ONLY = """
mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && ! touch "$1/x" 2>/dev/null && exec "$2" -c "$3" "$4"
"""


def test_a_finished_index_on_a_read_only_disk_serves(dataset, indexes):
    CatalogIndex.build(dataset)
    before = sorted(path for path in indexes.rglob("*"))
    alone = ["unshare", "--mount", "--map-root-user"]
    if shutil.which("unshare") is None or subprocess.run([*alone, "mount", "-t", "tmpfs", "none", "/mnt"]).returncode:
        pytest.skip("nobody may mount a disk here")
    command = [*alone, "sh", "-c", READ_ONLY, "sh", str(indexes.parent), sys.executable, ASK, str(dataset)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout.split(maxsplit=1) == ["0", "Grinax Puzzle 300\n"], done.stderr
    assert sorted(path for path in indexes.rglob("*")) == before


def test_a_lock_that_cannot_be_taken_beside_an_index_is_taken_elsewhere(dataset, indexes, monkeypatch):
    CatalogIndex.build(dataset)
    lock = only(indexes) / "words" / ".tantivy-meta.lock"
    lock.unlink()
    lock.mkdir()  # as little a file to write to as one on a read-only disk
    built = counted(monkeypatch)
    assert CatalogIndex.build(dataset).search("Grinax Puzzle 300")[0].score == 1
    assert not built


def test_another_format_is_another_index(dataset, indexes, monkeypatch):
    CatalogIndex.build(dataset)
    monkeypatch.setattr(storage, "FORMAT", storage.FORMAT + 1)
    CatalogIndex.build(dataset)
    assert len([path for path in indexes.iterdir() if path.is_dir()]) == 2


def put(path: Path, held: bytes) -> None:
    """Another file in its place: tantivy may still have the old one mapped, and to cut that one is a crash."""
    path.with_suffix(".new").write_bytes(held)
    path.with_suffix(".new").replace(path)


def cut(path: Path) -> None:
    put(path, path.read_bytes()[:-1])


def flip(path: Path) -> None:
    held = bytearray(path.read_bytes())
    held[len(held) // 2] ^= 0xFF
    put(path, bytes(held))


def empty(path: Path) -> None:
    put(path, b"")


@pytest.mark.parametrize("damage", [cut, flip, Path.unlink, empty])
@pytest.mark.parametrize("name", ["checksum", "titles.arrow", "texts.arrow", "words/meta.json", "words/*.term"])
def test_a_damaged_index_is_built_again(dataset, indexes, monkeypatch, name, damage):
    CatalogIndex.build(dataset)
    damage(next(only(indexes).glob(name)))
    built = counted(monkeypatch)
    assert CatalogIndex.build(dataset).search("Grinax Puzzle 300")[0].score == 1
    assert len(built) == 1 or name == "checksum"


def test_what_a_killed_build_left_is_removed(dataset, indexes):
    CatalogIndex.build(dataset)
    name = only(indexes).name
    shutil.rmtree(indexes / name)
    (indexes / f".{name}.building-1").mkdir()
    CatalogIndex.build(dataset)
    assert [path.name for path in indexes.iterdir() if path.is_dir()] == [name]


def test_a_build_that_fails_leaves_nothing(dataset, indexes, monkeypatch):
    def write(folder, tables):
        (folder / "titles.arrow").write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(storage, "write", write)
    with pytest.raises(KeyboardInterrupt):
        CatalogIndex.build(dataset)
    assert not [path for path in indexes.iterdir() if path.is_dir()]


ASK = """
import sys
from amazon_titles.search import CatalogIndex, storage
real, built = storage.write, []
storage.write = lambda folder, tables: built.append(1) or real(folder, tables)
index = CatalogIndex.build(sys.argv[1])
print(len(built), index.search("Grinax Puzzle 300")[0].product.title)
"""


def test_two_processes_at_once_build_one_index(dataset):
    together = [
        subprocess.Popen([sys.executable, "-c", ASK, str(dataset)], stdout=subprocess.PIPE, text=True) for _ in "123"
    ]
    said = [process.communicate(timeout=60)[0].split(maxsplit=1) for process in together]
    assert [title.strip() for _, title in said] == ["Grinax Puzzle 300"] * 3
    assert sum(int(built) for built, _ in said) == 1


def test_an_index_nobody_asks_for_a_month_is_removed(dataset, indexes, tmp_path):
    CatalogIndex.build(dataset)
    old = only(indexes)
    month = time.time() - 31 * 86_400
    os.utime(old / "checksum", (month, month))
    other = write(tmp_path / "other", ["Bexo Drill"])
    CatalogIndex.build(other)
    assert not old.exists()
    CatalogIndex.build(dataset)
    assert len(CatalogIndex.build(other)) == 1


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="whoever runs this may write everywhere")
def test_a_cache_that_cannot_be_written_says_so(dataset, tmp_path, monkeypatch):
    (tmp_path / "locked").mkdir(mode=0o500)
    monkeypatch.setenv("AMAZON_TITLES_CACHE", str(tmp_path / "locked" / "cache"))
    with pytest.raises(InputError, match="AMAZON_TITLES_CACHE=DIR"):
        CatalogIndex.build(dataset)


def test_a_cache_that_is_a_file_says_so(dataset, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("AMAZON_TITLES_CACHE", str(tmp_path / "file"))
    with pytest.raises(InputError, match="AMAZON_TITLES_CACHE=DIR"):
        CatalogIndex.build(dataset)


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"AMAZON_TITLES_CACHE": "own", "HF_HOME": "hub"}, Path("own")),
        ({"HF_HOME": "hub"}, Path("hub/amazon_titles")),
        ({"XDG_CACHE_HOME": "caches"}, Path("caches/amazon_titles")),
    ],
)
def test_where_indexes_are_kept(monkeypatch, variables, expected):
    for name in ("AMAZON_TITLES_CACHE", "HF_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert storage.cache_folder() == expected


# What a dataset may lack.


def test_a_damaged_catalogue_is_named(dataset):
    path = dataset / "catalog" / "train-00001-of-00002.parquet"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(InputError, match=r"train-00001-of-00002\.parquet.*damaged(.|\n)*amazon-titles build"):
        CatalogIndex.build(dataset)


def test_a_catalogue_without_its_columns_is_named(dataset):
    path = dataset / "catalog" / "train-00000-of-00002.parquet"
    pq.write_table(pq.read_table(path).drop_columns(["content"]), path)
    with pytest.raises(InputError, match=r"train-00000-of-00002\.parquet"):
        CatalogIndex.build(dataset)


@pytest.mark.parametrize("name", ["", "report.json"])
def test_a_folder_without_a_catalogue_is_named(tmp_path, name):
    folder = tmp_path / "empty"
    folder.mkdir()
    if name:
        (folder / name).touch()
    with pytest.raises(InputError, match=r"empty holds no catalog/train-\*\.parquet(.|\n)*amazon-titles build"):
        CatalogIndex.build(folder)


@pytest.mark.parametrize("name", ["./nowhere", "nowhere", "a/b/c"])
def test_no_folder_and_no_hub_id(name):
    with pytest.raises(InputError, match=r"No dataset folder(.|\n)*amazon-titles build"):
        CatalogIndex.build(name)


def test_an_empty_catalogue_is_refused(tmp_path, indexes):
    with pytest.raises(InputError, match="is empty"):
        CatalogIndex.build(write(tmp_path / "none", []))
    assert not [path for path in indexes.iterdir() if path.is_dir()]
