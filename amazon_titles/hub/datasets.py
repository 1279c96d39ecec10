"""A dataset folder → a dataset on the Hub."""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from amazon_titles.errors import InputError, PublishError
from amazon_titles.hub import validate
from amazon_titles.hub.client import Client, quiet_client
from amazon_titles.hub.contents import DATASET_FILES, Content, LeftOut, gather, read_file
from amazon_titles.hub.push import Plan, publish
from amazon_titles.hub.report import PushReport
from amazon_titles.hub.validate import ValidationIssue


def push_dataset_to_hub(
    folder: str | Path,
    repo_id: str,
    *,
    private: bool = True,
    token: str | None = None,
    tag: str | None = None,
    commit_message: str | None = None,
    dry_run: bool = False,
) -> PushReport:
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
        raise InputError(
            f"{folder} is no dataset folder: it has no report.json.",
            hint="Make one: amazon-titles build SOURCE --out DIR",
        )
    client = Client(repo_id, "dataset", token)
    message = commit_message or "Publish the dataset"
    if not dry_run:
        with quiet_client(client.token):
            client.check_rights()
    contents, left_out = gather(folder, DATASET_FILES, _named_card(folder, client.repo_id))
    words = validate.words(contents, message=message, tag=tag)
    validate.refuse(_refusals(contents, left_out, words, client.token), folder)
    plan = Plan(
        contents=contents,
        left_out=left_out,
        belongs_here=lambda files: "report.json" in files,
        sort="a dataset of this library",
        load_back=lambda opened, commit: _load_back(opened, commit, contents),
    )
    return publish(plan, client, private=private, message=message, tag=tag, dry_run=dry_run)


def _named_card(folder: Path, repo_id: str) -> dict[str, bytes]:
    """The card with the repository's id in its examples, which could not know it when they were written."""
    text = read_file(folder, "README.md")
    return {"README.md": text.replace(b"USER/NAME", repo_id.encode())} if b"USER/NAME" in text else {}


def _refusals(
    contents: Sequence[Content], left_out: Sequence[LeftOut], words: Sequence[Content], token: str | None
) -> Iterator[ValidationIssue]:
    yield from validate.missing(contents, left_out, ("README.md", "report.json"), "amazon-titles build")
    yield from validate.secrets_in([*contents, *words], token)
    yield from validate.unreadable(contents)
    yield from validate.local_paths_in(contents)
    yield from validate.card_in(contents)
    yield from _report_adds_up(contents)
    yield from _parquet(contents)
    yield from _configs(contents)


def _json(contents: Sequence[Content], path: str) -> Any:  # noqa: ANN401 - JSON holds anything
    try:
        return next(json.loads(content.read()) for content in contents if content.path == path)
    except (StopIteration, ValueError):
        return None


def _report_adds_up(contents: Sequence[Content]) -> Iterator[ValidationIssue]:
    """rows_read = kept + sum(dropped by reason): of every row one can say where it went."""
    report = _json(contents, "report.json")
    try:
        read, kept, dropped = int(report["rows_read"]), int(report["kept"]), sum(report["dropped"].values())
    except (KeyError, TypeError, ValueError, AttributeError):
        yield ValidationIssue("report.json", "it lacks rows_read, kept or dropped: build the dataset again")
        return
    if read != kept + dropped:
        yield ValidationIssue("report.json", f"it does not add up: {read} rows read, {kept} kept and {dropped} dropped")


def _parquet(contents: Sequence[Content]) -> Iterator[ValidationIssue]:
    """Shards that cannot be read, or not by datasets 3.2.

    Parquet that datasets 4 and newer wrote says so in a schema metadata `huggingface`, which 3.2 fails on (`TypeError:
    must be called with a dataclass type or instance`).
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    shards = [content for content in contents if content.path.endswith(".parquet")]
    if not shards:
        yield ValidationIssue("chat/", "there is no Parquet file")
    for content in shards:
        try:
            schema = pq.read_schema(content.source)
        except (pa.ArrowException, OSError) as error:
            yield ValidationIssue(content.path, f"it cannot be read ({str(error).splitlines()[0]})")
            continue
        if b"huggingface" in (schema.metadata or {}):
            yield ValidationIssue(
                content.path, "its schema metadata 'huggingface' makes datasets 3.2 fail: build it again"
            )


def _configs(contents: Sequence[Content]) -> Iterator[ValidationIssue]:
    """The card's `configs` and the files must know each other, or `load_dataset` finds less than what is there."""
    card = next((content.read() for content in contents if content.path == "README.md"), b"")
    shards = {content.path for content in contents if content.path.endswith(".parquet")}
    patterns = [pattern for rows in configs_of(validate.metadata(card) or {}).values() for pattern in rows.values()]
    for pattern in patterns:
        if not fnmatch.filter(shards, pattern):
            yield ValidationIssue("README.md", f"its configs name {pattern!r}, which no file fits")
    for path in sorted(shards - _empty(contents)):
        if patterns and not any(fnmatch.fnmatch(path, pattern) for pattern in patterns):
            yield ValidationIssue(path, "no config of README.md names it, so nobody would load it")
    if shards and not patterns:
        yield ValidationIssue("README.md", "it has no configs, so load_dataset would not know what to load")


def _empty(contents: Sequence[Content]) -> set[str]:
    """Shards without a row, which a card need not name: small builds have splits that nothing fell into."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    found = set()
    for content in contents:
        try:
            if content.path.endswith(".parquet") and pq.read_metadata(content.source).num_rows == 0:
                found.add(content.path)
        except (pa.ArrowException, OSError):
            continue  # `_parquet` names it
    return found


def configs_of(metadata: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Config → split → glob, from a card's metadata."""
    found: dict[str, dict[str, str]] = {}
    for config in metadata.get("configs") or []:
        rows = config.get("data_files") if isinstance(config, dict) else None
        if isinstance(rows, list):
            found[str(config.get("config_name"))] = {str(row["split"]): str(row["path"]) for row in rows}
    return found


def _load_back(client: Client, commit: str, contents: Sequence[Content]) -> str:
    """Opens every shard over the network by the repository's id, and compares rows and schema with the folder's."""
    import pyarrow.parquet as pq
    from huggingface_hub import HfFileSystem

    files = HfFileSystem(token=client.token, endpoint=client.api.endpoint, skip_instance_cache=True)
    rows = shards = 0

    def opened(path: str) -> tuple[int, Any]:
        address = f"datasets/{client.repo_id}@{commit}/{path}"
        # a small block: footers are all that is read
        with files.open(address, "rb", block_size=1 << 16) as file, pq.ParquetFile(file) as there:
            return there.metadata.num_rows, there.schema_arrow

    for content in contents:
        if not content.path.endswith(".parquet"):
            continue
        path = content.path
        there = client.call(f"loading {path} back", partial(opened, path))
        here = pq.read_metadata(content.source)
        if there != (here.num_rows, here.schema.to_arrow_schema()):
            raise PublishError(f"{path} came back with {there[0]} rows, {here.num_rows} were sent.", hint="Push again.")
        rows, shards = rows + there[0], shards + 1
    return f"{shards} shards, {rows} rows"
