"""`ServedModel`: a model behind an OpenAI-compatible address (vLLM, llama.cpp, Ollama, TGI).

The server renders the chat template, so what a question must not hold is broken here before it is sent. torch is not
imported, and neither is the Hub's token sent: without a key of its own, `InferenceClient` would send that one to
whatever address is named.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from typing import Any

from amazon_titles.errors import AmazonTitlesError, InputError
from amazon_titles.hub_errors import status_of
from amazon_titles.model.generation import Generation, Sampling
from amazon_titles.templates import TEMPLATES, Message

KEY = "AMAZON_TITLES_API_KEY"
"""The environment variable that holds the server's key, where it wants one."""

TIMEOUT = 300.0
"""Seconds to wait for a whole answer, or for the next piece of a streamed one."""

# Requests at a time: servers that batch want many, and those that do not keep the others waiting.
_AT_ONCE = 16

# What other families' templates are written with: Llama 2 and Mistral, Gemma, and the ends of a sequence.
_OTHER_MARKUP = re.compile(r"<(?=/?s>|/?(?:bos|eos|pad|unk)>|(?:start|end)_of_turn>|<?/?SYS>)|\[(?=/?INST\])")

# No tokenizer spends fewer characters a token on prose; Llama 3 has 4 to 4.5 for English.
_CHARS_PER_TOKEN = 3


