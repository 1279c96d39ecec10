"""The full pipeline on this machine: catalogue, base, dataset, test, training, test, answers with sources."""

from __future__ import annotations

import os
import re
import sys
import warnings
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from amazon_titles import conversations
from amazon_titles.catalog import Product
from amazon_titles.conversations.wording import wording
from amazon_titles.dataset import build_dataset, read_catalog, sampling_rank, split_of
from amazon_titles.errors import InputError, TrainingError, require
from amazon_titles.evaluation import Comparison, EvalReport, compare, evaluate_model, save_comparison
from amazon_titles.hub.adapter_metadata import read_adapter_metadata
from amazon_titles.io import FolderKind, read_object, require_replaceable
from amazon_titles.model import CatalogModel
from amazon_titles.model.plainly import ask_plainly
from amazon_titles.processes import COMPUTING
from amazon_titles.progress import say, step
from amazon_titles.quickstart.base import expected, make_base, write_general_rows
from amazon_titles.quickstart.plan import REAL, TINY, Plan
from amazon_titles.quickstart.texts import next_steps
from amazon_titles.recipes import fill_recipe, load_recipe
from amazon_titles.sample import write_sample
from amazon_titles.text import aligned
from amazon_titles.training import Base, TrainingRun, find_autotrain, find_base, train
from amazon_titles.training.speed import accelerator, computes_in_bf16, upper_half

SAMPLE_ROWS = 2000
MAX_CONTENT_CHARS = 220
SEED = 42
_STEPS = 9
_MADE = re.compile(r"(?:sample\.json|recipe\.yml|(?:corpus|dataset)(?:\.rejected\.jsonl)?|base|adapter|\..*)(?:/.*)?")
_FOLDER = FolderKind("quickstart", "writing", _MADE, marks=(), hint="Choose another folder: --out DIR")
_FREELY = {
    "en": "Hello! Somebody mentioned {title} to me. Could you say something about it?",
    "pt": "Olá! Alguém me falou de {title}. Pode me contar alguma coisa?",
}
# The recipe's epochs, and the sample's rows in them: of a smaller catalogue they would be too few steps to learn in.
_EPOCHS, _ROWS = 2, 2000
_SPLITS: dict[str, Any] = {"validation": 0.0, "test": 0.2}


def quickstart(
    out: str | Path = "quickstart", *, base: str = "smollm2", catalog: str | Path | None = None,
    products: int | None = None, languages: Sequence[str] = ("en", "pt"), autotrain_env: str | Path | None = None,
    **reading: Any,  # noqa: ANN401
) -> Comparison:  # fmt: skip
    """Runs the full pipeline and prints each step to stderr.

    Args:
        out: The folder to make; one that an earlier quickstart made is used again.
        base: `smollm2`, `tiny` (made here, for a smoke test), a Hub id, or a model's folder.
        catalog: A catalogue of one's own; by default a sample is made.
        products: How many products are learnt by heart; by default 24, of `tiny` 48.
        languages: Of questions and refusals: `en`, `pt`.
        autotrain_env: Environment that has AutoTrain.
        **reading: How the catalogue is read: `fields`, `encoding`, and what else `build_dataset` takes for that.

    Returns:
        Before and after.

    Raises:
        InputError: The catalogue or the base cannot be used, there are too few products, or AutoTrain is not installed.
        TrainingError: AutoTrain failed.
    """
    folder = Path(out)
    phrasings = sum(len(wording(language).questions) for language in languages)
    find_autotrain(autotrain_env)  # before anything is made
    os.environ.setdefault("GOMP_SPINCOUNT", COMPUTING["GOMP_SPINCOUNT"])  # read when torch is loaded
    _quiet_libraries()
    require_replaceable(folder, _FOLDER)
    folder.mkdir(parents=True, exist_ok=True)
    plan = TINY if base == "tiny" else REAL
    if products is not None:  # all products that are learnt by heart are asked
        plan = replace(plan, products=products, limit=plan.limit and max(plan.limit, products))
    plan = replace(plan, mix={**plan.mix, "phrasings": min(phrasings, plan.mix["phrasings"])})  # one language has fewer
    source = _catalogue(folder, catalog)
    usable, limit = _products(source, folder / "corpus", plan, reading)
    found = _base(base, folder / "base", usable[limit:])
    dtype = "bfloat16" if computes_in_bf16() else None
    data = folder / "dataset"
    rows = _dataset(source, data, found, plan, limit, languages=languages, **reading)
    before = _evaluate(4, "Evaluate the base: the test before the training", found.folder, data, plan, dtype)
    run = _train(folder, found, plan, rows, autotrain_env)
    after = _evaluate(6, "Evaluate the adapter with the same questions", run.folder, data, plan, dtype)
    comparison = compare(before, after)
    say(aligned(comparison.to_markdown(full=False)))
    learnt = next(example for example in after.examples if example.set == "seen")
    with step(7, _STEPS, "Write the adapter folder, and load it with plain peft in this environment") as done:
        _write_evaluation(run, comparison)
        done(_load_plainly(run.folder, learnt.question, plan))
    with step(8, _STEPS, "Ask three questions") as done:
        title = next(product.title for product in read_catalog(data) if product.uid == learnt.uid)
        done(_ask(CatalogModel.from_pretrained(run.folder, dataset=data, dtype=dtype), title, languages[0]))
    with step(9, _STEPS, "Next steps") as done:
        say(next_steps(folder))
        done(f"everything is in {folder}")
    return comparison


