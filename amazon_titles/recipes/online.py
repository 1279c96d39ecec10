"""What the Hub says of a recipe: base, dataset, and the repo that a push would go to. Only reads."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

from amazon_titles.recipes.autotrain_checks import VARIABLE, is_local_path
from amazon_titles.recipes.environment_checks import BASE_FILES, base_problems, dataset_problems
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
        yield from _refused(context, "base_model", error, "Write its id.")
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
        yield from _refused(context, "data.path", error, "Publish it: amazon-titles push-dataset DIR REPO_ID")


def target(context: LintContext) -> Iterator[Problem]:
    """What AutoTrain would make and is there already: it creates without `exist_ok`, and the run dies of a 409."""
    project, user = context.text("project_name"), os.path.expandvars(context.text("hub.username"))
    if context.get("hub.push_to_hub") is not True or not user or VARIABLE.fullmatch(user):
        return
    repo, space = f"{user}/{project}", f"{user}/autotrain-{project}"
    try:
        exists = HfApi().repo_exists(repo)
        occupied = context.text("backend").startswith("spaces-") and HfApi().repo_exists(space, repo_type="space")
    except Exception as error:  # see _refused
        yield from _refused(context, "hub.push_to_hub", error, "")
    else:
        yield from context.found({"repo-exists": exists, "space-exists": occupied}, repo=repo, space=space)


def _refused(context: LintContext, key: str, error: Exception, mend: str) -> Iterator[Problem]:
    """A question that the Hub did not answer.

    Any exception: the clients of two years stand on requests, httpx and httpx2, whose errors have no class in common.
    """
    kinds = {GatedRepoError: "gated", RepositoryNotFoundError: "not-on-the-hub", Exception: "hub-silent"}
    name = next(name for kind, name in kinds.items() if isinstance(error, kind))
    return context.found({name: [key]}, mend=mend, error=type(error).__name__)


RULES: tuple[Rule, ...] = (base, dataset, target)
"""Every rule of this file."""
