"""The two ends of the trl engine's wire: what the worker tells, and what is made of it."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from types import SimpleNamespace

import pytest

from amazon_titles.errors import AmazonTitlesError, InputError, TrainingError
from amazon_titles.training import trl


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
    assert re.match("The memory did not suffice: .*allocate", error.message)
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


def test_only_the_first_process_tells(monkeypatch, capsys):
    pytest.importorskip("trl")
    from amazon_titles.training import worker

    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("LOCAL_RANK", "1")
    worker.emit({"event": "done"})
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(("rank", "local", "said"), [("2", "0", 'done", "rank": 2}'), ("3", "1", "")])
def test_another_machine_says_at_the_end_that_it_has_no_adapter(monkeypatch, capsys, tmp_path, rank, local, said):
    pytest.importorskip("trl")
    from amazon_titles.training import worker

    monkeypatch.setenv("RANK", rank)
    monkeypatch.setenv("LOCAL_RANK", local)
    worker.emit({"event": "begin", "step": 0, "steps": 9})
    assert capsys.readouterr().out == ""
    worker.emit({"event": "done", "device": "cpu"})
    out = capsys.readouterr().out
    assert said in out
    if said:
        with trl.TrlLog() as log:
            log.read(out)
        with pytest.raises(trl.TrainedElsewhere, match="where process 0 ran") as told:
            trl.require_adapter(job(tmp_path), log, 0)
        assert told.value.exit_code == 0


@pytest.fixture
def failure(tmp_path, monkeypatch, capsys):
    """What a user is told where the worker ends in such a way."""

    def fail(fine_tune):
        from amazon_titles.training import worker

        (tmp_path / "job.json").write_text(json.dumps(asdict(job(tmp_path, params=PARAMS))))
        monkeypatch.setattr(worker, "fine_tune", lambda job: fine_tune(worker, job))
        assert worker.main(str(tmp_path / "job.json")) == 1
        with trl.TrlLog() as log:
            log.read(capsys.readouterr().out)
        with pytest.raises(AmazonTitlesError) as refused:
            trl.require_adapter(job(tmp_path), log, 1)
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
    assert "no number any more at step 3, learning rate 1.0e-03" in error.message
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
    with trl.TrlLog() as log:
        log.read("the last words\n")
    with pytest.raises(TrainingError, match=words) as refused:
        trl.require_adapter(job(tmp_path), log, status)
    assert advice in str(refused.value)


def test_a_file_hears_how_far_the_training_is(beat):
    step = {"event": "step", "epoch": 0.5, "loss": 1.5, "learning_rate": 2e-4}
    with trl.TrlLog() as log:
        assert beat(10) == ["  starting trl …", "  starting trl: 0:00:10 so far"]
        log.take({"event": "begin", "step": 10, "steps": 200})
        assert beat(0) == ["Going on after step 10 of 200.", "  training: 10 of 200 steps …"]
        log.take({**step, "step": 9})  # of the earlier run
        log.take({**step, "step": 12, "rate": 12345.6})
        log.take({"event": "checkpoint", "step": 12})
        assert beat(10) == ["  training: 12 of 200 steps, loss 1.5000, 12,346 tokens/s, 0:15:40 left"]
        log.take({"event": "step", "step": 12, "epoch": 0.5, "valid_loss": 1.25})
        assert beat(0) == ["  epoch 0.50  validation loss 1.2500"]
        log.take({**step, "step": 200, "rate": 12345.6})
        assert beat(10) == ["  saving the adapter: 0:00:10 so far"]


def test_an_old_trl_is_refused(monkeypatch):
    monkeypatch.setattr(trl.metadata, "version", lambda package: "0.13.0")
    with pytest.raises(InputError, match=r"needs trl 1.0 or newer, and this environment has 0.13.0"):
        trl.require_trl()