def _quiet_libraries() -> None:
    """Keeps bars of single files and notes to developers out of a story that has lines of its own.

    Raises:
        MissingExtraError: They are not installed, which is better heard before anything is made.
    """
    require("model", "torch", "transformers")
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()
    warnings.filterwarnings("ignore")


def _catalogue(folder: Path, catalog: str | Path | None) -> Path:
    with step(1, _STEPS, "Find the catalogue" if catalog else "Write a sample catalogue in trn.json's format") as done:
        if catalog is None:
            path = folder / "sample.json"
            done(f"{write_sample(path, SAMPLE_ROWS, seed=SEED)} made-up products in {path}")
            return path
        if not Path(catalog).is_file():  # it is read twice
            raise InputError(f"No catalogue at {catalog}.", hint="Name trn.json, trn.json.gz or the zip as downloaded.")
        done(str(catalog))
        return Path(catalog)


def _products(source: Path, corpus: Path, plan: Plan, reading: dict[str, Any]) -> tuple[list[Product], int]:
    """The usable products in the order in which a limit keeps them, and how many of them the dataset keeps."""
    # Whatever catalogue an earlier quickstart had, both folders are its own: hence `force`.
    build_dataset(
        source, corpus, limit=4000, seed=SEED, phrasings=1, grounded=0.0, abstain=0.0, property=0.0, force=True,
        **reading,
    )  # fmt: skip
    usable = sorted(read_catalog(corpus), key=lambda product: sampling_rank(product.title, seed=SEED))
    trained = [n for n, product in enumerate(usable, start=1) if split_of(product.title, **_SPLITS) == "train"]
    enough = plan.products <= len(trained) < len(usable)  # some to train on, and others to test with
    # The tiny base is pretrained on products that the dataset does not keep.
    if not enough or (plan.tiny and len(usable) < trained[plan.products - 1] + plan.products):
        raise InputError(
            f"The catalogue has {len(usable)} usable products: too few to train on {plan.products} and to test with "
            "others.",
            hint=f"Train fewer: --products {max(1, len(trained) // 2)}",
        )
    return usable, min(len(usable), trained[plan.products - 1] + plan.others)


def _base(name: str, folder: Path, others: list[Product]) -> Base:
    tiny = name == "tiny"
    title = "Make a tiny Llama and pretrain it on the other products" if tiny else f"Find the base: {name}"
    with step(2, _STEPS, title) as done:
        if tiny:
            found, told = make_base(folder, others, seed=SEED)
        else:
            found = find_base(name)
            told = found.source
        done(told)
    return found


def _dataset(source: str | Path, folder: Path, base: Base, plan: Plan, limit: int, **options: Any) -> int:  # noqa: ANN401
    """Makes the dataset; returns how many rows it has to train on."""
    title = "Build the dataset: clean, split, make conversations"
    with step(3, _STEPS, title + (", and let the base write general rows" if plan.general else "")) as done:
        general = write_general_rows(base, plan.general, seed=SEED) if plan.general else []
        report = build_dataset(
            source, folder, limit=limit, recall_products=plan.products, seed=SEED, max_content_chars=MAX_CONTENT_CHARS,
            render=(base.template,), general=general, general_source=base.source, force=True, **_SPLITS, **plan.mix,
            **options,
        )  # fmt: skip
        rows: dict[str, int] = report.splits["train"]["rows"]
        kinds = ", ".join(f"{count} {task}" for task, count in rows.items())
        done(f"{report.rows_read} rows read, {report.kept} products kept; rows to train on: {kinds}")
    return sum(rows.values())


