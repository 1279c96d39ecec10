"""A recipe's problems, and what it will take: tokens, steps, memory, hours, dollars, exposures of a product.

An estimate says what it rests on. Unless this machine is to be measured, torch is not imported.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from amazon_titles import resources
from amazon_titles.budget.flavors import SHARES, flavors, runs, tokens_per_second
from amazon_titles.budget.shapes import memory_gb, shape_of
from amazon_titles.errors import AmazonTitlesError, InputError
from amazon_titles.io import is_local
from amazon_titles.recipes import Problem, Recipe, load_recipe
from amazon_titles.recipes.corpus import Corpus, look

# UTF-8 bytes a token, for English with the template's own tokens; measured instead where the base's tokenizer is here.
_BYTES_PER_TOKEN = {"text-llama3": 4.3, "text-chatml": 4.0}
_MEMORY = "memory by formula: weights, adapter, logits, one layer"
_TIMED_STEPS = 20
_SPEEDS = "{share:.0%} of a GPU's peak speed, as on one H100; a rough speed for Hub CPUs; --measure for this machine"
_COLUMNS = (
    "fits: enough memory and the recipe's precision; hours and $: training only, ? where the speed is unknown",
    "--limit: with --hours, the most products for `build --limit` that get enough questions in that time",
)


@dataclass(frozen=True, slots=True)
class Place:
    """The recipe on one kind of machine.

    Attributes:
        flavor: The machine.
        fits: Whether the memory suffices, and the precision is one that the machine has; None where that is not known.
        hours: Of training alone, without download and loading; None where the machine's speed is not known.
        dollars: For these hours; None where no price or no speed is known.
        limit: The most products that reach the wanted exposures in the wanted hours; None where no hours are given, or
            no speed is known.
    """

    flavor: str
    fits: bool | None
    hours: float | None
    dollars: float | None
    limit: int | None


@dataclass(frozen=True, slots=True)
class Budget:
    """What a recipe will take.

    Attributes:
        rows: Rows of the split.
        tokens: Tokens of one pass over them, BOS and end-of-turn included.
        steps: Optimizer steps in all passes.
        base_parameters: Of the base.
        adapter_parameters: That are trained.
        memory_gb: On one device, in 10^9 bytes.
        products: Different products in the split; None where no report says.
        exposures: How often the run asks about each product; None likewise.
        exposures_wanted: How often it should.
        epochs_wanted: Passes that reach that; None where no report says.
        places: The recipe on each kind of machine.
        rests_on: What was measured, and what is assumed.
    """

    rows: int
    tokens: int
    steps: int
    base_parameters: int
    adapter_parameters: int
    memory_gb: float
    products: int | None
    exposures: float | None
    exposures_wanted: int
    epochs_wanted: int | None
    places: tuple[Place, ...]
    rests_on: tuple[str, ...]

    def lines(self) -> list[str]:
        """The budget for a terminal."""
        seen = "unknown" if self.exposures is None else f"{self.exposures:.0f}"
        lines = [
            f"data: {self.rows:,} rows, {self.tokens:,} tokens per epoch, {self.steps:,} steps in total",
            f"trained parameters: {self.adapter_parameters:,} of {self.base_parameters:,}",
            f"memory: about {self.memory_gb:.1f} GB on one device",
            f"questions about each product during training: {seen}"
            + (f" ({self.epochs_wanted} epochs for {self.exposures_wanted})" if self.epochs_wanted else ""),
            f"  {'machine':<12} {'fits':<5} {'hours':>9} {'$':>8} {'--limit':>10}",
        ]
        for place in self.places:
            fits = {True: "yes", False: "no", None: "?"}[place.fits]
            hours, dollars = ("?" if n is None else f"{n:.2f}" for n in (place.hours, place.dollars))
            limit = "" if place.limit is None else f"{place.limit:,}"
            lines.append(f"  {place.flavor:<12} {fits:<5} {hours:>9} {dollars:>8} {limit:>10}")
        return [*lines, *_COLUMNS, *(f"based on: {what}" for what in self.rests_on)]


def estimate(
    recipe: Recipe, *, engine: str = "autotrain", hours: float | None = None, exposures: int = 100,
    online: bool = False, measure: bool = False,
) -> Budget:  # fmt: skip
    """Estimates what a recipe will take.

    Args:
        recipe: The recipe; its dataset must be here, or on the Hub with `online`.
        engine: `autotrain` or `trl`.
        hours: For the largest `--limit`; by default `amazon_titles.max_hours` of the recipe.
        exposures: How often each product is to be asked about. Below about 100 a model learns the style of an answer,
            not its facts: Allen-Zhu and Li, Physics of Language Models 3.3, 2024 (1 bit a parameter at 100 exposures,
            2 at 1000).
        online: Ask the Hub for the dataset, an unknown base and prices.
        measure: Time 20 steps of a loop as AutoTrain's on this machine.

    Raises:
        InputError: The dataset cannot be looked at, or the base's shape is not known.
        MissingExtraError: To measure, torch, transformers or peft is missing.
    """
    shape = shape_of(recipe.base_model, online=online)
    corpus, params = _corpus(recipe, online=online), recipe.params
    per_token, measured = _bytes_per_token(recipe, corpus.sample)
    # One BOS and one end-of-turn a row, which the text does not hold.
    tokens = round(corpus.size / per_token) + 2 * corpus.rows
    # Optimizer steps, as transformers 4.48 counts them.
    batches = math.ceil(tokens // params.tokens_a_row / params.batch_size)
    told = corpus.report.get("splits", {}).get(recipe.split, {})
    products, asked = told.get("products"), told.get("rows", {}).get("recall")
    times = asked / products if products and asked else None
    wanted = math.ceil(exposures / times) if times else None
    hours = recipe.settings.max_hours if hours is None else hours
    needed, (known, prices) = memory_gb(recipe, shape, engine), flavors(online=online)
    places = []
    rests_on: tuple[str, ...] = (measured, _SPEEDS.format(share=SHARES[engine]), prices, _MEMORY)
    rate = None
    if measure:
        from amazon_titles.training.speed import tokens_per_second as timed  # a check alone loads no training

        rate = timed(recipe.base_model, params, _TIMED_STEPS)
        rests_on += (f"here: {rate:,.0f} tokens/s, measured just now in {_TIMED_STEPS} steps",)
    for flavor in known:
        fits = needed <= flavor.memory_gb if flavor.memory_gb else None
        speed = (flavor.name == "here" and rate) or tokens_per_second(recipe, shape, flavor, engine)
        takes = tokens * params.epochs / speed / 3600 if speed else None
        dollars = flavor.dollars if flavor.dollars in (None, 0) else takes and takes * flavor.dollars
        limit = int(hours * 3600 * speed / (tokens / products * wanted)) if hours and speed and wanted else None
        places.append(Place(flavor.name, fits if runs(recipe, flavor, engine) else False, takes, dollars, limit))
    return Budget(
        rows=corpus.rows, tokens=tokens, steps=max(1, batches // params.gradient_accumulation) * params.epochs,
        base_parameters=shape.parameters, memory_gb=needed, products=products, epochs_wanted=wanted,
        adapter_parameters=shape.adapter_parameters(params.lora_r, params.target_modules),
        exposures=times and times * params.epochs, exposures_wanted=exposures, places=tuple(places),
        rests_on=rests_on,
    )  # fmt: skip


def _corpus(recipe: Recipe, *, online: bool) -> Corpus:
    path = recipe.data_path
    if not (online or is_local(path)):
        raise InputError(f"The dataset {path} is not on this machine.", hint="Name its folder, or add --online.")
    try:
        return look(path, recipe.dataset_config, recipe.split, recipe.text_column)
    except InputError:
        raise
    except Exception as error:  # the Hub's clients have no common class of errors
        raise InputError(
            f"The dataset {path} cannot be read: {error}.", hint="Check your login and the connection."
        ) from None


def _bytes_per_token(recipe: Recipe, sample: Sequence[str]) -> tuple[float, str]:
    """UTF-8 bytes a token, and where the number comes from."""
    assumed, path = _BYTES_PER_TOKEN.get(recipe.dataset_config, 4.0), Path(recipe.base_model) / "tokenizer.json"
    if not path.is_file() or not sample:
        return assumed, f"{assumed:.1f} bytes per token, assumed (English)"
    try:
        # Not a core dependency; transformers brings it.
        from tokenizers import Tokenizer

        encoded = Tokenizer.from_file(str(path)).encode_batch(list(sample), add_special_tokens=False)
    except Exception as error:  # tokenizers raises nothing more special
        return assumed, f"{assumed:.1f} bytes per token, assumed: the base's tokenizer cannot be used ({error})"
    ratio = sum(len(text.encode()) for text in sample) / max(1, sum(len(one.ids) for one in encoded))
    return ratio, f"{ratio:.2f} bytes per token, measured on {len(sample)} rows with the base's tokenizer"


@dataclass(frozen=True, slots=True)
class RecipeCheck:
    """What is known of a recipe before it runs.

    Attributes:
        recipe: Its file.
        problems: Errors and warnings, in the order of their lines.
        budget: What a run takes; why it cannot be said, in a sentence, where it cannot.
    """

    recipe: str
    problems: tuple[Problem, ...]
    budget: Budget | str

    @property
    def ok(self) -> bool:
        """Whether nothing stops a training."""
        return all(problem.severity != "error" for problem in self.problems)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self) | ({"budget": None} if isinstance(self.budget, str) else {})

    def __str__(self) -> str:
        problems = f"{len(self.problems)} problem(s)" if self.problems else "ok"
        told = [f"no estimate: {self.budget}"] if isinstance(self.budget, str) else self.budget.lines()
        return "\n  ".join([f"{self.recipe}: {problems}", *map(str, self.problems), *told])


def check_recipes(
    paths: Sequence[str], *, online: bool, hours: float | None, exposures: int, measure: bool = False
) -> list[RecipeCheck]:
    """Examines recipes.

    Args:
        paths: Recipes; none for all that are shipped.
        online: Ask the Hub too.
        hours: Time there is.
        exposures: How often each product is to be asked about.
        measure: Time 20 steps of each on this machine.

    Raises:
        InputError: A file is no recipe.
    """
    checked = []
    for path in paths or map(str, resources.recipes().values()):
        recipe = load_recipe(path)
        budget: Budget | str
        try:
            budget = estimate(recipe, hours=hours, exposures=exposures, online=online, measure=measure)
        except AmazonTitlesError as error:
            budget = error.message
        checked.append(RecipeCheck(path, tuple(recipe.problems(online=online)), budget))
    return checked
