"""Whose catalogue it is, by its first rows: trn.json's, the made-up sample's, or anybody else's."""

from __future__ import annotations

import re
from dataclasses import dataclass

from amazon_titles.io import read_object
from amazon_titles.made_up import is_made_up

FIRST_ROWS = 100
"""So many rows decide, at most: what a catalogue is called must not depend on how it is read."""

_TRN_FIELDS = {"uid", "title", "content", "target_ind", "target_rel"}
_ASIN = re.compile(r"[0-9A-Z]{10}")


@dataclass(frozen=True, slots=True)
class Origin:
    """What a catalogue is.

    Attributes:
        amazon: It is trn.json: every row has its five fields, and an ASIN of ten characters as its uid.
        made_up: A row of the sample stands in it.
        number: The first uid that is a number, as far as leading zeros went; None where all are text.
    """

    amazon: bool
    made_up: bool
    number: int | None = None


def origin_of(data: bytes, *, uid: str = "uid", archive: bool = False) -> Origin:
    """Tells it from the beginning of a catalogue; lines that hold no JSON object decide nothing.

    Args:
        data: Whole lines.
        uid: The catalogue's name of the field.
        archive: Whether they stand in the archive that trn.json was published in.
    """
    rows = [row for line in data.split(b"\n", FIRST_ROWS)[:FIRST_ROWS] if (row := read_object(line))]
    uids = [row.get(uid) for row in rows]
    asins = all(isinstance(one, str) and _ASIN.fullmatch(one) for one in uids)
    trn = bool(rows) and asins and all(row.keys() >= _TRN_FIELDS for row in rows)
    made_up = any(map(is_made_up, uids))
    number = next((one for one in uids if isinstance(one, int) and not isinstance(one, bool)), None)
    return Origin(amazon=(archive or trn) and not made_up, made_up=made_up, number=number)