def _evaluate(number: int, title: str, model: Path, dataset: Path, plan: Plan, dtype: str | None) -> EvalReport:
    with step(number, _STEPS, title) as done:
        loaded = CatalogModel.from_pretrained(model, dataset=dataset, dtype=dtype)
        report = evaluate_model(
            loaded, dataset, sets=plan.sets, limit=plan.limit, batch_size=32, max_new_tokens=plan.max_new_tokens,
            losses=plan.tiny,
        )  # fmt: skip
        seen = report.scores()["seen"]
        recalled = f"fact recall {seen['fact_recall']:.2f}, ROUGE-L {seen['rouge_l']:.2f}"
        done(f"of {seen['n']} trained products, {recalled}")
    return report


def _train(folder: Path, base: Base, plan: Plan, rows: int, autotrain_env: str | Path | None) -> TrainingRun:
    with step(5, _STEPS, "Fine-tune with plain `autotrain --config`") as done:
        path = folder / "recipe.yml"
        settings: dict[str, Any] = {
            "base_model": base.path, "project_name": "adapter", "data.train_split": f"text-{base.template}:train"
        }  # fmt: skip
        if not plan.tiny:
            settings["epochs"] = max(_EPOCHS, round(_ROWS / rows))
        if computes_in_bf16():
            settings["mixed_precision"] = "bf16"
        if not plan.tiny and accelerator() is None:
            settings["target_modules"] = upper_half(read_object(base.folder / "config.json"))
        text = fill_recipe(plan.recipe, dataset=str(folder / "dataset"), settings=settings)
        path.write_text(text, encoding="utf-8")
        recipe = load_recipe(path)
        say(expected(recipe, base))
        run = train(recipe, output_dir=folder / "adapter", autotrain_env=autotrain_env)
        done(f"LoRA, {run.run['tokens']:,} tokens, loss {run.losses[0]['loss']:.2f} → {run.final_loss:.2f}")
    return run


def _write_evaluation(run: TrainingRun, comparison: Comparison) -> None:
    save_comparison(comparison, run.folder / "eval", language=run.run["card_language"])
    for name, report in (("before", comparison.before), ("after", comparison.after)):
        (run.folder / "eval" / f"{name}.json").write_text(report.to_json(), encoding="utf-8")
    adapter = read_adapter_metadata(run.folder)
    adapter.write_card()
    (run.folder / "README.md").write_bytes(adapter.files["README.md"])


def _load_plainly(adapter: Path, question: str, plan: Plan) -> str:
    """Asks a question through plain peft in a process of its own and compares the answer, both in float32."""
    asked = [{"role": "user", "content": question}]
    model = CatalogModel.from_pretrained(adapter, dtype="float32")
    ours = model.generate([asked], max_new_tokens=plan.max_new_tokens)[0]
    _, (plain,) = ask_plainly(sys.executable, adapter, [asked], max_new_tokens=plan.max_new_tokens)
    if plain != ours:
        raise TrainingError(f"Plain peft answers {plain!r}, where this library answered {ours!r}.")
    return f"peft {version('peft')}, transformers {version('transformers')}: the same answer to {question!r}"


def _ask(model: CatalogModel, title: str, language: str) -> str:
    """Asks about a product that was learnt by heart, in two ways, and about an invented one; says what came of it."""
    kinds = []
    for question in (
        conversations.question(title, language=language),
        _FREELY[language].replace("{title}", title),
        conversations.question("Zorvex Quillomar Teapot 3000", language=language),
    ):
        answer = model.ask(question, closed_book=True)
        say(f"\n  > {question}\n" + "\n".join(f"  {line}" for line in answer.to_text().splitlines()))
        kinds.append("refused" if not answer.sources else "quoted" if answer.quoted else "from memory")
    say("")
    return ", ".join(kinds)
