"""HTTP to a server that may be anybody's: bounded in time and size, patient with a busy one, and silent about the key.

Python's own client, because those of the Hub wait for each piece anew: one that drips a byte a second never ends there.
"""

from __future__ import annotations

import http.client
import io
import json
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from urllib import request
from urllib.error import HTTPError

import certifi
import msgspec

from amazon_titles.secrets import redact
from amazon_titles.text import printable

MOST_BYTES = 8 * 2**20
"""Of one reply, headers included: a streamed answer of 10,000 tokens, at the 800 bytes that llama.cpp spends on one."""

# Seconds before a busy server (429, 503) is asked again, and the longest that it may ask for itself.
_PAUSES = (1.0, 2.0, 4.0, 8.0)
_LONGEST_PAUSE = 60.0

# A shorter key than this could be a word of an answer.
_SHORTEST_KEY = 8


class TooLongError(Exception):
    """A reply that does not come to its end; it tells the most that one may have."""


class _Bounded(io.RawIOBase):
    """A socket's bytes until its timeout, which counts from now on for all of them together."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket, self._raw = sock, sock.makefile("rb", buffering=0)
        self._end, self._left = time.monotonic() + (sock.gettimeout() or 0.0), MOST_BYTES

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:  # noqa: ANN401 - what holds bytes
        if (seconds := self._end - time.monotonic()) <= 0:
            raise TimeoutError
        self._socket.settimeout(seconds)
        count = self._raw.readinto(buffer)
        self._left -= count or 0
        if self._left < 0:
            raise TooLongError(f"{MOST_BYTES} bytes")
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *arguments: Any, **options: Any) -> None:  # noqa: ANN401
        super().__init__(sock, *arguments, **options)
        self.fp.close()
        self.fp = io.BufferedReader(_Bounded(sock))


class _Handler(request.HTTPSHandler):
    """Opens both kinds of address, with replies that are bounded."""

    def do_open(self, http_class: Any, req: request.Request, **options: Any) -> http.client.HTTPResponse:  # noqa: ANN401
        bounded: Any = type("Bounded", (http_class,), {"response_class": _Response})
        return super().do_open(bounded, req, **options)

    http_open: Any = request.HTTPHandler.http_open
    http_request = request.HTTPSHandler.https_request


class Connection:
    """Sends requests with one key.

    Args:
        key: The server's; "" for none.
        timeout: Seconds that a whole reply may take.
    """

    def __init__(self, key: str, timeout: float) -> None:
        self._key, self._timeout = key, timeout
        trusted = ssl.create_default_context()
        trusted.load_verify_locations(certifi.where())
        self._opener = request.OpenerDirector()
        # No handler of redirects: the key is for the address that was named.
        for handler in (
            request.ProxyHandler(), _Handler(context=trusted), request.HTTPErrorProcessor(),
            request.HTTPDefaultErrorHandler(),
        ):  # fmt: skip
            self._opener.add_handler(handler)

    def open(self, url: str, body: dict[str, Any] | None = None) -> Any:  # noqa: ANN401 - an HTTPResponse, as typeshed hides it
        """The reply to a GET, or to a POST of JSON; a busy server is asked again.

        Raises:
            HTTPError: With the status; URLError: it is not reached; TimeoutError, TooLongError: it is cut off.
        """
        headers = {"Accept": "*/*", "Content-Type": "application/json", "User-Agent": "amazon-titles"}
        headers |= {"Authorization": f"Bearer {self._key}"} if self._key else {}
        asked = request.Request(url, json.dumps(body).encode() if body is not None else None, headers)
        for pause in _PAUSES:
            try:
                return self._opener.open(asked, timeout=self._timeout)
            except HTTPError as error:
                if error.code not in (429, 503):
                    raise
                told = error.headers.get("Retry-After", "")
                time.sleep(min(float(told), _LONGEST_PAUSE) if told.isdecimal() else pause)
        return self._opener.open(asked, timeout=self._timeout)

    def events(self, url: str, body: dict[str, Any]) -> Iterator[Any]:
        """The events of a streamed reply, decoded."""
        with self.open(url, body) as reply:
            for line in reply:
                name, _, data = line.partition(b":")
                if data.strip() == b"[DONE]":
                    return
                if name == b"data":
                    yield msgspec.json.decode(data)

    def without_key(self, text: str) -> str:
        """A server's text in which it does not repeat the key."""
        return text.replace(self._key, "[a secret]") if len(self._key) >= _SHORTEST_KEY else text

    def without_half_a_key(self, text: str) -> str:
        """A text that still grows, without what may become the key at its end."""
        begun = (size for size in range(len(self._key), 0, -1) if text.endswith(self._key[:size]))
        return text[: len(text) - next(begun, 0)] if len(self._key) >= _SHORTEST_KEY else text

    def clean(self, text: str) -> str:
        """A server's words for a message: in one line, without secrets and what could command a terminal."""
        return printable(" ".join(redact(text, self._key or None).split()))[:200]


def words_of(error: Exception) -> str:
    """What a server says of its refusal; "" where it says nothing readable, and of a redirect where it leads."""
    if not isinstance(error, HTTPError):
        return ""
    said: Any = error.headers.get("Location", "")
    with suppress(Exception):  # whatever it was, it is no message
        said = msgspec.json.decode(error.read())
        for name in ("error", "message", "detail"):
            said = said.get(name, said) if isinstance(said, dict) else said
    return said if isinstance(said, str) else ""
