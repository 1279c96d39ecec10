"""How a product of the made-up sample is known wherever it goes: by its uid."""

from __future__ import annotations

import re

PREFIX = "MADEUP"
"""What uids of the sample begin with: they are what is left of it in whatever form it is passed on."""

_UID = re.compile(rf"{PREFIX}[0-9]{{5,}}")


def is_made_up(uid: object) -> bool:
    """Whether a uid is one of the sample: `MADEUP00042`."""
    return isinstance(uid, str) and _UID.fullmatch(uid) is not None
