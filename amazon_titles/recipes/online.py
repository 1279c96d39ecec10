"""What the Hub says of a recipe: base, dataset, and the repo that a push would go to. Only reads."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from huggingface_hub import HfApi, HfFileSystem, snapshot_download
from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

from amazon_titles.recipes.bases import BASE_FILES, base_problems
from amazon_titles.recipes.corpus import CorpusError, look
from amazon_titles.recipes.environment_checks import corpus_problems
from amazon_titles.recipes.path_checks import is_local_path
from amazon_titles.recipes.problems import LintContext, Problem, Rule
from amazon_titles.templates import template_of_config


def base(sheet: LintContext) -> Iterator[Problem]:
    """A base that is not there, whose licence is not accepted, or whose files AutoTrain reads wrongly."""
    name = sheet.text("base_model")
    if not name or is_local_path(name):
        return
    try:
        HfApi().auth_check(name)
    except GatedRepoError:
        yield sheet.problem(
            "base_model", f"is gated, and this login has not accepted its licence at huggingface.co/{name}.",
            "Accept it there once, or take an ungated base.",
        )  # fmt: skip
    except RepositoryNotFoundError:
        yield sheet.problem(
            "base_model", f"is {name}, which the Hub does not have or does not show you.", "Write its id."
        )
    except Exception as error:  # see _unreachable
        yield _unreachable(sheet, "base_model", error)
    else:
        try:
            folder = Path(snapshot_download(name, allow_patterns=list(BASE_FILES)))
        except Exception as error:  # see _unreachable
            yield _unreachable(sheet, "base_model", error)
        else:
            yield from base_problems(sheet, folder)


def dataset(sheet: LintContext) -> Iterator[Problem]:
    """A dataset repo without the config, split or column."""
    path = sheet.text("data.path")
    if not path or is_local_path(path) or "${" in path:
        return
    config, colon, split = sheet.text("data.train_split").rpartition(":")
    column = sheet.text("data.column_mapping.text_column") or "text"
    try:
        HfApi().dataset_info(path)
        corpus = look(f"datasets/{path}", config if colon else None, split, column, filesystem=HfFileSystem())
    except RepositoryNotFoundError:
        yield sheet.problem(
            "data.path", f"is {path}, which the Hub does not have or does not show you.",
            "Publish it: amazon-titles push-dataset DIR REPO_ID",
        )  # fmt: skip
    except CorpusError as error:
        template = template_of_config(config)
        mend = f"Build it with --render {template.name}." if template else "Write CONFIG:SPLIT of what it has."
        yield sheet.problem("data.train_split", f"is not in {path}: it {error}.", mend)
    except Exception as error:  # see _unreachable
        yield _unreachable(sheet, "data.path", error)
    else:
        yield from corpus_problems(sheet, corpus)


def target(sheet: LintContext) -> Iterator[Problem]:
    """What AutoTrain would make and is there already: it creates without `exist_ok`, and the run dies of a 409."""
    user = sheet.text("hub.username")
    variable = re.fullmatch(r"\$\{(\w+)\}", user)
    user = os.environ.get(variable[1], "") if variable else user
    if sheet.get("hub.push_to_hub") is not True or not user:
        return
    repo = f"{user}/{sheet.text('project_name')}"
    space = f"{user}/autotrain-{sheet.text('project_name')}" if sheet.text("backend").startswith("spaces-") else None
    try:
        exists = HfApi().repo_exists(repo)
        occupied = space is not None and HfApi().repo_exists(space, repo_type="space")
    except Exception as error:  # see _unreachable
        yield _unreachable(sheet, "hub.push_to_hub", error)
    else:
        if exists:
            yield sheet.problem(
                "project_name", f"would be pushed to {repo}, which exists: AutoTrain fails there at its first step.",
                "Take another project_name, or write hub.push_to_hub: false and use amazon-titles push-adapter.",
            )  # fmt: skip
        if occupied:
            yield sheet.problem(
                "project_name", f"would be trained in the Space {space}, which exists, and AutoTrain fails there.",
                "Delete that Space, or take another project_name.",
            )  # fmt: skip


def _unreachable(sheet: LintContext, key: str, error: Exception) -> Problem:
    """A question that got no answer.

    Any exception: the clients of two years stand on requests, httpx and httpx2, whose errors have no class in common.
    """
    return sheet.problem(
        key,
        f"could not be looked up on the Hub ({type(error).__name__}).",
        "Log in or go online, and check again.",
        "warning",
    )


ONLINE: tuple[Rule, ...] = (base, dataset, target)
"""Every rule of this file."""
