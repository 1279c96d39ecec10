"""TRL's `SFTTrainer` on a plan of packed batches, with the loss on answers alone.

Imports torch and trl; only the trl engine's own process imports it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import SequentialSampler
from transformers import TrainerCallback
from trl import SFTTrainer

from amazon_titles.training.attention import answer_loss
from amazon_titles.training.batches import collate, in_order
from amazon_titles.training.checkpoints import COMPLETE
from amazon_titles.training.patches import speed_up
from amazon_titles.training.rows import Rows
from amazon_titles.training.trl import NotFiniteError


def as_tensors(value: Any) -> Any:  # noqa: ANN401 - whatever a batch holds
    """A batch's arrays as tensors, in whatever they are nested."""
    if isinstance(value, dict):
        return {key: as_tensors(item) for key, item in value.items()}
    return torch.from_numpy(value) if hasattr(value, "dtype") else value


class AnswerTrainer(SFTTrainer):  # type: ignore[misc]  # trl has no types
    """`SFTTrainer` whose batches come from a `Plan` and whose loss is the mean over the step's answer tokens.

    Args:
        rows: The training split.
        **options: As of `SFTTrainer`; `train_dataset` has a column `rows` with a batch's row numbers.
    """

    loss_is_scaled_for_ga = True  # by the tokens of the whole step, not by batches

    def __init__(self, *, rows: Rows, **options: Any) -> None:  # noqa: ANN401
        def collator(batch: list[dict[str, Any]]) -> Any:  # noqa: ANN401
            return as_tensors(collate(rows, [number for one in batch for number in one["rows"]]))

        super().__init__(data_collator=collator, **options)
        base = self.model.get_base_model()
        self.head = base.get_output_embeddings().weight
        # What the model returns as logits is then what stands before the output layer: `answer_loss` does the rest.
        base.lm_head = torch.nn.Identity()
        self.last_mlp = speed_up(self.model)
        self.tokens = 0
        """Tokens that this process has trained on since it started, over all devices."""

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:  # noqa: ANN401 - trl's own signature
        return SequentialSampler(train_dataset if train_dataset is not None else self.train_dataset)

    def get_batch_samples(
        self, epoch_iterator: Iterator[Any], num_batches: int, device: torch.device
    ) -> tuple[list[Any], torch.Tensor]:
        """The batches of a step on this device, and the number of answer tokens on all devices."""
        batches = list(islice(epoch_iterator, num_batches))
        counts = [[len(batch["targets"]), batch["input_ids"].shape[1]] for batch in batches]
        total = torch.tensor(counts, device=device).sum(0)
        answers, tokens = self.accelerator.reduce(total, "sum").tolist()
        self.tokens += int(tokens)
        return batches, torch.tensor(answers, device=device)

    def sum_of_losses(self, model: torch.nn.Module, inputs: Mapping[str, Any]) -> torch.Tensor:
        """The sum of a batch's losses, in nats; takes the batch as `collate` made it, on this device."""
        inputs = dict(inputs)
        targets = inputs.pop("targets")
        self.last_mlp.places = inputs["logits_to_keep"]
        hidden = model(**inputs, use_cache=False).logits[0]
        return answer_loss(hidden, self.head, targets)

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """The batch's share of the step's mean loss per answer token."""
        answers = inputs["targets"].numel() if num_items_in_batch is None else num_items_in_batch
        # Gradients are averaged over the devices, while the tokens were counted on all of them.
        processes: int = self.accelerator.num_processes
        return self.sum_of_losses(model, inputs) / answers * processes

    def held_out_loss(self, rows: Rows, tokens: int) -> float:
        """The mean loss per answer token of a split, in nats; every device does its share.

        Args:
            rows: The split.
            tokens: Of a batch.
        """
        total = torch.zeros(2, dtype=torch.float64)
        model = self.accelerator.unwrap_model(self.model)
        was_training = model.training
        model.eval()
        with torch.no_grad(), self.accelerator.autocast():
            mine = slice(self.accelerator.process_index, None, self.accelerator.num_processes)
            for numbers in in_order(rows.lengths, tokens)[mine]:
                inputs = self._prepare_inputs(as_tensors(collate(rows, numbers)))
                loss = self.sum_of_losses(model, inputs)
                total += torch.tensor([float(loss), inputs["targets"].numel()], dtype=torch.float64)
        model.train(was_training)
        summed = self.accelerator.reduce(total.to(self.args.device, torch.float32), "sum").tolist()
        return float(summed[0] / max(1.0, summed[1]))


