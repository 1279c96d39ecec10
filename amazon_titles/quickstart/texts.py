"""The commands that follow a quickstart."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

REAL_THING = Path(__file__).with_name("real_thing.txt")
"""The commands for the real trn.json."""


def next_steps(folder: Path) -> str:
    """The commands that go on from a quickstart in `folder`, then those for the real trn.json, as they work here."""
    program = shlex.quote(sys.argv[0]) if Path(sys.argv[0]).stem == "amazon-titles" else "amazon-titles"
    here = Path(__file__).with_name("here.txt").read_text(encoding="utf-8").format(folder=shlex.quote(str(folder)))
    return re.sub(r"(?m)^  amazon-titles", lambda _: f"  {program}", here + REAL_THING.read_text(encoding="utf-8"))
