"""What the Hub says of a recipe: base, dataset, and the repo that a push would go to. Only reads."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

from amazon_titles.recipes.environment_checks import BASE_FILES, base_problems, dataset_problems
from amazon_titles.recipes.path_checks import VARIABLE, is_local_path
from amazon_titles.recipes.problems import LintContext, Problem, Rule


def base(context: LintContext) -> Iterator[Problem]:
    """A base that is not there, whose licence is not accepted, or whose files AutoTrain reads wrongly."""
    name = context.text("base_model")
    if not name or is_local_path(name):
        return
    try:
        HfApi().auth_check(name)
        folder = Path(snapshot_download(name, allow_patterns=list(BASE_FILES)))
    except Exception as error:  # see _refused
        yield _refused(context, "base_model", error, "Write its id.")
    else:
        yield from base_problems(context, folder)


def dataset(context: LintContext) -> Iterator[Problem]:
    """A dataset repo without the config, split or column."""
    path = context.text("data.path")
    if not path or is_local_path(path) or "${" in path:
        return
    try:
        HfApi().dataset_info(path)
        yield from dataset_problems(context)
    except Exception as error:  # see _refused
        yield _refused(context, "data.path", error, "Publish it: amazon-titles push-dataset DIR REPO_ID")


def target(context: LintContext) -> Iterator[Problem]:
    """What AutoTrain would make and is there already: it creates without `exist_ok`, and the run dies of a 409."""
    user, project = context.text("hub.username"), context.text("project_name")
    variable = VARIABLE.fullmatch(user)
    user = os.environ.get(variable[1], "") if variable else user
    if context.get("hub.push_to_hub") is not True or not user:
        return
    repo, space = f"{user}/{project}", f"{user}/autotrain-{project}"
    try:
        exists = HfApi().repo_exists(repo)
        occupied = context.text("backend").startswith("spaces-") and HfApi().repo_exists(space, repo_type="space")
    except Exception as error:  # see _refused
        yield _refused(context, "hub.push_to_hub", error, "")
        return
    yield from context.found(
        ("error", "project_name", exists,
         f"would be pushed to {repo}, which exists: AutoTrain fails there at its first step.",
         "Take another project_name, or write hub.push_to_hub: false and use amazon-titles push-adapter."),
        ("error", "project_name", occupied,
         f"would be trained in the Space {space}, which exists, and AutoTrain fails there.",
         "Delete that Space, or take another project_name."),
    )  # fmt: skip


def _refused(context: LintContext, key: str, error: Exception, mend: str) -> Problem:
    """A question that the Hub did not answer.

    Any exception: the clients of two years stand on requests, httpx and httpx2, whose errors have no class in common.
    """
    name = context.text(key)
    if isinstance(error, GatedRepoError):
        reason = f"is gated, and this login has not accepted its licence at huggingface.co/{name}."
        return context.problem(key, reason, "Accept it there once, or take an ungated base.")
    if isinstance(error, RepositoryNotFoundError):
        return context.problem(key, f"is {name}, which the Hub does not have or does not show you.", mend)
    reason = f"could not be looked up on the Hub ({type(error).__name__})."
    return context.problem(key, reason, "Log in or go online, and check again.", "warning")


ONLINE: tuple[Rule, ...] = (base, dataset, target)
"""Every rule of this file."""
