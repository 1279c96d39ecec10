"""What a measurement of the training's speed frees does not stay with the process that goes on after it."""

from __future__ import annotations

import json
import platform
import subprocess
import sys

import pytest

from amazon_titles import processes

# In a process of its own, where nobody else holds and frees: MiB more than at the start, inside, at the end, and after.
SCRIPT = """
from pathlib import Path
from amazon_titles.processes import freed_memory_kept

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) // 256

def hold_and_free():
    held = [bytearray(b"x" * (1 << 20)) for _ in range(200)]
    del held

start = resident()
with freed_memory_kept():
    hold_and_free()
    inside = resident()
end = resident()
hold_and_free()
print([inside - start, end - start, resident() - start])
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries give it back by themselves")
def test_freed_memory_is_kept_inside_and_goes_back_to_the_system_at_the_end_and_after():
    said = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True).stdout
    inside, end, after = json.loads(said)
    assert inside > 150
    assert max(end, after) < 50


def test_another_c_library_is_no_error(monkeypatch):
    monkeypatch.setattr(processes.ctypes, "CDLL", lambda name: object())
    with processes.freed_memory_kept():
        pass
