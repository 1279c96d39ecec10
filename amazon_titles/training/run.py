"""`train`: from a recipe to an adapter folder, in one step that either happens or does not."""

from __future__ import annotations

import platform
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from amazon_titles import __version__, cards
from amazon_titles.errors import InputError, MissingExtraError
from amazon_titles.io import held, is_local, staged
from amazon_titles.plots import plot_losses
from amazon_titles.processes import peak_memory
from amazon_titles.progress import say
from amazon_titles.recipes import Recipe, require_sound
from amazon_titles.training import autotrain, checkpoints, trl
from amazon_titles.training.adapter import ADAPTER, TrainingRun, finish_adapter, full_name
from amazon_titles.training.bases import source_of

ENGINES = ("autotrain", "trl")
"""What trains: plain `autotrain --config`, or this environment's TRL."""

_ELSEWHERE = "Choose another folder for the checkpoints: --set checkpoint_dir=DIR"


def train(
    recipe: Recipe, *, engine: str = "autotrain", output_dir: str | Path | None = None,
    autotrain_env: str | Path | None = None, card_language: str = "en", resume: bool = False, devices: int = 1,
    launcher: str | None = None,
) -> TrainingRun:  # fmt: skip
    """Fine-tunes as the recipe says and leaves an adapter folder.

    The folder appears when everything in it is there; until then, and when the training fails, what stood there stays.

    Args:
        recipe: From `load_recipe`. Relative paths in it are taken from the current folder.
        engine: `autotrain`: plain `autotrain --config`. `trl`: this environment's TRL, with the loss on the answers
            alone, rows that do not see each other, and checkpoints.
        output_dir: The folder; by default the recipe's `project_name`, in the current folder, as AutoTrain has it.
        autotrain_env: Environment that has AutoTrain; by default see `find_autotrain`.
        card_language: The language of the model card, `en` or `pt`.
        resume: Go on from the last checkpoint (trl); where there is none, begin.
        devices: Processes that share each step (trl): GPUs, or on a CPU processes. The result is that of one.
        launcher: What starts the processes instead (trl), on one machine or several, each with the same command:
            `torchrun --nnodes 2 …`, `accelerate launch --config_file FILE`, `srun torchrun …`.

    Raises:
        InputError: The recipe has problems (all are named), the engine is unknown, the output folder holds what no
            training made or is in use by another one, or the checkpoints are of another training.
        TrainingError: The engine failed; the message holds its reason and its last lines, or what to change.
        TrainedElsewhere: Started by a launcher, this machine helped another one, which has the adapter.
    """
    _check(recipe, engine, devices, alone=not resume and devices == 1 and launcher is None)
    target = Path(output_dir or recipe.project_name)
    place = _checkpoints(recipe, target) if engine == "trl" else None
    # Another training may have been told to leave its checkpoints in the same folder.
    with nullcontext() if place is None else held(place, "training", hint=_ELSEWHERE):
        with staged(target, ADAPTER) as new:
            folder = new.parent / "run"
            folder.mkdir()
            names = {"base_model": full_name(recipe.base_model), "data.path": full_name(recipe.data_path)}
            full = recipe.with_settings(names)  # an engine may run in another folder than this one
            start = time.time()
            if place is None:
                trained, told = autotrain.fine_tune(full, folder, env=autotrain_env)
            else:
                trained, told = trl.fine_tune(
                    full, folder, checkpoint_dir=place, resume=resume, devices=devices, launcher=launcher
                )
            run = _run_json(full, engine, told, time.time() - start, card_language)
            finish_adapter(trained, new, base=full.base_model, template=recipe.template, recipe=recipe.text, run=run)
            problem = _write_documents(run, recipe, new)
        if place is not None:
            checkpoints.remove(place)
    if problem is not None:
        raise problem
    return TrainingRun(target, run)


def _check(recipe: Recipe, engine: str, devices: int, *, alone: bool) -> None:
    if engine not in ENGINES:
        raise InputError(f"No engine {engine!r}.", hint=f"Use: --engine {' or --engine '.join(ENGINES)}")
    if engine == "autotrain" and not alone:
        raise InputError(
            "AutoTrain cannot be resumed, and takes the number of its devices from the recipe's distributed_backend.",
            hint="Use: --engine trl",
        )
    if devices < 1:
        raise InputError(f"{devices} devices cannot train.", hint="Use: --devices 1")
    # A repo that stands already makes AutoTrain's own push die at the end: better to hear it before the training.
    problems = recipe.problems(run_here=True, online=recipe.hub.push_to_hub, engine=engine)
    require_sound(recipe, problems)


def _checkpoints(recipe: Recipe, target: Path) -> Path:
    """The folder for the checkpoints: the recipe's, else one beside the adapter's."""
    given = recipe.settings.checkpoint_dir
    place = (target.parent / f"{target.name}.checkpoints" if given is None else Path(given)).resolve()
    if target.resolve() in (place, *place.parents):
        raise InputError(f"{given} will hold the adapter, and cannot hold checkpoints.", hint=_ELSEWHERE)
    return place


def _write_documents(run: dict[str, Any], recipe: Recipe, folder: Path) -> Exception | None:
    """Draws the plots and writes the card; what went wrong is for later, so that the hours of training are safe."""
    plot = folder / "loss.png"
    try:
        try:
            valid, language = run.get("valid_losses", ()), run["card_language"]
            plot.write_bytes(plot_losses(run["losses"], valid=valid, language=language))
        except MissingExtraError as error:
            say(f"No loss.png: {error}")
        card = cards.model_card(run, recipe.text, plots=(plot.name,) if plot.is_file() else ())
        (folder / "README.md").write_text(card, encoding="utf-8")
    except Exception as error:
        return error
    return None


def _run_json(
    recipe: Recipe, engine: str, told: dict[str, Any], seconds: float, card_language: str
) -> dict[str, Any]:  # fmt: skip
    base, data = recipe.base_model, recipe.data_path
    local = " and the ".join(what for what, path in (("base model", base), ("dataset", data)) if is_local(path))
    return {
        "library": __version__, "engine": engine, "base_model": base, "base_source": source_of(base),
        "train_split": recipe.train_split,
        "template": recipe.template and recipe.template.name, "recipe": "recipe.yml", "publishable": not local,
        "why_not_publishable": f"The {local} stand in a local folder." if local else None,
        "machine": f"{platform.system()} {platform.machine()}", "seconds": round(seconds, 1),
        "peak_memory_mb": peak_memory(), **told, "card_language": card_language,
    }  # fmt: skip
