"""Asks a model the questions of the sets, greedily, and scores the answers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Protocol

from amazon_titles import __version__
from amazon_titles.errors import InputError
from amazon_titles.evaluation.baselines import measure_baselines
from amazon_titles.evaluation.measures import VERSION, Outcome, score
from amazon_titles.evaluation.report import EvalReport, Example
from amazon_titles.evaluation.resume import resumed
from amazon_titles.evaluation.sets import SETS, Question, questions
from amazon_titles.progress import bar
from amazon_titles.templates import Message


class Generator(Protocol):
    """What can be evaluated: `CatalogModel` is one.

    One that besides has `generate_full` (the same, with `text`, `finished` and `tokens` an answer) is measured by
    whether it ends its answers, one that has `generate_each` (the same as the answers come) is given all questions at
    once, and one that has `answer_losses` (conversations that end with the right answer → the
    sum of its negative log-likelihood in nats, and its tokens) by its loss. Without them those measures are
    absent.
    """

    name: str

    def generate(
        self, conversations: Sequence[Sequence[Message]], *, max_new_tokens: int = 256, batch_size: int = 16
    ) -> list[str]:
        """One greedy answer a conversation, in their order."""


def evaluate_model(
    model: Generator, dataset: str | Path, *, sets: Sequence[str] = tuple(SETS), limit: int | None = None,
    batch_size: int = 16, max_new_tokens: int = 256, out: str | Path | None = None, weights: str = "",
    losses: bool = True,
) -> EvalReport:  # fmt: skip
    """Asks a model the questions of named sets, greedily, and scores the answers.

    Args:
        model: Anything that generates.
        dataset: A dataset folder.
        sets: Of `SETS`.
        limit: At most this many products a set.
        batch_size: Questions at a time.
        max_new_tokens: Longest answer, in tokens.
        out: The report is written there, its examples beside it; until then every answer is kept in a file beside it,
            and the same call goes on where an interrupted one stopped.
        weights: Hash of the model's weights (`weights_of`), so that a journal of others is refused.
        losses: Whether the loss of the right answers is measured, too, where the model can.

    Raises:
        InputError: An unknown set, no dataset folder, no place for the report, or a journal of another evaluation.
    """
    if unknown := [name for name in sets if name not in SETS]:
        raise InputError(f"No set {unknown[0]!r}.", hint=f"Choose of: {', '.join(SETS)}.")
    if not sets:
        raise InputError("No set was given.", hint=f"Choose of: {', '.join(SETS)}.")
    asked = questions(dataset, [name for name in SETS if name in sets], limit=limit)
    settings = {"limit": limit, "max_new_tokens": max_new_tokens}
    fingerprint = hashlib.sha256((Path(dataset) / "report.json").read_bytes()).hexdigest()
    # What is sent: the chat template, where the model tells it, and every message with its right answer.
    template = getattr(getattr(model, "template", None), "jinja", "")
    prompts = _hash([template, *((q.set, q.uid, q.text, q.reference) for q in asked)])
    about = {
        "model": model.name, "weights": weights, "dataset": fingerprint, "settings": settings, "questions": prompts,
        "version": VERSION, "losses": losses,
    }  # fmt: skip
    # Like lengths go together, so that little is padded; the longest come first, where memory could run out.
    order = sorted(range(len(asked)), key=lambda n: -len(asked[n].text))
    with resumed(out, about) as (outcomes, add):
        left = [asked[n] for n in order[len(outcomes) :]]
        with bar(f"asking {model.name}", len(asked), unit="questions", done=len(outcomes)) as advance:
            for outcome in _ask(model, left, losses, max_new_tokens=max_new_tokens, batch_size=batch_size):
                add(outcome)
                advance()
        done = dict(zip(order, outcomes, strict=True))
        yardsticks, refused = measure_baselines(asked, dataset)
        examples = [_example(question, done[n], refused[n]) for n, question in enumerate(asked)]
        made_with = _made_with(model, weights)
        report = EvalReport(model.name, fingerprint, settings, examples, prompts, VERSION, made_with, yardsticks)
        if out is not None:
            report.save(out)
    return report


def _hash(value: Any) -> str:  # noqa: ANN401 - whatever JSON holds
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()


def weights_of(model: str | Path) -> str:
    """A hash of what a model's folder answers with: an adapter's weights, or a base's by name, size and time.

    "" for a Hub id.
    """
    adapter = Path(model) / "adapter_model.safetensors"
    if adapter.is_file():
        return hashlib.sha256(adapter.read_bytes()).hexdigest()
    files = [(file.name, file.stat()) for file in sorted(Path(model).glob("*.safetensors"))]
    return _hash([(name, stat.st_size, stat.st_mtime_ns) for name, stat in files]) if files else ""


def _ask(model: Any, asked: Sequence[Question], losses: bool, **limits: int) -> Iterator[Outcome]:  # noqa: ANN401
    """What a generator, maybe one that tells more, does with each question."""
    if hasattr(model, "generate_each"):  # a server takes the next question when another one is answered
        turns = [[{"role": "user", "content": question.text}] for question in asked]
        yield from (Outcome(*said) for said in model.generate_each(turns, max_new_tokens=limits["max_new_tokens"]))
        return
    for start in range(0, len(asked), limits["batch_size"]):
        batch = asked[start : start + limits["batch_size"]]
        turns = [[{"role": "user", "content": question.text}] for question in batch]
        if hasattr(model, "generate_full"):
            told = model.generate_full(turns, **limits)
        else:
            told = map(Outcome, model.generate(turns, **limits))
        nlls = [(None, 0)] * len(batch)
        if losses and hasattr(model, "answer_losses"):
            right = ({"role": "assistant", "content": question.reference} for question in batch)
            nlls = model.answer_losses([[*turn, answer] for turn, answer in zip(turns, right, strict=True)])
        for said, nll in zip(told, nlls, strict=True):
            yield Outcome(said.text, said.finished, said.tokens, *nll)


def _example(question: Question, outcome: Outcome, index_refused: bool) -> Example:
    scores = score(question, outcome) | {"index_refused": float(index_refused)}
    return Example(
        question.set, question.uid, question.text, question.reference, outcome.text, scores, question.kind,
        outcome.tokens, outcome.nll_tokens,
    )  # fmt: skip


def _made_with(model: Generator, weights: str) -> dict[str, str]:
    found = {"amazon_titles": __version__, "weights": weights}
    found |= {name: str(getattr(model, name, "") or "") for name in ("device", "server")}
    # A server's answers are not made with what is installed here.
    answering = () if found["server"] else ("torch", "transformers", "peft")
    for package in (*answering, "rouge-score", "sacrebleu"):
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return {name: value for name, value in found.items() if value}
