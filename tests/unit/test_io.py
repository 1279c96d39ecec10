"""A folder is swapped in one step, by one process at a time, and nothing foreign goes with the old one."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from amazon_titles import io
from amazon_titles.errors import InputError
from amazon_titles.io import FolderKind, held, require_replaceable, staged

KIND = FolderKind("cook", "cooking", re.compile(r"soup\.txt|sides/rice\.txt"), ("soup.txt",), "Take another pot.")


def cook(target, text, meanwhile=lambda new: None):
    with staged(target, KIND) as new:
        (new / "soup.txt").write_text(text)
        (new / "sides").mkdir()
        (new / "sides" / "rice.txt").write_text(text)
        (new.parent / "knife").write_text("a tool")
        meanwhile(new)


def holds(target):
    """What a whole folder holds: the same text twice, and nothing else."""
    files = {path.relative_to(target).as_posix(): path.read_text() for path in target.rglob("*") if path.is_file()}
    assert set(files) == {"soup.txt", "sides/rice.txt"}
    (text,) = set(files.values())
    return text


@pytest.fixture(params=["exchanged", "two renames"])
def way(request, monkeypatch):
    if request.param == "two renames":
        monkeypatch.setattr(io, "_exchanged", lambda one, other: False)
    return request.param


def test_the_new_folder_takes_the_place_of_the_old_one(tmp_path, way):
    cook(tmp_path / "deep" / "pot", "old")
    cook(tmp_path / "deep" / "pot", "new")
    assert holds(tmp_path / "deep" / "pot") == "new"
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["pot"]


def test_what_fails_leaves_the_old_one_and_nothing_else(tmp_path, way):
    cook(tmp_path / "pot", "old")

    def stopped(new):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cook(tmp_path / "pot", "new", stopped)
    assert holds(tmp_path / "pot") == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["pot"]


def test_a_link_is_followed_to_where_the_folder_is(tmp_path):
    cook(tmp_path / "disk" / "pot", "old")
    (tmp_path / "pot").symlink_to(tmp_path / "disk" / "pot")
    cook(tmp_path / "pot", "new")
    assert holds(tmp_path / "disk" / "pot") == "new"
    assert (tmp_path / "pot").is_symlink()


# Another process: it holds the pot, says so, and goes on when it is told to.
OTHER = """
import sys
from pathlib import Path
from tests.unit.test_io import cook, io

def meanwhile(new):
    print("cooking", flush=True)
    sys.stdin.readline()

cook(Path(sys.argv[1]), "theirs", meanwhile)
"""


def start(code, *arguments):
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_who_comes_second_is_told_who_is_at_work_and_disturbs_nothing(tmp_path):
    other = start(OTHER, tmp_path / "pot")
    assert other.stdout.readline() == "cooking\n"
    before = sorted(path.name for path in tmp_path.iterdir())
    with pytest.raises(InputError, match=rf"pot is in use: cooking by process {other.pid} on .*, since 2") as refused:
        cook(tmp_path / "pot", "ours")
    assert "Wait until it is done" in str(refused.value)
    assert "Take another pot." in str(refused.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    other.communicate("go on\n")
    assert other.returncode == 0
    assert holds(tmp_path / "pot") == "theirs"
    assert [path.name for path in tmp_path.iterdir()] == ["pot"]


def test_another_pot_is_another_matter(tmp_path):
    other = start(OTHER, tmp_path / "pot")
    assert other.stdout.readline() == "cooking\n"
    cook(tmp_path / "pot.2", "ours")
    other.communicate("go on\n")
    assert (holds(tmp_path / "pot"), holds(tmp_path / "pot.2")) == ("theirs", "ours")


def test_a_killed_process_holds_nothing_and_what_it_left_goes(tmp_path):
    other = start(OTHER, tmp_path / "pot")
    assert other.stdout.readline() == "cooking\n"
    other.kill()
    other.communicate()
    assert list(tmp_path.glob(".pot.cooking-*"))
    cook(tmp_path / "pot", "ours")
    assert holds(tmp_path / "pot") == "ours"
    assert [path.name for path in tmp_path.iterdir()] == ["pot"]


# It ends without a word at a moment that no clock would find: `os._exit` runs no clean-up, as a kill does.
KILLED = """
import os, sys
from pathlib import Path
from tests.unit.test_io import cook, io

rename, swap, moment = Path.rename, io._exchanged, sys.argv[2]

def renaming(path, target):
    done = rename(path, target)
    if moment == "between two renames":
        os._exit(9)
    return done

def exchanging(one, other):
    if moment == "before the swap":
        os._exit(9)
    if moment == "between two renames":
        return False
    assert swap(one, other)
    os._exit(9)

