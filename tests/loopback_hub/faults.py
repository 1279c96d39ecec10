"""Faults on demand: an error status, a cut connection, a slow answer, an answer that is lost after the work is done."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Fault:
    """Strikes requests whose `METHOD path` matches, `times` times.

    Attributes:
        pattern: Searched in `"POST /api/…"`.
        status: Answers with this status in place of doing the work.
        cut_body_after: Reads this many bytes of the request's body, then cuts the connection.
        cut_answer_after: Does the work, sends this many bytes of the answer's body, then cuts (0: not even a status).
        delay: Seconds to wait before the work.
        retry_after: Seconds, as the answer's `Retry-After`.
        message: The body's `error`.
        skip: How many matching requests pass untouched first.
        first: Called before the work: somebody else's deed at the worst moment.
    """

    pattern: str
    status: int | None = None
    cut_body_after: int | None = None
    cut_answer_after: int | None = None
    delay: float = 0.0
    retry_after: int | None = None
    message: str = "a fault on demand"
    times: int = 1
    skip: int = 0
    first: Callable[[], object] | None = None


@dataclass(slots=True)
class Faults:
    """The faults that wait for their request."""

    waiting: list[Fault] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, fault: Fault) -> Fault:
        with self.lock:
            self.waiting.append(fault)
        return fault

    def clear(self) -> None:
        with self.lock:
            self.waiting.clear()

    def strike(self, method: str, path: str) -> Fault | None:
        """The fault that this request meets, used up by one."""
        with self.lock:
            for fault in self.waiting:
                if fault.times > 0 and re.search(fault.pattern, f"{method} {path}"):
                    if fault.skip > 0:
                        fault.skip -= 1
                        continue
                    fault.times -= 1
                    return fault
        return None
