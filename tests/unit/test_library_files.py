"""What of this library may leave the machine is a list, the installation's or git's, and never what lies there."""

from __future__ import annotations

import shutil
import subprocess
from importlib import metadata
from pathlib import Path

import pytest

from amazon_titles import cli, resources
from amazon_titles.errors import InputError, PublishError
from amazon_titles.jobs import make_job_spec
from amazon_titles.recipes import load_recipe

SECRET = b"the password of ana's shop is 1234"
FILES = ("__init__.py", "page/page.css", "page/__init__.py")


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A small package in a checkout, with things beside its files that nobody meant to send."""
    root = tmp_path / "checkout"
    for name in (*(f"amazon_titles/{name}" for name in FILES), "autotrain/one.yml", "hub_cards/card.jinja"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(f"# {name}\n")
    monkeypatch.setattr(resources, "_PACKAGE", root / "amazon_titles")
    return root / "amazon_titles"


def plant(package: Path) -> set[str]:
    """Lays down what must stay: a dotfile, a file that git ignores, one that nobody added, links; their places."""
    private = package.parents[1] / "private"
    (private / "deep").mkdir(parents=True)
    (private / "id_ed25519").write_bytes(SECRET)
    (private / "deep" / "notes.py").write_bytes(SECRET)
    planted = {".env", "passwords.py", "page/new.json"}
    for name in planted:
        (package / name).write_bytes(SECRET)
    (package / "__pycache__").mkdir()
    (package / "__pycache__" / "x.pyc").write_bytes(SECRET)
    (package / "key.py").symlink_to(private / "id_ed25519")
    (package / "deep").symlink_to(private / "deep", target_is_directory=True)
    (package.parent / "autotrain" / "mine.yml").write_bytes(SECRET)
    return {f"amazon_titles/{name}" for name in (*planted, "key.py", "deep", "_files/autotrain/mine.yml")}


def git(folder: Path, *command: str) -> None:
    if shutil.which("git") is None:
        pytest.skip("git is not here")
    subprocess.run(["git", "-C", str(folder), *command], check=True, capture_output=True)


@pytest.fixture
def tracked(package, monkeypatch):
    """The same, of which git knows what belongs to it."""
    monkeypatch.setattr(metadata, "files", lambda name: [])
    git(package.parent, "init", "-q")
    (package.parent / ".gitignore").write_text("passwords.py\n")
    git(package.parent, "add", "-A")
    return package


@pytest.fixture
def installed(package, monkeypatch):
    """The same as an installation: `_files` inside, and a RECORD."""
    for name in ("autotrain", "hub_cards"):
        shutil.move(package.parent / name, package / "_files" / name)
    listed = [
        metadata.PackagePath(path.relative_to(package.parent).as_posix())
        for path in sorted(package.rglob("*"))
        if path.is_file()
    ]
    others = ("../../../bin/amazon-titles", "amazon_titles/__pycache__/a.pyc")
    listed += [metadata.PackagePath(other) for other in others]
    for path in listed:
        path.dist = metadata.PathDistribution(package.parent / "x.dist-info")
    (package.parent / "autotrain").mkdir()
    monkeypatch.setattr(metadata, "files", lambda name: listed)
    return package


MINE = {f"amazon_titles/{name}" for name in FILES} | {
    "amazon_titles/_files/autotrain/one.yml", "amazon_titles/_files/hub_cards/card.jinja",
}  # fmt: skip


@pytest.mark.parametrize("how", ["tracked", "installed"])
def test_only_what_is_listed_is_taken_and_the_rest_is_named(how, request):
    package = request.getfixturevalue(how)
    before = resources.library_files()
    assert set(before.files) == MINE
    assert before.left_out == {}
    planted = plant(package)
    if how == "installed":
        shutil.move(package.parent / "autotrain" / "mine.yml", package / "_files" / "autotrain" / "mine.yml")
    library = resources.library_files()
    assert set(library.files) == MINE
    assert set(library.left_out) == planted
    assert library.left_out["amazon_titles/key.py"] == library.left_out["amazon_titles/deep"] == "a link"
    assert library.left_out["amazon_titles/.env"] == "hidden"
    assert all(SECRET not in path.read_bytes() for path in library.files.values())


def test_neither_links_nor_dotfiles_go_even_where_git_tracks_them(tracked):
    planted = plant(tracked)
    git(tracked.parent, "add", "-A", "--force")
    library = resources.library_files()
    told = {place for place in planted if library.left_out.get(place)}
    assert told == {"amazon_titles/.env", "amazon_titles/key.py", "amazon_titles/deep"}
    assert set(library.files) == MINE | (planted - told)


def test_a_tracked_folder_that_was_replaced_by_a_link_is_not_followed(tracked, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    shutil.move(tracked / "page", elsewhere)
    (elsewhere / "page.css").write_bytes(SECRET)
    (tracked / "page").symlink_to(elsewhere, target_is_directory=True)
    library = resources.library_files()
    assert "amazon_titles/page/page.css" not in library.files
    assert library.left_out["amazon_titles/page"] == "a link"


def test_what_git_tracks_and_somebody_deleted_is_not_missed(tracked):
    (tracked / "page" / "page.css").unlink()
    assert set(resources.library_files().files) == MINE - {"amazon_titles/page/page.css"}


@pytest.mark.parametrize("why", ["no repository", "no git"])
def test_without_a_list_nothing_leaves(package, monkeypatch, tmp_path, why):
    monkeypatch.setattr(metadata, "files", lambda name: [])
    if why == "no git":
        git(package.parent, "init", "-q")
        git(package.parent, "add", "-A")
        monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="neither an installation nor git says") as refused:
        resources.library_files()
    assert f"pip install {package.parent}" in str(refused.value)


def test_another_installation_says_nothing_of_this_folder(tracked, monkeypatch, tmp_path):
    """A checkout on PYTHONPATH, and another copy in site-packages: its RECORD is not this folder's."""
    record = metadata.PackagePath("amazon_titles/__init__.py")
    record.dist = metadata.PathDistribution(tmp_path / "site" / "x.dist-info")
    monkeypatch.setattr(metadata, "files", lambda name: [record])
    assert set(resources.library_files().files) == MINE


