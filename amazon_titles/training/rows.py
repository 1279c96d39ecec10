"""Rendered text becomes token ids, and each token learns whether it belongs to an answer.

The ids are those that AutoTrain would train on: the base's tokenizer reads the whole text of a row, its own BOS rule
included, and one end-of-turn is appended. So what is trained on and what inference sends agree to the token, with both
engines. Special tokens in the text can only be the template's, because whoever renders breaks all others.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from amazon_titles.errors import InputError
from amazon_titles.io import is_local, local_folder, shards
from amazon_titles.progress import bar
from amazon_titles.recipes import Recipe
from amazon_titles.recipes.corpus import open_split
from amazon_titles.templates import ChatTemplate

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

Ids = npt.NDArray[np.int32]
Flags = npt.NDArray[np.bool_]
_BATCH = 1000  # rows tokenised at once


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of a split as token ids, one after the other; the files stay on disk.

    Attributes:
        ids: Every row's ids, concatenated, shape (tokens,).
        answers: Whether a token is an answer's, its end-of-turn included; the same shape.
        ends: Where each row ends in both, shape (rows,).
        cut: Rows that were longer than allowed and lost their end.
    """

    ids: Ids
    answers: Flags
    ends: npt.NDArray[np.int64]
    cut: int

    @classmethod
    def open(cls, stem: Path) -> Rows:
        """Maps the files that `write` left."""
        index = np.fromfile(f"{stem}.index", np.int64)
        if len(index) == 1:  # an empty file cannot be mapped
            return cls(np.zeros(0, np.int32), np.zeros(0, np.bool_), index[1:], int(index[0]))
        mapped = np.memmap(f"{stem}.ids", np.int32, "r"), np.memmap(f"{stem}.answers", np.bool_, "r")
        return cls(*mapped, index[1:], int(index[0]))

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Tokens of each row."""
        return np.diff(self.ends, prepend=0)

    @property
    def answer_lengths(self) -> npt.NDArray[np.int64]:
        """Answer tokens of each row."""
        return np.diff(np.cumsum(self.answers)[self.ends - 1], prepend=0)

    def row(self, number: int) -> tuple[Ids, Flags]:
        """The ids of a row and which of them are answers."""
        place = slice(int(self.ends[number - 1]) if number else 0, int(self.ends[number]))
        return self.ids[place], self.answers[place]


def write(
    files: Sequence[Path], column: str, tokenizer: Tokenizer, template: ChatTemplate, stem: Path, *, longest: int
) -> Rows:
    """Tokenises Parquet files into `STEM.ids`, `STEM.answers` and their index, a batch of rows at a time.

    Args:
        files: The Parquet files of one split of a `text-…` config.
        column: Holds the rendered text.
        tokenizer: The base's.
        template: That the text was rendered with.
        stem: Path and beginning of the files' names.
        longest: Tokens that a row may have; what is longer loses its end.

    Raises:
        InputError: The tokenizer does not know the template's end-of-turn, or doubles BOS.
    """
    end = tokenizer.token_to_id(template.end)
    if end is None:
        raise InputError(
            f"The text is rendered with {template.end} at the end of a turn, which the base's tokenizer does not know.",
            hint="Train on the config rendered for the base's family, such as text-llama3:train.",
        )
    from pyarrow.dataset import dataset

    ends, cut = [0], 0
    with Path(f"{stem}.ids").open("wb") as ids, Path(f"{stem}.answers").open("wb") as answers:
        for texts in _batches(dataset(list(map(str, files))), column, "tokenizing"):
            for text, encoding in zip(texts, tokenizer.encode_batch(texts), strict=True):
                row, flags = tokens_of(text, encoding, template, end)
                cut += len(row) > longest
                ids.write(row[:longest].tobytes())  # numpy's own `tofile` and `save` do not tell of a full disk
                answers.write(flags[:longest].tobytes())
                ends.append(ends[-1] + min(len(row), longest))
    Path(f"{stem}.index").write_bytes(np.asarray([cut, *ends[1:]], np.int64).tobytes())
    return Rows.open(stem)


class Counted(NamedTuple):
    """The rows of a split, its tokens (BOS and end-of-turn included), and those of all epochs; None if not known."""

    rows: int | None = None
    tokens_an_epoch: int | None = None
    tokens: int | None = None


def count_tokens(recipe: Recipe, data: str, model: Path) -> Counted:
    """Counts what a recipe trains on; nothing where dataset or model is no local folder, or cannot be read.

    Args:
        recipe: Names config, split, column and epochs.
        data: The dataset's folder or Hub id.
        model: A folder with a `tokenizer.json`.
    """
    if not is_local(data) or not (model / "tokenizer.json").is_file():
        return Counted()
    try:
        from tokenizers import Tokenizer

        encode = Tokenizer.from_file(str(model / "tokenizer.json")).encode_batch_fast
        rows = open_split(data, recipe.dataset_config, recipe.split)
        batches = _batches(rows, recipe.text_column, "counting tokens")
        lengths = [len(row.ids) + 1 for texts in batches for row in encode(texts)]
    except Exception:  # the trainer meets the same file, and says what is wrong with it
        return Counted()
    return Counted(len(lengths), sum(lengths), sum(lengths) * recipe.params.epochs)


def _batches(rows: Any, column: str, doing: str) -> Iterator[list[str]]:  # noqa: ANN401 - pyarrow has no types
    """The texts of a `pyarrow.dataset.Dataset`, with a bar of the rows that have been dealt with."""
    with bar(doing, unit="rows", announce=False) as advance:
        for batch in rows.to_batches(columns=[column], batch_size=_BATCH, batch_readahead=1, fragment_readahead=1):
            yield batch.column(0).to_pylist()
            advance(len(batch))


def tokens_of(text: str, encoding: Encoding, template: ChatTemplate, end: int) -> tuple[Ids, Flags]:
    """The ids of a row with its end-of-turn, and which of them the loss is taken on.

    A token is an answer's where it begins in an answer's text or is the end-of-turn behind it; what the prompt holds
    up to the end of the assistant's header is given at inference, and is not learnt.

    Args:
        text: Rendered, without BOS and last end-of-turn.
        encoding: What the tokenizer makes of it, with its own special tokens.
        template: That rendered it.
        end: Id of the template's end-of-turn.
    """
    # Offsets count characters; a token that the tokenizer itself puts in front (BOS) has the offsets (0, 0).
    starts = np.asarray([start for start, _ in encoding.offsets], np.int64)
    flags = np.zeros(len(starts) + 1, np.bool_)
    for first, last in answer_spans(text, template):
        flags[:-1] |= (starts >= first) & (starts < last)
        flags[-1] |= last == len(text)
    return np.asarray([*encoding.ids, end], np.int32), flags


def answer_spans(text: str, template: ChatTemplate) -> list[tuple[int, int]]:
    """Where the assistant's turns stand in a rendered text, in characters: from behind the header to behind its end."""
    header, spans, at = template.header.format(role="assistant"), [], 0
    while (found := text.find(header, at)) >= 0:
        first = found + len(header)
        last = text.find(template.end, first)
        at = len(text) if last < 0 else last + len(template.end)
        spans.append((first, at))
    return spans


def dataset_files(data: str, config: str, split: str) -> tuple[list[Path], str | None]:
    """The Parquet files of a split, fetched from the Hub where `data` is no folder; and the revision they are of.

    Raises:
        InputError: There are none.
    """
    wanted = ["report.json", f"{config}/{split}-*.parquet"]
    folder = local_folder(data, repo_type="dataset", allow_patterns=wanted)
    files = shards(folder, config, split)
    if not files:
        raise InputError(
            f"The dataset {data} has no split {split!r} in {config}.",
            hint="See what it has: amazon-titles check RECIPE",
        )
    return files, None if is_local(data) else folder.name
