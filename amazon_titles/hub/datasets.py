"""A dataset folder → a dataset on the Hub."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from amazon_titles.errors import InputError, PublishError
from amazon_titles.hub.client import Client
from amazon_titles.hub.contents import DATASET_FILES, Content, FileNote, gather, read_file
from amazon_titles.hub.push import Plan, PushReport, publish
from amazon_titles.hub.validate import first_line, metadata
from amazon_titles.io import read_object


def push_dataset_to_hub(
    folder: str | Path, repo_id: str, *, private: bool = True, token: str | None = None, tag: str | None = None,
    commit_message: str | None = None, dry_run: bool = False,
) -> PushReport:  # fmt: skip
    """Publishes a dataset folder: checked before, in one commit, verified and loaded back after.

    Pushing the same again changes nothing and says so. A push that was interrupted goes on where it stopped when the
    same call is made again.

    Args:
        folder: What `build_dataset` wrote.
        repo_id: `USER/NAME`; `NAME` alone means the account's own.
        private: False shows it to everybody.
        token: A token with write access; None takes the one of the login or of HF_TOKEN.
        tag: A name for the commit, such as `v1`; one that names something else is not moved.
        commit_message: For the repository's history.
        dry_run: Only checks, and reports what would go up; asks nobody.

    Returns:
        What stands there now.

    Raises:
        InputError: `folder` is no dataset folder.
        PublishError: It must not, or could not, be published; nothing half-done is visible.
    """
    folder = Path(folder)
    if not (folder / "report.json").is_file():
        said = f"{folder} is not a dataset folder: it has no report.json."
        raise InputError(said, hint="Make one: amazon-titles build SOURCE --out DIR")
    client = Client(repo_id, "dataset", token)
    if not dry_run:
        client.check_rights()
    contents, left_out = gather(folder, DATASET_FILES, repo_id=client.repo_id)
    plan = Plan(
        folder, contents, left_out, "report.json", "a dataset of this library", _load_back,
        needed=("README.md", "report.json"), made_by="amazon-titles build",
        issues=[*_report_adds_up(folder), *_shard_issues(_shards(contents), read_file(folder, "README.md"))],
    )  # fmt: skip
    message = commit_message or "Publish the dataset"
    return publish(plan, client, private=private, message=message, tag=tag, dry_run=dry_run)


def _report_adds_up(folder: Path) -> Iterator[FileNote]:
    """rows_read = kept + sum(dropped by reason): of every row one can say where it went."""
    report = read_object(read_file(folder, "report.json"))
    try:
        read, kept, dropped = int(report["rows_read"]), int(report["kept"]), sum(report["dropped"].values())
    except (KeyError, TypeError, ValueError, AttributeError):
        yield FileNote("report.json", "it lacks rows_read, kept or dropped: build the dataset again")
        return
    if read != kept + dropped:
        yield FileNote("report.json", f"it does not add up: {read} rows read, {kept} kept and {dropped} dropped")


def _shard_issues(shards: Sequence[Content], card: bytes) -> Iterator[FileNote]:
    """Shards that cannot be read, or not by datasets 3.2, or that the card's `configs` do not name.

    Parquet that datasets 4 and newer wrote says so in a schema metadata `huggingface`, which 3.2 fails on (`TypeError:
    must be called with a dataclass type or instance`). Where card and files do not know each other, `load_dataset`
    finds less than what is there.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not shards:
        yield FileNote("chat/", "there is no Parquet file")
    patterns = _patterns(card)
    for pattern in patterns:
        if not fnmatch.filter([shard.path for shard in shards], pattern):
            yield FileNote("README.md", f"its configs name {pattern!r}, which matches no file")
    for shard in shards:
        try:
            there = pq.read_metadata(shard.source)
        except (pa.ArrowException, OSError) as error:
            yield FileNote(shard.path, f"it cannot be read ({first_line(error)})")
            continue
        if b"huggingface" in (there.schema.to_arrow_schema().metadata or {}):
            yield FileNote(shard.path, "its schema metadata 'huggingface' makes datasets 3.2 fail: build it again")
        # Small builds have splits that nothing fell into.
        if there.num_rows and not any(fnmatch.fnmatch(shard.path, pattern) for pattern in patterns):
            yield FileNote(shard.path, "no config of README.md names it, so it would never be loaded")


def _shards(contents: Sequence[Content]) -> list[Content]:
    return [content for content in contents if content.path.endswith(".parquet")]


def _patterns(card: bytes) -> list[str]:
    """The globs of every split of every config, from a card's metadata."""
    configs = metadata(card).get("configs") or []
    listed = [config.get("data_files") for config in configs if isinstance(config, dict)]
    return [str(row["path"]) for rows in listed if isinstance(rows, list) for row in rows]


def _load_back(client: Client, commit: str, contents: Sequence[Content]) -> str:
    """Opens every shard over the network by the repository's id, and compares rows and schema with the folder's."""
    import pyarrow.parquet as pq
    from huggingface_hub import HfFileSystem

    files = HfFileSystem(token=client.token, endpoint=client.api.endpoint, skip_instance_cache=True)
    shards, rows = _shards(contents), 0
    for shard in shards:
        address = f"datasets/{client.repo_id}@{commit}/{shard.path}"
        there = client.call(f"loading {shard.path} back", partial(pq.read_metadata, address, filesystem=files))
        here = pq.read_metadata(shard.source)
        if not there.equals(here):
            said = f"{shard.path} came back with {there.num_rows} rows, {here.num_rows} were sent."
            raise PublishError(said, hint="Push again.")
        rows += here.num_rows
    return f"{len(shards)} shards, {rows} rows"