def test_a_repository_that_a_hook_names_is_not_asked(tracked, monkeypatch, tmp_path):
    """Git's own variables, which a hook or an alias sets, would ask another repository."""
    git(tmp_path, "init", "-q", "other")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "other" / ".git"))
    assert set(resources.library_files().files) == MINE


@pytest.fixture
def beside(tmp_path, monkeypatch):
    """This library's own files in a checkout, and the places of others beside them."""
    root = tmp_path / "whole"
    for place, path in resources.library_files().files.items():
        copy = root / place.replace("amazon_titles/_files/", "")
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    monkeypatch.setattr(resources, "_PACKAGE", root / "amazon_titles")
    monkeypatch.setattr(metadata, "files", lambda name: [])
    git(root, "init", "-q")
    git(root, "add", "-A")
    return plant(root / "amazon_titles")


def test_a_job_takes_nothing_along(beside):
    recipe = load_recipe(resources.recipes()["llama-3.2-1b-lora"])
    job = make_job_spec(recipe.with_settings({"data.path": "ana/titles"}), "ana/Llama-x", engine="autotrain")
    assert not beside & set(job.files)
    assert not [name for name, content in job.files.items() if SECRET in content]
    assert beside <= set(job.left_out)


def test_the_folder_of_a_space_takes_nothing_along(beside, tmp_path, capsys, monkeypatch):
    from amazon_titles.page import space

    monkeypatch.setattr(space, "version", lambda name: "1.0")  # gradio's, where it is not installed
    folder = space.write_space(tmp_path / "space", model="ana/M")
    written = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    assert {"app.py", *resources.library_files().files} <= set(written)
    assert not beside & set(written)
    assert not [path for path in written.values() if path.is_symlink() or SECRET in path.read_bytes()]
    told = capsys.readouterr().err
    assert all(f"left out: {name} (" in told for name in beside)


def test_links_are_known_but_not_those_of_the_hubs_own_cache(tmp_path):
    repo = tmp_path / "models--ana--a"
    snapshot = repo / "snapshots" / "1234"
    (repo / "blobs").mkdir(parents=True)
    (snapshot / "eval").mkdir(parents=True)
    (repo / "blobs" / "abc").write_text("x")
    (tmp_path / "private").write_text("x")
    (repo / "blobs" / "out").symlink_to(tmp_path / "private")
    (snapshot / "run.json").symlink_to("../../blobs/abc")
    (snapshot / "eval" / "after.json").symlink_to("../../../blobs/abc")
    (snapshot / "LICENSE").symlink_to(tmp_path / "private")
    (snapshot / "NOTICE").symlink_to("../../blobs/out")
    (snapshot / "plain").write_text("x")
    found = {name: resources.is_link(snapshot / name, snapshot) for name in ("run.json", "eval/after.json", "plain")}
    assert found == {"run.json": False, "eval/after.json": False, "plain": False}
    assert resources.is_link(snapshot / "LICENSE", snapshot)
    assert resources.is_link(snapshot / "NOTICE", snapshot)
    shutil.move(repo / "snapshots", repo / "folders")
    assert resources.is_link(repo / "folders" / "1234" / "run.json", repo / "folders" / "1234")
    (tmp_path / "linked").symlink_to(snapshot.parent.parent / "folders" / "1234", target_is_directory=True)
    assert not resources.is_link(tmp_path / "linked" / "plain", tmp_path / "linked"), "the folder that was named itself"


def test_a_dry_run_of_a_space_shows_every_file(beside, capsys, monkeypatch):
    from amazon_titles import page
    from amazon_titles.page import space

    monkeypatch.setattr(page, "require_gradio", lambda: None)
    monkeypatch.setattr(space, "version", lambda name: "1.0")
    cli.main(["push-space", "ana/ask", "--model", "ana/Llama-tiny", "--dry-run"])
    said = capsys.readouterr()
    assert all(f"  {name} " in said.out for name in resources.library_files().files)
    assert all(f"left out: {name} (" in said.err for name in beside)


def test_a_space_is_searched_for_secrets_and_must_be_whole(tmp_path, monkeypatch):
    from amazon_titles.hub import push_space_to_hub
    from amazon_titles.page import space

    monkeypatch.setattr(space, "version", lambda name: "1.0")
    folder = space.write_space(tmp_path / "space", model="ana/M")
    (folder / "amazon_titles" / "passwords.py").write_bytes(SECRET)
    (folder / "me.png").write_bytes(b"\x89PNG")
    shown = push_space_to_hub(folder, "ana/ask", dry_run=True)
    assert {file.path for file in shown.files} == {
        "README.md",
        "app.py",
        "requirements.txt",
        *resources.library_files().files,
    }
    assert {row.path for row in shown.left_out} == {"amazon_titles/passwords.py", "me.png"}
    monkeypatch.setenv("CI_TOKEN", "def write_space(folder")
    with pytest.raises(PublishError, match=r"amazon_titles/page/space\.py: it holds the value of CI_TOKEN"):
        push_space_to_hub(folder, "ana/ask", dry_run=True)
    monkeypatch.delenv("CI_TOKEN")
    (folder / "amazon_titles" / "errors.py").unlink()
    with pytest.raises(PublishError, match=r"amazon_titles/errors\.py: it is missing"):
        push_space_to_hub(folder, "ana/ask", dry_run=True)
