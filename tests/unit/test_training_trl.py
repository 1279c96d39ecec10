"""The two ends of the trl engine: what the worker leaves, and what is made of it."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import pytest

from amazon_titles import resources
from amazon_titles.errors import AmazonTitlesError, InputError, TrainingError
from amazon_titles.recipes import load_recipe
from amazon_titles.training import trl
from amazon_titles.training.engine import EngineLog


def job(folder, **changes):
    told = {
        "folder": str(folder), "base": "base", "params": {"lr": 3e-3}, "checkpoints": str(folder), "resume_from": None,
        "tensorboard": False,
    }  # fmt: skip
    return trl.Job(**{**told, **changes})


def no_memory_on_a_cpu(torch):
    torch.empty(1 << 50)  # what torch really raises


def no_memory_on_a_gpu(torch):
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nmore")


@pytest.mark.parametrize("fails", [no_memory_on_a_cpu, no_memory_on_a_gpu])
def test_too_little_memory_ends_it_with_advice(failure, fails):
    error = failure(lambda worker, job: fails(worker.torch))
    assert isinstance(error, TrainingError)
    assert re.match("Not enough memory: .*allocate", error.message)
    assert "halve batch_size and double gradient_accumulation" in error.hint


def test_any_other_error_of_torch_is_not_taken_for_that(tmp_path, monkeypatch):
    pytest.importorskip("trl")
    from amazon_titles.training import worker

    def fails(job):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr(worker, "fine_tune", fails)
    (tmp_path / "job.json").write_text(json.dumps(asdict(job(tmp_path))))
    with pytest.raises(RuntimeError, match="mat1"):
        worker.main(str(tmp_path / "job.json"))


def left_by(monkeypatch, folder, rank, local, ended):
    pytest.importorskip("trl")
    from amazon_titles.training import worker

    monkeypatch.setenv("RANK", rank)
    monkeypatch.setenv("LOCAL_RANK", local)
    worker.leave(folder, ended)
    return sorted(path.name for path in folder.iterdir())


def test_only_the_first_process_tells(monkeypatch, tmp_path):
    assert left_by(monkeypatch, tmp_path, "1", "1", {"device": "cpu"}) == []
    assert left_by(monkeypatch, tmp_path, "2", "0", {"message": "The loss is no number.", "hint": ""}) == []


def test_another_machine_says_at_the_end_that_it_has_no_adapter(monkeypatch, tmp_path):
    assert left_by(monkeypatch, tmp_path, "3", "1", {"device": "cpu"}) == []
    assert left_by(monkeypatch, tmp_path, "2", "0", {"device": "cpu"}) == [trl.ELSEWHERE]
    with pytest.raises(
        trl.TrainedElsewhere, match=r"Process 2 is done; the adapter is on the machine of process 0"
    ) as told:
        trl.require_adapter(job(tmp_path), quiet(), 0)
    assert told.value.exit_code == 0


def test_where_one_launcher_starts_all_machines_the_first_of_them_counts(monkeypatch, tmp_path):
    left_by(monkeypatch, tmp_path, "8", "0", {"device": "cpu", "devices": 16})
    left_by(monkeypatch, tmp_path, "0", "0", {"device": "cpu", "devices": 16})
    (tmp_path / trl.TRAINED).mkdir()
    for name in trl.ADAPTER_FILES:
        (tmp_path / trl.TRAINED / name).touch()
    assert trl.require_adapter(job(tmp_path), quiet(), 0) == {"device": "cpu", "devices": 16}


def quiet(*lines):
    with EngineLog("trl") as log:
        for line in lines:
            log.read(line)
    return log


ROOT = Path(__file__).resolve().parents[2]
FSDP = ROOT / "docs" / "fsdp.yml"
IN_BF16 = load_recipe(resources.recipes()["llama-3.2-1b-lora"]).with_settings({"mixed_precision": "bf16"})


def launched_with(folder, *changes):
    text = FSDP.read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (folder / "sharded config.yml").write_text(text, encoding="utf-8")
    return f"accelerate launch --config_file '{folder}/sharded config.yml'"


def test_the_config_of_fsdp_in_the_documents_fits_a_recipe_in_bf16(tmp_path):
    trl.require_sharding(launched_with(tmp_path), IN_BF16)
    trl.require_sharding(f"accelerate launch --config_file={FSDP} --num_machines 2", IN_BF16)
    trl.require_sharding("torchrun --nnodes 2", IN_BF16)
    trl.require_sharding(None, IN_BF16)


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        (("fsdp_version: 1", "fsdp_version: 2"), "fsdp_version must be 1"),
        (("  fsdp_auto_wrap_policy: TRANSFORMER_BASED_WRAP\n", ""), "fsdp_auto_wrap_policy must be TRANSFORMER_BASED"),
        (("  fsdp_state_dict_type: FULL_STATE_DICT\n", ""), "fsdp_state_dict_type must be FULL_STATE_DICT"),
        (("efficient_loading: false", "efficient_loading: true"), "fsdp_cpu_ram_efficient_loading must be False"),
        (("  fsdp_activation_checkpointing: false", "  fsdp_activation_checkpointing: true"), "checkpointing must be"),
        (("mixed_precision: bf16", "mixed_precision: fp16"), "mixed_precision must be bf16"),
        (("num_machines: 1", "num_machines: ["), "is no config of accelerate"),
    ],
)
def test_a_config_of_fsdp_that_the_engine_cannot_train_under_is_refused(tmp_path, changed, named):
    with pytest.raises(InputError, match=re.escape(named)):
        trl.require_sharding(launched_with(tmp_path, changed), IN_BF16)


def test_what_of_a_recipe_fsdp_cannot_take_is_named_all_at_once(tmp_path):
    recipe = IN_BF16.with_settings({"quantization": "int4", "amazon_titles.valid_split": "validation"})
    with pytest.raises(InputError, match="quantization must be null; the recipe's valid_split must be null") as refused:
        trl.require_sharding(launched_with(tmp_path), recipe)
    assert "docs/scale.md" in refused.value.hint
    without = launched_with(tmp_path, ("distributed_type: FSDP", "distributed_type: MULTI_GPU"))
    trl.require_sharding(without, recipe)


def test_a_missing_config_of_accelerate_is_a_sentence():
    with pytest.raises(InputError, match=r"nowhere\.yml is no config of accelerate"):
        trl.require_sharding("accelerate launch --config_file nowhere.yml", IN_BF16)


def test_accelerate_reads_the_config_and_would_put_a_llama_together_layer_by_layer(monkeypatch):
    pytest.importorskip("trl", minversion="1.0", reason="the trl engine wants today's stack")
    from accelerate import FullyShardedDataParallelPlugin
    from accelerate.commands import launch
    from accelerate.utils.launch import prepare_multi_gpu_env
    from peft import LoraConfig, get_peft_model
    from transformers import LlamaConfig, LlamaForCausalLM
    from transformers.models.llama.modeling_llama import LlamaDecoderLayer

    asked = ["--config_file", str(FSDP), "-m", "amazon_titles.training.worker", "job.json"]
    arguments, _, _ = launch._validate_launch_command(launch.launch_command_parser().parse_args(asked))
    assert arguments.use_fsdp
    assert int(arguments.num_processes) == 8
    variables = prepare_multi_gpu_env(arguments)
    assert variables["ACCELERATE_USE_FSDP"] == "true"
    for name, value in variables.items():
        if name.startswith("FSDP_"):
            monkeypatch.setenv(name, value)
    plugin = FullyShardedDataParallelPlugin()
    sizes = {"vocab_size": 64, "hidden_size": 16, "intermediate_size": 16, "num_attention_heads": 2}
    base = LlamaForCausalLM(LlamaConfig(**sizes, num_hidden_layers=2))
    plugin.set_auto_wrap_policy(get_peft_model(base, LoraConfig(task_type="CAUSAL_LM")))
    assert plugin.auto_wrap_policy.keywords["transformer_layer_cls"] == {LlamaDecoderLayer}
    assert "FULL_STATE_DICT" in str(plugin.state_dict_type)
    assert not plugin.cpu_ram_efficient_loading


@pytest.fixture
def failure(tmp_path, monkeypatch):
    """What a user is told where the worker ends in such a way."""

    def fail(fine_tune):
        from amazon_titles.training import worker

        (tmp_path / "job.json").write_text(json.dumps(asdict(job(tmp_path, params=PARAMS))))
        monkeypatch.setattr(worker, "fine_tune", lambda job: fine_tune(worker, job))
        assert worker.main(str(tmp_path / "job.json")) == 1
        with pytest.raises(AmazonTitlesError) as refused:
            trl.require_adapter(job(tmp_path), quiet(), 1)
        return refused.value

    pytest.importorskip("trl")
    return fail


PARAMS = {
    "lr": 3e-3, "batch_size": 1, "eval_strategy": "epoch", "mixed_precision": None, "quantization": None,
    "disable_gradient_checkpointing": True, "keep": "last", "valid_split": None,
}  # fmt: skip


def test_a_loss_that_is_no_number_says_what_to_change(failure):
    def fine_tune(worker, job):
        state = SimpleNamespace(global_step=3)
        worker.Reporter(None, job, 1).on_log(None, state, None, {"loss": float("nan"), "learning_rate": 1e-3})

    error = failure(fine_tune)
    assert isinstance(error, TrainingError)
    assert "no longer a number at step 3, learning rate 1.0e-03" in error.message
    assert "lr=1.0e-03" in error.hint


def test_a_base_that_is_no_llama_is_refused(failure, monkeypatch):
    pytest.importorskip("trl", minversion="1.0", reason="the trl engine wants today's stack")

    def fine_tune(worker, job):
        gemma = SimpleNamespace(config=SimpleNamespace(model_type="gemma"))
        monkeypatch.setattr(worker.AutoModelForCausalLM, "from_pretrained", lambda *_, **__: gemma)
        worker._model(job, SimpleNamespace(seed=1))

    error = failure(fine_tune)
    assert isinstance(error, InputError)
    assert "The base base is a gemma" in error.message
    assert "--engine autotrain" in error.hint


@pytest.mark.parametrize(
    ("status", "words", "advice"),
    [
        (-9, "as the system does when its memory is full", "halve batch_size"),
        (1, "failed .exit 1.", "the last words"),
        (0, "failed .exit 0.", "the last words"),
    ],
)
def test_a_process_that_says_nothing_of_its_end(tmp_path, status, words, advice):
    with pytest.raises(TrainingError, match=words) as refused:
        trl.require_adapter(job(tmp_path), quiet("the last words\n"), status)
    assert advice in str(refused.value)


def test_a_file_hears_how_far_a_resumed_training_is(beat):
    with EngineLog("trl", tokens=200 * 1000, done=10) as log:
        assert beat(10) == ["  starting trl …", "  starting trl: 0:00:10 so far"]
        log.read("  0%|          | 0/200 [00:00<?, ?it/s]\n")
        assert beat(0) == ["Going on after step 10 of 200.", "  training: 10 of 200 steps …"]
        log.read("  6%|▌         | 12/200 [00:02<03:08,  1.00it/s]\n")
        log.read("{'loss': '1.5', 'grad_norm': '1', 'learning_rate': '0.0002', 'epoch': '0.5'}\n")
        assert beat(10) == ["  training: 12 of 200 steps, loss 1.500, 200 tokens/s, 0:15:40 left"]
        log.read("  6%|▌         | 12/200 [00:02<03:08,  1.00it/s]{'valid_loss': '1.25', 'epoch': '0.5'}\n")
        assert beat(0) == ["  epoch 0.50  validation loss 1.2500"]
        log.read("{'train_runtime': '12.5', 'train_loss': '1.2', 'epoch': '3'}\n")
        assert beat(10) == ["  saving the adapter: 0:00:10 so far"]


def test_an_old_trl_is_refused(monkeypatch):
    monkeypatch.setattr(trl.metadata, "version", lambda package: "0.13.0")
    with pytest.raises(InputError, match=r"needs trl 1.0 or newer, and this environment has 0.13.0"):
        trl.require_trl()
