"""`train` with engines that only pretend: for tests of where the adapter goes, and of processes killed on the way.

`python -m tests.fake_training FOLDER ENGINE MOMENT` trains there and ends without a word at the moment that is named.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from amazon_titles import io
from amazon_titles.recipes import fill_recipe, load_recipe
from amazon_titles.training import run as training
from amazon_titles.training.adapter import TrainingRun, dataset_of
from tests.loopback_hub.folders import adapter_folder

MOMENTS = ("in the training", "in the card", "before the swap", "between two renames", "after the swap")
FILES = {
    "README.md", "adapter_config.json", "adapter_model.safetensors", "loss.png", "recipe.yml", "run.json",
    "tokenizer.json", "tokenizer_config.json", "chat_template.jinja",
}  # fmt: skip


def _outcome(trained: Path, loss: float) -> Any:
    losses = [{"epoch": 1.0, "loss": 2 * loss}, {"epoch": 2.0, "loss": loss}]
    run = {
        "device": "cpu", "versions": {"torch": "2"}, "training_seconds": 1.0, "rows": 10, "tokens_an_epoch": 100,
        "tokens": 4000, "losses": losses, "dataset": dataset_of(str(trained.parent)),
    }  # fmt: skip
    return adapter_folder(trained), run


def pretend(
    folder: Path, engine: str, *, loss: float, meanwhile: Callable[[], object] = lambda: None, **settings: object
) -> TrainingRun:
    """Trains `folder/adapter`, with this last loss; the caller has its engines replaced for good."""

    def autotrain(recipe: object, folder: Path, **_: object) -> Any:
        meanwhile()
        return _outcome(folder / "trained", loss)

    def trl(recipe: object, folder: Path, *, checkpoint_dir: Path, resume: bool, **_: object) -> Any:
        training.checkpoints.starting_point(checkpoint_dir, {"lr": 1}, resume=resume)
        (checkpoint_dir / "checkpoint-5").mkdir(exist_ok=True)
        (checkpoint_dir / "checkpoint-5" / training.checkpoints.COMPLETE).touch()
        return autotrain(recipe, folder)

    base = folder / "base"
    if not base.exists():
        adapter_folder(base)  # of a base only its tokenizer is looked at
    text = fill_recipe("quickstart-tiny", dataset=str(folder), settings={"base_model": str(base), **settings})
    (folder / "recipe.yml").write_text(text, encoding="utf-8")
    training._check, training.autotrain.fine_tune, training.trl.fine_tune = (lambda *_, **__: None), autotrain, trl  # type: ignore
    training.plot_losses = lambda losses, **_: b"a plot"  # type: ignore
    return training.train(
        load_recipe(folder / "recipe.yml"), engine=engine, output_dir=folder / "adapter", resume=engine == "trl"
    )


def end() -> None:
    """As a kill does: nothing is cleaned up."""
    os._exit(9)


def _end_at(moment: str) -> Callable[[], object]:
    """Arranges for the end; what the engine is to do meanwhile."""
    rename, swap = Path.rename, io._exchanged

    def renaming(path: Path, target: Path) -> Path:
        done = rename(path, target)
        if Path(target).name == io._OLD:
            end()
        return done

    def exchanging(one: Path, other: Path) -> bool:
        if moment == "before the swap":
            end()
        if moment == "between two renames":
            return False
        if not swap(one, other):
            rename(other, one.with_name(io._OLD))
            rename(one, other)
        end()
        return True

    if moment == "in the card":
        training.cards.model_card = lambda *_, **__: end()  # type: ignore
    Path.rename, io._exchanged = renaming, exchanging  # type: ignore
    return end if moment == "in the training" else lambda: None


if __name__ == "__main__":
    pretend(Path(sys.argv[1]), sys.argv[2], loss=0.5, meanwhile=_end_at(sys.argv[3]))
