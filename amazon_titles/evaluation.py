"""Measures a model on named sets, before and after a training, with the same code and the same prompts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from amazon_titles.conversations import is_abstention
from amazon_titles.dataset import read_catalog, read_messages
from amazon_titles.errors import InputError
from amazon_titles.metrics import bootstrap_interval, fact_recall, mean, rouge_l
from amazon_titles.progress import bar
from amazon_titles.templates import Message

SETS = {
    "seen": ("train", "recall", "products that the model was trained on"),
    "unseen": ("test", "recall", "products that it never saw"),
    "invented": ("test", "abstain", "products that do not exist"),
}
"""Each set: the split and the task of the chat rows that it is made from, and what it holds."""

MEASURES = {
    "rouge_l": "ROUGE-L F1",
    "fact_recall": "fact recall",
    "abstained": "said it does not know",
}
"""Every measure with its name for people; all from 0 to 1."""


class Generator(Protocol):
    """What can be evaluated: `CatalogModel` is one."""

    name: str

    def generate(
        self, conversations: Sequence[Sequence[Message]], *, max_new_tokens: int = 256, batch_size: int = 16
    ) -> list[str]:
        """One greedy answer a conversation, in their order."""


@dataclass(frozen=True, slots=True)
class Example:
    """One question with its answer and what the answer is worth.

    Attributes:
        set: Of `SETS`.
        uid: The product that the row was made from.
        question: As sent.
        reference: The row's own answer.
        answer: The model's.
        scores: By measure; a measure that cannot be computed is absent.
    """

    set: str
    uid: str
    question: str
    reference: str
    answer: str
    scores: dict[str, float]


@dataclass(frozen=True, slots=True)
class EvalReport:
    """What a model scored.

    Attributes:
        model: Its name.
        dataset: Hash of the dataset's report: two reports compare only if it is the same.
        settings: Length limit of the answers, limit a set.
        examples: All of them.
    """

    model: str
    dataset: str
    settings: dict[str, Any]
    examples: list[Example]

    def scores(self) -> dict[str, dict[str, Any]]:
        """By set: `n`, the mean of each measure that could be computed, and `intervals`: its 95 % interval."""
        result: dict[str, dict[str, Any]] = {}
        for name in SETS:
            examples = [example for example in self.examples if example.set == name]
            if not examples:
                continue
            values = {measure: [example.scores.get(measure) for example in examples] for measure in MEASURES}
            means = {measure: value for measure in MEASURES if (value := mean(values[measure])) is not None}
            spread = {measure: interval for measure in means if (interval := bootstrap_interval(values[measure]))}
            result[name] = {"n": len(examples), **means, "intervals": spread}
        return result

    def to_json(self) -> str:
        """The report with its scores and every example."""
        return json.dumps({**asdict(self), "scores": self.scores()}, indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def load(cls, path: str | Path) -> EvalReport:
        """Reads a report that `to_json` wrote.

        Raises:
            InputError: No such file, or no report.
        """
        try:
            values = json.loads(Path(path).read_text(encoding="utf-8"))
            examples = [Example(**example) for example in values["examples"]]
            return cls(values["model"], values["dataset"], values["settings"], examples)
        except FileNotFoundError:
            raise InputError(
                f"No report {path}.", hint="Make one: amazon-titles evaluate MODEL --dataset DIR --out FILE"
            ) from None
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{path} is no evaluation report ({error}).", hint="Make one: amazon-titles evaluate"
            ) from None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two reports on the same examples.

    Attributes:
        before: The base model's.
        after: The fine-tuned model's.
    """

    before: EvalReport
    after: EvalReport

    def rows(self) -> list[dict[str, Any]]:
        """`{"set", "n", "measure", "before", "after"}` for each measure that both have.

        With two examples or more, `before_interval` and `after_interval` too: `[low, high]`, 95 %.
        """
        before, after = self.before.scores(), self.after.scores()
        rows = []
        for name, scores in before.items():
            for measure, title in MEASURES.items():
                if measure in scores and measure in after[name]:
                    row = {"set": name, "n": scores["n"], "measure": title}
                    for when, there in (("before", scores), ("after", after[name])):
                        row[when] = there[measure]
                        if measure in there["intervals"]:
                            row[f"{when}_interval"] = there["intervals"][measure]
                    rows.append(row)
        return rows

    def to_markdown(self) -> str:
        """The table of before and after."""
        lines = ["| set | n | measure | before | after | change |", "|---|---:|---|---:|---:|---:|"]
        lines += [
            f"| {row['set']} | {row['n']} | {row['measure']} | {row['before']:.2f} | {row['after']:.2f} "
            f"| {row['after'] - row['before']:+.2f} |"
            for row in self.rows()
        ]
        return "\n".join(lines) + "\n"

    def to_json(self) -> str:
        """The table as JSON, with what it was measured on."""
        value = {
            "before": self.before.model,
            "after": self.after.model,
            "dataset": self.before.dataset,
            "settings": self.before.settings,
            "rows": self.rows(),
        }
        return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def evaluate_model(
    model: Generator,
    dataset: str | Path,
    *,
    sets: Sequence[str] = tuple(SETS),
    limit: int | None = None,
    batch_size: int = 16,
    max_new_tokens: int = 256,
) -> EvalReport:
    """Asks a model the questions of named sets, greedily and closed-book, and scores the answers.

    Args:
        model: Anything that generates.
        dataset: A dataset folder.
        sets: Of `SETS`.
        limit: At most this many products a set.
        batch_size: Questions at a time.
        max_new_tokens: Longest answer, in tokens.

    Raises:
        InputError: An unknown set, or no dataset folder.
    """
    unknown = [name for name in sets if name not in SETS]
    if unknown:
        raise InputError(f"No set {unknown[0]!r}.", hint=f"Choose of: {', '.join(SETS)}.")
    titles = {product.uid: product.title for product in read_catalog(dataset)}
    rows = [(name, row) for name in sets for row in _rows(dataset, name, limit)]
    answers: list[str] = []
    with bar(f"asking {model.name}", total=len(rows)) as advance:
        for start in range(0, len(rows), batch_size):
            batch = [row["messages"][:-1] for _, row in rows[start : start + batch_size]]
            answers += model.generate(batch, max_new_tokens=max_new_tokens, batch_size=batch_size)
            advance(len(batch))
    examples = [
        _example(name, row, answer, titles[row["uid"]]) for (name, row), answer in zip(rows, answers, strict=True)
    ]
    return EvalReport(
        model.name, _fingerprint(Path(dataset)), {"limit": limit, "max_new_tokens": max_new_tokens}, examples
    )


