"""The process of the trl engine: `python -m amazon_titles.training.worker JOB.json`, once for each device.

`trl.fine_tune` starts it, shows the steps that transformers prints, and reads what became of them from files.
"""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset, disable_caching
from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training
from torch import Tensor
from torch.utils.data import SequentialSampler, default_convert
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig, TrainerCallback, set_seed
from transformers.utils import logging
from trl import SFTConfig, SFTTrainer

from amazon_titles.errors import AmazonTitlesError, InputError, TrainingError
from amazon_titles.processes import end_with_listener
from amazon_titles.training import attention, llama
from amazon_titles.training.attention import Chosen
from amazon_titles.training.batches import Plan, collate, in_order, plan, shape_of
from amazon_titles.training.checkpoints import BEST, COMPLETE
from amazon_titles.training.recording import RecordedStep
from amazon_titles.training.rows import Rows
from amazon_titles.training.trl import ELSEWHERE, ENDED, MEMORY, TRAINED, Job

# transformers 4.48's names of optimizers that the newer one calls otherwise, or has in a faster form.
_OPTIMIZERS = {"adamw_torch": "adamw_torch_fused", "adamw_hf": "adamw_torch_fused", "adamw_8bit": "adamw_bnb_8bit"}
# Steps. On an H100 with 16 cores the compiler took 30 s (benchmarks/results) and saved about 16 ms of each step.
_WORTH_COMPILING = 2000
# Dettmers et al., "QLoRA", 2023: NormalFloat and double quantisation.
_QUANTIZED: dict[str, dict[str, Any]] = {
    "int8": {"load_in_8bit": True},
    "int4": {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4", "bnb_4bit_use_double_quant": True},
}


def leave(folder: Path, ended: Mapping[str, Any]) -> None:
    """Writes what became of the run: the first process does; the first on another machine, that it is not the one."""
    rank, local = (int(os.environ.get(name, "0")) for name in ("RANK", "LOCAL_RANK"))
    if rank == 0:
        (folder / ENDED).write_text(json.dumps(ended), encoding="utf-8")
    elif local == 0 and "message" not in ended:
        (folder / ELSEWHERE).write_text(str(rank), encoding="utf-8")


class AnswerTrainer(SFTTrainer):  # type: ignore[misc]  # trl has no types
    """`SFTTrainer` whose batches come from a `Plan` and whose loss is the mean over the step's answer tokens.

    Args:
        rows: The training split.
        planned: Which rows make a batch, and which batches a step.
        attention: What attends; rows of different lengths in one call want batches of one shape.
        records: Whether a step may be recorded on CUDA.
        **options: As of `SFTTrainer`; `train_dataset` has a column `rows` with a batch's row numbers.
    """

    loss_is_scaled_for_ga = True  # by the tokens of the whole step, not by batches

    def __init__(self, *, rows: Rows, planned: Plan, attention: Chosen, records: bool, **options: Any) -> None:  # noqa: ANN401
        answers, lengths = rows.answer_lengths, rows.lengths
        shape = None if attention.kernel is None else shape_of(planned.batches, lengths, answers)

        def collator(batch: list[dict[str, Any]]) -> Any:  # noqa: ANN401
            numbers = [number for one in batch for number in one["rows"]]
            return default_convert(collate(rows, numbers, shape))  # type: ignore[no-untyped-call]

        super().__init__(data_collator=collator, **options)
        base = self.model.get_base_model()
        # Not a part of the model any more, so that FSDP neither moves nor shards it.
        self.head = base.get_output_embeddings().weight.to(self.args.device)
        # What the model returns as logits is then what stands before the output layer: `answer_loss` does the rest.
        base.lm_head = torch.nn.Identity()
        self.last_mlp = llama.speed_up(self.model, adapters=not self.is_fsdp_enabled)
        self.part_of_loss: llama.Part = llama.part_of_loss
        sizes = [(lengths[numbers].sum(), answers[numbers].sum()) for numbers in planned.batches]
        self.totals = np.reshape(sizes, (planned.steps, planned.parts, 2)).sum(1).tolist()
        """Tokens and answer tokens of each step, over all devices."""
        self.tokens = 0
        """Tokens that this process has trained on since it started, over all devices."""
        self.recorded = None
        if records and shape is not None and self.accelerator.num_processes == 1:
            worth = planned.steps >= _WORTH_COMPILING
            self.recorded = RecordedStep(
                partial(self.sum_of_losses, self.model), self.model.parameters(), self.compile if worth else None
            )
            self.model.zero_grad = self.recorded.zero_grad

    def save_adapter(self, folder: Path) -> None:
        """Writes the adapter's two files; called in every process, for under FSDP each has a part of them."""
        whole = self.accelerator.get_state_dict(self.model) if self.is_fsdp_enabled else None
        if self.is_world_process_zero():
            self.accelerator.unwrap_model(self.model).save_pretrained(folder, state_dict=whole)

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:  # noqa: ANN401 - trl's own signature
        return SequentialSampler(self.train_dataset if train_dataset is None else train_dataset)

    def get_batch_samples(self, epoch: Iterator[Any], number: int, device: torch.device) -> tuple[list[Any], int]:
        """The batches of a step on this device, and the number of answer tokens on all devices."""
        tokens, answers = self.totals[self.state.global_step]
        self.tokens += tokens
        return list(islice(epoch, number)), answers

    def training_step(self, model: torch.nn.Module, inputs: Any, num_items_in_batch: Any = None) -> Tensor:  # noqa: ANN401
        """Forward and backward pass of a batch; on one GPU as it was recorded."""
        if self.recorded is None:
            loss: Tensor = super().training_step(model, inputs, num_items_in_batch)
            return loss
        model.train()
        factor = torch.full((), 1 / num_items_in_batch, device=self.args.device)
        if self.accelerator.scaler is not None:  # fp16
            factor = self.accelerator.scaler.scale(factor)
        mean: Tensor = self.recorded(self._prepare_inputs(inputs), factor) / num_items_in_batch
        return mean

    def sum_of_losses(self, model: torch.nn.Module, batch: Mapping[str, Any]) -> Tensor:
        """The sum of a batch's losses, in nats; takes the batch as `collate` made it, on this device."""
        places = self.last_mlp.places = batch["places"]
        ids = {name: batch[name] for name in ("input_ids", "position_ids")}
        hidden = model(**ids, batch=batch, use_cache=False).logits[0]
        return llama.answer_loss(hidden.index_select(0, places), self.head, batch["targets"], self.part_of_loss)

    def compile(self, on: bool) -> None:
        """Has torch compile the layers and the loss, or not any more."""
        self.part_of_loss = torch.compile(llama.part_of_loss, dynamic=False) if on else llama.part_of_loss
        base = self.model.get_base_model()
        base.enable_input_require_grads()  # else the first layer would be compiled for itself
        for layer in base.model.layers:
            layer.compile(dynamic=False)
            if not on:
                layer._compiled_call_impl = None

    def compute_loss(self, model: torch.nn.Module, inputs: Any, *_: object, num_items_in_batch: Any = None) -> Tensor:  # noqa: ANN401
        """The batch's share of the step's mean loss per answer token."""
        # Gradients are averaged over the devices, while the tokens were counted on all of them.
        loss: Tensor = self.sum_of_losses(model, inputs) / num_items_in_batch * self.accelerator.num_processes
        return loss

    def held_out_loss(self, rows: Rows, tokens: int) -> float:
        """The mean loss per answer token of a split, in nats; every device does its share.

        Args:
            rows: The split.
            tokens: How many a batch has.
        """
        total = np.zeros(2)
        model = self.accelerator.unwrap_model(self.model).eval()
        # Batches of many shapes would be compiled one by one.
        with torch.no_grad(), self.accelerator.autocast(), torch.compiler.set_stance("force_eager"):
            mine = slice(self.accelerator.process_index, None, self.accelerator.num_processes)
            for numbers in in_order(rows.lengths, tokens)[mine]:
                batch = self._prepare_inputs(default_convert(collate(rows, numbers)))  # type: ignore[no-untyped-call]
                total += float(self.sum_of_losses(model, batch)), batch["targets"].numel()
        model.train()
        shared = torch.tensor(total, dtype=torch.float32, device=self.args.device)
        loss, answers = self.accelerator.reduce(shared, "sum").tolist()
        return float(loss / max(1.0, answers))


class Reporter(TrainerCallback):  # type: ignore[misc]  # transformers is not typed here
    """Evaluates when it is time to, keeps the best adapter, and stops where the loss is not finite.

    Attributes:
        best: Folder of the best adapter; None where the last is wanted.

    Args:
        trainer: The trainer.
        job: Says when to evaluate, on what, and what to keep.
        steps_an_epoch: The plan's.
    """

    def __init__(self, trainer: AnswerTrainer, job: Job, steps_an_epoch: int) -> None:
        self.trainer, self.steps_an_epoch = trainer, steps_an_epoch
        self.params = params = job.params
        self.valid = None if params["valid_split"] is None else Rows.open(Path(job.folder) / "valid")
        self.every = params["checkpoint_steps"] if params["eval_strategy"] == "steps" else steps_an_epoch
        self.best = Path(job.checkpoints) / BEST if params["keep"] == "best" else None

    def on_log(self, args: Any, state: Any, control: Any, logs: Mapping[str, float], **_: object) -> None:  # noqa: ANN401
        """Ends the run at a loss that is no number."""
        if "loss" in logs and not math.isfinite(logs["loss"]):
            at = f"at step {state.global_step}, learning rate {logs['learning_rate']:.1e}"
            advice = f"Lower the rate: --set lr={self.params['lr'] / 3:.1e}, or raise warmup_ratio."
            hint = f"{advice} Under fp16 take bf16, where the GPU has it."
            raise TrainingError(f"The loss is no longer a number {at}.", hint=hint)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: object) -> None:  # noqa: ANN401
        """Evaluates every so many steps, and at the end, which is logged whatever its number."""
        state.epoch, last = state.global_step / self.steps_an_epoch, state.global_step == state.max_steps
        control.should_log = control.should_log or last
        if self.valid is None or (state.global_step % self.every and not last):
            return
        loss = self.trainer.held_out_loss(self.valid, self.params["batch_size"] * self.params["block_size"])
        known = [entry["valid_loss"] for entry in state.log_history if "valid_loss" in entry]
        logs = control.should_log  # which logging something else takes back
        self.trainer.log({"valid_loss": loss})
        control.should_log = logs
        if self.best is not None and loss < min(known, default=math.inf):
            self.trainer.save_adapter(self.best)

    def on_save(self, args: Any, state: Any, control: Any, **_: object) -> None:  # noqa: ANN401
        """Marks a checkpoint as complete."""
        if state.is_world_process_zero:
            (Path(args.output_dir) / f"checkpoint-{state.global_step}" / COMPLETE).touch()


