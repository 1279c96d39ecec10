"""The routes under /api: accounts, repositories, commits, refs."""

from __future__ import annotations

import base64
import json
from urllib.parse import parse_qs, quote, unquote

from tests.loopback_hub.cards import problems
from tests.loopback_hub.objects import Commit, Entry
from tests.loopback_hub.state import HubError, Repo
from tests.loopback_hub.web import Answer, Request

PAGE_ROWS = 50
"""Rows of a page of /tree: small, so that every client turns pages."""


def whoami(request: Request) -> Answer:
    account = request.account
    if account is None:
        raise HubError(401, "Invalid username or password.")
    return Answer(
        {
            "type": "user",
            "id": f"id-{account.name}",
            "name": account.name,
            "fullname": account.name,
            "orgs": [{"type": "org", "name": name, "roleInOrg": "write"} for name in account.organizations],
            "auth": {"type": "access_token", "accessToken": {"displayName": "test", "role": account.role}},
        }
    )


def create(request: Request) -> Answer:
    wanted = request.json()
    account = request.account
    if account is None:
        raise HubError(401, "Invalid username or password.")
    kind = wanted.get("type") or "model"
    repo_id = f"{wanted.get('organization') or account.name}/{wanted['name']}"
    private = wanted.get("private") or wanted.get("visibility") == "private"
    request.state.may_write(repo_id.split("/")[0], account)
    url = f"{request.base}/{'' if kind == 'model' else kind + 's/'}{repo_id}"
    with request.state.lock:
        try:
            request.state.create(kind, repo_id, private=bool(private), author=account.name)
        except HubError as error:
            error.body["url"] = url
            raise
    return Answer({"url": url, "name": repo_id, "id": repo_id})


def delete(request: Request) -> Answer:
    wanted = request.json()
    account = request.account
    kind = wanted.get("type") or "model"
    repo_id = f"{wanted.get('organization') or (account.name if account else '')}/{wanted['name']}"
    request.state.writable(kind, repo_id, account)
    del request.state.repos[(kind, repo_id)]
    return Answer({})


def settings(request: Request, kind: str, repo_id: str) -> Answer:
    repo = request.state.writable(kind, repo_id, request.account)
    wanted = request.json()
    if "private" in wanted or "visibility" in wanted:
        repo.private = bool(wanted.get("private") or wanted.get("visibility") == "private")
    if "gated" in wanted:
        repo.gated = bool(wanted["gated"])
    return Answer({"private": repo.private, "gated": repo.gated})


def info(request: Request, kind: str, repo_id: str, revision: str = "main") -> Answer:
    repo = request.state.readable(kind, repo_id, request.account)
    commit = repo.resolve(unquote(revision))
    siblings = []
    for path, entry in sorted(commit.files.items()):
        row: dict[str, object] = {"rfilename": path}
        if "blobs" in request.query:
            row |= {"size": entry.size, "blobId": entry.oid}
            if entry.sha256:
                row["lfs"] = {"sha256": entry.sha256, "size": entry.size, "pointerSize": entry.pointer_size}
        siblings.append(row)
    card = _card_data(request, commit)
    value = {
        "_id": f"id-{repo.id}", "id": repo.id, "modelId": repo.id, "author": repo.namespace, "sha": commit.oid,
        "private": repo.private, "gated": "auto" if repo.gated else False, "disabled": False,
        "lastModified": commit.date, "createdAt": commit.date, "downloads": 0, "likes": 0,
        "tags": card.get("tags") or [], "cardData": card, "siblings": siblings,
    }  # fmt: skip
    for key in ("pipeline_tag", "library_name"):
        if key in card:
            value[key] = card[key]
    return Answer(value)


def _card_data(request: Request, commit: Commit) -> dict[str, object]:
    entry = commit.files.get("README.md")
    if entry is None:
        return {}
    from tests.loopback_hub.cards import metadata

    try:
        return metadata(request.state.read(entry).decode())
    except ValueError:
        return {}


