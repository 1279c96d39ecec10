"""Where a recipe takes things from and brings them to: names, paths, the Hub, Spaces; and AutoTrain's traps there."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from amazon_titles.recipes.problems import LintContext, Problem, Rule

_LOCAL = ("local", "local-cli")
# autotrain/backends/base.py, AVAILABLE_HARDWARE.
SPACES = tuple(
    f"spaces-{flavor}"
    for flavor in (
        "cpu-basic", "cpu-upgrade", "t4-small", "t4-medium", "l4x1", "l4x4", "a10g-small", "a10g-large",
        "a10g-largex2", "a10g-largex4", "a100-large", "l40sx1", "l40sx4", "l40sx8",
    )
)  # fmt: skip
"""The Spaces backends that AutoTrain knows."""


def is_local_path(name: str) -> bool:
    """Whether a base or dataset is a folder of a machine, not a Hub id: by its spelling, or because it is there."""
    if not name:
        return False
    spelt = name.startswith((".", "/", "~", "\\")) or re.match(r"^[A-Za-z]:[\\/]", name) is not None
    return spelt or Path(name).is_dir()


def is_missing(sheet: LintContext, path: str) -> bool:
    """Whether a name that is no folder here must be one: before a run, whatever is spelt unlike `user/name`."""
    here = sheet.text("backend").startswith("local")
    return here and (path.startswith((".", "/")) or (sheet.run_here and "/" not in path))


def places(sheet: LintContext) -> Iterator[Problem]:
    """Paths and variables: AutoTrain expands `${…}` in hub.username and hub.token only, and `~` nowhere."""
    for key in ("base_model", "project_name", "data.path"):
        value = sheet.text(key)
        if "${" in value or value.startswith("~"):
            yield sheet.problem(
                key,
                f"is {value!r}, which AutoTrain does not expand.",
                "Write it out: amazon-titles recipe NAME --dataset … fills it in.",
            )


def name(sheet: LintContext) -> Iterator[Problem]:
    """The project's name is the output folder and the repo's name at once."""
    project = sheet.text("project_name")
    if project and not re.fullmatch(r"[A-Za-z0-9](?:-?[A-Za-z0-9])*", project):
        yield sheet.problem(
            "project_name",
            f"is {project!r}; AutoTrain takes letters, digits and hyphens, and the Hub no hyphen at an end or twice.",
            f"For example {re.sub(r'[^A-Za-z0-9]+', '-', project).strip('-') or 'my-adapter'}.",
        )
    if len(project) > 50:
        yield sheet.problem("project_name", f"has {len(project)} characters.", "Keep it to 50.")
    llama = re.match(r"meta-llama/", sheet.text("base_model"), re.IGNORECASE)
    if project and llama and not project.lower().startswith("llama"):
        yield sheet.problem(
            "project_name",
            "does not begin with Llama, as Meta's licence wants of a published model.",
            f"For example Llama-{project}."[:59],
            "warning",
        )


def hub(sheet: LintContext) -> Iterator[Problem]:
    """Tokens and pushes."""
    token, pushes = sheet.text("hub.token"), sheet.get("hub.push_to_hub") is True
    here = sheet.text("backend") in _LOCAL
    if token and not re.fullmatch(r"\$\{\w+\}", token):
        yield sheet.problem(
            "hub.token", "is written out in a file.", "Revoke it, log in instead, and write null or ${HF_TOKEN}."
        )
    elif token and not pushes and here:
        yield sheet.problem(
            "hub.token",
            "would stay in clear in the output folder: AutoTrain takes it out of training_params.json only on a push.",
            "Write null; your login serves.",
        )
    if not pushes or not here:
        return
    if not sheet.text("hub.username"):
        yield sheet.problem("hub.username", "is missing, so there is no repo to push to.", "Write your Hub name.")
    elif is_local_path(sheet.text("base_model")):
        yield sheet.problem(
            "base_model",
            "is a local folder, which would be pushed as the adapter's base and load nowhere else.",
            "Write the base's Hub id, or hub.push_to_hub: false.",
        )
    else:
        yield sheet.problem(
            "hub.push_to_hub",
            "makes AutoTrain push a generic card and a pickle, and fail where the repo exists already.",
            "Write false, and publish with: amazon-titles push-adapter DIR REPO_ID",
            "warning",
        )


def variables(sheet: LintContext) -> Iterator[Problem]:
    """A `${NAME}` that is not set: AutoTrain takes it for null, and pushes to `None/…`."""
    if not sheet.run_here or not (sheet.get("hub.push_to_hub") or sheet.text("backend").startswith("spaces-")):
        return
    for key in ("hub.username", "hub.token"):
        named = re.fullmatch(r"\$\{(\w+)\}", sheet.text(key))
        if named and not os.environ.get(named[1]):
            yield sheet.problem(key, f"is ${{{named[1]}}}, which is not set.", f"export {named[1]}=…")


def backend(sheet: LintContext) -> Iterator[Problem]:
    """Where it runs; a Space sees no folder of this machine, and forgets its own."""
    place = sheet.text("backend")
    if place == "local-ui":
        yield sheet.problem("backend", "returns before the training is over.", "Write local-cli.")
    elif place and place not in (*_LOCAL, *SPACES):
        yield sheet.problem("backend", f"is {place!r}.", f"Write local-cli, or one of {', '.join(SPACES)}.")
    if not place.startswith("spaces-"):
        return
    if sheet.run_here:
        yield sheet.problem(
            "backend",
            f"is {place}: AutoTrain makes a Space and returns at once; there is nothing here to follow or finish.",
            "Run plain autotrain --config FILE, and push-adapter USER/PROJECT when the Space is done; or --on jobs.",
        )
    for key in ("base_model", "data.path"):
        if is_local_path(sheet.text(key)):
            yield sheet.problem(key, "is a folder, which a Space cannot see.", "Write a Hub id.")
    for key, mend in (("hub.username", "Write your Hub name."), ("hub.token", "Write ${HF_TOKEN}.")):
        if not sheet.text(key):
            yield sheet.problem(key, "is missing, and a Space is made under your name with your token.", mend)
    if sheet.get("hub.push_to_hub") is not True:
        yield sheet.problem("hub.push_to_hub", "is false: the adapter would be lost with the Space.", "Write true.")
    if place.startswith("spaces-cpu") and sheet.get("params.quantization"):
        yield sheet.problem("params.quantization", "needs CUDA, which a CPU Space lacks.", "Write null.")


PLACES: tuple[Rule, ...] = (places, name, hub, variables, backend)
"""Every rule of this file."""
