"""Where the tests find the other environment, and AutoTrain: named, or built by `make`; the one place that knows."""

from __future__ import annotations

import importlib.metadata
import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def other_python() -> Path | None:
    """The interpreter that AMAZON_TITLES_OTHER_PYTHON names, else AutoTrain's; None where there is none."""
    named = os.environ.get("AMAZON_TITLES_OTHER_PYTHON")
    path = Path(named) if named else ROOT / ".venv-autotrain" / "bin" / "python"
    return path if path.is_file() else None


def require_other_python() -> Path:
    """The same; skips the test where there is none."""
    if (path := other_python()) is None:
        pytest.skip("no other environment: `make` builds .venv-autotrain, or name AMAZON_TITLES_OTHER_PYTHON.")
    return path


def autotrain_python() -> str:
    """The interpreter with AutoTrain: this one, or the other; skips the test where there is none."""
    if any(True for _ in importlib.metadata.distributions(name="autotrain-advanced")):
        return sys.executable
    return str(require_other_python())


def autotrain_env() -> str:
    """The folder of that environment."""
    return str(Path(autotrain_python()).parent.parent)