def _row(path: str, entry: Entry, commit: Commit, expand: bool) -> dict[str, object]:
    row: dict[str, object] = {"type": "file", "oid": entry.oid, "size": entry.size, "path": path}
    if entry.sha256:
        row["lfs"] = {"oid": entry.sha256, "size": entry.size, "pointerSize": entry.pointer_size}
    if expand:
        row["lastCommit"] = {"id": commit.oid, "title": commit.title, "date": commit.date}
    return row


def tree(request: Request, kind: str, repo_id: str, revision: str, folder: str = "") -> Answer:
    commit = _contents(request, kind, repo_id, revision)
    folder = unquote(folder).strip("/")
    if folder not in commit.folders:
        raise HubError(404, f"{folder} does not exist on {revision}", "EntryNotFound", X_Repo_Commit=commit.oid)
    recursive = request.query.get("recursive", ["false"])[0].lower() in ("true", "1")
    expand = request.query.get("expand", ["false"])[0].lower() in ("true", "1")
    prefix = f"{folder}/" if folder else ""
    rows = [
        _row(path, entry, commit, expand)
        for path, entry in commit.files.items()
        if path.startswith(prefix) and (recursive or "/" not in path[len(prefix) :])
    ]
    for path, oid in commit.folders.items():
        if path and path.startswith(prefix) and path != folder and (recursive or "/" not in path[len(prefix) :]):
            row: dict[str, object] = {"type": "directory", "oid": oid, "size": 0, "path": path}
            if expand:
                row["lastCommit"] = {"id": commit.oid, "title": commit.title, "date": commit.date}
            rows.append(row)
    rows.sort(key=lambda row: str(row["path"]))
    start = int(request.query.get("cursor", ["0"])[0])
    headers = {}
    if start + PAGE_ROWS < len(rows):
        query = "&".join(f"{k}={quote(v[0])}" for k, v in request.query.items() if k != "cursor")
        headers["Link"] = f'<{request.base}{request.path}?{query}&cursor={start + PAGE_ROWS}>; rel="next"'
    return Answer(rows[start : start + PAGE_ROWS], headers=headers)


def paths_info(request: Request, kind: str, repo_id: str, revision: str) -> Answer:
    commit = _contents(request, kind, repo_id, revision)
    body = request.body()
    wanted = json.loads(body) if body[:1] == b"{" else parse_qs(body.decode())
    expand = "true" in str(wanted.get("expand")).lower()
    rows: list[dict[str, object]] = []
    for path in wanted.get("paths", []):
        if path in commit.files:
            rows.append(_row(path, commit.files[path], commit, expand))
        elif path in commit.folders:
            rows.append({"type": "directory", "oid": commit.folders[path], "size": 0, "path": path})
    return Answer(rows)


def _contents(request: Request, kind: str, repo_id: str, revision: str) -> Commit:
    return request.state.contents(kind, repo_id, request.account).resolve(unquote(revision))


def refs(request: Request, kind: str, repo_id: str) -> Answer:
    repo = request.state.contents(kind, repo_id, request.account)

    def rows(names: dict[str, str], prefix: str) -> list[dict[str, str]]:
        return [{"name": n, "ref": f"refs/{prefix}/{n}", "targetCommit": oid} for n, oid in names.items()]

    return Answer({"branches": rows(repo.branches, "heads"), "tags": rows(repo.tags, "tags"), "converts": []})


def commits(request: Request, kind: str, repo_id: str, revision: str) -> Answer:
    repo = request.state.contents(kind, repo_id, request.account)
    rows, commit = [], repo.resolve(unquote(revision))
    while True:
        rows.append(
            {
                "id": commit.oid, "title": commit.title, "message": commit.message, "date": commit.date,
                "authors": [{"user": commit.author}],
            }
        )  # fmt: skip
        if commit.parent is None:
            return Answer(rows)
        commit = repo.commits[commit.parent]


def preupload(request: Request, kind: str, repo_id: str, revision: str) -> Answer:
    repo = request.state.writable(kind, repo_id, request.account)
    revision = unquote(revision)
    present = repo.files(revision)
    rows = []
    for wanted in request.json()["files"]:
        mode = request.state.upload_mode(
            repo, revision, wanted["path"], wanted["size"], base64.b64decode(wanted["sample"])
        )
        row = {"path": wanted["path"], "uploadMode": mode, "shouldIgnore": False}
        if entry := present.get(wanted["path"]):
            row["oid"] = entry.sha256 or entry.oid
        rows.append(row)
    return Answer({"files": rows})


