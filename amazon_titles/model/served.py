"""`ServedModel`: a model behind an OpenAI-compatible address (vLLM, llama.cpp, Ollama, TGI).

The server renders the chat template, so what a question must not hold is broken here before it is sent. torch is not
imported, and neither is the Hub's token sent: without a key of its own, `InferenceClient` would send that one to
whatever address is named.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

from amazon_titles.errors import AmazonTitlesError, InputError
from amazon_titles.hub_errors import is_a, status_of
from amazon_titles.model.generation import Generation, Sampling, pieces
from amazon_titles.model.loading import is_address
from amazon_titles.secrets import redact
from amazon_titles.templates import TEMPLATES, Message

KEY = "AMAZON_TITLES_API_KEY"
"""The environment variable that holds the server's key, where it wants one."""

# Requests at a time: servers that batch want many, and those that do not keep the others waiting.
_AT_ONCE = 16

# What other families' templates are written with: Llama 2 and Mistral, Gemma, and the ends of a sequence.
_OTHER_MARKUP = re.compile(r"<(?=/?s>|/?(?:bos|eos|pad|unk)>|(?:start|end)_of_turn>|<?/?SYS>)|\[(?=/?INST\])")

# The end-of-turn tokens that a server may let through, and the beginning of one: they come in pieces, too.
_ENDS = re.compile("|".join(re.escape(template.end) for template in TEMPLATES.values()))
_BEGUN = re.compile(r"<\|[^<]{0,18}$")

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
        timeout: Seconds to wait for a whole answer, or for the next piece of a streamed one.

    Raises:
        InputError: It is no address, or the server has several models.
        AmazonTitlesError: No server answers there; the message says how it failed.
    """

    def __init__(self, url: str, *, name: str | None = None, timeout: float = 300.0) -> None:
        from huggingface_hub import InferenceClient

        self.url = _address(url)
        # A word in place of a key keeps the client from sending the Hub's token.
        self._key = os.environ.get(KEY) or "none"
        self._timeout = timeout
        self._client: Any = InferenceClient(base_url=self.url, api_key=self._key, timeout=timeout)
        models = self._models()
        if name is None and len(models) > 1:
            names = ", ".join(sorted(models)[:10])
            raise InputError(
                f"The server at {self.url} has {len(models)} models.", hint=f"Choose: --model-name {names}"
            )
        self.name = name or next(iter(models), "default")
        window = models.get(self.name, {}).get("max_model_len")
        self.window = window if isinstance(window, int) else None

    def count_tokens(self, conversation: Sequence[Message]) -> int:
        """At most so many tokens is the prompt; the server does not tell."""
        return sum(len(message["content"]) // _CHARS_PER_TOKEN + 8 for message in conversation)

    def generate_full(
        self, conversations: Sequence[Sequence[Message]], *, batch_size: int = _AT_ONCE, **limits: Any  # noqa: ANN401
    ) -> list[Generation]:  # fmt: skip
        """One answer a conversation, in their order, `batch_size` requests at a time.

        Args:
            conversations: Each a list of messages that ends with the user's.
            batch_size: Requests at a time.
            **limits: `max_new_tokens`, 256 by default, and `sampling`; greedy without.

        Raises:
            AmazonTitlesError: The server failed; the message says how.
        """

        def answer(messages: Sequence[Message]) -> Generation:
            try:
                reply = self._chat(messages, False, **limits)
                choice = reply.choices[0]
                tokens = getattr(getattr(reply, "usage", None), "completion_tokens", None)
                return _generation(choice.message.content or "", choice.finish_reason, tokens)
            except Exception as error:
                raise self._explained(error) from None

        with ThreadPoolExecutor(max(1, min(batch_size, _AT_ONCE, len(conversations)))) as pool:
            return list(pool.map(answer, conversations))

    def stream(self, conversation: Sequence[Message], **limits: Any) -> Iterator[str | Generation]:  # noqa: ANN401
        """One answer in pieces as they come; the last one is the `Generation`.

        Args:
            conversation: A list of messages that ends with the user's.
            **limits: As of `generate_full`.

        Raises:
            AmazonTitlesError: The server failed; the message says how.
        """
        yield from pieces(self._states(conversation, **limits))

    def _states(self, conversation: Sequence[Message], **limits: Any) -> Iterator[Generation]:  # noqa: ANN401
        """What has been said so far, after every chunk of the reply."""
        said, reason = "", None
        try:
            for chunk in self._chat(conversation, True, **limits):
                for choice in chunk.choices[:1]:  # a last one may tell the usage alone
                    said += choice.delta.content or ""
                    reason = choice.finish_reason or reason
                yield _generation(_BEGUN.sub("", said), None, None)
            if reason is None:
                raise EOFError
        except Exception as error:
            raise self._explained(error) from None
        yield _generation(said, reason, None)

    def _chat(
        self, messages: Sequence[Message], stream: bool, *, max_new_tokens: int = 256, sampling: Sampling | None = None
    ) -> Any:  # noqa: ANN401 - what the client makes of the reply, or of its chunks
        temperature, seed = (sampling.temperature, sampling.seed) if sampling else (0.0, 0)
        return self._client.chat_completion(
            [{"role": message["role"], "content": as_text(message["content"])} for message in messages],
            model=self.name, max_tokens=max_new_tokens, temperature=temperature, seed=seed, stream=stream,
        )  # fmt: skip

    def _models(self) -> dict[str, dict[str, Any]]:
        """The server's models by name; none where it does not tell."""
        from huggingface_hub import utils

        session: Any = utils.get_session()  # type: ignore[attr-defined]
        headers = {"Authorization": f"Bearer {self._key}"}
        try:
            reply = session.get(f"{self.url}/models", headers=headers, timeout=min(self._timeout, 30.0))
            if reply.status_code in (404, 405, 501):
                return {}
            reply.raise_for_status()
            return {str(row["id"]): row for row in reply.json()["data"]}
        except Exception as error:
            raise self._explained(error) from None

    def _explained(self, error: Exception) -> AmazonTitlesError:
        """The sentence for what the client raised."""
        if isinstance(error, AmazonTitlesError):
            return error
        # 0.27 trips over an error that is told as an object, and the refusal is what it was busy with.
        refused = next((one for one in (error, error.__context__) if one is not None and status_of(one)), None)
        status, words = status_of(refused) if refused else None, _words_of(getattr(refused, "response", None))
        told = f"{status}: {words}" if words else f"{status}"
        server, address = f"The server at {self.url}", "--model http://HOST:PORT/v1"
        rows: tuple[tuple[object, str, str], ...] = (
            (status in (401, 403),
             f"{server} wants a key, or another one ({told}).", f"Set the environment variable {KEY}."),
            (status == 404, f"{server} does not know what it was asked for ({told}).",
             "Name the address that ends in /v1, and a model that it has: --model-name NAME"),
            (status == 429 or (status or 0) >= 500, f"{server} answered {told}.", "Run it again in a while."),
            (status, f"{server} answered {told}.", "See the server's own log."),
            (is_a(error, "Timeout", "TimeoutError", "TimeoutException"),
             f"{server} did not answer within {self._timeout:g} seconds.",
             "See whether it is still loading its model, then run it again."),
            ("CERTIFICATE_VERIFY_FAILED" in str(error), f"The certificate of {self.url} is not trusted here.",
             "Name its authority in SSL_CERT_FILE (REQUESTS_CA_BUNDLE with huggingface_hub below 1.0)."),
            (is_a(error, "ConnectionError", "NetworkError"),
             f"No server answers at {self.url}.",
             f"Start it, for example: vllm serve MODEL --port 8000. Or name another: {address}"),
            (is_a(error, "ChunkedEncodingError", "RemoteProtocolError", "EOFError"),
             f"{server} broke off in the middle of an answer.", "Run it again."),
            (True, f"What answers at {self.url} is no OpenAI-compatible server ({type(error).__name__}).",
             f"Name the address that ends in /v1: {address}"),
        )  # fmt: skip
        return next(AmazonTitlesError(said, hint=hint) for fits, said, hint in rows if fits)


