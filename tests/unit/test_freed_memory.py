"""What a measurement of the training's speed frees does not stay with the process that goes on after it."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from amazon_titles import processes

MIB = 1 << 20
glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries give it back by themselves")


@glibc
def test_freed_memory_is_kept_inside_and_goes_back_to_the_system_at_the_end():
    start = resident()
    with processes.freed_memory_kept():
        hold_and_free()
        assert resident() - start > 150 * MIB
    assert resident() - start < 50 * MIB


@glibc
def test_afterwards_freed_memory_goes_back_as_ever():
    with processes.freed_memory_kept():
        pass
    start = resident()
    hold_and_free()
    assert resident() - start < 50 * MIB


def test_another_c_library_is_no_error(monkeypatch):
    monkeypatch.setattr(processes.ctypes, "CDLL", lambda name: object())
    with processes.freed_memory_kept():
        pass


def hold_and_free():
    held = [bytearray(b"x" * MIB) for _ in range(200)]
    del held


def resident():
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