def validate_yaml(request: Request) -> Answer:
    wanted = request.json()
    found = problems(wanted["content"], wanted.get("repoType") or "model")
    return Answer({"errors": [{"message": text} for text in found], "warnings": []}, 400 if found else 200)


def commit(request: Request, kind: str, repo_id: str, revision: str) -> Answer:
    repo = request.state.writable(kind, repo_id, request.account)
    branch = unquote(revision)
    lines = [json.loads(line) for line in request.body().splitlines() if line.strip()]
    header = next(line["value"] for line in lines if line["key"] == "header")
    with request.state.lock:
        head = repo.branches.get(branch)
        if head is None:
            raise HubError(404, f"Invalid rev id: {branch}", "RevisionNotFound")
        if header.get("parentCommit") not in (None, head):
            raise HubError(412, "A commit has happened since. Please refresh and try again.")
        files = repo.files(branch)
        for line in lines:
            _apply(request, files, line["key"], line["value"])
        if "README.md" in files and (found := problems(request.state.read(files["README.md"]).decode(), kind)):
            raise HubError(400, "Invalid metadata in README.md: " + "; ".join(found))
        _within_quota(request, repo, files)
        made = request.state.commit(
            repo, branch, files, title=header["summary"], message=header.get("description", ""),
            author=request.account.name if request.account else "",
        )  # fmt: skip
    return Answer({"success": True, "commitOid": made.oid, "commitUrl": f"{request.base}/{repo_id}/commit/{made.oid}"})


def _apply(request: Request, files: dict[str, Entry], key: str, value: dict[str, object]) -> None:
    path = str(value.get("path", ""))
    if key == "file":
        files[path] = request.state.regular(base64.b64decode(str(value["content"])))
    elif key == "lfsFile":
        oid = str(value["oid"])
        size = value.get("size") or request.state.lfs_path(oid).stat().st_size
        files[path] = request.state.lfs(oid, int(str(size)))
    elif key == "deletedFile":
        if path not in files:
            raise HubError(404, "A file with this name doesn't exist", "EntryNotFound")
        del files[path]
    elif key == "deletedFolder":
        for name in [name for name in files if name.startswith(path.rstrip("/") + "/")]:
            del files[name]


def _within_quota(request: Request, repo: Repo, files: dict[str, Entry]) -> None:
    account = request.account
    if account is None or account.quota is None or not repo.private:
        return
    before = {entry.sha256 for entry in repo.files().values()}
    new = sum(entry.size for entry in files.values() if entry.sha256 and entry.sha256 not in before)
    if request.state.used(repo.namespace) + new > account.quota:
        raise HubError(403, "Private repository storage limit reached, please upgrade your plan.")


def branch(request: Request, kind: str, repo_id: str, name: str) -> Answer:
    repo = request.state.writable(kind, repo_id, request.account)
    name = unquote(name)
    if request.method == "DELETE":
        if repo.branches.pop(name, None) is None:
            raise HubError(404, f"Invalid rev id: {name}", "RevisionNotFound")
        return Answer({})
    start = repo.resolve(request.json().get("startingPoint") or "main")
    if name in repo.branches:
        raise HubError(409, f"Reference refs/heads/{name} exists already")
    repo.branches[name] = start.oid
    return Answer({})


def tag(request: Request, kind: str, repo_id: str, name: str) -> Answer:
    """POST names the revision in the address and the tag in the body; DELETE names the tag in the address."""
    repo = request.state.writable(kind, repo_id, request.account)
    if request.method == "DELETE":
        if repo.tags.pop(unquote(name), None) is None:
            raise HubError(404, f"Invalid rev id: {name}", "RevisionNotFound")
        return Answer({})
    wanted = request.json()["tag"]
    target = repo.resolve(unquote(name))
    if wanted in repo.tags:
        raise HubError(409, f"Tag reference exists already: {wanted}")
    repo.tags[wanted] = target.oid
    return Answer({})