def as_text(text: str) -> str:
    """Breaks what the templates of the families that servers run would read as markup: user text is text."""
    for template in TEMPLATES.values():
        text = template.escape(text)
    return _OTHER_MARKUP.sub(r"\g<0> ", text)


def _address(url: str) -> str:
    """The base address, as the client wants it: up to `/v1`."""
    if not is_address(url) or not urlsplit(url).hostname:
        raise InputError(f"{url!r} is no address of a server.", hint="Write it as: --model http://HOST:PORT/v1")
    base = url.rstrip("/").removesuffix("/chat/completions")
    return base if urlsplit(url).path.strip("/") else f"{base}/v1"


def _generation(said: str, reason: str | None, tokens: int | None) -> Generation:
    text = _ENDS.split(said, 1)[0]
    return Generation(text.strip(), text != said or reason not in ("length", None), tokens or 0)


def _words_of(response: Any) -> str:  # noqa: ANN401 - of requests or of httpx
    """What a server says of its refusal, in one line; "" where it says nothing readable."""
    try:
        response.read() if hasattr(response, "read") else None
        said = response.json()
    except Exception:  # whatever it was, it is no message
        return ""
    for name in ("error", "message", "detail"):
        said = said.get(name, said) if isinstance(said, dict) else said
    return redact(" ".join(said.split()), os.environ.get(KEY))[:200] if isinstance(said, str) else ""
