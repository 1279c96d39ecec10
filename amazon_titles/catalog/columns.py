"""Which columns of a catalogue are a product's uid, title and content: as given, or guessed where names are usual."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import combinations
from typing import Any

import msgspec

from amazon_titles.errors import InputError
from amazon_titles.io import read_object

FIELDS = ("uid", "title", "content")
"""What every product has; `--field` names them in another catalogue."""

GUESSES = {
    "uid": "uid id sku asin parent_asin codigo product_id item_id codigo_produto cod_produto",
    "title": "title name product_name titulo nome nome_produto product_title nome_do_produto",
    "content": "content description descricao text product_description descricao_produto texto",
}
"""Usual names, the likeliest first; case, accents, and blanks around and between words make no difference."""

_SHOWN = 30  # names in a sentence


def text_of(value: object) -> str:
    """A field's value as text: null and NaN are empty, the texts of a list are joined, and an object's names told."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return " ".join(filter(None, map(text_of, value)))
    if isinstance(value, dict):
        return "\n".join(f"{name}: {text}" for name, one in value.items() if (text := text_of(one)))
    return "" if value is None or value != value else str(value)


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns that are a product's fields.

    Attributes:
        of: The columns by our name of a field; without any of `uid`, ids are made.
        plain: Each is one column of the row itself: lines can be read as they are.
        guessed: Some of them were not told.
    """

    of: Mapping[str, tuple[str, ...]]
    plain: bool
    guessed: bool

    @property
    def recorded(self) -> dict[str, Any]:
        """The fields that have another name, as reports have them."""
        others = {field: names for field, names in self.of.items() if names != (field,)}
        return {field: names[0] if len(names) == 1 else list(names) for field, names in others.items()}

    def told(self) -> str:
        """What was guessed, in one line."""
        found = [f"{field} is {_quoted(names)}" for field, names in self.of.items() if names]
        made = "; ids are made from the title, and from the content too where a title repeats"
        return f"Fields: {', '.join(found)}{'' if self.of['uid'] else made}."

    def rewritten(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        """Blocks of lines with `uid`, `title` and `content`, line for line; what is no object stays as it is."""
        seen = set[str]()
        for block in blocks:
            yield b"\n".join(self._line(line, seen) for line in block.split(b"\n"))

    def _line(self, line: bytes, seen: set[str]) -> bytes:
        row = read_object(line)
        if not row:
            return line
        made: dict[str, Any] = {field: self.value(row, field) for field in FIELDS}
        if not self.of["uid"]:
            made["uid"] = _hash(made["title"])
            if made["uid"] in seen:
                made["uid"] = _hash(f"{made['title']}\n{made['content']}")
            seen.add(made["uid"])
        if "target_ind" in row:
            made["target_ind"] = row["target_ind"]
        try:
            return msgspec.json.encode(made)
        except UnicodeEncodeError:  # half a character
            return line

    def value(self, row: Mapping[str, Any], field: str) -> Any:  # noqa: ANN401 - whatever JSON holds
        """A field of a row: as text, but a uid as it is."""
        names = self.of[field]
        if field == "uid":
            return _found(row, names[0]) if names else None
        if len(names) == 1:
            return text_of(_found(row, names[0]))
        values = [(name.rpartition(".")[2], text_of(_found(row, name))) for name in names]
        return "\n".join(f"{name}: {value}" for name, value in values if value)


def find_columns(rows: Sequence[Mapping[str, Any]], given: Mapping[str, str | Sequence[str]], name: str) -> Columns:
    """Finds the columns in a catalogue's first rows.

    Args:
        rows: The first rows; without any, there is nothing to find.
        given: Columns by our name of a field, one or several.
        name: Of the source, for sentences.

    Raises:
        InputError: A column that was given is not there, two fields have the same, or none is usual for a title or a
            description.
    """
    if unknown := sorted(set(given) - set(FIELDS)):
        said = f"There is no field {unknown[0]!r} to map."
        raise InputError(said, hint=f"Expected --field NAME=YOURS with NAME of: {', '.join(FIELDS)}.")
    asked = {field: (names,) if isinstance(names, str) else tuple(names) for field, names in given.items()}
    if not rows:
        return Columns({field: (field,) for field in FIELDS}, plain=True, guessed=False)
    _require_rows(rows, name)
    names = list(dict.fromkeys(path for row in rows for path in _paths(row)))
    of = {field: tuple(_one(column, names, name) for column in columns) for field, columns in asked.items()}
    for (one, its), (other, others) in combinations(of.items(), 2):
        if both := set(its).intersection(others):
            said = f"{one} and {other} are both said to be {min(both)!r}."
            raise InputError(said, hint="Name another field for one of them.")
    free = [one for one in names if not any(one in columns for columns in of.values())]
    of = {field: of.get(field) or _guess(field, free) for field in FIELDS}
    if missing := [field for field in ("title", "content") if not of[field]]:
        raise InputError(
            f"{name} has the fields {_quoted(names)}, and none that is usual for {' and '.join(missing)}.",
            hint=f"Name {'it' if len(missing) == 1 else 'them'}: {' '.join(f'--field {one}=NAME' for one in missing)}",
        )
    plain = all(len(columns) == 1 and any(columns[0] in row for row in rows) for columns in of.values())
    return Columns(of, plain=plain, guessed=of != {field: asked.get(field, (field,)) for field in FIELDS})


def _require_rows(rows: Sequence[Mapping[str, Any]], name: str) -> None:
    """Refuses one object that holds all products within, instead of being one."""
    first = rows[0]
    if len(rows) > 1 or any(isinstance(value, str) for value in first.values()):
        return
    for key, value in first.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            said = f"{name} is one object, with the products in {_quoted([key])}."
            raise InputError(said, hint=f"Write that list alone: jq .{key} FILE")
    if all(isinstance(value, dict) for value in first.values()):
        said = f"{name} holds a column after the other, not a product after the other."
        raise InputError(said, hint='In pandas: to_json(…, orient="records", lines=True)')


def _guess(field: str, names: Sequence[str]) -> tuple[str, ...]:
    folded = {_folded(one): one for one in reversed(names)}
    return next(((folded[usual],) for usual in GUESSES[field].split() if usual in folded), ())


def _one(column: str, names: Sequence[str], source: str) -> str:
    """The name that was meant: as it is written, or else with other case, accents and blanks."""
    if column in names:
        return column
    alike = [one for one in names if _folded(one) == _folded(column)]
    if len(alike) != 1:
        said = f"{source} has no field {column!r}, but {_quoted(names)}."
        raise InputError(said, hint="Name one of them: --field title=NAME")
    return alike[0]


def _folded(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().casefold()
    return "_".join(plain.replace("-", " ").replace("_", " ").split())


def _paths(row: Mapping[str, Any], before: str = "") -> Iterator[str]:
    """The names in a row, those of nested objects with dots."""
    for name, value in row.items():
        yield before + name
        if isinstance(value, dict) and before.count(".") < 3:
            yield from _paths(value, f"{before}{name}.")


def _found(row: Mapping[str, Any], path: str) -> Any:  # noqa: ANN401 - whatever JSON holds
    if path in row:
        return row[path]
    name, dot, rest = path.partition(".")
    inner = row.get(name)
    return _found(inner, rest) if dot and isinstance(inner, dict) else None


def _quoted(names: Sequence[str]) -> str:
    shown = ", ".join(f'"{name}"' for name in names[:_SHOWN])
    return shown + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


def _hash(text: str) -> str:
    return blake2b(text.strip().encode(errors="replace"), digest_size=6).hexdigest()
