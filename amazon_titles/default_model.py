"""The model that commands take where none is named: the one that a quickstart leaves."""

from __future__ import annotations

from pathlib import Path

from amazon_titles.errors import InputError

DEFAULT_MODEL = "quickstart/adapter"
"""Where `amazon-titles quickstart` leaves its adapter."""


def require_default(model: str | Path) -> None:
    """Refuses the default where no quickstart has been run.

    Raises:
        InputError: `quickstart/adapter` is not there.
    """
    if str(model) == DEFAULT_MODEL and not Path(model).is_dir():
        raise InputError(
            f"There is no model at {DEFAULT_MODEL} yet.",
            hint="Make one: amazon-titles quickstart; or name one: --model DIR|REPO",
        )
