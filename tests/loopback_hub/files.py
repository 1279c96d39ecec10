"""Downloads, and uploads through LFS: single, and multipart for what is large."""

from __future__ import annotations

import math
import uuid
from urllib.parse import unquote

from tests.loopback_hub.state import HubError
from tests.loopback_hub.web import Answer, Request

PART_BYTES = 5_000_000
"""Contents above this go up in parts of this size (the Hub: 5 GB and more; here small, so that tests reach it)."""


def resolve(request: Request, kind: str, repo_id: str, revision: str, path: str) -> Answer:
    commit = request.state.contents(kind, repo_id, request.account).resolve(unquote(revision))
    entry = commit.files.get(unquote(path))
    if entry is None:
        raise HubError(404, "Entry not found", "EntryNotFound", X_Repo_Commit=commit.oid)
    headers = {"X-Repo-Commit": commit.oid, "ETag": f'"{entry.sha256 or entry.oid}"'}
    if entry.sha256:
        headers |= {"X-Linked-ETag": headers["ETag"], "X-Linked-Size": str(entry.size)}
        return Answer(content=request.state.lfs_path(entry.sha256), headers=headers)
    return Answer(content=request.state.blobs[entry.oid], headers=headers)


def batch(request: Request, kind: str, repo_id: str) -> Answer:
    repo = request.state.writable(kind, repo_id, request.account)
    wanted = request.json()
    account = request.account
    new = sum(o["size"] for o in wanted["objects"] if not request.state.lfs_path(o["oid"]).exists())
    if account and repo.private and request.state.used(repo.namespace) + new > (account.quota or math.inf):
        raise HubError(403, "Private repository storage limit reached, please upgrade your plan.")
    return Answer({"transfer": "basic", "objects": [_object(request, o["oid"], o["size"]) for o in wanted["objects"]]})


def _object(request: Request, oid: str, size: int) -> dict[str, object]:
    row: dict[str, object] = {"oid": oid, "size": size, "authenticated": True}
    if request.state.lfs_path(oid).exists():
        return row  # no `actions`: it is here already
    if size <= PART_BYTES:
        row["actions"] = {"upload": {"href": f"{request.base}/upload/{oid}"}}
        return row
    ticket = uuid.uuid4().hex
    header = {"chunk_size": str(PART_BYTES)}
    for number in range(1, math.ceil(size / PART_BYTES) + 1):
        header[str(number)] = f"{request.base}/upload/{oid}/{ticket}/{number}"
    row["actions"] = {"upload": {"href": f"{request.base}/complete/{oid}/{ticket}", "header": header}}
    return row


def upload(request: Request, oid: str, ticket: str = "", number: str = "") -> Answer:
    """Takes a content, or one part of it; its address is its permission, as with signed addresses."""
    if "Authorization" in request.headers:
        raise HubError(400, "a signed address takes no Authorization")
    part = request.state.folder / f"{oid}.{ticket or uuid.uuid4().hex}.{number or 'whole'}.part"
    try:
        with part.open("wb") as file:
            for piece in request.pieces():
                file.write(piece)
        if not ticket:
            request.state.keep(oid, part)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return Answer(content=b"", headers={"ETag": f'"{oid[:16]}-{number or 0}"'})


def complete(request: Request, oid: str, ticket: str) -> Answer:
    parts = request.json()["parts"]
    whole = request.state.folder / f"{oid}.{ticket}.whole.part"
    with whole.open("wb") as file:
        for row in sorted(parts, key=lambda row: row["partNumber"]):
            number = row["partNumber"]
            if row["etag"] != f'"{oid[:16]}-{number}"':
                raise HubError(400, f"part {number} has another ETag")
            part = request.state.folder / f"{oid}.{ticket}.{number}.part"
            file.write(part.read_bytes())
            part.unlink()
    request.state.keep(oid, whole)
    return Answer({"success": True})
