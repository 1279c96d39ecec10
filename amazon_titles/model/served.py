"""`ServedModel`: a model behind an OpenAI-compatible address (vLLM, llama.cpp, Ollama, TGI).

The server renders the chat template, so what a question must not hold is broken here before it is sent. torch is not
imported, the Hub's token is not sent, and `transport` cuts a server off that never ends.
"""

from __future__ import annotations

import http.client
import os
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

import msgspec

from amazon_titles.errors import AmazonTitlesError, InputError
from amazon_titles.model.generation import Generation, Sampling, pieces
from amazon_titles.model.loading import is_address
from amazon_titles.model.transport import Connection, TooLongError, words_of
from amazon_titles.templates import TEMPLATES, Message

KEY = "AMAZON_TITLES_API_KEY"
"""The environment variable that holds the server's key, where it wants one."""

AT_ONCE = 16
"""Requests at a time: servers that batch want many, and those that do not keep the others waiting."""

# What other families' templates are written with: Llama 2 and Mistral, Gemma, and the ends of a sequence.
_OTHER_MARKUP = re.compile(r"<(?=/?s>|/?(?:bos|eos|pad|unk)>|(?:start|end)_of_turn>|<?/?SYS>)|\[(?=/?INST\])")

# The end-of-turn tokens that a server may let through, and the beginning of one: they come in pieces, too.
_ENDS = re.compile("|".join(re.escape(template.end) for template in TEMPLATES.values()))
_BEGUN = re.compile(r"<\|[^<]{0,18}$")

# No tokenizer spends fewer characters a token on prose; Llama 3 has 4 to 4.5 for English.
_CHARS_PER_TOKEN = 3
# Tokens around a message, in the templates of all families.
_AROUND = 8
# The longest tokens of Llama 3 are 128 blanks.
_LONGEST_TOKEN = 128


