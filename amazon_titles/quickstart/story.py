"""The whole story on a laptop, offline: catalogue, dataset, base, before, training, after, answers with sources."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amazon_titles import conversations as talk
from amazon_titles.cards import model_card
from amazon_titles.catalog import Product
from amazon_titles.dataset import build_dataset, read_catalog, sampling_rank, split_of
from amazon_titles.errors import InputError, MissingExtraError, TrainingError
from amazon_titles.evaluation import Comparison, EvalReport, compare, evaluate_model, save_comparison
from amazon_titles.model import Answer, CatalogModel
from amazon_titles.progress import bar, say, step
from amazon_titles.quickstart.base import PRETRAINING_STEPS, make_base
from amazon_titles.quickstart.texts import LOAD_PLAINLY, REAL_THING
from amazon_titles.recipes import fill_recipe, load_recipe
from amazon_titles.sample import write_sample
from amazon_titles.training import SPIN_COUNT, TrainingRun, find_autotrain, train

SAMPLE_ROWS = 2000
PRODUCTS = 48
"""Products that the tiny Llama is trained on: as many as it learns by heart in four minutes on two cores."""

# Products read to pretrain the base on, at most: more than it can see in a minute.
_CORPUS = 4000
MAX_CONTENT_CHARS = 220
SEED = 42
_STEPS = 9
_MADE = {
    "sample.json", "corpus", "corpus.rejected.jsonl", "dataset", "dataset.rejected.jsonl", "base", "recipe.yml",
    "adapter",
}  # fmt: skip
_SHARES = {"validation": 0.05, "test": 0.2}
# Mostly recall: a tiny model has time for little else.
_MIX: dict[str, Any] = {**_SHARES, "languages": ("en", "pt"), "phrasings": 12, "grounded": 0.0, "abstain": 0.25}
_MAX_NEW_TOKENS = 160


@dataclass(frozen=True, slots=True)
class QuickstartResult:
    """What a quickstart made.

    Attributes:
        folder: Holds everything.
        comparison: Before and after.
        answers: To the three questions, by question.
    """

    folder: Path
    comparison: Comparison
    answers: dict[str, Answer]


def quickstart(
    out: str | Path = "quickstart",
    *,
    catalog: str | Path | None = None,
    products: int = PRODUCTS,
    autotrain_env: str | Path | None = None,
) -> QuickstartResult:
    """Runs the whole story and prints each step to stderr.

    Args:
        out: The folder to make; one that an earlier quickstart made is used again.
        catalog: A catalogue of one's own; by default a sample is made.
        products: How many products are trained.
        autotrain_env: Environment that has AutoTrain.

    Raises:
        InputError: The catalogue cannot be used, has too few products, or AutoTrain is not installed.
        TrainingError: AutoTrain failed.
    """
    folder = Path(out)
    find_autotrain(autotrain_env)  # before anything is made
    os.environ.setdefault("GOMP_SPINCOUNT", SPIN_COUNT)  # read when torch is loaded
    _quiet_libraries()
    _check_folder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    source = _catalogue(folder, catalog)
    _base(folder / "base", _dataset(source, folder / "dataset", products))
    with step(4, _STEPS, "Evaluate the base: the test before the training") as done:
        before = _evaluate(folder / "base", folder / "dataset")
        done(_headline(before))
    run = _train(folder, autotrain_env)
    with step(6, _STEPS, "Evaluate the adapter with the same questions") as done:
        after = _evaluate(run.folder, folder / "dataset")
        done(_headline(after))
    comparison = compare(before, after)
    say("\n" + comparison.to_markdown(full=False))
    with step(7, _STEPS, "Write the adapter folder, and load it with plain peft in this environment") as done:
        _write_evaluation(run, comparison)
        done(_load_plainly(run.folder, after))
    answers = _ask(run.folder, folder / "dataset")
    with step(9, _STEPS, "What to do with the real thing") as done:
        say(REAL_THING)
        done(f"everything is in {folder}")
    return QuickstartResult(folder, comparison, answers)


def _quiet_libraries() -> None:
    """Keeps bars of single files and notes to developers out of a story that has lines of its own."""
    import warnings

    try:
        from transformers.utils import logging
    except ImportError as error:
        raise MissingExtraError("model", error.name or "transformers") from error

    logging.disable_progress_bar()
    logging.set_verbosity_error()
    warnings.filterwarnings("ignore")


def _check_folder(folder: Path) -> None:
    """Refuses a folder that holds anything that a quickstart does not make."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file.", hint="Choose a folder: --out DIR")
    foreign = [path.name for path in folder.glob("*") if path.name not in _MADE and not path.name.startswith(".")]
    if foreign:
        raise InputError(
            f"{folder} holds something that no quickstart made, such as {foreign[0]!r}.",
            hint="Choose another folder: --out DIR",
        )


def _catalogue(folder: Path, catalog: str | Path | None) -> Path:
    with step(1, _STEPS, "Find the catalogue" if catalog else "Write a sample catalogue in trn.json's format") as done:
        if catalog is None:
            path = folder / "sample.json"
            done(f"{write_sample(path, SAMPLE_ROWS, seed=SEED)} made-up products in {path}")
            return path
        if not Path(catalog).is_file():
            raise InputError(f"No catalogue at {catalog}.", hint="Name trn.json, trn.json.gz or the zip as downloaded.")
        done(str(catalog))
        return Path(catalog)