class Reporter(TrainerCallback):  # type: ignore[misc]  # transformers is not typed here
    """Tells each step, evaluates when it is time to, keeps the best adapter, and stops where the loss is not finite.

    Args:
        trainer: The trainer.
        tell: Takes an event: a mapping that JSON can hold.
        steps_an_epoch: Of the plan.
        valid: The validation split, if there is one, and tokens of a batch of it.
        every: Steps between evaluations.
        best: Folder for the best adapter; None where the last is wanted.
    """

    def __init__(
        self,
        trainer: AnswerTrainer,
        tell: Callable[[Mapping[str, Any]], None],
        *,
        steps_an_epoch: int,
        valid: tuple[Rows, int] | None,
        every: int,
        best: Path | None,
    ) -> None:
        self.trainer, self.tell, self.steps_an_epoch = trainer, tell, steps_an_epoch
        self.valid, self.every, self.best = valid, every, best
        self.start = time.perf_counter()
        self.seconds = 0.0
        """Of the steps, evaluations aside."""

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: object) -> None:  # noqa: ANN401
        """Starts the clock, and tells what a run that is resumed has behind it."""
        self.start = time.perf_counter()
        done = [entry for entry in state.log_history if entry["step"] <= state.global_step]
        self.tell({"event": "begin", "step": state.global_step, "steps": state.max_steps})
        for entry in done:
            self._tell_logged(entry)

    def on_log(self, args: Any, state: Any, control: Any, logs: Mapping[str, float], **_: object) -> None:  # noqa: ANN401
        """Tells a step; a loss that is no number ends the run here."""
        if "loss" in logs:
            if not math.isfinite(logs["loss"]):
                raise NotFiniteError(f"at step {state.global_step}, learning rate {logs['learning_rate']:.1e}")
            self.seconds = time.perf_counter() - self.start
            self._tell_logged({**logs, "step": state.global_step, "rate": self.trainer.tokens / self.seconds})

    def on_step_end(self, args: Any, state: Any, control: Any, **_: object) -> None:  # noqa: ANN401
        """Evaluates every so many steps, and at the end."""
        if self.valid is None or not (state.global_step % self.every == 0 or state.global_step == state.max_steps):
            return
        started = time.perf_counter()
        loss = self.trainer.held_out_loss(*self.valid)
        self.start += time.perf_counter() - started  # not a part of the tokens' time
        known = [entry["valid_loss"] for entry in state.log_history if "valid_loss" in entry]
        entry = {"valid_loss": loss, "step": state.global_step, "epoch": state.global_step / self.steps_an_epoch}
        state.log_history.append(entry)
        self._tell_logged(entry)
        if self.best is not None and loss < min(known, default=math.inf) and state.is_world_process_zero:
            self.trainer.accelerator.unwrap_model(self.trainer.model).save_pretrained(self.best)

    def on_save(self, args: Any, state: Any, control: Any, **_: object) -> None:  # noqa: ANN401
        """Marks a checkpoint as complete, and tells it."""
        if state.is_world_process_zero:
            folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
            (folder / COMPLETE).touch()
            self.tell({"event": "checkpoint", "step": state.global_step})

    def _tell_logged(self, entry: Mapping[str, Any]) -> None:
        known = {key: entry[key] for key in ("step", "loss", "learning_rate", "grad_norm", "rate") if key in entry}
        if "valid_loss" in entry:
            known = {"step": entry["step"], "valid_loss": entry["valid_loss"]}
        if len(known) > 1:
            self.tell({"event": "step", "epoch": entry["step"] / self.steps_an_epoch, **known})
