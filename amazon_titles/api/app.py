"""The application: who is let in, who waits, and OpenAI's two addresses."""

from __future__ import annotations

import asyncio
import hmac
import threading
import time
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from amazon_titles.api.chat import ChatRequest, RefusedError, answering, events, reply
from amazon_titles.errors import AmazonTitlesError, InputError
from amazon_titles.hosts import is_known, known_hosts
from amazon_titles.model import CatalogModel
from amazon_titles.progress import say

MOST_BYTES = 2**20
"""Of a request's body: a conversation of some 200,000 tokens."""
PLACES, PLACES_EACH = 64, 32
"""Questions that may be here at a time, and how many of them one address's: another one always finds a place."""

_GONE = RefusedError(499, "The client has hung up.")  # nobody reads it


class Places:
    """Who is answered now, and who waits.

    Args:
        at_once: So many are answered at a time.
    """

    def __init__(self, at_once: int) -> None:
        # Threads of their own: torch keeps working memory for each thread that it has ever run in.
        self._pool, self._turn = ThreadPoolExecutor(at_once, "answer"), asyncio.Semaphore(at_once)
        self._held: Counter[str] = Counter()

    async def answered(self, client: str, work: Callable[[threading.Event], Any]) -> Any:  # noqa: ANN401
        """What the work gives, when it is its turn; cancelled, the place is free as soon as the work has stopped.

        Raises:
            RefusedError: All places are taken, or all that one client may have.
        """
        if self._held.total() >= PLACES or self._held[client] >= PLACES_EACH:
            raise RefusedError(429, "Too many questions are waiting. Try again later.")
        self._held[client] += 1
        gone = threading.Event()
        try:
            async with self._turn:
                job = asyncio.get_running_loop().run_in_executor(self._pool, work, gone)
                try:
                    return await asyncio.shield(job)
                except asyncio.CancelledError:
                    gone.set()
                    await asyncio.wait({job})
                    raise
        finally:
            self._held[client] -= 1
            self._held += Counter()  # forgets who has none


def build_app(
    model: CatalogModel, *, hosts: Iterable[str] = (), origins: Sequence[str] = (), key: str = "", at_once: int = 1,
    max_new_tokens: int = 256, sources_in_text: bool = False,
    **options: Any,  # noqa: ANN401 - those of `CatalogModel.ask`
) -> Any:  # noqa: ANN401 - an ASGI application  # fmt: skip
    """The application that `serve` runs.

    Args:
        model: With its catalogue.
        hosts: Names that it answers to, besides `localhost` and every address in numbers.
        origins: Of web pages whose scripts may ask, such as `https://shop.example`.
        key: That clients must send; "" for none.
        at_once: Questions that the model answers at a time.
        max_new_tokens: Longest answer, in tokens; a client may ask for less.
        sources_in_text: Whether the sources stand below the answer, too, for clients that show nothing else.
        **options: Of every question, such as `k` and `closed_book`.
    """
    own, places, begun = known_hosts(None, hosts), Places(at_once), int(time.time())

    async def models(_: Request) -> Response:
        row = {"id": model.name, "object": "model", "created": begun, "owned_by": "amazon_titles"}
        return JSONResponse({"object": "list", "data": [row]})

    async def chat(request: Request) -> Response:
        asked = await _read(request)
        if asked.model != model.name:
            raise RefusedError(404, f"There is no model {asked.model!r} here, but {model.name!r}.", "model_not_found")
        work = answering(model, asked, max_new_tokens=max_new_tokens, **options)
        said = await _unless_gone(request, places.answered(request.client.host if request.client else "", work))
        message, reason, more = reply(said, sources_in_text=sources_in_text)
        made = {"id": f"chatcmpl-{uuid.uuid4().hex}", "created": int(time.time()), "model": model.name}
        if asked.stream:
            return Response("".join(events(made, message, reason, more)), media_type="text/event-stream")
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": reason}
        return JSONResponse({**made, "object": "chat.completion", "choices": [choice], **more})

    routes = [Route("/v1/models", models), Route("/v1/chat/completions", chat, methods=["POST"])]
    scripts = Middleware(CORSMiddleware, allow_origins=origins, allow_methods=["GET", "POST"], allow_headers=["*"])
    handlers: Any = dict.fromkeys((RefusedError, HTTPException, AmazonTitlesError, Exception), _refusal)
    app = Starlette(routes=routes, middleware=[scripts] if origins else [], exception_handlers=handlers)

    async def guarded(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - of ASGI
        answer: Any = app
        if scope["type"] == "http":
            request = Request(scope)
            if not is_known(request.headers.get("host", ""), own):
                message = "This host name is not accepted (--allow-host adds it)."
                answer = _refusal(request, RefusedError(421, message))
            elif key and request.method != "OPTIONS" and not _has_key(request, key):
                answer = _refusal(request, RefusedError(401, "The key is missing or wrong."))
        await answer(scope, receive, send)

    return guarded


def _refusal(request: Request, error: Exception) -> Response:
    """An error as OpenAI writes it. What a client cannot mend it is not told, but the terminal is."""
    if isinstance(error, HTTPException):
        found = f"There is no {request.method} {request.url.path} here"
        error = RefusedError(404, f"{found}, but GET /v1/models and POST /v1/chat/completions.")
    elif isinstance(error, InputError):
        error = RefusedError(400, error.message)
    elif not isinstance(error, RefusedError):
        if isinstance(error, AmazonTitlesError):  # of others uvicorn shows the traceback
            say(str(error))
        error = RefusedError(502, "The model cannot answer at the moment.")
    kind = "server_error" if error.status >= 500 else "invalid_request_error"
    told = {"message": error.message, "type": kind, "param": None, "code": error.code}
    # The rest of a body that was not read is not the next request.
    headers = {"Connection": "close"} if error.status == 413 else None
    return JSONResponse({"error": told}, error.status, headers)


def _has_key(request: Request, key: str) -> bool:
    sent = request.headers.get("authorization", "").removeprefix("Bearer ")
    return hmac.compare_digest(sent.encode(), key.encode())


async def _read(request: Request) -> ChatRequest:
    """The request's body. A form of a web page is none: a browser sends JSON only where `origins` let it.

    Raises:
        RefusedError: It is no JSON, not as expected, too long, or does not come.
    """
    found = bytearray()
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise RefusedError(415, "The body must be JSON: Content-Type: application/json.")
    try:
        async for part in request.stream():
            found += part
            if len(found) > MOST_BYTES:
                raise RefusedError(413, f"The body has more than {MOST_BYTES} bytes.")
        return msgspec.json.decode(found, type=ChatRequest)
    except ClientDisconnect:
        raise _GONE from None
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise RefusedError(400, f"The body is not as expected: {error}") from None


async def _unless_gone(request: Request, work: Awaitable[Any]) -> Any:  # noqa: ANN401 - what `work` gives
    """What the work gives; it is cancelled when its client hangs up."""

    async def cancel() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        job.cancel()

    job, watch = asyncio.ensure_future(work), asyncio.ensure_future(cancel())
    try:
        return await job
    except asyncio.CancelledError:
        if watch.done():
            raise _GONE from None
        raise
    finally:
        watch.cancel()