Path.rename, io._exchanged = renaming, exchanging
cook(Path(sys.argv[1]), "new")
"""


@pytest.mark.parametrize(
    ("moment", "stands"), [("before the swap", "old"), ("between two renames", None), ("after the swap", "new")]
)
def test_killed_at_the_swap_the_old_or_the_new_one_is_whole(tmp_path, moment, stands):
    if stands == "new" and not exchanges(tmp_path):
        pytest.skip("this system cannot swap two folders in one step")
    cook(tmp_path / "pot", "old")
    killed = start(KILLED, tmp_path / "pot", moment)
    killed.communicate()
    assert killed.returncode == 9
    assert (holds(tmp_path / "pot") if stands else (tmp_path / "pot").exists()) == (stands or False)
    # The next one who comes finds it in order before it begins, and fails here.
    with pytest.raises(ZeroDivisionError):
        cook(tmp_path / "pot", "third", lambda new: 1 / 0)
    assert holds(tmp_path / "pot") == (stands or "new")
    assert [path.name for path in tmp_path.iterdir()] == ["pot"]


def exchanges(folder):
    for name in ("one", "other"):
        (folder / name).mkdir()
    done = io._exchanged(folder / "one", folder / "other")
    for name in ("one", "other"):
        (folder / name).rmdir()
    return done


def test_what_was_finished_stays_where_somebody_else_filled_its_place(tmp_path, capsys):
    cook(tmp_path / "pot", "old")
    start(KILLED, tmp_path / "pot", "between two renames").communicate()
    (tmp_path / "pot").mkdir()
    (tmp_path / "pot" / "soup.txt").write_text("fetched from elsewhere")
    cook(tmp_path / "pot", "third")
    assert holds(tmp_path / "pot") == "third"
    assert holds(tmp_path / "pot.new") == "new"
    assert "pot.new" in capsys.readouterr().err


def test_folders_that_only_look_like_ours_are_left_alone(tmp_path):
    others = [".pot.cooking-mine", ".pot.cooking-", ".pots.cooking-abcdefgh", ".pot.2.cooking-abcdefgh"]
    for name in others:
        (tmp_path / name).mkdir()
    cook(tmp_path / "pot", "ours")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*others, "pot"])


@pytest.mark.parametrize(
    "path", ["notes.txt", "sides/notes.txt", "a/b/c/notes.txt", "sides/soup.txt", ".env", ".git/x"]
)
def test_a_foreign_file_is_named_and_refused_at_every_depth(tmp_path, path):
    cook(tmp_path / "pot", "old")
    (tmp_path / "pot" / path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / "pot" / path).write_text("mine")
    with pytest.raises(InputError, match=rf"`amazon-titles cook` did not make \({re.escape(path)}\)"):
        cook(tmp_path / "pot", "new")
    assert (tmp_path / "pot" / path).read_text() == "mine"
    assert (tmp_path / "pot" / "soup.txt").read_text() == "old"
    assert [left.name for left in tmp_path.iterdir()] == ["pot"]


def test_links_and_empty_folders_are_foreign_too_and_many_are_counted(tmp_path):
    cook(tmp_path / "pot", "old")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "pot" / "sides" / "rice.txt").unlink()
    (tmp_path / "pot" / "sides" / "rice.txt").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "pot" / "empty").mkdir()
    for number in range(3):
        (tmp_path / "pot" / f"note{number}").touch()
    with pytest.raises(InputError, match=r"\(empty/, note0, note1 and 2 more\)"):
        require_replaceable(tmp_path / "pot", KIND)


def test_nobodys_files_are_not_in_the_way(tmp_path):
    cook(tmp_path / "pot", "old")
    for name in (".DS_Store", "sides/Thumbs.db", ".gitattributes", ".cache/huggingface/.gitignore"):
        (tmp_path / "pot" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "pot" / name).touch()
    (tmp_path / "pot" / ".cache" / "huggingface" / "download").mkdir()
    (tmp_path / "pot" / ".cache" / "huggingface" / "download" / "soup.txt.metadata").touch()
    cook(tmp_path / "pot", "new")
    assert holds(tmp_path / "pot") == "new"


def test_a_folder_without_its_mark_is_somebody_elses(tmp_path):
    (tmp_path / "pot" / "sides").mkdir(parents=True)
    (tmp_path / "pot" / "sides" / "rice.txt").write_text("mine")
    with pytest.raises(InputError, match=r"sides/rice\.txt"):
        cook(tmp_path / "pot", "new")
    (tmp_path / "bowl").mkdir()
    cook(tmp_path / "bowl", "an empty one is nobody's")


def test_a_file_and_the_current_folder_are_refused(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="is a file"):
        cook(tmp_path / "file", "new")
    cook(tmp_path / "pot", "old")
    monkeypatch.chdir(tmp_path / "pot")
    with pytest.raises(InputError, match="is the current folder"):
        cook(Path(), "new")


def test_what_came_meanwhile_is_kept_and_so_is_what_was_made(tmp_path, way):
    cook(tmp_path / "pot", "old")
    with pytest.raises(InputError, match=r"was not replaced: .*\(notes\.txt\)") as refused:
        cook(tmp_path / "pot", "new", lambda new: (tmp_path / "pot" / "notes.txt").write_text("mine"))
    assert str(tmp_path / "pot.new") in str(refused.value)
    assert (tmp_path / "pot" / "notes.txt").read_text() == "mine"
    assert holds(tmp_path / "pot.new") == "new"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pot", "pot.new"]


def test_a_place_that_cannot_be_taken_costs_nothing(tmp_path, monkeypatch):
    """On Windows a program that has a file of the old folder open."""
    cook(tmp_path / "pot", "old")
    monkeypatch.setattr(io, "_exchanged", lambda one, other: False)
    rename = Path.rename

    def refuses(path, target):
        if path.name == "pot":
            raise PermissionError("in use")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", refuses)
    with pytest.raises(InputError, match="in use"):
        cook(tmp_path / "pot", "new")
    assert (holds(tmp_path / "pot"), holds(tmp_path / "pot.new")) == ("old", "new")


def test_a_lock_leaves_no_file_and_takes_none_that_is_anothers(tmp_path):
    """What filelock does with its file has changed before."""
    with held(tmp_path / "pot", "cooking", hint=""):
        lock, holder = tmp_path / ".pot.lock", tmp_path / ".pot.holder.json"
        assert lock.exists()
        assert holder.exists()
    assert not list(tmp_path.iterdir())
    guard = io.FileLock(lock)
    guard.acquire(timeout=0)
    if os.name != "nt":  # there it cannot be removed while it is held
        lock.unlink()
        lock.touch()
        guard.release()
        assert lock.exists()
