"""The folder of a Gradio app → a Space on the Hub."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from amazon_titles import resources
from amazon_titles.errors import InputError, PublishError
from amazon_titles.hub import validate
from amazon_titles.hub.client import Client, quiet_client
from amazon_titles.hub.contents import Content, gather
from amazon_titles.hub.push import Plan, publish
from amazon_titles.hub.report import PushReport

NEEDED = ("README.md", "app.py", "requirements.txt")
"""What a Space of this library holds, with the library's own files beside them."""


def push_space_to_hub(
    folder: str | Path,
    repo_id: str,
    *,
    private: bool = True,
    token: str | None = None,
    commit_message: str | None = None,
    dry_run: bool = False,
) -> PushReport:
    """Publishes an app's folder: checked before, in one commit, verified after.

    Args:
        folder: What `amazon_titles.page.space.write_space` wrote.
        repo_id: `USER/NAME`; `NAME` alone means the account's own.
        private: False shows it to everybody.
        token: A token with write access; None takes the one of the login or of HF_TOKEN.
        commit_message: For the repository's history.
        dry_run: Only checks, and reports what would go up; asks nobody.

    Raises:
        InputError: `folder` is no app's folder.
        PublishError: It must not, or could not, be published; nothing half-done is visible.
    """
    folder = Path(folder)
    if not (folder / "app.py").is_file():
        raise InputError(f"{folder} is no Space's folder: it has no app.py.", hint="Make one: amazon-titles push-space")
    client = Client(repo_id, "space", token)
    message = commit_message or "Publish the page"
    needed = (*NEEDED, *resources.library_files().files)
    contents, left_out = gather(folder, re.compile("|".join(map(re.escape, (*needed, "LICENSE")))))
    with quiet_client(client.token):
        if not dry_run:
            client.check_rights()
        missing = validate.missing(contents, left_out, needed, "`amazon-titles push-space`")
        validate.refuse([*missing, *_refusals(contents, message, client.token)], folder)
        plan = Plan(
            contents=contents,
            left_out=left_out,
            belongs_here=_ours,
            sort="a page of this library",
            load_back=lambda opened, commit: _load_back(opened, commit, contents),
        )
        return publish(plan, client, private=private, message=message, tag=None, dry_run=dry_run)


def _ours(files: Mapping[str, Any]) -> bool:
    """Whether a Space holds a page of this library, or only what the Hub puts into every new one."""
    return "amazon_titles/__init__.py" in files


def _refusals(contents: Sequence[Content], message: str, token: str | None) -> list[validate.ValidationIssue]:
    searched = [*contents, *validate.words(contents, message=message, tag=None)]
    return [
        *validate.secrets_in(searched, token),
        *validate.local_paths_in([content for content in contents if not content.path.startswith("amazon_titles/")]),
        *validate.unreadable(contents),
        *validate.card_in(contents),
    ]


def _load_back(client: Client, commit: str, contents: Sequence[Content]) -> str:
    """Fetches the app and the card by the repository's id, and compares them with what was sent."""
    from huggingface_hub import hf_hub_download

    for content in contents:
        if content.path not in ("app.py", "README.md"):
            continue
        path = content.path
        there = client.call(
            f"loading {path} back",
            lambda path=path: hf_hub_download(  # type: ignore[misc]
                client.repo_id, path, repo_type="space", revision=commit, token=client.token
            ),
        )
        if Path(there).read_bytes() != content.read():
            raise PublishError(f"{path} came back as something else than what was sent.", hint="Push again.")
    return f"{len(contents)} files"
