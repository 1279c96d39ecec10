"""What the quickstart has freed does not stay with it while AutoTrain trains beside it."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from amazon_titles.quickstart import story

PIECES, BYTES = 3000, 64 * 1024  # each too small for a mapping of its own


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries give it back by themselves")
def test_freed_memory_goes_back_to_the_system():
    held = [bytearray(BYTES) for _ in range(PIECES)]
    before = resident()
    del held[:-1]  # the last one keeps the heap from shrinking by itself
    story._release_memory()
    assert before - resident() > PIECES * BYTES / 2


def test_another_c_library_is_no_error(monkeypatch):
    monkeypatch.setattr(story.ctypes, "CDLL", lambda name: object())
    story._release_memory()


def resident() -> int:
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
