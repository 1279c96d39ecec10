"""Work on several cores whose results come back in order, with bounded work in flight and no orphans."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from amazon_titles.errors import AmazonTitlesError

Task = TypeVar("Task")
Result = TypeVar("Result")

# Of a worker process, which makes it once.
_work: Callable[[Any], Any]


def _start(make: Callable[[], Callable[[Any], Any]]) -> None:
    global _work
    # Ctrl-C reaches the whole group; the parent alone decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    gc.disable()
    _work = make()


def _end_with_parent() -> None:
    # A killed parent says no goodbye, and a worker would wait for work for ever.
    if parent := multiprocessing.parent_process():
        parent.join()
    os._exit(1)


def _start_workers(pool: ProcessPoolExecutor) -> None:
    if hasattr(signal, "pthread_sigmask"):  # not on Windows
        # Of this thread, and so of the workers, before they can ignore it.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    pool.submit(int)  # the first task starts them


def _run(task: Any) -> Any:  # noqa: ANN401 - what `_work` takes and gives
    return _work(task)


def ordered(make: Callable[[], Callable[[Task], Result]], tasks: Iterable[Task], *, workers: int) -> Iterator[Result]:
    """Yields the result of every task, in the order of the tasks.

    Args:
        make: Gives what does a task; called once in every worker. Under Linux it is forked, elsewhere pickled.
        tasks: Read as workers become free: three tasks a worker are in flight at most.
        workers: Processes; 1 works in this one.

    Raises:
        AmazonTitlesError: A worker was killed, probably out of memory.
    """
    if workers <= 1:
        # Rows by the ten thousand and no cycle among them: looking for some costs a third of the time.
        gc.disable()
        try:
            yield from map(make(), tasks)
        finally:
            gc.enable()
        return
    # Forked where that is the custom: no script needs a guard around `build_dataset`.
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    pool = ProcessPoolExecutor(workers, context, _start, (make,))
    waiting: deque[Future[Result]] = deque()
    try:
        # Not from this thread, which Ctrl-C may interrupt: between the start of two workers that leaves some that wait
        # for work, and a parent that waits for them at its exit.
        starter = threading.Thread(target=_start_workers, args=(pool,))
        starter.start()
        starter.join()
        for task in tasks:
            waiting.append(pool.submit(_run, task))
            if len(waiting) >= 3 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool as error:
        raise AmazonTitlesError("A worker was killed, probably out of memory.", hint="Try --workers 1") from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
