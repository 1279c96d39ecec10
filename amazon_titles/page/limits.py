"""What a page takes from whom: only for the hosts that it was started for, in bounded time, and not all from one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from fnmatch import fnmatch
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from amazon_titles.hosts import is_known

MOST_BYTES = 64 << 10
"""Of a request's body: a question has at most some thousand characters."""
MOST_SECONDS = 20.0
"""That a request may take to come, head and body; and that a connection may stand without one."""
MOST_IDLE = 128
"""Connections that may stand without a whole request: the one that has stood longest makes room."""
MOST_WAITING = 16
"""Questions of one client that may wait at once: a quarter of the queue."""


class Guard:
    """Stands before a page's server and turns away what is not for it.

    Args:
        app: The server, as ASGI has it.
        hosts: As `known_hosts` gives them.
        waiting: Tells how many questions of a client wait, by its address.
        proxied: Whether all requests come through one proxy, which says in X-Forwarded-For for whom.
    """

    def __init__(
        self, app: ASGIApp, hosts: Iterable[str], waiting: Callable[[str], int], *, proxied: bool = False
    ) -> None:
        self.app, self.hosts, self.waiting, self.proxied = app, tuple(hosts), waiting, proxied

    def is_own(self, origin: str, host: str) -> bool:
        """Whether a page of this origin is this one: by the host that is asked, or by the name of a proxy before it."""
        place = urlsplit(origin)
        return place.netloc.lower() == host.lower() or any(fnmatch(place.hostname or "", one) for one in self.hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers, or hands on, one request."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        host, origin, size = headers.get("host", ""), headers.get("origin"), headers.get("content-length", "0")
        said: tuple[int, str] | None = None
        if self.proxied and (forwarded := headers.get("x-forwarded-for")):
            scope = {**scope, "client": (forwarded.rpartition(",")[2].strip(), 0)}
        if not is_known(host, self.hosts):
            said = (421, f"This page does not accept the host {host!r}; --allow-host NAME adds one.")
        elif origin is not None and scope.get("method") != "GET" and not self.is_own(origin, host):
            said = (403, "Requests from other sites are not allowed.")
        elif not size.isdigit() or int(size) > MOST_BYTES:
            said = (413, "The request is too large.")
        elif "/queue/join" in scope["path"] and self.waiting((scope["client"] or ("",))[0]) >= MOST_WAITING:
            said = (429, f"{MOST_WAITING} of your questions are already waiting.")
        if said:
            await JSONResponse({"detail": said[1]}, said[0])(scope, receive, send)
            return
        # Without an origin Gradio lets no other site read what it says.
        scope = {**scope, "headers": [row for row in scope["headers"] if row[0].lower() != b"origin"]}
        await self.app(scope, _bounded(receive), send)


def _bounded(receive: Receive) -> Receive:
    """The same, of a body of bounded size; of a larger one, the client has hung up."""
    left = MOST_BYTES

    async def receive_bounded() -> Message:
        nonlocal left
        message = await receive()
        left -= len(message.get("body", b""))
        return message if left >= 0 else {"type": "http.disconnect"}

    return receive_bounded


def impatient(protocol: type[Any]) -> type[Any]:
    """One of uvicorn's protocols that waits neither for ever for a request, nor for everybody's.

    uvicorn hangs up on who says nothing after an answer, but not on who says nothing at all, or a letter at a time.
    """
    waiting: dict[Any, asyncio.TimerHandle] = {}  # by age

    class Impatient(protocol):  # type: ignore[misc]
        def connection_made(self, transport: Any) -> None:  # noqa: ANN401
            super().connection_made(transport)
            self.settle()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self.settle()

        def on_response_complete(self) -> None:
            super().on_response_complete()
            self.settle()

        def connection_lost(self, error: Exception | None) -> None:
            super().connection_lost(error)
            self.settle()

        def settle(self) -> None:
            asked = self.cycle and not self.cycle.response_complete and not self.cycle.more_body
            if asked or self.transport.is_closing() or self.transport.get_protocol() is not self:
                if timer := waiting.pop(self, None):
                    timer.cancel()
            elif self not in waiting:
                waiting[self] = self.loop.call_later(MOST_SECONDS, self.transport.close)
                if len(waiting) > MOST_IDLE:
                    (oldest := next(iter(waiting))).transport.close()
                    oldest.settle()

    return Impatient
