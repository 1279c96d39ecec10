"""Where the tests find AutoTrain: this environment, the one that is named, or the one that `make` built."""

from __future__ import annotations

import importlib.metadata
import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def autotrain_env() -> str:
    """The environment's folder; skips the test where there is none."""
    if any(True for _ in importlib.metadata.distributions(name="autotrain-advanced")):
        return sys.prefix
    named = os.environ.get("AMAZON_TITLES_OTHER_PYTHON")
    folder = Path(named).parent.parent if named else ROOT / ".venv-autotrain"
    if not (folder / "bin" / "python").exists():
        pytest.skip("AutoTrain is not installed: `make` builds .venv-autotrain, or name AMAZON_TITLES_OTHER_PYTHON.")
    return str(folder)
