"""The process of the trl engine: `python -m amazon_titles.training.worker JOB.json`, once for each device.

It tells what happens as lines of JSON, each behind `MARK`, on stdout. `trl.run_trl` starts it and listens.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from amazon_titles.training.checkpoints import BEST
from amazon_titles.training.trl import ADAPTER, MARK, Job, NotFiniteError, OtherModelError

# transformers 4.48's names of optimizers that the newer one calls otherwise, or has in a faster form.
_OPTIMIZERS = {"adamw_torch": "adamw_torch_fused", "adamw_hf": "adamw_torch_fused", "adamw_8bit": "adamw_bnb_8bit"}


def tell(event: Mapping[str, Any]) -> None:
    """One event to whoever started this; where nobody listens any more, the run ends."""
    if int(os.environ.get("RANK", "0")) == 0:
        sys.stdout.write(MARK + json.dumps(event) + "\n")
        sys.stdout.flush()


def main(path: str) -> int:
    """Runs the job; what a user can mend is told as an event, anything else is a traceback."""
    job = Job(**json.loads(Path(path).read_text(encoding="utf-8")))
    import torch

    try:
        fine_tune(job)
    except OtherModelError as error:
        tell({"event": "failed", "why": "base", "message": str(error)})
    except NotFiniteError as error:
        tell({"event": "failed", "why": "not finite", "message": str(error)})
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        # On a CPU torch raises a RuntimeError: "DefaultCPUAllocator: can't allocate memory".
        if (
            isinstance(error, RuntimeError)
            and "allocate memory" not in str(error)
            and "out of memory" not in str(error)
        ):
            raise
        tell({"event": "failed", "why": "memory", "message": str(error).splitlines()[0][:200]})
    else:
        return 0
    return 1


def fine_tune(job: Job) -> None:
    """Trains as the job says and leaves the adapter's two files in its folder `ADAPTER`."""
    import torch
    from datasets import Dataset, disable_caching
    from transformers import AutoTokenizer
    from transformers.utils import logging

    from amazon_titles.training.batches import plan
    from amazon_titles.training.rows import Rows
    from amazon_titles.training.trainer import AnswerTrainer, Reporter

    logging.set_verbosity_error()
    disable_caching()
    folder = Path(job.folder)
    rows = Rows.open(folder / "train")
    params = job.params
    tokens = params["batch_size"] * params["gradient_accumulation"] * job.block_size
    planned = plan(
        rows.lengths, tokens=tokens, accumulation=params["gradient_accumulation"], devices=job.devices,
        epochs=params["epochs"], seed=params["seed"],
    )  # fmt: skip
    arguments = _arguments(job, planned.steps, planned.parts // job.devices)  # before the model: it sets the seed
    model = _model(job, arguments.seed)
    trainer = AnswerTrainer(
        rows=rows,
        model=model,
        args=arguments,
        train_dataset=Dataset.from_dict({"rows": planned.batches}),
        processing_class=AutoTokenizer.from_pretrained(job.base, trust_remote_code=False),
    )
    best = Path(job.checkpoints) / BEST if job.keep == "best" else None
    valid = (Rows.open(folder / "valid"), params["batch_size"] * job.block_size) if job.has_valid else None
    every = job.checkpoint_steps if params["eval_strategy"] == "steps" else planned.steps_an_epoch
    reporter = Reporter(trainer, tell, steps_an_epoch=planned.steps_an_epoch, valid=valid, every=every, best=best)
    trainer.add_callback(reporter)
    trainer.train(resume_from_checkpoint=job.resume_from)
    seconds = round(reporter.seconds, 3)
    if trainer.is_world_process_zero():
        if best is not None and (best / "adapter_config.json").is_file():
            shutil.copytree(best, folder / ADAPTER)
        else:
            trainer.accelerator.unwrap_model(trainer.model).save_pretrained(folder / ADAPTER)
    cuda = torch.cuda.is_available()
    peak = torch.cuda.max_memory_allocated() if cuda else None
    device = torch.cuda.get_device_name() if cuda else "cpu"
    tell({"event": "done", "device": device, "peak_bytes": peak, "seconds": seconds})


def _arguments(job: Job, steps: int, accumulation: int) -> Any:  # noqa: ANN401
    import torch
    from trl import SFTConfig

    params, cuda = job.params, torch.cuda.is_available()
    half = _half(params["mixed_precision"], cuda=cuda)
    return SFTConfig(
        output_dir=job.checkpoints,
        max_steps=steps,
        per_device_train_batch_size=1,  # of the plan's batches
        gradient_accumulation_steps=accumulation,
        learning_rate=params["lr"],
        lr_scheduler_type=params["scheduler"],
        warmup_steps=math.ceil(steps * params["warmup_ratio"]),  # as transformers 4.48 rounds
        weight_decay=params["weight_decay"],
        max_grad_norm=params["max_grad_norm"],
        optim=_OPTIMIZERS.get(params["optimizer"], params["optimizer"]),
        seed=params["seed"],
        bf16=half == "bf16",
        fp16=half == "fp16",
        gradient_checkpointing=not params["disable_gradient_checkpointing"],
        logging_steps=1,
        logging_nan_inf_filter=False,  # it would show the last good loss instead
        save_strategy="steps",
        save_steps=job.checkpoint_steps,
        save_total_limit=2,
        report_to=["tensorboard"] if job.tensorboard else [],
        disable_tqdm=True,
        dataset_kwargs={"skip_prepare_dataset": True},
        remove_unused_columns=False,
        max_length=None,
        ddp_find_unused_parameters=False,
        # Without it accelerate starts processes on a CPU that never speak to each other.
        use_cpu=not cuda and not torch.backends.mps.is_available(),
        ddp_backend="gloo" if job.devices > 1 and not cuda else None,
        dataloader_pin_memory=cuda,
    )


def _half(mixed_precision: str | None, *, cuda: bool) -> str | None:
    """The recipe's half precision where this machine computes in it: a CPU does in bf16, never in fp16."""
    return mixed_precision if cuda or mixed_precision == "bf16" else None


def _model(job: Job, seed: int) -> Any:  # noqa: ANN401 - a PeftModel
    """The base, frozen, in the recipe's precision, with a fresh adapter in float32."""
    import torch
    from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training
    from transformers import AutoModelForCausalLM, set_seed

    from amazon_titles.training import attention

    set_seed(seed)
    attention.register()
    params, cuda = job.params, torch.cuda.is_available()
    half = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(_half(params["mixed_precision"], cuda=cuda) or "")
    options: dict[str, Any] = {"dtype": half or torch.float32, "attn_implementation": attention.ATTENTION}
    if params["quantization"]:
        options |= {"quantization_config": _quantization(params["quantization"], half or torch.bfloat16)}
    if cuda:
        options |= {"device_map": {"": int(os.environ.get("LOCAL_RANK", "0"))}}
    base = AutoModelForCausalLM.from_pretrained(job.base, trust_remote_code=False, **options)
    if base.config.model_type != "llama":
        raise OtherModelError(f"a {base.config.model_type}")
    checkpointing = not params["disable_gradient_checkpointing"]
    if params["quantization"]:
        head = base.get_output_embeddings().weight.dtype
        base = prepare_model_for_kbit_training(base, use_gradient_checkpointing=checkpointing)
        # It makes everything float32 that is not quantised; for the norms that is wanted (QLoRA), for the vocabulary's
        # two matrices it is gigabytes and time.
        base.get_input_embeddings().to(head)
        base.get_output_embeddings().to(head)
    elif checkpointing:
        base.enable_input_require_grads()
    targets = params["target_modules"] or None
    return get_peft_model(
        base,
        LoraConfig(
            task_type="CAUSAL_LM",
            r=params["lora_r"],
            lora_alpha=params["lora_alpha"],
            lora_dropout=params["lora_dropout"],
            target_modules=targets if targets in (None, "all-linear") else targets.split(","),
        ),
    )


def _quantization(bits: str, compute: Any) -> Any:  # noqa: ANN401 - a torch dtype; a BitsAndBytesConfig
    from transformers import BitsAndBytesConfig

    if bits == "int8":
        return BitsAndBytesConfig(load_in_8bit=True)
    # Dettmers et al., "QLoRA", 2023: NormalFloat and double quantisation.
    return BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=compute
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
