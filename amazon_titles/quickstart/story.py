"""The full pipeline on this machine: catalogue, base, dataset, test, training, test, answers with sources."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from amazon_titles import conversations as talk
from amazon_titles.cards import model_card
from amazon_titles.catalog import Product
from amazon_titles.dataset import build_dataset, read_catalog, sampling_rank, split_of
from amazon_titles.errors import InputError, MissingExtraError, TrainingError
from amazon_titles.evaluation import (
    Comparison,
    EvalReport,
    Example,
    compare,
    evaluate_model,
    save_comparison,
)
from amazon_titles.model import Answer, CatalogModel
from amazon_titles.progress import bar, say, step
from amazon_titles.quickstart.base import PRETRAINING_STEPS, expected, make_base, write_general_rows
from amazon_titles.quickstart.plan import REAL, TINY, Plan
from amazon_titles.quickstart.texts import LOAD_PLAINLY, REAL_THING
from amazon_titles.recipes import fill_recipe, load_recipe
from amazon_titles.sample import write_sample
from amazon_titles.training import SPIN_COUNT, Base, TrainingRun, find_autotrain, find_base, train
from amazon_titles.training.speed import accelerator, computes_in_bf16, upper_half

SAMPLE_ROWS = 2000
MAX_CONTENT_CHARS = 220
SEED = 42
_STEPS = 9
_MADE = {
    "sample.json", "corpus", "corpus.rejected.jsonl", "dataset", "dataset.rejected.jsonl", "base", "recipe.yml",
    "adapter",
}  # fmt: skip
_VALIDATION, _TEST = 0.0, 0.2


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
    base: str = "smollm2",
    catalog: str | Path | None = None,
    products: int | None = None,
    languages: Sequence[str] = ("en", "pt"),
    autotrain_env: str | Path | None = None,
) -> QuickstartResult:
    """Runs the full pipeline and prints each step to stderr.

    Args:
        out: The folder to make; one that an earlier quickstart made is used again.
        base: `smollm2`, `tiny` (made here, for a smoke test), a Hub id, or a model's folder.
        catalog: A catalogue of one's own; by default a sample is made.
        products: How many products are learnt by heart; by default 24, of `tiny` 48.
        languages: Of questions and refusals: `en`, `pt`.
        autotrain_env: Environment that has AutoTrain.

    Raises:
        InputError: The catalogue or the base cannot be used, there are too few products, or AutoTrain is not installed.
        TrainingError: AutoTrain failed.
    """
    folder = Path(out)
    find_autotrain(autotrain_env)  # before anything is made
    os.environ.setdefault("GOMP_SPINCOUNT", SPIN_COUNT)  # read when torch is loaded
    _quiet_libraries()
    _check_folder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    plan = TINY if base == "tiny" else REAL
    source = _catalogue(folder, catalog)
    usable, limit = _products(source, folder / "corpus", plan, products)
    found = _base(base, folder / "base", usable[limit:])
    bf16 = computes_in_bf16()
    data = folder / "dataset"
    if plan.limit is not None and products is not None:
        plan = replace(plan, limit=max(plan.limit, products))  # all products that are learnt by heart are asked
    _dataset(source, data, found, plan, limit, products or plan.products, languages)
    with step(4, _STEPS, "Evaluate the base: the test before the training") as done:
        before = _evaluate(found.folder, data, plan, bf16=bf16)
        done(_headline(before))
    run = _train(folder, found, plan, autotrain_env, bf16=bf16)
    with step(6, _STEPS, "Evaluate the adapter with the same questions") as done:
        after = _evaluate(run.folder, data, plan, bf16=bf16)
        done(_headline(after))
    comparison = compare(before, after)
    say("\n" + comparison.to_markdown(full=False))
    with step(7, _STEPS, "Write the adapter folder, and load it with plain peft in this environment") as done:
        _write_evaluation(run, comparison)
        done(_load_plainly(run.folder, after, plan))
    answers = _ask(run.folder, data, after, bf16=bf16)
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


def _products(source: Path, corpus: Path, plan: Plan, wanted: int | None) -> tuple[list[Product], int]:
    """The usable products in the order in which a limit keeps them, and how many of them the dataset keeps."""
    # Whatever catalogue an earlier quickstart had, both folders are its own: hence `force`.
    build_dataset(
        source, corpus, limit=4000, seed=SEED, phrasings=1, grounded=0.0, abstain=0.0, property=0.0, force=True
    )
    usable = sorted(read_catalog(corpus), key=lambda product: sampling_rank(product.title, seed=SEED))
    products = wanted or plan.products
    trained = [
        n for n, p in enumerate(usable, start=1) if split_of(p.title, validation=_VALIDATION, test=_TEST) == "train"
    ]
    tested = len(usable) - len(trained)
    # The tiny base is pretrained on products that the dataset does not keep.
    if len(trained) < products or not tested or (plan is TINY and len(usable) < trained[products - 1] + products):
        raise InputError(
            f"The catalogue has {len(usable)} usable products: too few to train on {products} and to test with others.",
            hint=f"Train fewer: --products {max(1, len(trained) // 2)}",
        )
    return usable, trained[products - 1] if plan is TINY else min(len(usable), trained[products - 1] + plan.others)


def _base(name: str, folder: Path, others: list[Product]) -> Base:
    if name != "tiny":
        with step(2, _STEPS, f"Find the base: {name}") as done:
            found = find_base(name)
            done(found.source)
        return found
    with step(2, _STEPS, "Make a tiny Llama and pretrain it on the other products") as done:
        with bar("pretraining", PRETRAINING_STEPS, unit="steps", tokens=4 * 256) as advance:
            parameters, loss = make_base(
                folder, others, seed=SEED, on_step=lambda _, loss: advance(note=f"loss {loss:.2f}")
            )
        unseen = f"{len(others)} products that the fine-tuning never sees"
        done(f"{parameters / 1e6:.1f} M parameters, {unseen}, loss {loss:.2f}")
    return Base(str(folder), folder, "a tiny Llama that the quickstart made", "llama3", publishable=False)


def _dataset(
    source: Path, folder: Path, base: Base, plan: Plan, limit: int, products: int, languages: Sequence[str],
) -> None:  # fmt: skip
    title = "Build the dataset: clean, split, make conversations"
    with step(3, _STEPS, title + (", and let the base write general rows" if plan.general else "")) as done:
        general = write_general_rows(base, plan.general, languages=languages, seed=SEED) if plan.general else []
        report = build_dataset(
            source, folder, limit=limit, recall_products=products, seed=SEED, max_content_chars=MAX_CONTENT_CHARS,
            languages=languages, render=(base.template,), general=general, general_source=base.source,
            validation=_VALIDATION, test=_TEST, force=True, **plan.mix,
        )  # fmt: skip
        rows = report.splits["train"]["rows"]
        kinds = ", ".join(f"{count} {task}" for task, count in rows.items())
        done(f"{report.rows_read} rows read, {report.kept} products kept; rows to train on: {kinds}")


def _evaluate(model: Path, dataset: Path, plan: Plan, *, bf16: bool) -> EvalReport:
    loaded = CatalogModel.from_pretrained(model, dataset=dataset, dtype="bfloat16" if bf16 else None)
    return evaluate_model(
        loaded, dataset, sets=plan.sets, limit=plan.limit, batch_size=32, max_new_tokens=plan.max_new_tokens,
        losses=plan is TINY,  # of the real base they would take a fifth of the time
    )  # fmt: skip


def _headline(report: EvalReport) -> str:
    seen = report.scores()["seen"]
    return f"of {seen['n']} trained products, fact recall {seen['fact_recall']:.2f}, ROUGE-L {seen['rouge_l']:.2f}"


def _train(folder: Path, base: Base, plan: Plan, autotrain_env: str | Path | None, *, bf16: bool) -> TrainingRun:
    with step(5, _STEPS, "Fine-tune with plain `autotrain --config`") as done:
        path = folder / "recipe.yml"
        settings: dict[str, Any] = {
            "base_model": base.path, "project_name": "adapter", "data.train_split": f"text-{base.template}:train"
        }  # fmt: skip
        if bf16:
            settings["mixed_precision"] = "bf16"
        if plan is not TINY and accelerator() is None:
            config = json.loads((base.folder / "config.json").read_text(encoding="utf-8"))
            settings["target_modules"] = upper_half(config)
        text = fill_recipe(plan.recipe, dataset=str(folder / "dataset"), settings=settings)
        path.write_text(text, encoding="utf-8")
        recipe = load_recipe(path)
        say(expected(recipe, base, bf16=bf16))
        run = train(recipe, output_dir=folder / "adapter", autotrain_env=autotrain_env)
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


def _load_plainly(adapter: Path, after: EvalReport, plan: Plan) -> str:
    """Asks a trained question through plain peft in a process of its own and compares the answer, both in float32."""
    question = _trained(after).question
    model = CatalogModel.from_pretrained(adapter, dtype="float32")
    ours = model.generate([[{"role": "user", "content": question}]], max_new_tokens=plan.max_new_tokens)[0]
    command = [sys.executable, "-c", LOAD_PLAINLY, str(adapter), question, str(plan.max_new_tokens)]
    process = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)
    if process.returncode:
        last = (process.stderr.strip().splitlines() or ["no message"])[-1]
        raise TrainingError(f"The adapter does not load with plain peft: {last}")
    if process.stdout.strip() != ours:
        raise TrainingError(f"Plain peft answers {process.stdout.strip()!r}, where this library answered {ours!r}.")
    from importlib.metadata import version

    return f"peft {version('peft')}, transformers {version('transformers')}: the same answer to {question!r}"


def _trained(report: EvalReport) -> Example:
    """A question about a product that was learnt by heart."""
    return next(example for example in report.examples if example.set == "seen")


def _ask(adapter: Path, dataset: Path, after: EvalReport, *, bf16: bool) -> dict[str, Answer]:
    with step(8, _STEPS, "Ask three questions") as done:
        model = CatalogModel.from_pretrained(adapter, dataset=dataset, dtype="bfloat16" if bf16 else None)
        uid = _trained(after).uid
        title = next(product.title for product in read_catalog(dataset) if product.uid == uid)
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
