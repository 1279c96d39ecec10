"""`train`: from a recipe to an adapter folder, in one step that either happens or does not."""

from __future__ import annotations

import platform
import time
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from amazon_titles import __version__, cards
from amazon_titles.errors import InputError, MissingExtraError, TrainingError
from amazon_titles.io import held, staged
from amazon_titles.plots import plot_losses
from amazon_titles.processes import peak_memory
from amazon_titles.progress import say
from amazon_titles.recipes import Recipe, require_sound
from amazon_titles.training import autotrain, checkpoints, rows, trl
from amazon_titles.training.adapter import ADAPTER, TrainingRun, dataset_of, finish_adapter
from amazon_titles.training.bases import source_of
from amazon_titles.training.padding import with_pad_token
from amazon_titles.training.trl_job import prepare

ENGINES = ("autotrain", "trl")
"""What trains: plain `autotrain --config`, or this environment's TRL."""

_ELSEWHERE = "Choose another folder for the checkpoints: --set checkpoint_dir=DIR"


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What an engine left behind: where, how long its training loop took, what it ran on, and what only it knows."""

    trained: Path
    losses: list[dict[str, float]]
    seconds: float | None
    versions: dict[str, str]
    device: str
    rows: int | None
    tokens_an_epoch: int | None
    revision: str | None = None
    more: dict[str, Any] = field(default_factory=dict)


def train(
    recipe: Recipe,
    *,
    engine: str = "autotrain",
    output_dir: str | Path | None = None,
    autotrain_env: str | Path | None = None,
    card_language: str = "en",
    resume: bool = False,
    devices: int = 1,
) -> TrainingRun:
    """Fine-tunes as the recipe says and leaves an adapter folder.

    The folder appears when everything in it is there; until then, and when the training fails, what stood there stays.

    Args:
        recipe: From `load_recipe`. Relative paths in it are taken from the current folder.
        engine: `autotrain`: plain `autotrain --config`. `trl`: this environment's TRL, with the loss on the answers
            alone, rows that do not see each other, and checkpoints.
        output_dir: By default the recipe's `project_name`, in the current folder, as AutoTrain has it.
        autotrain_env: Environment that has AutoTrain; by default see `find_autotrain`.
        card_language: Of the model card: `en` or `pt`.
        resume: Go on from the last checkpoint (trl); where there is none, begin.
        devices: Processes that share each step (trl): GPUs, or on a CPU processes. The result is that of one.

    Raises:
        InputError: The recipe has problems (all are named), the engine is unknown, the output folder holds what no
            training made or is in use by another one, or the checkpoints are of another training.
        TrainingError: The engine failed; the message holds its reason and its last lines, or what to change.
    """
    _check(recipe, engine, resume, devices)
    target = Path(output_dir or recipe.project_name)
    place = _checkpoints(recipe, target) if engine == "trl" else None
    # Another training may have been told to leave its checkpoints in the same folder.
    with nullcontext() if place is None else held(place, "training", hint=_ELSEWHERE):
        with staged(target, ADAPTER) as new:
            workshop = new.parent
            (workshop / "run").mkdir()
            base, data = _full(recipe.base_model), _full(recipe.data_path)
            start = time.time()
            if place is None:
                outcome = _run_autotrain(recipe, workshop, base, data, autotrain_env)
            else:
                outcome = _run_trl(recipe, workshop / "run", base, data, place, resume, devices)
            run = _run_json(recipe, engine, base, data, outcome, time.time() - start)
            run |= {"peak_memory_mb": peak_memory()} | outcome.more | {"card_language": card_language}
            assert recipe.template is not None
            finish_adapter(outcome.trained, new, base=base, template=recipe.template, recipe=recipe.dump(), run=run)
            trouble = _write_documents(run, recipe, new, target.name)
        if place is not None:
            checkpoints.remove(place)
    if trouble is not None:
        raise trouble
    return TrainingRun(target, run)


def _check(recipe: Recipe, engine: str, resume: bool, devices: int) -> None:
    if engine not in ENGINES:
        raise InputError(f"No engine {engine!r}.", hint=f"Use: --engine {' or --engine '.join(ENGINES)}")
    if engine == "autotrain" and (resume or devices != 1):
        raise InputError(
            "AutoTrain cannot be resumed, and takes the number of its devices from the recipe's distributed_backend.",
            hint="Use: --engine trl",
        )
    if devices < 1:
        raise InputError(f"{devices} devices cannot train.", hint="Use: --devices 1")
    # A repo that stands already makes AutoTrain's own push die at the end: better to hear it before the training.
    problems = recipe.problems(run_here=True, online=bool(recipe.hub["push_to_hub"]), engine=engine)
    require_sound(recipe, problems)


def _run_autotrain(recipe: Recipe, workshop: Path, base: str, data: str, env: str | Path | None) -> _Outcome:
    python = autotrain.find_autotrain(env)
    # The same recipe with its local folders spelt in full, so that AutoTrain may run in a folder of its own.
    config = workshop / "run" / "recipe.yml"
    # AutoTrain's own push would name the folder of the padded base, which is nowhere else.
    padded = base if recipe.hub["push_to_hub"] else with_pad_token(base)
    spelt = recipe.with_settings({"base_model": padded, "data.path": data})
    config.write_text(spelt.dump(), encoding="utf-8")
    counted = count_tokens(recipe, data, Path(padded))
    start = time.time()
    log = autotrain.run_autotrain(
        python,
        config,
        cwd=workshop / "run",
        tokens=_all_tokens(recipe, counted[1]),
        variables=autotrain.environment(workshop / "datasets"),
    )
    trained = workshop / "run" / recipe.project_name
    _require_adapter(trained, start, log)
    versions = autotrain.versions(python)
    if counted[1] is None:  # a base of the Hub's, whose tokenizer is here now
        counted = count_tokens(recipe, data, trained)
    revision = autotrain.dataset_revision(workshop / "datasets")
    return _Outcome(trained, log.losses, log.seconds, versions, versions.pop("device"), *counted, revision)


def _run_trl(recipe: Recipe, folder: Path, base: str, data: str, place: Path, resume: bool, devices: int) -> _Outcome:
    versions = trl.require_trl()
    prepared = prepare(recipe, folder, base=base, data=data, checkpoint_dir=place, resume=resume, devices=devices)
    try:
        log = trl.run_trl(prepared.job)
    except BaseException:
        if checkpoints.latest(place) is None:
            checkpoints.remove(place)
        else:
            say(f"What was trained stands in {place}. To go on from there: --resume")
        raise
    train, valid = prepared.train, prepared.valid
    more: dict[str, Any] = {
        "answer_tokens_an_epoch": int(train.answers.sum()),
        "rows_cut": train.cut,
        "devices": devices,
        "steps": int(log.losses[-1]["step"]),
        "tokens_a_second": None if log.rate is None else round(log.rate, 1),
        "valid_losses": log.valid_losses,
        "valid_rows": 0 if valid is None else len(valid.ends),
        "kept": prepared.job.keep,
    }
    if log.peak_bytes is not None:
        more["peak_memory_mb"] = round(log.peak_bytes / 2**20)
    every = int(str(recipe.params["logging_steps"]))
    return _Outcome(
        Path(prepared.job.folder) / trl.ADAPTER, log.curve(every), log.seconds, versions, log.device,
        len(train.ends), len(train.ids), prepared.revision, more,
    )  # fmt: skip


def _checkpoints(recipe: Recipe, target: Path) -> Path:
    """The folder for the checkpoints: the recipe's, else one beside the adapter's."""
    given = recipe.settings["checkpoint_dir"]
    place = (target.parent / f"{target.name}.checkpoints" if given is None else Path(str(given))).resolve()
    if target.resolve() in (place, *place.parents):
        raise InputError(f"{given} is where the adapter will stand, and is no place for checkpoints.", hint=_ELSEWHERE)
    return place


def _write_documents(run: dict[str, Any], recipe: Recipe, folder: Path, name: str) -> Exception | None:
    """Draws the plots and writes the card; what went wrong is for later, so that the hours of training are safe."""
    try:
        plots = _plot(run, folder, name)
        (folder / "README.md").write_text(cards.model_card(run, recipe.dump(), plots=plots), encoding="utf-8")
    except Exception as error:
        return error
    return None


def _plot(run: dict[str, Any], folder: Path, name: str) -> tuple[str, ...]:
    """Draws `loss.png` where matplotlib is installed; the names of what was drawn."""
    try:
        plot_losses(
            run["losses"], folder / "loss.png", title=f"{name}, {run['engine']}", valid=run.get("valid_losses", ())
        )
    except MissingExtraError as error:
        say(f"No loss.png: {error}")
        return ()
    return ("loss.png",)


def _full(path: str) -> str:
    """A local folder as an absolute path; a Hub id as it is."""
    return str(Path(path).resolve()) if Path(path).is_dir() else path


def _require_adapter(trained: Path, start: float, log: autotrain.AutoTrainLog) -> None:
    missing = [
        name
        for name in autotrain.ADAPTER_FILES
        if not (trained / name).is_file() or (trained / name).stat().st_mtime < start
    ]
    if missing:
        raise TrainingError(
            f"AutoTrain failed: {log.reason or 'it gave no reason'}. It wrote no {' and no '.join(missing)}.",
            hint="Its last lines:\n    " + log.tail.replace("\n", "\n    "),
        )
    if not log.losses:
        raise TrainingError("AutoTrain wrote an adapter but logged no loss.", hint=f"Its last lines:\n{log.tail}")


def _run_json(recipe: Recipe, engine: str, base: str, data: str, outcome: _Outcome, seconds: float) -> dict[str, Any]:
    local = [what for what, path in (("base model", base), ("dataset", data)) if Path(path).is_dir()]
    tokens = outcome.tokens_an_epoch
    assert recipe.template is not None
    return {
        "library": __version__,
        "engine": engine,
        "base_model": base,
        "base_source": source_of(base),
        "dataset": dataset_of(data, outcome.revision),
        "train_split": recipe.train_split,
        "template": recipe.template.name,
        "recipe": "recipe.yml",
        "publishable": not local,
        "why_not_publishable": f"The {' and the '.join(local)} stand in a local folder." if local else None,
        "device": outcome.device,
        "machine": f"{platform.system()} {platform.machine()}",
        "versions": outcome.versions,
        "seconds": round(seconds, 1),
        "training_seconds": outcome.seconds,
        "rows": outcome.rows,
        "tokens_an_epoch": tokens,
        "tokens": _all_tokens(recipe, tokens),
        "losses": outcome.losses,
    }


def _all_tokens(recipe: Recipe, tokens_an_epoch: int | None) -> int | None:
    return None if tokens_an_epoch is None else int(tokens_an_epoch * float(str(recipe.params["epochs"])))


def count_tokens(recipe: Recipe, data: str, model: Path) -> tuple[int | None, int | None]:
    """Rows, and tokens of one epoch; None where dataset or model is no local folder, or cannot be read."""
    if not Path(data).is_dir() or not (model / "tokenizer.json").is_file():
        return None, None
    files = sorted((Path(data) / str(recipe.dataset_config)).glob(f"{recipe.split}-*.parquet"))
    try:
        return rows.count(files, recipe.text_column, model / "tokenizer.json")
    except Exception:  # the trainer meets the same file, and says what is wrong with it
        return None, None
