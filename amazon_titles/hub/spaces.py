"""The folder of a Gradio app → a Space on the Hub."""

from __future__ import annotations

import re
from pathlib import Path

from amazon_titles import resources
from amazon_titles.errors import InputError
from amazon_titles.hub.client import Client
from amazon_titles.hub.contents import gather
from amazon_titles.hub.push import Plan, PushReport, publish

NEEDED = ("README.md", "app.py", "requirements.txt")
"""What a Space of this library holds, with the library's own files beside them."""


def push_space_to_hub(
    folder: str | Path, repo_id: str, *, private: bool = True, token: str | None = None, dry_run: bool = False
) -> PushReport:
    """Publishes an app's folder: checked before, in one commit, verified after.

    Args:
        folder: What `amazon_titles.page.space.write_space` wrote.
        repo_id: `USER/NAME`; `NAME` alone means the account's own.
        private: False shows it to everybody.
        token: A token with write access; None takes the one of the login or of HF_TOKEN.
        dry_run: Only checks, and reports what would go up; asks nobody.

    Raises:
        InputError: `folder` is no app's folder.
        PublishError: It must not, or could not, be published; nothing half-done is visible.
    """
    folder = Path(folder)
    if not (folder / "app.py").is_file():
        raise InputError(f"{folder} is no Space folder: it has no app.py.", hint="Make one: amazon-titles push-space")
    client = Client(repo_id, "space", token)
    needed = (*NEEDED, *resources.library_files().files)
    contents, left_out = gather(folder, re.compile("|".join(map(re.escape, (*needed, "LICENSE")))))
    if not dry_run:
        client.check_rights()
    # A new Space holds what the Hub puts into it, and nothing of the library.
    plan = Plan(
        folder, contents, left_out, "amazon_titles/__init__.py", "a page of this library",
        lambda *_: f"{len(contents)} files",  # nothing loads them but the Space itself
        needed=needed, made_by="`amazon-titles push-space`",
        may_name_paths=[content.path for content in contents if content.path.startswith("amazon_titles/")],
    )  # fmt: skip
    return publish(plan, client, private=private, message="Publish the page", dry_run=dry_run)
