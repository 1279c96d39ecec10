"""One question, two answers: the model before the fine-tuning and after it, token by token and side by side."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

from amazon_titles.catalog import Product
from amazon_titles.errors import InputError
from amazon_titles.model import Answer, CatalogModel, loading
from amazon_titles.model.finding import require_model
from amazon_titles.model.loading import is_address
from amazon_titles.model.served import ServedModel
from amazon_titles.processes import COMPUTING

MAX_QUESTION_CHARS = 1000
"""Longest question: a title has at most 200 characters, and a page is open to everybody who reaches it."""

# Records looked up: the sources of an answer, and those that fit as well.
_RECORDS = 10

# Seconds between two states of a page: more often than this nobody reads.
_PACE = 0.05


@dataclass(frozen=True, slots=True)
class Side:
    """What one model has said so far.

    Attributes:
        words: Its own words.
        answer: What is answered with them; None while it writes.
    """

    words: str = ""
    answer: Answer | None = None

    def with_next(self, said: str | Answer | None) -> Side:
        """The side after the model's next words, or its answer; the same where it says nothing more."""
        return Side(self.words, said) if isinstance(said, Answer) else Side(self.words + (said or ""), self.answer)


@dataclass(frozen=True, slots=True)
class Turn:
    """The state of a question and its two answers.

    Attributes:
        after: The fine-tuned model's.
        before: The base model's; None where there is none.
        records: The records that fit the question, by uid; none where no product fits.
        names_product: Whether the question names a product at all, be it one that does not exist.
        seconds: Since the question was asked.
    """

    after: Side
    before: Side | None
    records: dict[str, Product]
    names_product: bool = True
    seconds: float = 0.0

    @property
    def done(self) -> bool:
        """Whether both have ended."""
        return all(side is None or side.answer is not None for side in (self.before, self.after))


class Pair:
    """A model after its fine-tuning and, with the adapter switched off, before it: one set of weights in memory.

    Attributes:
        after: The fine-tuned model, or a whole model alone.
        before: Its base; None where `after` is no adapter.
        catalogue: That both answer about.
        place: Folder or Hub id of `after`.

    Args:
        model: Loaded with a catalogue.
        place: Where it was loaded from; by default its name.
        before: The model before the fine-tuning; by default the adapter's base.

    Raises:
        InputError: It came without a catalogue.
    """

    def __init__(self, model: CatalogModel, *, place: str | None = None, before: CatalogModel | None = None) -> None:
        if model.catalogue is None:
            raise _without_dataset(model.name)
        self.after, self.before, self.catalogue = model, before or model.without_adapter(), model.catalogue
        self.place = place or model.name

    @classmethod
    def load(
        cls, model: str | Path, *, dataset: str | Path | None = None, model_name: str | None = None,
        before: str | None = None,
    ) -> Pair:  # fmt: skip
        """Loads a folder's or a Hub id's model and its catalogue; see `CatalogModel.from_pretrained`.

        Args:
            model: Folder, Hub id, or address of a server.
            dataset: That it answers about; by default the one that the model names.
            model_name: Of the model on the server.
            before: Name of the model before the fine-tuning, on the same server.

        Raises:
            InputError: It names no dataset, which is found out before gigabytes are loaded; or as there.
        """
        if dataset is None and not is_address(model):
            require_model(model)
            dataset = loading.dataset_of(model, revision=None, token=None)
            if dataset is None:
                raise _without_dataset(Path(model).name)
        if before and not is_address(model):
            raise InputError("An adapter's base is in it; --before names a model of a server.", hint="Leave it out.")
        os.environ.setdefault("GOMP_SPINCOUNT", COMPUTING["GOMP_SPINCOUNT"])  # read when torch is loaded
        after = CatalogModel.from_pretrained(model, dataset=dataset, name=model_name)
        base = CatalogModel(ServedModel(str(model), name=before), after.catalogue) if before else None
        return cls(after, place=str(model), before=base)

    def turns(self, question: str, *, closed_book: bool, language: str = "en") -> Iterator[Turn]:
        """Yields the state as both answers grow, a token of each in turn, and at the end the whole.

        Args:
            question: Free text.
            closed_book: Answer from what the training taught, without the records in the prompt. Both models are asked
                even where no product fits: what they make of a product that does not exist is shown as it comes.
            language: Of our own words where the question has none.

        Raises:
            InputError: The question is empty.
        """
        started, index = time.monotonic(), self.catalogue.index
        records = {hit.product.uid: hit.product for hit in index.search(question, _RECORDS)}
        turn = Turn(Side(), Side() if self.before else None, records, bool(records) or index.names_product(question))
        yield turn
        options: dict[str, Any] = {"closed_book": closed_book, "default_language": language, "always": True}
        after = self.after.stream(question, **options)
        before = self.before.stream(question, **options) if self.before else ()
        shown = time.monotonic()
        for said_before, said_after in zip_longest(before, after):
            left = turn.before and turn.before.with_next(said_before)
            seconds = time.monotonic() - started
            turn = replace(turn, before=left, after=turn.after.with_next(said_after), seconds=seconds)
            if time.monotonic() - shown >= _PACE:
                yield turn
                shown = time.monotonic()
        yield turn


def _without_dataset(name: str) -> InputError:
    return InputError(f"{name} names no dataset to take sources from.", hint="Name it: --dataset DIR")
