"""`train`: from a recipe to an adapter folder, in one step that either happens or does not."""

from __future__ import annotations

import platform
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from amazon_titles import __version__, cards
from amazon_titles.errors import InputError, TrainingError
from amazon_titles.progress import say
from amazon_titles.recipes import Recipe
from amazon_titles.training import autotrain
from amazon_titles.training.adapter import TrainingRun, dataset_of, finish_adapter
from amazon_titles.training.padding import with_pad_token

_OURS = ("run.json", "training_params.json")


def train(
    recipe: Recipe,
    *,
    engine: str = "autotrain",
    output_dir: str | Path | None = None,
    autotrain_env: str | Path | None = None,
    card_language: str = "en",
) -> TrainingRun:
    """Fine-tunes as the recipe says and leaves an adapter folder.

    The folder appears when everything in it is there; until then, and when the training fails, what stood there stays.

    Args:
        recipe: From `load_recipe`. Relative paths in it are taken from the current folder.
        engine: `autotrain`: plain `autotrain --config`.
        output_dir: By default the recipe's `project_name`, in the current folder, as AutoTrain has it.
        autotrain_env: Environment that has AutoTrain; by default see `find_autotrain`.
        card_language: Of the model card: `en` or `pt`.

    Raises:
        InputError: The recipe has problems (all are named), the engine is unknown, or the output folder holds something
            else.
        TrainingError: AutoTrain failed; the message holds its reason and its last lines.
    """
    if engine != "autotrain":
        raise InputError(f"No engine {engine!r}.", hint="Use: --engine autotrain")
    # A repo that stands already makes AutoTrain's own push die at the end: better to hear it before the training.
    problems = recipe.problems(run_here=True, online=bool(recipe.hub["push_to_hub"]))
    for problem in problems:
        if problem.severity != "error":
            say(f"{recipe.path}: {problem}")
    errors = [str(problem) for problem in problems if problem.severity == "error"]
    if errors:
        raise InputError(f"{recipe.path} has {len(errors)} error(s):\n  " + "\n  ".join(errors))
    if recipe.template is None:
        raise InputError(
            f"{recipe.path}: data.train_split is {recipe.train_split!r}, which is no rendered text.",
            hint="Use a config that `amazon-titles build` wrote: text-llama3:train",
        )
    target = Path(output_dir or recipe.project_name)
    _check_target(target)
    python = autotrain.find_autotrain(autotrain_env)
    with _workshop(target) as workshop:
        (workshop / "run").mkdir()
        (workshop / "adapter").mkdir()
        # The same recipe with its local folders spelt in full, so that AutoTrain may run in a folder of its own.
        base, data = _full(recipe.base_model), _full(recipe.data_path)
        config = workshop / "run" / "recipe.yml"
        # AutoTrain's own push would name the folder of the padded base, which is nowhere else.
        padded = base if recipe.hub["push_to_hub"] else with_pad_token(base, workshop / "base")
        spelt = recipe.with_settings({"base_model": padded, "data.path": data})
        config.write_text(spelt.dump(), encoding="utf-8")
        start = time.time()
        log = autotrain.run_autotrain(
            python,
            config,
            cwd=workshop / "run",
            epochs=float(str(recipe.params["epochs"])),
            variables=autotrain.environment(workshop / "datasets"),
        )
        seconds = time.time() - start
        trained = workshop / "run" / recipe.project_name
        _require_adapter(trained, start, log)
        run = _run_json(recipe, base, data, log, seconds, autotrain.versions(python), trained)
        run["card_language"] = card_language
        finish_adapter(
            trained, workshop / "adapter", base=base, template=recipe.template, recipe=recipe.dump(), run=run
        )
        _put(workshop / "adapter", target)
    # Last: whatever goes wrong with a document, the hours of training are safe.
    (target / "README.md").write_text(cards.model_card(run, recipe.dump()), encoding="utf-8")
    return TrainingRun(target, run)


def _full(path: str) -> str:
    """A local folder as an absolute path; a Hub id as it is."""
    return str(Path(path).resolve()) if Path(path).is_dir() else path


def _check_target(target: Path) -> None:
    if target.exists() and not (
        target.is_dir() and (not any(target.iterdir()) or any((target / n).is_file() for n in _OURS))
    ):
        raise InputError(
            f"{target} holds something that is not an adapter folder, and would be replaced.",
            hint="Choose another name: --set project_name=NAME",
        )


@contextmanager
def _workshop(target: Path) -> Iterator[Path]:
    target.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{target.name}.training-", dir=target.parent)).resolve()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _put(folder: Path, target: Path) -> None:
    if target.exists():
        old = folder.parent / "old"
        target.rename(old)
    folder.rename(target)


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


def _run_json(
    recipe: Recipe,
    base: str,
    data: str,
    log: autotrain.AutoTrainLog,
    seconds: float,
    versions: dict[str, str],
    trained: Path,
) -> dict[str, Any]:
    local = [what for what, path in (("base model", base), ("dataset", data)) if Path(path).is_dir()]
    rows, tokens = _count_tokens(recipe, data, trained)
    assert recipe.template is not None
    return {
        "library": __version__,
        "engine": "autotrain",
        "base_model": base,
        "dataset": dataset_of(data),
        "train_split": recipe.train_split,
        "template": recipe.template.name,
        "recipe": "recipe.yml",
        "publishable": not local,
        "why_not_publishable": f"The {' and the '.join(local)} stand in a local folder." if local else None,
        "device": versions.pop("device"),
        "machine": f"{platform.system()} {platform.machine()}",
        "versions": versions,
        "seconds": round(seconds, 1),
        "training_seconds": log.seconds,
        "rows": rows,
        "tokens_an_epoch": tokens,
        "tokens": None if tokens is None else int(tokens * float(str(recipe.params["epochs"]))),
        "losses": log.losses,
    }


def _count_tokens(recipe: Recipe, data: str, trained: Path) -> tuple[int | None, int | None]:
    """Rows, and tokens of one epoch (BOS and end-of-turn included); None for a dataset that is not a local folder."""
    if not Path(data).is_dir() or not (trained / "tokenizer.json").is_file():
        return None, None
    import pyarrow.parquet as pq
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(trained / "tokenizer.json"))
    rows = tokens = 0
    for path in sorted((Path(data) / str(recipe.dataset_config)).glob(f"{recipe.split}-*.parquet")):
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=1000, columns=[recipe.text_column]):
                encodings = tokenizer.encode_batch_fast(batch.column(0).to_pylist())
                rows += len(encodings)
                tokens += sum(len(encoding.ids) + 1 for encoding in encodings)
    return rows, tokens
