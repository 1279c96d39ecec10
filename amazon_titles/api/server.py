"""Loads a model and listens."""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from amazon_titles.errors import InputError, require
from amazon_titles.io import is_local
from amazon_titles.model import CatalogModel
from amazon_titles.model.served import AT_ONCE
from amazon_titles.page.server import require_host
from amazon_titles.progress import say

KEY = "AMAZON_TITLES_SERVE_KEY"
"""The environment variable with the key that clients must send; without it whoever reaches the address may ask."""


def serve(
    model: str | Path, *, dataset: str | Path | None = None, model_name: str | None = None, host: str = "127.0.0.1",
    port: int = 8000, allow_hosts: Sequence[str] = (), parallel: int = AT_ONCE,
    on_ready: Callable[[str], None] | None = None, **options: Any,  # noqa: ANN401 - those of `build_app`
) -> None:  # fmt: skip
    """Loads a model and answers OpenAI's requests until it is ended (Ctrl-C).

    Args:
        model: An adapter's or a model's folder, Hub id, or the address of a server.
        dataset: That sources are taken from; by default the one that the model names.
        model_name: Of a model on a server that has several.
        host: To listen on.
        port: To listen on; 0 for a free one.
        allow_hosts: Names besides this machine's own that it answers to, as behind a proxy.
        parallel: Requests to a server at a time; a model in this process answers one by one.
        on_ready: Called with the address as soon as it listens.
        **options: As of `build_app`.

    Raises:
        InputError: There is no such model or dataset, or the host or the port cannot be listened on.
        MissingExtraError: Starlette or uvicorn is not installed.
    """
    require("api", "starlette", "uvicorn")
    from amazon_titles.api.app import build_app

    require_host(host)
    host = host.strip("[]")
    try:
        listening = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        found = f"Nothing can listen on {host}:{port}: {error.strerror}."
        raise InputError(found, hint="Choose another: --port N") from None
    with listening:
        loaded = CatalogModel.from_pretrained(model, dataset=dataset, name=model_name, parallel=parallel)
        if loaded.catalogue is None:
            raise InputError(f"{loaded.name} names no dataset to take sources from.", hint="Name it: --dataset DIR")
        if is_local(loaded.dataset):  # whoever asks need not know where it lies
            loaded.catalogue = replace(loaded.catalogue, dataset=Path(loaded.dataset).name)
        address, key = ipaddress.ip_address(listening.getsockname()[0]), os.environ.get(KEY, "")
        if not key and not address.is_loopback:
            say(f"Anyone who can reach {host} can ask. To require a key, set the environment variable {KEY}.")
        app = build_app(
            loaded, hosts=(host, *allow_hosts), key=key, at_once=1 if loaded.device else parallel, **options,
        )  # fmt: skip
        if on_ready:
            shown = f"[{host}]" if ":" in host else host
            on_ready(f"http://{shown}:{listening.getsockname()[1]}/v1")
        say("Ctrl-C ends it.")
        server_of(app).run([listening])


def server_of(app: Any) -> Any:  # noqa: ANN401 - an ASGI application; a `uvicorn.Server`
    """What runs the application: it drops connections that ask for nothing."""
    import uvicorn
    from uvicorn.protocols.http.h11_impl import H11Protocol

    from amazon_titles.api.app import PLACES
    from amazon_titles.page.limits import impatient

    config = uvicorn.Config(
        app, http=impatient(H11Protocol), ws="none", lifespan="off", log_level="warning", access_log=False,
        server_header=False, limit_concurrency=4 * PLACES, h11_max_incomplete_event_size=2**14,
        timeout_graceful_shutdown=5,
    )  # fmt: skip
    return uvicorn.Server(config)