class ServedModel:
    """A model that a server speaks for.

    Attributes:
        name: Of the model, as the server calls it.
        window: Tokens that a prompt and its answer may have together; None where the server does not tell.

    Args:
        url: Up to `/v1`.
        name: By default the only model that the server has.
        timeout: Seconds to wait for a whole answer, also for one that comes in pieces.
        parallel: Requests at a time.

    Raises:
        InputError: It is no address, or the server has several models.
        AmazonTitlesError: No server answers there; the message says how it failed.
    """

    def __init__(
        self, url: str, *, name: str | None = None, timeout: float = 600.0, parallel: int = AT_ONCE
    ) -> None:  # fmt: skip
        self.url, self._timeout, self._parallel = _address(url), timeout, parallel
        self._connection = Connection(os.environ.get(KEY, ""), timeout)
        self._models = self._listed()
        if name is None and len(self._models) > 1:
            names = ", ".join(sorted(self._models)[:10])
            raise InputError(
                f"The server at {self.url} has {len(self._models)} models.", hint=f"Choose: --model-name {names}"
            )
        self.name = name or next(iter(self._models), "default")
        self.window = self._window()

    def _window(self) -> int | None:
        """The model's own, or its base's, which vLLM names as a LoRA's parent, or llama.cpp's context."""
        own = self._models.get(self.name, {})
        meta = own.get("meta")
        told = (
            own.get("max_model_len"),
            self._models.get(str(own.get("parent")), {}).get("max_model_len"),
            meta.get("n_ctx") if isinstance(meta, dict) else None,
        )
        return next((tokens for tokens in told if isinstance(tokens, int) and tokens > 0), None)

    @cached_property
    def server(self) -> str:
        """What serves it, with its version where it tells: "vllm 0.32.0"; no address."""
        said = [str(self._models.get(self.name, {}).get("owned_by") or "an OpenAI-compatible server")]
        for path, key in (("version", "version"), ("props", "build_info")):  # vLLM's and llama.cpp's
            with suppress(Exception):
                said.append(str(self._call(f"{self._root}/{path}")[key]))
        return self._connection.clean(" ".join(said))

    def count_tokens(self, conversation: Sequence[Message]) -> int:
        """Tokens of the prompt: as the server counts them, where it does, or at most so many."""
        most = sum(len(message["content"]) // _CHARS_PER_TOKEN + _AROUND for message in conversation)
        if self.window is None or most * 2 < self.window:  # nowhere near the end of the window
            return most
        return self._counted(conversation) or most

    def _counted(self, conversation: Sequence[Message]) -> int | None:
        """As vLLM and llama.cpp count them: that one the rendered messages, this one their texts; None of others."""
        text = "\n".join(message["content"] for message in conversation)
        asked = {"model": self.name, "messages": _sent(conversation), "content": as_text(text)}
        with suppress(Exception):
            told = self._call(f"{self._root}/tokenize", asked)
            return int(told["count"] if "count" in told else len(told["tokens"]) + _AROUND * len(conversation))
        return None

    def generate_each(self, conversations: Sequence[Sequence[Message]], **limits: Any) -> Iterator[Generation]:  # noqa: ANN401
        """One answer a conversation, in their order, as they come: a request begins where another one has ended.

        Args:
            conversations: Each a list of messages that ends with the user's.
            **limits: `max_new_tokens`, 256 by default, and `sampling`; greedy without.

        Raises:
            InputError: A conversation and its answer do not fit the window.
            AmazonTitlesError: The server failed; the message says how.
        """

        def answer(messages: Sequence[Message]) -> Generation:
            try:
                reply = self._call(f"{self.url}/chat/completions", self._request(messages, False, **limits))
                choice, usage = reply["choices"][0], reply.get("usage") or {}
                said = self._generation(choice["message"]["content"] or "", choice["finish_reason"], **limits)
                return said._replace(tokens=usage.get("completion_tokens") or 0)
            except Exception as error:
                raise self._explained(error) from None

        with ThreadPoolExecutor(max(1, min(self._parallel, len(conversations)))) as pool:
            yield from pool.map(answer, conversations)

    def generate_full(
        self, conversations: Sequence[Sequence[Message]], *, batch_size: int = AT_ONCE, **limits: Any  # noqa: ANN401
    ) -> list[Generation]:  # fmt: skip
        """The answers of `generate_each`, which tells of the arguments; how many at a time the server decides."""
        return list(self.generate_each(conversations, **limits))

    def stream(self, conversation: Sequence[Message], **limits: Any) -> Iterator[str | Generation]:  # noqa: ANN401
        """One answer in pieces as they come; the last one is the `Generation`.

        Args:
            conversation: A list of messages that ends with the user's.
            **limits: As of `generate_each`.

        Raises:
            InputError: The conversation and its answer do not fit the window.
            AmazonTitlesError: The server failed; the message says how.
        """
        yield from pieces(self._states(conversation, **limits))

    def _states(self, conversation: Sequence[Message], **limits: Any) -> Iterator[Generation]:  # noqa: ANN401
        """What has been said so far, after every chunk of the reply."""
        said, reason = "", None
        try:
            asked = self._request(conversation, True, **limits)
            for chunk in self._connection.events(f"{self.url}/chat/completions", asked):
                for choice in chunk["choices"][:1]:  # a last one may tell the usage alone
                    said += choice["delta"].get("content") or ""
                    reason = choice.get("finish_reason") or reason
                yield self._generation(self._connection.without_half_a_key(_BEGUN.sub("", said)), None, **limits)
            if reason is None:
                raise EOFError
        except Exception as error:
            raise self._explained(error) from None
        yield self._generation(said, reason, **limits)

    def _request(
        self, messages: Sequence[Message], stream: bool, *, max_new_tokens: int = 256, sampling: Sampling | None = None
    ) -> dict[str, Any]:
        """What is sent. A prompt that the server itself counts as too long is not."""
        if (
            self.window is not None
            and self.count_tokens(messages) + max_new_tokens > self.window
            and (used := self._counted(messages) or 0) + max_new_tokens > self.window
        ):
            raise InputError(
                f"The question takes {used} tokens, its answer may take {max_new_tokens}, and {self.name} has room for "
                f"{self.window} in all.",
                hint="Ask in fewer words, leave less room for the answer (--max-new-tokens 64), or serve it with more.",
            )
        temperature, seed = (sampling.temperature, sampling.seed) if sampling else (0.0, 0)
        return {
            "model": self.name, "messages": _sent(messages), "max_tokens": max_new_tokens, "temperature": temperature,
            "seed": seed, "stream": stream,
        }  # fmt: skip

    @property
    def _root(self) -> str:
        return self.url.removesuffix("/v1")

    def _call(self, url: str, body: dict[str, Any] | None = None) -> Any:  # noqa: ANN401 - whatever JSON holds
        with self._connection.open(url, body) as reply:
            return msgspec.json.decode(reply.read())

    def _listed(self) -> dict[str, dict[str, Any]]:
        """The server's models by name; none where it does not tell. A name that could command a terminal is none."""
        try:
            rows = {str(row["id"]): row for row in self._call(f"{self.url}/models")["data"]}
        except Exception as error:
            if getattr(error, "code", None) in (404, 405, 501):
                return {}
            raise self._explained(error) from None
        return {name: row for name, row in rows.items() if self._connection.clean(name) == name}

    def _generation(self, said: str, reason: str | None, *, max_new_tokens: int = 256, **_: Any) -> Generation:  # noqa: ANN401
        if len(said) > max_new_tokens * _LONGEST_TOKEN:
            raise TooLongError(f"{max_new_tokens} tokens")
        text = _ENDS.split(self._connection.without_key(said), 1)[0]
        return Generation(text.strip(), _ENDS.search(said) is not None or reason not in ("length", None), 0)

    def _explained(self, error: Exception) -> AmazonTitlesError:
        """The sentence for what was raised."""
        if isinstance(error, AmazonTitlesError):
            return error
        status, words = getattr(error, "code", None), self._connection.clean(words_of(error))
        told = f"{status}: {words}" if words else f"{status}"
        cause = getattr(error, "reason", None)  # of what failed before there was an answer
        server, address = f"The server at {self.url}", "--model http://HOST:PORT/v1"
        rows: tuple[tuple[object, str, str], ...] = (
            (status in (401, 403),
             f"{server} requires a key, or rejects this one ({told}).", f"Set the environment variable {KEY}."),
            (status == 404, f"{server} does not know this address or model ({told}).",
             "Name the address that ends in /v1, and a model that it has: --model-name NAME"),
            (status == 429 or (status or 0) >= 500, f"{server} answered {told}.", "Try again later."),
            (status, f"{server} answered {told}.", "See the server's own log."),
            (isinstance(error, TooLongError),
             f"{server} did not finish within {error}, and was stopped.", "See the server's own log."),
            (isinstance(error, TimeoutError) or isinstance(cause, TimeoutError),
             f"{server} did not answer within {self._timeout:g} seconds.",
             "See whether it is still loading its model, then run it again."),
            ("CERTIFICATE_VERIFY_FAILED" in str(cause), f"The certificate of {self.url} is not trusted here.",
             "Name its authority in SSL_CERT_FILE."),
            (isinstance(cause, OSError),
             f"No server answers at {self.url}.",
             f"Start it, for example: vllm serve MODEL --port 8000. Or name another: {address}"),
            (isinstance(error, ConnectionError | EOFError | http.client.IncompleteRead),
             f"{server} stopped in the middle of an answer.", "Run it again."),
            (True, f"What answers at {self.url} is not an OpenAI-compatible server ({type(error).__name__}).",
             f"Name the address that ends in /v1: {address}"),
        )  # fmt: skip
        return next(AmazonTitlesError(said, hint=hint) for fits, said, hint in rows if fits)


def as_text(text: str) -> str:
    """Breaks what the templates of the families that servers run would read as markup: user text is text."""
    for template in TEMPLATES.values():
        text = template.escape(text)
    return _OTHER_MARKUP.sub(r"\g<0> ", text)


def _sent(messages: Sequence[Message]) -> list[dict[str, str]]:
    return [{"role": message["role"], "content": as_text(message["content"])} for message in messages]


def _address(url: str) -> str:
    """The base address, as requests want it: up to `/v1`."""
    if not is_address(url) or not urlsplit(url).hostname or "@" in urlsplit(url).netloc:
        hint = f"Write it as: --model http://HOST:PORT/v1, and a key, if it wants one, in {KEY}."
        raise InputError(f"This is not a server URL, or it contains a password: {url.rpartition('@')[2]!r}", hint=hint)
    base = url.rstrip("/").removesuffix("/chat/completions")
    return base if urlsplit(url).path.strip("/") else f"{base}/v1"
