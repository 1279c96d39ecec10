"""What would make a job fail, found before anything is sent or paid."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING

from amazon_titles.budget import estimate
from amazon_titles.budget.flavors import dollars_an_hour
from amazon_titles.errors import AmazonTitlesError, InputError, PublishError
from amazon_titles.hub.client import Client, RepoState
from amazon_titles.progress import say
from amazon_titles.recipes import Recipe, require_sound
from amazon_titles.recipes.autotrain_checks import VARIABLE, is_local_path
from amazon_titles.recipes.problems import LintContext

if TYPE_CHECKING:
    from huggingface_hub import JobHardwareInfo

# Installing and downloading, in hours: nothing here has measured it on a job.
_SETTING_UP = 0.5
# A job is ended by its timeout, and its hours are an estimate. Without one the Hub ends it after half an hour.
_MARGIN = 3


def require_jobs() -> None:
    """Jobs with mounted repositories are in today's huggingface_hub; AutoTrain's pinned 0.27 knows none.

    Raises:
        InputError: This environment's is too old.
    """
    if int((found := version("huggingface_hub")).partition(".")[0]) < 2:
        raise InputError(
            f"Jobs need huggingface_hub 2 or newer, and this environment has {found}.",
            hint="Run it from an environment that is not AutoTrain's: .venv/bin/amazon-titles train RECIPE --on jobs",
        )


def for_job(recipe: Recipe, *, gpu: bool) -> Recipe:
    """The recipe as a job runs it: it is published by push-adapter, so not by AutoTrain, and on what it needs.

    Args:
        recipe: As it was written.
        gpu: Whether the machine has one: what this machine lacks is then no problem.
    """
    changes: dict[str, object] = {"amazon_titles.needs": "cuda" if gpu else "cpu"}
    if recipe.settings.checkpoint_dir:
        changes["amazon_titles.checkpoint_dir"] = None  # of this machine; a job's disk goes with the job
    if recipe.hub.push_to_hub:
        changes |= {"hub.push_to_hub": False, "hub.token": None}
    return recipe.with_settings(changes)


def target_of(recipe: Recipe) -> str:
    """The repository that the adapter goes to: `USER/PROJECT`, or `PROJECT` alone for the account's own."""
    user = VARIABLE.sub(lambda name: os.environ.get(name[1], ""), recipe.hub.username or "")
    return f"{user}/{recipe.project_name}" if user else recipe.project_name


def check_recipe(recipe: Recipe, engine: str) -> None:
    """Asks the Hub too, by the rules of the engine that will train, and stops with every error at once.

    Raises:
        InputError: The recipe cannot run as a job.
    """
    context = LintContext(recipe)
    if (backend := context.text("backend")).startswith("spaces-"):
        raise InputError(
            f"{recipe.path}: backend is {backend}: AutoTrain's own cloud, a Space, and not a job.",
            hint="Add --set backend=local-cli, or run plain `autotrain --config` with it.",
        )
    # A job sees the Hub, and nothing of this machine.
    named = {"dataset-and-a-job": context.text("data.path"), "base-and-a-job": context.text("base_model")}
    here = {rule: is_local_path(name) or (name and "/" not in name) for rule, name in named.items()}
    require_sound(recipe, [*context.found(here), *recipe.problems(online=True, engine=engine)])


def find_flavor(flavor: str | None, listed: Sequence[JobHardwareInfo]) -> JobHardwareInfo:
    """The machine of that name.

    Raises:
        InputError: There is none, or none was named; those that exist are.
    """
    found = next((item for item in listed if item.name == flavor), None)
    if found is None:
        rows = [f"\n    {item.name:<16}{item.pretty_name}, ${dollars_an_hour(item):.2f} an hour" for item in listed]
        said = f"The Hub has no machine {flavor!r}" if flavor else "No machine was given"
        raise InputError(f"{said} for jobs.", hint=f"Choose one: --flavor NAME{''.join(rows)}")
    return found


def plan_hours(recipe: Recipe, machine: JobHardwareInfo, engine: str) -> float:
    """The hours after which the job is ended at the latest; says what is expected of it.

    Args:
        recipe: With `amazon_titles.max_hours`, or a budget.
        machine: Where it is to run.
        engine: `autotrain` or `trl`.

    Raises:
        InputError: The machine cannot run the recipe, or nobody knows how long it takes.
    """
    most, price = recipe.settings.max_hours, dollars_an_hour(machine)
    place, why = None, f"{machine.name} is not a known machine."
    try:
        budget = estimate(recipe, engine=engine, online=True)
        place = next((place for place in budget.places if place.flavor == machine.name), None)
    except AmazonTitlesError as error:
        why = error.message
    if place is not None and place.fits is False:
        raise InputError(
            f"{machine.name} cannot run {recipe.path}: it needs about {budget.memory_gb:.0f} GB, or arithmetic "
            "that this machine lacks.",
            hint=f"These can: {', '.join(p.flavor for p in budget.places if p.fits and p.flavor != 'here')}",
        )
    if place is not None and place.hours is not None:
        say(f"expected: {place.hours:.2f} h of training on {machine.name}, ${place.hours * price:.2f} (an estimate)")
        most = most or math.ceil(2 * (_SETTING_UP + _MARGIN * place.hours)) / 2
    if most is None:
        raise InputError(
            f"How long it takes on {machine.name} is not known ({why}), and a job needs a time limit.",
            hint="Set it: --set max_hours=2",
        )
    say(f"at most:  {most:.1f} h, ${most * price:.2f}, installing and downloading included")
    return most


def check_target(client: Client, state: RepoState | None) -> None:
    """The adapter's repository must take the adapter: better heard now than after the training.

    Raises:
        PublishError: It holds something else, or is public.
    """
    others = set(state.files) - {".gitattributes", "README.md"} if state else set()
    mend = "Choose another name: --set project_name=NAME"
    if others and "adapter_config.json" not in others:
        raise PublishError(f"{client.repo_id} exists and contains something other than an adapter.", hint=mend)
    if state and not state.private:
        raise PublishError(f"{client.repo_id} is public, and a job publishes privately.", hint=mend)
    if others:
        say(f"{client.repo_id} exists: the new adapter replaces the old one, which stays in its history.")
