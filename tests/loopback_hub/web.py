"""HTTP below the routes: bodies (chunked ones too), answers, ranges, faults, and a log of what came in."""

from __future__ import annotations

import json
import socket
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import parse_qs, urlsplit

from tests.loopback_hub.faults import Fault, Faults
from tests.loopback_hub.state import Account, HubError, State

PIECE = 1 << 16


class Cut(Exception):
    """The connection ends here, by a fault or because the client has gone."""


@dataclass(slots=True)
class Request:
    """A request: `path` is still quoted; `pieces()` streams the body, `body()` reads all of it."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: Any
    pieces: Callable[[], Iterator[bytes]]
    state: State
    base: str
    account: Account | None = None

    def body(self) -> bytes:
        return b"".join(self.pieces())

    def json(self) -> Any:
        return json.loads(self.body() or b"{}")


@dataclass(slots=True)
class Answer:
    """An answer: `value` goes out as JSON, unless `content` (bytes or a file) is given."""

    value: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    content: bytes | Path | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """One request of the log. `bytes_in` counts the body, `body` keeps it up to `Handler.keep_bytes`."""

    method: str
    path: str
    status: int
    bytes_in: int
    body: bytes
    agent: str


class Handler(BaseHTTPRequestHandler):
    """One connection; `dispatch`, `state`, `faults` and `log` are set by the server."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    keep_bytes = 1 << 24
    dispatch: Callable[[Request], Answer]
    state: State
    faults: Faults
    log: list[Seen]

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing: tests read `log`."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return self._serve
        raise AttributeError(name)

    def _serve(self) -> None:
        fault = self.faults.strike(self.command, self.path)
        self._fault, self._read, self._kept = fault, 0, bytearray()
        self._left = iter(self._body())
        status = 0
        try:
            if fault and fault.delay:
                time.sleep(fault.delay)
            if fault and fault.first:
                fault.first()
            answer = self._answer(fault)
            status = answer.status
            self._drain()
        except (Cut, ConnectionError, TimeoutError):
            self._cut()
            return
        finally:  # before the answer goes: whoever has it may read the log
            agent = self.headers.get("User-Agent", "")
            self.log.append(Seen(self.command, self.path, status, self._read, bytes(self._kept), agent))
        try:
            self._send(answer, fault)
        except (Cut, ConnectionError, TimeoutError):
            self._cut()

    def _answer(self, fault: Fault | None) -> Answer:
        if fault and fault.status:
            headers = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
            return Answer({"error": fault.message}, fault.status, headers)
        parts = urlsplit(self.path)
        request = Request(
            self.command,
            parts.path,
            parse_qs(parts.query, keep_blank_values=True),
            self.headers,
            lambda: self._left,
            self.state,
            f"http://{self.headers.get('Host')}",
        )
        try:
            token = self.headers.get("Authorization", "").removeprefix("Bearer ").strip() or None
            request.account = self.state.account(token)
            return type(self).dispatch(request)
        except HubError as error:
            headers = {"X-Error-Message": str(error), **error.headers}
            if error.code:
                headers["X-Error-Code"] = error.code
            return Answer(error.body, error.status, headers)

    # The request's body

    def _body(self) -> Iterator[bytes]:
        reader: BinaryIO = self.rfile
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            while size := int(reader.readline().split(b";")[0] or b"0", 16):
                yield self._count(reader.read(size))
                reader.readline()
            while reader.readline().strip():
                pass
            return
        left = int(self.headers.get("Content-Length") or 0)
        while left > 0:
            piece = reader.read(min(PIECE, left))
            if not piece:
                raise Cut
            left -= len(piece)
            yield self._count(piece)

    def _count(self, piece: bytes) -> bytes:
        self._read += len(piece)
        if len(self._kept) < self.keep_bytes:
            self._kept += piece
        limit = self._fault.cut_body_after if self._fault else None
        if limit is not None and self._read >= limit:
            raise Cut
        return piece

    def _drain(self) -> None:
        """A body that no route read would be taken for the next request of this connection."""
        for _ in self._left:
            pass

    # The answer

    def _send(self, answer: Answer, fault: Fault | None) -> None:
        cut = fault.cut_answer_after if fault else None
        if cut == 0:
            raise Cut
        content: bytes | Path = json.dumps(answer.value).encode() if answer.content is None else answer.content
        size = content.stat().st_size if isinstance(content, Path) else len(content)
        start, end, status = self._range(size, answer)
        if status == 416:
            content, start, end = b"", 0, 0
        self.send_response(status)
        if answer.content is None:
            self.send_header("Content-Type", "application/json; charset=utf-8")
        else:
            self.send_header("Accept-Ranges", "bytes")
            if status != 200 and answer.status == 200:
                self.send_header(
                    "Content-Range", f"bytes {start}-{end - 1}/{size}" if status == 206 else f"bytes */{size}"
                )
        self.send_header("Content-Length", str(end - start))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        for piece in _pieces(content, start, end):
            if cut is not None and len(piece) >= cut:
                self.wfile.write(piece[:cut])
                self.wfile.flush()
                raise Cut
            cut = None if cut is None else cut - len(piece)
            self.wfile.write(piece)

    def _range(self, size: int, answer: Answer) -> tuple[int, int, int]:
        """First byte, end and status for what the Range header asks of a file."""
        header = self.headers.get("Range", "")
        if answer.content is None or answer.status != 200 or not header.startswith("bytes="):
            return 0, size, answer.status
        first, _, last = header.removeprefix("bytes=").partition("-")
        if not first:
            start, end = max(0, size - int(last)), size
        else:
            start, end = int(first), min(size, int(last) + 1) if last else size
        return (start, end, 206) if start < end else (0, 0, 416)

    def _cut(self) -> None:
        """Ends the connection with a reset, as a dropped line does."""
        self.close_connection = True
        try:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
        except OSError:
            pass


def _pieces(content: bytes | Path, start: int, end: int) -> Iterator[bytes]:
    if isinstance(content, bytes):
        yield content[start:end]
        return
    with content.open("rb") as file:
        file.seek(start)
        while start < end and (piece := file.read(min(PIECE, end - start))):
            start += len(piece)
            yield piece