def main(path: str) -> int:
    """Runs the job; what a user can mend is left as a sentence, anything else is a traceback."""
    end_with_listener()
    folder = Path(path).parent
    try:
        leave(folder, fine_tune(Job(**json.loads(Path(path).read_text(encoding="utf-8")))))
        return 0
    except AmazonTitlesError as error:
        failure = error
    except (MemoryError, RuntimeError) as error:  # torch's own errors are RuntimeErrors
        # On a CPU torch says: "DefaultCPUAllocator: can't allocate memory".
        if isinstance(error, RuntimeError) and not re.search("(?:allocate|out of) memory", str(error)):
            raise
        reason = str(error).partition("\n")[0][:200]
        failure = TrainingError(f"Not enough memory: {reason}", hint=MEMORY)
    leave(folder, {"message": failure.message, "hint": failure.hint, "exit_code": failure.exit_code})
    return 1


def fine_tune(job: Job) -> dict[str, Any]:
    """Trains as the job says, leaves the adapter's two files in its folder `TRAINED`, and tells of the run."""
    logging.set_verbosity_error()
    disable_caching()
    rows, params = Rows.open(Path(job.folder) / "train"), job.params
    devices = int(os.environ.get("WORLD_SIZE", "1"))
    if len(rows.ends) < devices:
        raise InputError(
            f"The training split has {len(rows.ends)} rows, too few for {devices} device(s).",
            hint="Build a larger dataset: amazon-titles build",
        )
    accumulation = params["gradient_accumulation"]
    planned = plan(
        rows.lengths, tokens=params["batch_size"] * accumulation * params["block_size"], accumulation=accumulation,
        devices=devices, epochs=params["epochs"], seed=params["seed"],
    )  # fmt: skip
    arguments = _arguments(job, planned.steps, planned.parts // devices)  # before the model: it sets the seed
    chosen = attention.choose(arguments.device.type, _half(job) or torch.float32)
    attention.register(chosen)
    trainer = AnswerTrainer(
        rows=rows, planned=planned, attention=chosen, model=_model(job, arguments), args=arguments,
        # torch keeps what the generator said for a layer that is computed twice, and cannot while it records.
        records=params["disable_gradient_checkpointing"] or not params["lora_dropout"],
        train_dataset=Dataset.from_dict({"rows": planned.batches}),
        processing_class=AutoTokenizer.from_pretrained(job.base, trust_remote_code=False),
    )  # fmt: skip
    reporter = Reporter(trainer, job, planned.steps_an_epoch)
    trainer.add_callback(reporter)
    seconds = trainer.train(resume_from_checkpoint=job.resume_from).metrics["train_runtime"]
    trained = Path(job.folder) / TRAINED
    trainer.save_adapter(trained)
    if trainer.is_world_process_zero() and reporter.best is not None and reporter.best.is_dir():
        shutil.copytree(reporter.best, trained, dirs_exist_ok=True)
    run: dict[str, Any] = {
        "device": "cpu", "devices": devices, "training_seconds": seconds,
        "tokens_a_second": round(trainer.tokens / seconds, 1), "steps": trainer.state.global_step,
        "losses": _curve(trainer.state.log_history, "loss"),
        "valid_losses": _curve(trainer.state.log_history, "valid_loss"),
    }  # fmt: skip
    if torch.cuda.is_available():
        run["device"] = torch.cuda.get_device_name()
        run["peak_memory_mb"] = round(torch.cuda.max_memory_allocated() / 2**20)
        run["attention"] = {"kernel": chosen.name, "refused": chosen.refused}
        if trainer.recorded is not None:
            run["step"] = {what: trainer.recorded.refused.get(what, "yes") for what in ("compile", "record")}
    return run


def _curve(history: list[dict[str, float]], name: str) -> list[dict[str, float]]:
    """The points of a loss, out of all that was logged."""
    kept = ("epoch", "step", "learning_rate")
    return [{"loss": at[name], **{key: at[key] for key in kept if key in at}} for at in history if name in at]


def _arguments(job: Job, steps: int, accumulation: int) -> Any:  # noqa: ANN401
    params, cuda, half = job.params, torch.cuda.is_available(), _half(job)
    return SFTConfig(
        # Whoever reads a loss waits for the GPU: as often as the recipe wants, else a hundred times.
        logging_steps=params["logging_steps"] if params["logging_steps"] > 0 else max(1, steps // 100),
        accelerator_config={"non_blocking": cuda},
        output_dir=job.checkpoints, max_steps=steps, gradient_accumulation_steps=accumulation,
        warmup_steps=math.ceil(steps * params["warmup_ratio"]),  # as transformers 4.48 rounds
        learning_rate=params["lr"], lr_scheduler_type=params["scheduler"], weight_decay=params["weight_decay"],
        max_grad_norm=params["max_grad_norm"], seed=params["seed"],
        optim=_OPTIMIZERS.get(params["optimizer"], params["optimizer"]),
        bf16=half is torch.bfloat16, fp16=half is torch.float16, dataloader_pin_memory=cuda,
        gradient_checkpointing=not params["disable_gradient_checkpointing"],
        gradient_checkpointing_kwargs={"use_reentrant": False, "preserve_rng_state": bool(params["lora_dropout"])},
        save_strategy="steps", save_steps=params["checkpoint_steps"], save_total_limit=2,
        disable_tqdm=False,  # whoever started this reads the bar
        logging_nan_inf_filter=False,  # it would show the last good loss instead
        report_to=["tensorboard"] if job.tensorboard else [],
        # Without it accelerate starts processes on a CPU that never speak to each other.
        use_cpu=not cuda and not torch.backends.mps.is_available(),
        ddp_backend="gloo" if "WORLD_SIZE" in os.environ and not cuda else None, ddp_find_unused_parameters=False,
        # The data are the plan's batches.
        per_device_train_batch_size=1, max_length=None, dataset_kwargs={"skip_prepare_dataset": True},
        remove_unused_columns=False,
    )  # fmt: skip


def _half(job: Job) -> torch.dtype | None:
    """The recipe's half precision where this machine computes in it: a CPU does in bf16, never in fp16."""
    half = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(job.params["mixed_precision"])
    return half if torch.cuda.is_available() or half is torch.bfloat16 else None


def _model(job: Job, arguments: Any) -> Any:  # noqa: ANN401 - an SFTConfig; a PeftModel
    """The base, frozen, in the recipe's precision, with a fresh adapter in float32."""
    set_seed(arguments.seed)
    params, half = job.params, _half(job)
    options: dict[str, Any] = {"dtype": half or torch.float32, "attn_implementation": attention.NAME}
    if quantization := params["quantization"]:
        compute = {"bnb_4bit_compute_dtype": half or torch.bfloat16}
        options["quantization_config"] = BitsAndBytesConfig(**_QUANTIZED[quantization], **compute)
    # FSDP puts together on each GPU what that needs of a base which none holds.
    if torch.cuda.is_available() and os.environ.get("ACCELERATE_USE_FSDP") != "true":
        options["device_map"] = {"": int(os.environ.get("LOCAL_RANK", "0"))}
    base = AutoModelForCausalLM.from_pretrained(job.base, trust_remote_code=False, **options)
    if base.config.model_type != "llama":
        raise InputError(
            f"The base {job.base} is a {base.config.model_type}, and the trl engine trains Llamas.",
            hint="Use: --engine autotrain",
        )
    if quantization:
        head = base.get_output_embeddings().weight.dtype
        base = prepare_model_for_kbit_training(
            base, arguments.gradient_checkpointing, arguments.gradient_checkpointing_kwargs
        )
        # It makes everything float32 that is not quantised; for the norms that is wanted (QLoRA), for the vocabulary's
        # two matrices it is gigabytes and time.
        base.get_input_embeddings().to(head)
        base.get_output_embeddings().to(head)
    elif arguments.gradient_checkpointing:
        base.enable_input_require_grads()
    targets = params["target_modules"] or None
    if targets not in (None, "all-linear"):
        targets = targets.split(",")
    lora = {name: params[name] for name in ("lora_alpha", "lora_dropout")}
    return get_peft_model(base, LoraConfig(task_type="CAUSAL_LM", target_modules=targets, r=params["lora_r"], **lora))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
