"""`EvalReport`: what one model scored, with every example."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from math import exp
from pathlib import Path
from typing import Any

import msgspec

from amazon_titles.errors import InputError
from amazon_titles.evaluation.measures import MEASURES
from amazon_titles.evaluation.sets import SETS
from amazon_titles.io import to_json, write_whole
from amazon_titles.metrics import bootstrap_interval, mean


@dataclass(frozen=True, slots=True)
class Example:
    """One question with its answer and what the answer is worth.

    Attributes:
        set: Of `SETS`.
        uid: The product that the row was made from.
        question: As sent.
        reference: The right answer.
        answer: The model's.
        scores: By measure; a measure that cannot be computed is absent.
        kind: Of an invented product `near miss` or `made up`; "" elsewhere.
        tokens: Of the answer; None where the model does not tell.
        loss_tokens: Tokens that `scores["loss"]` is the mean of.
    """

    set: str
    uid: str
    question: str
    reference: str
    answer: str
    scores: dict[str, float]
    kind: str = ""
    tokens: int | None = None
    loss_tokens: int = 0


@dataclass(frozen=True, slots=True)
class EvalReport:
    """What a model scored.

    Attributes:
        model: Its name.
        dataset: Hash of the dataset's report: two reports compare only if it is the same.
        settings: Length limit of the answers, limit a set.
        examples: All of them.
        prompts: Hash of all that was sent, chat template included.
        version: Of the measures; a report of the first does not say so.
        made_with: Versions, device, and hash of the weights where they are files.
        yardsticks: The baselines: what answers without any model score: by name, by set, as in `scores()`.
    """

    model: str
    dataset: str
    settings: dict[str, Any]
    examples: list[Example]
    prompts: str = ""
    version: int = 1
    made_with: dict[str, str] = field(default_factory=dict)
    yardsticks: dict[str, dict[str, Any]] = field(default_factory=dict)

    def scores(self) -> dict[str, dict[str, Any]]:
        """By set: `n`, the mean of each measure that could be computed, and `intervals`: its 95 % interval.

        `loss` is the mean over all tokens of the right answers, and `perplexity` its exponential. Where the examples of
        a set are of several kinds, `kinds` holds the same for each.
        """
        result: dict[str, dict[str, Any]] = {}
        for name in SETS:
            if examples := [example for example in self.examples if example.set == name]:
                result[name] = summary(examples)
                if kinds := sorted({example.kind for example in examples} - {""}):
                    result[name]["kinds"] = {kind: summary([e for e in examples if e.kind == kind]) for kind in kinds}
        return result

    def to_markdown(self, *, full: bool = False) -> str:
        """The scores as a table: the headlines of each set, or every measure."""
        rows = ["| set | n | measure | mean | 95 % |", "|---|---:|---|---:|---|"]
        for name, scores in self.scores().items():
            for key in [key for key in MEASURES if key in scores and (full or name in MEASURES[key].sets)]:
                interval = " to ".join(f"{bound:.2f}" for bound in scores["intervals"].get(key, ()))
                rows.append(f"| {name} | {scores['n']} | {MEASURES[key].title} | {scores[key]:.2f} | {interval} |")
        return "\n".join(rows) + "\n"

    def to_json(self) -> str:
        """The report with its scores and every example."""
        return to_json({**asdict(self), "scores": self.scores()})

    def save(self, path: str | Path) -> None:
        """Writes the report, and its examples beside it as JSON Lines: `after.json` and `after.jsonl`."""
        lines = (json.dumps(asdict(example), ensure_ascii=False) + "\n" for example in self.examples)
        write_whole({Path(path).with_suffix(".jsonl"): "".join(lines), Path(path): self.to_json()})

    @classmethod
    def load(cls, path: str | Path) -> EvalReport:
        """Reads a report that `save` wrote.

        Raises:
            InputError: No such file, or no report.
        """
        try:
            return msgspec.json.decode(Path(path).read_bytes(), type=cls)
        except OSError as error:
            found = f"No report {path} ({error.strerror})."
        except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
            found = f"{path} is not an evaluation report ({error})."
        raise InputError(found, hint="Make one: amazon-titles evaluate MODEL --dataset DIR --out FILE")


def summary(examples: Sequence[Example]) -> dict[str, Any]:
    """`n`, means and `intervals` of some examples."""
    found: dict[str, Any] = {"n": len(examples)}
    intervals = {}
    for measure in MEASURES:
        values, weights = column(examples, measure)
        if (average := mean(values, weights)) is not None:
            found[measure] = average
        if interval := bootstrap_interval(values, weights=weights):
            intervals[measure] = interval
    if "loss" in found:
        found["perplexity"] = exp(found["loss"])
    if "loss" in intervals:
        intervals["perplexity"] = [round(exp(bound), 4) for bound in intervals["loss"]]
    return found | {"intervals": intervals}


def column(examples: Sequence[Example], measure: str) -> tuple[list[float | None], list[float]]:
    """A measure's values, one an example, and their weights: a loss weighs by its tokens."""
    weights = [float(example.loss_tokens) if measure == "loss" else 1.0 for example in examples]
    return [example.scores.get(measure) for example in examples], weights