def _dataset(source: Path, folder: Path, products: int) -> list[Product]:
    """Builds the dataset with exactly `products` trained products and returns the others, which are for the base."""
    with step(2, _STEPS, "Build the dataset: clean, split, make conversations") as done:
        corpus = folder.with_name("corpus")
        # Whatever catalogue an earlier quickstart had, both folders are its own.
        build_dataset(source, corpus, limit=_CORPUS, seed=SEED, phrasings=1, grounded=0.0, abstain=0.0, force=True)
        usable = sorted(read_catalog(corpus), key=lambda product: sampling_rank(product.title, seed=SEED))
        limit = _limit_for(usable, products)
        report = build_dataset(
            source, folder, limit=limit, seed=SEED, max_content_chars=MAX_CONTENT_CHARS, force=True, **_MIX
        )
        used = {product.title for product in read_catalog(folder)}
        others = [product for product in usable if product.title not in used]
        trained = report.splits["train"]["products"]
        done(f"{report.rows_read} rows read, {report.kept} products kept, {trained} of them to train on")
    return others


def _limit_for(usable: list[Product], products: int) -> int:
    """How many products to keep so that `products` of them are trained; as many again must be left for the base.

    Args:
        usable: In the order in which a limit keeps them.
        products: Wanted in the training split.
    """
    trained = 0
    for kept, product in enumerate(usable, start=1):
        trained += split_of(product.title, **_SHARES) == "train"
        if trained == products and len(usable) - kept >= products:
            return kept
    raise InputError(
        f"The catalogue has {len(usable)} usable products: too few to train on {products}, test with others and "
        "pretrain the base on the rest.",
        hint=f"Train fewer: --products {max(1, len(usable) // 4)}",
    )


def _base(folder: Path, others: list[Product]) -> None:
    with step(3, _STEPS, "Make a tiny Llama and pretrain it on the other products") as done:
        with bar("pretraining", total=PRETRAINING_STEPS) as advance:
            parameters, loss = make_base(
                folder, others, seed=SEED, on_step=lambda _, loss: advance(note=f"loss {loss:.2f}")
            )
        unseen = f"{len(others)} products that the fine-tuning never sees"
        done(f"{parameters / 1e6:.1f} M parameters, {unseen}, loss {loss:.2f}")


def _evaluate(model: Path, dataset: Path) -> EvalReport:
    return evaluate_model(CatalogModel.from_pretrained(model, dataset=dataset), dataset, max_new_tokens=_MAX_NEW_TOKENS)


def _headline(report: EvalReport) -> str:
    seen = report.scores()["seen"]
    return f"of {seen['n']} trained products, fact recall {seen['fact_recall']:.2f}, ROUGE-L {seen['rouge_l']:.2f}"


def _train(folder: Path, autotrain_env: str | Path | None) -> TrainingRun:
    with step(5, _STEPS, "Fine-tune with plain `autotrain --config`") as done:
        path = folder / "recipe.yml"
        settings = {"base_model": str(folder / "base"), "project_name": "adapter"}
        path.write_text(fill_recipe("quickstart", dataset=str(folder / "dataset"), settings=settings), encoding="utf-8")
        run = train(load_recipe(path), output_dir=folder / "adapter", autotrain_env=autotrain_env)
        done(f"LoRA, {run.run['tokens']:,} tokens, loss {run.losses[0]['loss']:.2f} → {run.final_loss:.2f}")
    return run


def _write_evaluation(run: TrainingRun, comparison: Comparison) -> None:
    folder = run.folder / "eval"
    folder.mkdir(exist_ok=True)
    (folder / "before.json").write_text(comparison.before.to_json(), encoding="utf-8")
    (folder / "after.json").write_text(comparison.after.to_json(), encoding="utf-8")
    save_comparison(comparison, folder)
    names = ("before", "after", "comparison")
    reports = {name: json.loads((folder / f"{name}.json").read_text(encoding="utf-8")) for name in names}
    recipe = (run.folder / "recipe.yml").read_text(encoding="utf-8")
    card = model_card(run.run, recipe, **reports, plots=("eval/before_after.png", "eval/changes.png", "loss.png"))
    (run.folder / "README.md").write_text(card, encoding="utf-8")


def _load_plainly(adapter: Path, after: EvalReport) -> str:
    """Asks a trained question through plain peft in a process of its own and compares the answer."""
    example = after.examples[0]
    command = [sys.executable, "-c", LOAD_PLAINLY, str(adapter), example.question, str(_MAX_NEW_TOKENS)]
    process = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)
    if process.returncode:
        last = (process.stderr.strip().splitlines() or ["no message"])[-1]
        raise TrainingError(f"The adapter does not load with plain peft: {last}")
    if process.stdout.strip() != example.answer:
        raise TrainingError(
            f"Plain peft answers {process.stdout.strip()!r}, where this library answered {example.answer!r}."
        )
    from importlib.metadata import version

    return f"peft {version('peft')}, transformers {version('transformers')}: the same answer to {example.question!r}"


def _ask(adapter: Path, dataset: Path) -> dict[str, Answer]:
    with step(8, _STEPS, "Ask three questions") as done:
        model = CatalogModel.from_pretrained(adapter, dataset=dataset)
        title = next(p.title for p in read_catalog(dataset) if split_of(p.title, **_SHARES) == "train")
        questions = (
            talk.question(title),
            f"Hello! Somebody mentioned {title} to me. Could you say something about it?",
            talk.question("Zorvex Quillomar Teapot 3000"),
        )
        answers = {asked: model.ask(asked, closed_book=True) for asked in questions}
        for asked, answer in answers.items():
            say(f"\n  > {asked}\n" + "\n".join(f"  {line}" for line in answer.to_text().splitlines()))
        say("")
        kinds = ["refused" if not a.sources else "quoted" if a.quoted else "from memory" for a in answers.values()]
        done(", ".join(kinds))
    return answers
