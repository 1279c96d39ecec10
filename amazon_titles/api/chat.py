"""OpenAI's chat requests as we read them, what answers them, and the replies."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Literal

import msgspec

from amazon_titles.model import Answer, CatalogModel, Sampling
from amazon_titles.page.pair import MAX_QUESTION_CHARS

# What Open WebUI (`### Task:`) and LibreChat ask for themselves: a title, tags, what to ask next.
_OWN_PROMPT = re.compile(
    r"\s*(?:### Task:|Analyze this conversation)|[\s\S]*(?:<chat_history>|\btitle (?:for|of) (?:the|this) conversation)"
)
# At a lower temperature than this the likeliest words are taken.
_COLD = 0.01
_CODES = {
    401: "invalid_api_key", 404: "not_found", 413: "request_too_large",
    415: "unsupported_media_type", 421: "host_not_allowed", 429: "rate_limit_exceeded", 502: "model_unavailable",
}  # fmt: skip
_Tokens = Annotated[int, msgspec.Meta(ge=1)]
_Nothing = Annotated[list[Any], msgspec.Meta(max_length=0)]


class RefusedError(Exception):
    """A request that is answered with an error: its HTTP status, a sentence for the client, and OpenAI's code."""

    def __init__(self, status: int, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.code = status, message, code or _CODES.get(status, "invalid_request")


class _Text(msgspec.Struct, tag_field="type", tag="text"):
    text: str


class _Message(msgspec.Struct):
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[_Text] | None = None

    def plain(self) -> str:
        parts = self.content or ""
        return parts if isinstance(parts, str) else "\n".join(part.text for part in parts)


class ChatRequest(msgspec.Struct):
    """What is understood of OpenAI's request; other fields are read over."""

    model: str
    messages: Annotated[list[_Message], msgspec.Meta(min_length=1)]
    stream: bool | None = False
    temperature: Annotated[float, msgspec.Meta(ge=0, le=2)] | None = None
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**53)] | None = None
    max_tokens: _Tokens | None = None
    max_completion_tokens: _Tokens | None = None
    n: Literal[1] | None = None
    tools: _Nothing | None = None
    functions: _Nothing | None = None


def answering(
    model: CatalogModel, asked: ChatRequest, *, max_new_tokens: int, **options: Any  # noqa: ANN401
) -> Callable[[threading.Event], Any]:  # fmt: skip
    """What answers a request, until nobody waits for it: an `Answer`, or a `Generation` to a program's own prompt.

    Args:
        model: With its catalogue.
        asked: The request; the last message of its user is the question.
        max_new_tokens: Longest answer; the request may want a shorter one.
        **options: Of `CatalogModel.stream`.

    Raises:
        RefusedError: There is no question, or it is too long.
    """
    question = next((message.plain() for message in reversed(asked.messages) if message.role == "user"), "")
    if not question.strip():
        raise RefusedError(400, "There is no question: the last message of the user is empty, or there is none.")
    own = _OWN_PROMPT.match(question)
    if not own and len(question) > MAX_QUESTION_CHARS:
        found = f"The question has {len(question)} characters, and at most {MAX_QUESTION_CHARS} are looked up."
        raise RefusedError(400, found, "context_length_exceeded")
    temperature = asked.temperature or 0.0
    limits: dict[str, Any] = {
        "max_new_tokens": min(max_new_tokens, asked.max_completion_tokens or asked.max_tokens or max_new_tokens),
        "sampling": Sampling(temperature, asked.seed or 0) if temperature >= _COLD else None,
    }  # fmt: skip

    def answer(gone: threading.Event) -> Any:  # noqa: ANN401
        roles = {"developer": "system", "tool": "user"}
        talk = [{"role": roles.get(one.role, one.role), "content": one.plain()} for one in asked.messages]
        said: list[Any] = []
        for piece in model.converse(talk, **limits) if own else model.stream(question, **limits, **options):
            said = [piece]  # the last one is the answer
            if gone.is_set():
                break
        return said[0]

    return answer


def reply(said: Any, *, sources_in_text: bool) -> tuple[dict[str, Any], str, dict[str, Any]]:  # noqa: ANN401
    """OpenAI's message with the sources as its annotations, why it ends, and what else we tell of it.

    Args:
        said: An `Answer` or a `Generation`.
        sources_in_text: Whether the sources stand below the answer, too.
    """
    reason, message = "stop" if said.finished else "length", {"role": "assistant", "content": said.text}
    if not isinstance(said, Answer):
        return {**message, "annotations": [], "sources": []}, reason, {}
    text, told, cited = said.to_text() if sources_in_text else said.text, said.to_dict(), []
    for source in said.sources:
        # Where the text names the source, or the whole text.
        start = text.find(named := f"[{source.uid}]")
        start, end = (start, start + len(named)) if start >= 0 else (0, len(text))
        place = {"start_index": start, "end_index": end, "title": source.title, "url": source.url}
        cited += [{"type": "url_citation", "url_citation": place}] if source.url else []
    message = {**message, "content": text, "annotations": cited, "sources": told["sources"]}
    return message, reason, {"amazon_titles": told}


def events(made: dict[str, Any], message: dict[str, Any], reason: str, more: dict[str, Any]) -> Iterator[str]:
    """A reply as server-sent events: the sources, the answer word by word, the end.

    Args:
        made: What every event tells.
        message: As of `reply`; and so are the others.
        reason: Why it ends.
        more: Told with the sources.
    """
    words = [{"content": word} for word in re.findall(r"\s*\S+|\s+$", message["content"])]
    for number, delta in enumerate(({**message, "content": ""}, *words, {})):
        choice = {"index": 0, "delta": delta, "finish_reason": None if delta else reason}
        chunk = {**made, "object": "chat.completion.chunk", "choices": [choice], **({} if number else more)}
        yield f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n"
    yield "data: [DONE]\n\n"
