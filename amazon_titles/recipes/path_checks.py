"""Where a recipe takes things from and brings them to: names, paths, the Hub, Spaces; and AutoTrain's traps there."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from amazon_titles.io import is_local
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
VARIABLE = re.compile(r"\$\{(\w+)\}")
"""How a recipe names an environment variable."""


def is_local_path(name: str) -> bool:
    """Whether a base or dataset is a folder of a machine, not a Hub id: by its spelling, or because it is there."""
    return bool(name) and (re.match(r"[./~\\]|[A-Za-z]:[\\/]", name) is not None or is_local(name))


def is_missing(context: LintContext, path: str) -> bool:
    """Whether a name that is no folder here must be one: before a run, whatever is spelt unlike `user/name`."""
    here = context.text("backend").startswith("local")
    return here and (path.startswith((".", "/")) or (context.run_here and "/" not in path))


def names(context: LintContext) -> Iterator[Problem]:
    """Paths, and the project's name, which is the output folder and the repo's name at once.

    AutoTrain expands `${…}` in hub.username and hub.token only, and `~` nowhere.
    """
    texts = {key: context.text(key) for key in ("base_model", "project_name", "data.path")}
    project = texts["project_name"]
    llama = re.match(r"meta-llama/", texts["base_model"], re.IGNORECASE)
    return context.found(
        *(("error", key, "${" in value or value.startswith("~"), f"is {value!r}, which AutoTrain does not expand.",
           "Write it out: amazon-titles recipe NAME --dataset … fills it in.") for key, value in texts.items()),
        ("error", "project_name", project and not re.fullmatch(r"[A-Za-z0-9](?:-?[A-Za-z0-9])*", project),
         f"is {project!r}; AutoTrain takes letters, digits and hyphens, and the Hub no hyphen at an end or twice.",
         f"For example {re.sub(r'[^A-Za-z0-9]+', '-', project).strip('-') or 'my-adapter'}."),
        ("error", "project_name", len(project) > 50, f"has {len(project)} characters.", "Keep it to 50."),
        ("warning", "project_name", project and llama and not project.lower().startswith("llama"),
         "does not begin with Llama, as Meta's licence wants of a published model.",
         f"For example Llama-{project}."[:59]),
    )  # fmt: skip


def hub(context: LintContext) -> Iterator[Problem]:
    """Tokens, pushes, and a `${NAME}` that is not set: AutoTrain takes it for null, and pushes to `None/…`."""
    token, user, backend = (context.text(key) for key in ("hub.token", "hub.username", "backend"))
    written, pushes, here = not VARIABLE.fullmatch(token), context.get("hub.push_to_hub") is True, backend in _LOCAL
    from_here, folder = pushes and here, is_local_path(context.text("base_model"))
    named = {"hub.username": VARIABLE.fullmatch(user), "hub.token": VARIABLE.fullmatch(token)}
    asked = context.run_here and (pushes or backend.startswith("spaces-"))
    unset = {key: found[1] for key, found in named.items() if asked and found and not os.environ.get(found[1])}
    return context.found(
        ("error", "hub.token", token and written, "is written out in a file.",
         "Revoke it, log in instead, and write null or ${HF_TOKEN}."),
        ("error", "hub.token", token and not written and not pushes and here,
         "would stay in clear in the output folder: AutoTrain takes it out of training_params.json only on a push.",
         "Write null; your login serves."),
        ("error", "hub.username", from_here and not user, "is missing, so there is no repo to push to.",
         "Write your Hub name."),
        ("error", "base_model", from_here and user and folder,
         "is a local folder, which would be pushed as the adapter's base and load nowhere else.",
         "Write the base's Hub id, or hub.push_to_hub: false."),
        ("warning", "hub.push_to_hub", from_here and user and not folder,
         "makes AutoTrain push a generic card and a pickle, and fail where the repo exists already.",
         "Write false, and publish with: amazon-titles push-adapter DIR REPO_ID"),
        *(("error", key, True, f"is ${{{name}}}, which is not set.", f"export {name}=…")
          for key, name in unset.items()),
    )  # fmt: skip


def backend(context: LintContext) -> Iterator[Problem]:
    """Where it runs; a Space sees no folder of this machine, and forgets its own."""
    place, text = context.text("backend"), context.text
    space = place.startswith("spaces-")
    return context.found(
        ("error", "backend", place == "local-ui", "returns before the training is over.", "Write local-cli."),
        ("error", "backend", place not in ("", "local-ui", *_LOCAL, *SPACES), f"is {place!r}.",
         f"Write local-cli, or one of {', '.join(SPACES)}."),
        ("error", "backend", space and context.run_here,
         f"is {place}: AutoTrain makes a Space and returns at once; there is nothing here to follow or finish.",
         "Run plain autotrain --config FILE, and push-adapter USER/PROJECT when the Space is done; or --on jobs."),
        *(("error", key, space and is_local_path(text(key)), "is a folder, which a Space cannot see.",
           "Write a Hub id.") for key in ("base_model", "data.path")),
        *(("error", key, space and not text(key), "is missing, and a Space is made under your name with your token.",
           mend) for key, mend in (("hub.username", "Write your Hub name."), ("hub.token", "Write ${HF_TOKEN}."))),
        ("error", "hub.push_to_hub", space and context.get("hub.push_to_hub") is not True,
         "is false: the adapter would be lost with the Space.", "Write true."),
        ("error", "params.quantization", place.startswith("spaces-cpu") and context.get("params.quantization"),
         "needs CUDA, which a CPU Space lacks.", "Write null."),
    )  # fmt: skip


PLACES: tuple[Rule, ...] = (names, hub, backend)
"""Every rule of this file."""
