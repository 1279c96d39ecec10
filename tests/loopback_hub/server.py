"""The loopback Hub itself: the table of routes, and the server that runs in a thread."""

from __future__ import annotations

import base64
import json
import re
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.loopback_hub import files, jobs, routes
from tests.loopback_hub.faults import Fault, Faults
from tests.loopback_hub.state import KINDS, HubError, Repo, State
from tests.loopback_hub.web import Answer, Handler, Request, Seen

_ID = r"(?P<repo_id>[^/]+/[^/]+)"
_REV = r"(?P<revision>[^/]+)"
_KIND = r"/api/(?P<kind>models|datasets|spaces)/" + _ID
_PLAIN = r"/(?P<kind>datasets/|spaces/)?"

ROUTES: list[tuple[str, re.Pattern[str], Callable[..., Answer]]] = [
    (methods, re.compile(pattern + r"\Z"), function)
    for methods, pattern, function in (
        ("GET", r"/api/whoami-v2", routes.whoami),
        *jobs.ROUTES,
        ("POST", r"/api/repos/create", routes.create),
        ("DELETE", r"/api/repos/delete", routes.delete),
        ("POST", r"/api/validate-yaml", routes.validate_yaml),
        ("PUT", rf"{_KIND}/settings", routes.settings),
        ("GET", rf"{_KIND}", routes.info),
        ("GET", rf"{_KIND}/revision/{_REV}", routes.info),
        ("GET", rf"{_KIND}/tree/{_REV}/?(?P<folder>.*)", routes.tree),
        ("POST", rf"{_KIND}/paths-info/{_REV}", routes.paths_info),
        ("GET", rf"{_KIND}/refs", routes.refs),
        ("GET", rf"{_KIND}/commits/{_REV}", routes.commits),
        ("POST", rf"{_KIND}/preupload/{_REV}", routes.preupload),
        ("POST", rf"{_KIND}/commit/{_REV}", routes.commit),
        ("POST DELETE", rf"{_KIND}/branch/(?P<name>[^/]+)", routes.branch),
        ("POST DELETE", rf"{_KIND}/tag/(?P<name>[^/]+)", routes.tag),
        ("POST", rf"{_PLAIN}{_ID}\.git/info/lfs/objects/batch", files.batch),
        ("HEAD GET", rf"{_PLAIN}{_ID}/resolve/{_REV}/(?P<path>.+)", files.resolve),
        ("PUT", r"/upload/(?P<oid>[0-9a-f]{64})", files.upload),
        ("PUT", r"/upload/(?P<oid>[0-9a-f]{64})/(?P<ticket>\w+)/(?P<number>\d+)", files.upload),
        ("POST", r"/complete/(?P<oid>[0-9a-f]{64})/(?P<ticket>\w+)", files.complete),
    )
]
_KIND_OF = {"models": "model", "datasets": "dataset", "spaces": "space", "datasets/": "dataset", "spaces/": "space"}


def dispatch(request: Request) -> Answer:
    """The answer of the first route that fits."""
    for methods, pattern, function in ROUTES:
        if request.method in methods.split() and (match := pattern.match(request.path)):
            named: dict[str, Any] = {name: value for name, value in match.groupdict().items() if name != "kind"}
            if "kind" in match.groupdict():
                named["kind"] = _KIND_OF[match.group("kind") or "models"]
            return function(request, **named)
    raise HubError(404, f"no such route: {request.method} {request.path}")


class LoopbackHub:
    """A Hub on 127.0.0.1, for the time of a `with`.

    Attributes:
        state: Accounts and repositories; tests look into them and set them up.
        faults: What goes wrong on demand.
        log: Every request that came in.
    """

    def __init__(self, folder: Path | None = None, *, port: int = 0) -> None:
        self._own_folder = folder is None
        self._folder = Path(tempfile.mkdtemp(prefix="loopback-hub-")) if folder is None else folder
        self.state = State(self._folder)
        self.state.jobs = jobs.Jobs()
        self.faults = Faults()
        self.log: list[Seen] = []
        handler = type(
            "BoundHandler",
            (Handler,),
            {"dispatch": staticmethod(dispatch), "state": self.state, "faults": self.faults, "log": self.log},
        )
        self._server = _Server(("127.0.0.1", port), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    @property
    def endpoint(self) -> str:
        """For HF_ENDPOINT: no slash at its end."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> LoopbackHub:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        if self._own_folder:
            shutil.rmtree(self._folder, ignore_errors=True)

    def environment(self, token: str | None, home: Path) -> dict[str, str]:
        """What a client's process must be given: endpoint, token, and a home of its own for its caches."""
        values = {
            "HF_ENDPOINT": self.endpoint,
            "HF_HOME": str(home),
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_UPDATE_DOWNLOAD_COUNTS": "0",
            "NO_PROXY": "127.0.0.1,localhost",
        }
        return values if token is None else {**values, "HF_TOKEN": token}

    def repo(self, repo_id: str, kind: str = "model") -> Repo:
        assert kind in KINDS
        return self.state.repos[(kind, repo_id)]

    def read(self, repo_id: str, path: str, *, kind: str = "model", revision: str = "main") -> bytes:
        """A file as it stands in a repository."""
        return self.state.read(self.repo(repo_id, kind).resolve(revision).files[path])

    def put(self, kind: str, repo_id: str, contents: dict[str, bytes], *, private: bool = False) -> str:
        """Sets a repository up, or adds a commit to it, without a client. Gives the commit's id."""
        with self.state.lock:
            repo = self.state.repos.get((kind, repo_id)) or self.state.create(
                kind, repo_id, private=private, author=repo_id.split("/")[0]
            )
            entries = {path: self.state.regular(content) for path, content in contents.items()}
            merged = repo.files() | entries
            return self.state.commit(repo, "main", merged, title="put by a test", author=repo.namespace).oid

    def fail(self, pattern: str, **how: Any) -> Fault:
        """Adds a fault: see `faults.Fault`."""
        return self.faults.add(Fault(pattern, **how))

    def requests(self, pattern: str) -> list[Seen]:
        """The requests whose `METHOD path` matches."""
        return [seen for seen in self.log if re.search(pattern, f"{seen.method} {seen.path}")]

    def received(self, needle: bytes) -> list[str]:
        """Where a text came in: in any body, plain or in base64, in any stored content, in any commit's message."""
        found = [f"{s.method} {s.path}" for s in self.log if any(needle in text for text in _readings(s.body))]
        found += [f"blob {oid}" for oid, content in self.state.blobs.items() if needle in content]
        found += [f"lfs {path.name}" for path in self._folder.iterdir() if needle in path.read_bytes()]
        return found


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed is no news; anything else is a fault of the Hub and is shown."""
        import sys
        import traceback

        if not isinstance(sys.exc_info()[1], (ConnectionError, ValueError)):
            traceback.print_exc()


def _readings(body: bytes) -> Iterator[bytes]:
    """A body as it is, and every base64 text in its JSON lines decoded."""
    yield body
    for line in body.splitlines():
        try:
            yield from _decoded(json.loads(line))
        except ValueError:
            continue


def _decoded(value: Any) -> Iterator[bytes]:
    if isinstance(value, dict):
        for item in value.values():
            yield from _decoded(item)
    elif isinstance(value, list):
        for item in value:
            yield from _decoded(item)
    elif isinstance(value, str) and len(value) % 4 == 0:
        try:
            yield base64.b64decode(value, validate=True)
        except ValueError:
            return