def compare(before: EvalReport, after: EvalReport) -> Comparison:
    """Puts two reports side by side.

    Raises:
        InputError: They were not made on the same dataset, questions and settings.
    """
    if before.dataset != after.dataset:
        raise InputError("The two reports were made on different datasets.", hint="Evaluate both on the same one.")
    if before.settings != after.settings:
        raise InputError(
            f"The two reports have different settings: {before.settings} and {after.settings}.",
            hint="Evaluate both with the same options.",
        )
    asked = [[(example.set, example.uid, example.question) for example in r.examples] for r in (before, after)]
    if asked[0] != asked[1]:
        raise InputError("The two reports hold different questions.", hint="Evaluate both on the same sets.")
    return Comparison(before, after)


def _rows(dataset: str | Path, name: str, limit: int | None) -> list[dict[str, Any]]:
    """The first closed-book row a product, in the dataset's order."""
    split, task, _ = SETS[name]
    first: dict[str, dict[str, Any]] = {}
    for row in read_messages(dataset, split):
        # A row with passages has more than the question in its message.
        if row["task"] == task and "\n" not in row["messages"][0]["content"]:
            first.setdefault(row["uid"], row)
    return list(first.values())[:limit]


def _example(name: str, row: dict[str, Any], answer: str, title: str) -> Example:
    question, reference = (message["content"] for message in row["messages"])
    scores: dict[str, float | None] = {"abstained": float(is_abstention(answer))}
    if name != "invented":
        scores |= {"rouge_l": rouge_l(answer, reference), "fact_recall": fact_recall(answer, reference, title=title)}
    known = {measure: value for measure, value in scores.items() if value is not None}
    return Example(name, row["uid"], question, reference, answer, known)


def _fingerprint(dataset: Path) -> str:
    import hashlib

    return hashlib.sha256((dataset / "report.json").read_bytes()).hexdigest()