class ServedModel:
    """A model that a server speaks for.

    Attributes:
        name: Of the model, as the server calls it.
        window: Tokens that a prompt and its answer may have together; None where the server does not tell.

    Args:
        url: Up to `/v1`.
        name: By default the only model that the server has.
        key: By default the one in the environment (`KEY`).
        timeout: See `TIMEOUT`.

    Raises:
        InputError: It is no address, or the server has several models.
        AmazonTitlesError: No server answers there; the message says how it failed.
    """

    def __init__(self, url: str, *, name: str | None = None, key: str | None = None, timeout: float = TIMEOUT) -> None:
        from huggingface_hub import InferenceClient

        self.url = _address(url)
        # A word in place of a key keeps the client from sending the Hub's token.
        self._key = key or os.environ.get(KEY) or "none"
        self._timeout = timeout
        self._client: Any = InferenceClient(base_url=self.url, api_key=self._key, timeout=timeout)
        models = self._models()
        self.name = name or self._only(models)
        window = models.get(self.name, {}).get("max_model_len")
        self.window = window if isinstance(window, int) else None

    def count_tokens(self, conversation: Sequence[Message]) -> int:
        """At most so many tokens is the prompt; the server does not tell."""
        return sum(len(message["content"]) // _CHARS_PER_TOKEN + 8 for message in conversation)

    def generate_full(
        self,
        conversations: Sequence[Sequence[Message]],
        *,
        max_new_tokens: int = 256,
        batch_size: int = _AT_ONCE,
        sampling: Sampling | None = None,
    ) -> list[Generation]:
        """One answer a conversation, in their order, `batch_size` requests at a time.

        Raises:
            AmazonTitlesError: The server failed; the message says how.
        """
        from concurrent.futures import ThreadPoolExecutor

        def one(messages: Sequence[Message]) -> Generation:
            try:
                reply = self._client.chat_completion(**self._request(messages, max_new_tokens, sampling))
                choice = reply.choices[0]
                tokens = getattr(getattr(reply, "usage", None), "completion_tokens", None)
                return _generation(choice.message.content or "", choice.finish_reason, tokens)
            except Exception as error:
                raise self._explained(error) from None

        with ThreadPoolExecutor(max(1, min(batch_size, _AT_ONCE, len(conversations)))) as pool:
            return list(pool.map(one, conversations))

    def stream(
        self, conversation: Sequence[Message], *, max_new_tokens: int = 256, sampling: Sampling | None = None
    ) -> Iterator[str | Generation]:
        """One answer in pieces as they come; the last one is the `Generation`.

        Raises:
            AmazonTitlesError: The server failed; the message says how.
        """
        said, reason = "", None
        shown = 0
        try:
            for chunk in self._client.chat_completion(
                **self._request(conversation, max_new_tokens, sampling), stream=True
            ):
                for choice in chunk.choices[:1]:  # a last one may tell the usage alone
                    said += choice.delta.content or ""
                    reason = choice.finish_reason or reason
                whole = _until_end(said).lstrip()
                # An end-of-turn token that leaks comes in pieces, too.
                ready = whole.rpartition("<|")[0].rstrip() if "<|" in whole[-20:] else whole.rstrip()
                if len(ready) > shown:
                    yield ready[shown:]
                    shown = len(ready)
        except AmazonTitlesError:
            raise
        except Exception as error:
            raise self._explained(error) from None
        if reason is None:
            raise AmazonTitlesError(
                f"The server at {self.url} broke off in the middle of an answer.", hint="Run it again."
            )
        generation = _generation(said, reason, None)
        if len(generation.text) > shown:
            yield generation.text[shown:]
        yield generation

    def _request(self, messages: Sequence[Message], max_new_tokens: int, sampling: Sampling | None) -> dict[str, Any]:
        return {
            "messages": [{"role": message["role"], "content": as_text(message["content"])} for message in messages],
            "model": self.name,
            "max_tokens": max_new_tokens,
            "temperature": sampling.temperature if sampling else 0.0,
            "seed": sampling.seed if sampling else 0,
        }

    def _models(self) -> dict[str, dict[str, Any]]:
        """The server's models by name; none where it does not tell."""
        from huggingface_hub import utils

        headers = {"Authorization": f"Bearer {self._key}"}
        try:
            reply = utils.get_session().get(  # type: ignore[attr-defined]
                f"{self.url}/models", headers=headers, timeout=min(self._timeout, 30.0)
            )
            if reply.status_code in (404, 405, 501):
                return {}
            if reply.status_code >= 400:
                raise self._status(reply.status_code, _words_of(reply))
            return {str(row["id"]): row for row in reply.json()["data"]}
        except AmazonTitlesError:
            raise
        except Exception as error:
            raise self._explained(error) from None

    def _only(self, models: dict[str, dict[str, Any]]) -> str:
        if len(models) > 1:
            names = ", ".join(sorted(models)[:10])
            raise InputError(
                f"The server at {self.url} has {len(models)} models.", hint=f"Choose: --model-name {names}"
            )
        return next(iter(models), "default")

    def _explained(self, error: Exception) -> AmazonTitlesError:
        """The sentence for what the client raised."""
        if isinstance(error, AmazonTitlesError):
            return error
        # 0.27 trips over an error that is told as an object, and the refusal is what it was busy with.
        for refused in (error, error.__context__):
            if refused is not None and (status := status_of(refused)) is not None:
                return self._status(status, _words_of(getattr(refused, "response", None)))
        kinds = {kind.__name__ for kind in type(error).__mro__}
        if any("Timeout" in kind for kind in kinds):
            return AmazonTitlesError(
                f"The server at {self.url} did not answer within {self._timeout:g} seconds.",
                hint="See whether it is still loading its model, then run it again.",
            )
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            return AmazonTitlesError(
                f"The certificate of {self.url} is not trusted here.",
                hint="Name its authority in SSL_CERT_FILE (REQUESTS_CA_BUNDLE with huggingface_hub below 1.0).",
            )
        if kinds & {"ConnectionError", "ConnectError", "NetworkError"} and "InvalidJSONError" not in kinds:
            return AmazonTitlesError(
                f"No server answers at {self.url}.",
                hint="Start it, for example: vllm serve MODEL --port 8000. Or name another: --model http://HOST:PORT/v1",
            )
        if kinds & {"ChunkedEncodingError", "RemoteProtocolError", "ReadError"}:
            return AmazonTitlesError(
                f"The server at {self.url} broke off in the middle of an answer.", hint="Run it again."
            )
        return AmazonTitlesError(
            f"What answers at {self.url} is no OpenAI-compatible server ({type(error).__name__}).",
            hint="Name the address that ends in /v1: --model http://HOST:PORT/v1",
        )

    def _status(self, status: int, said: str) -> AmazonTitlesError:
        told = f": {said}" if said else ""
        if status in (401, 403):
            return AmazonTitlesError(
                f"The server at {self.url} wants a key, or another one ({status}{told}).",
                hint=f"Set the environment variable {KEY}.",
            )
        if status == 404:
            return AmazonTitlesError(
                f"The server at {self.url} does not know what it was asked for (404{told}).",
                hint="Name the address that ends in /v1, and a model that it has: --model-name NAME",
            )
        hint = "Run it again in a while." if status == 429 or status >= 500 else "See the server's own log."
        return AmazonTitlesError(f"The server at {self.url} answered {status}{told}.", hint=hint)


def as_text(text: str) -> str:
    """Breaks what the templates of the families that servers run would read as markup: user text is text."""
    for template in TEMPLATES.values():
        text = template.escape(text)
    return _OTHER_MARKUP.sub(lambda found: found.group() + " ", text)


def is_address(model: object) -> bool:
    """Whether a model is named by its server's address."""
    return str(model).startswith(("http://", "https://"))


def _address(url: str) -> str:
    """The base address, as the client wants it: up to `/v1`."""
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InputError(f"{url!r} is no address of a server.", hint="Write it as: --model http://HOST:PORT/v1")
    url = url.rstrip("/").removesuffix("/chat/completions")
    return url if parts.path.strip("/") else f"{url}/v1"


def _until_end(text: str) -> str:
    """The text up to an end-of-turn token that a server let through."""
    for template in TEMPLATES.values():
        text = text.split(template.end, 1)[0]
    return text


def _generation(said: str, reason: str | None, tokens: int | None) -> Generation:
    text = _until_end(said)
    return Generation(text.strip(), text != said or reason not in ("length", None), tokens or 0)


def _words_of(response: Any) -> str:  # noqa: ANN401 - of requests or of httpx
    """What a server says of its refusal, in one line; "" where it says nothing readable."""
    try:
        response.read() if hasattr(response, "read") else None
        said = response.json()
        said = said.get("error", said) if isinstance(said, dict) else said
        said = said.get("message") or said.get("detail") or "" if isinstance(said, dict) else said
    except Exception:  # whatever it was, it is no message
        return ""
    return " ".join(str(said).split())[:200]
