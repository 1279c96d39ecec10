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


def hub(context: LintContext) -> Iterator[Problem]:
    """What is wrong with what is there, and a question that the Hub did not answer."""
    kinds = {GatedRepoError: "gated", RepositoryNotFoundError: "not-on-the-hub", Exception: "hub-silent"}
    for key, (ask, mend) in _QUESTIONS.items():
        try:
            yield from ask(context)
        except Exception as error:  # the clients of two years stand on requests, httpx and httpx2: no class in common
            name = next(name for kind, name in kinds.items() if isinstance(error, kind))
            yield from context.found({name: [key]}, mend=mend, error=type(error).__name__)


def _base(context: LintContext) -> Iterator[Problem]:
    """A base that is not there, whose licence is not accepted, or whose files AutoTrain reads wrongly."""
    name = context.text("base_model")
    if name and not is_local_path(name):
        HfApi().auth_check(name)
        yield from base_problems(context, Path(snapshot_download(name, allow_patterns=list(BASE_FILES))))


def _dataset(context: LintContext) -> Iterator[Problem]:
    """A dataset repo without the config, split or column."""
    path = context.text("data.path")
    if path and not is_local_path(path) and "${" not in path:
        HfApi().dataset_info(path)
        yield from dataset_problems(context)


def _target(context: LintContext) -> Iterator[Problem]:
    """What AutoTrain would make and is there already: it creates without `exist_ok`, and the run dies of a 409."""
    project, user = context.text("project_name"), os.path.expandvars(context.text("hub.username"))
    if context.get("hub.push_to_hub") is not True or not user or VARIABLE.fullmatch(user):
        return
    repo, space = f"{user}/{project}", f"{user}/autotrain-{project}"
    exists = HfApi().repo_exists(repo)
    occupied = context.text("backend").startswith("spaces-") and HfApi().repo_exists(space, repo_type="space")
    yield from context.found({"repo-exists": exists, "space-exists": occupied}, repo=repo, space=space)


_QUESTIONS = {
    "base_model": (_base, "Write its id."),
    "data.path": (_dataset, "Publish it: amazon-titles push-dataset DIR REPO_ID"),
    "hub.push_to_hub": (_target, ""),
}
RULES: tuple[Rule, ...] = (hub,)
"""Every rule of this file."""
