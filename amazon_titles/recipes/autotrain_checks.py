"""AutoTrain's traps that a recipe alone shows: it would fail, or train on something else than what was meant.

Each was seen in the source of AutoTrain 0.8.36 and its pins, or in a run of it. Here too is what one engine obeys and
the other does not, said where it would otherwise be silence. What a rule says, by its name, is in `problems.yml`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from amazon_titles.io import is_local
from amazon_titles.recipes.fields import KEYS
from amazon_titles.recipes.problems import LintContext, Problem, Rule, single_values
from amazon_titles.templates import template_of_config

# Families by the names of their repos. Llama 2 and other ChatML dialects are not among our templates.
_FAMILIES = (("llama3", re.compile(r"llama-?3", re.IGNORECASE)), ("chatml", re.compile(r"smollm2", re.IGNORECASE)))
_INSTRUCT = re.compile(r"instruct|-it\b|chat", re.IGNORECASE)
# Llama's linear layers, which peft's `all-linear` finds without the output head.
_LINEAR = frozenset({"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"})
_TRL_ONLY = tuple(f"amazon_titles.{name}" for name in ("valid_split", "checkpoint_dir", "checkpoint_steps", "keep"))
_LOCAL = ("local", "local-cli")
# autotrain/backends/base.py, AVAILABLE_HARDWARE.
SPACES = tuple(f"spaces-{name}" for name in (
    "cpu-basic", "cpu-upgrade", "t4-small", "t4-medium", "l4x1", "l4x4", "a10g-small", "a10g-large", "a10g-largex2",
    "a10g-largex4", "a100-large", "l40sx1", "l40sx4", "l40sx8",
))  # fmt: skip
"""The Spaces backends that AutoTrain knows."""
VARIABLE = re.compile(r"\$\{(\w+)\}")
"""How a recipe names an environment variable."""


def is_local_path(name: str) -> bool:
    """Whether a base or dataset is a folder of a machine, not a Hub id: by its spelling, or because it is there."""
    return bool(name) and (re.match(r"[./~\\]|[A-Za-z]:[\\/]", name) is not None or is_local(name))


def text(context: LintContext) -> Iterator[Problem]:
    """What stands around a turn: the base's own special tokens, once.

    With a chat template BOS and end-of-turn stand twice; rendered text comes out right.
    """
    chat, split, base = (context.text(key) for key in ("data.chat_template", "data.train_split", "base_model"))
    column = "data.column_mapping.text_column"
    config = split.partition(":")[0] if ":" in split else ""
    templated, rendered = chat not in ("", "none"), template_of_config(config)
    named = {column: context.text(column) == "messages", "data.train_split": config == "chat"}
    messages = [key for key, holds in named.items() if holds and not templated][:1]
    own = next((name for name, pattern in _FAMILIES if pattern.search(base)), "")
    known = own and not is_local_path(base)  # the tokenizer of a folder can be read: environment_checks.py
    rules = {
        "two-colons": split.count(":") > 1,
        "chat-template": templated and chat != "tokenizer",
        "messages-as-text": messages,
        "needs-rendered-text": split and not rendered,
        "split-not-rendered": split and not (templated or messages or rendered),
        "other-family": known and rendered and rendered.name != own,
        "base-without-chat-template": known and not _INSTRUCT.search(base),
    }
    return context.found(rules, base=base, family=own, split=split.rpartition(":")[2])


def training(context: LintContext) -> Iterator[Problem]:
    """Settings that do something else than they say, and silence where AutoTrain's default is not what one means."""
    get, given, rate = context.get, context.given, context.get("params.lr")
    block, longest = context.number("params.block_size"), context.number("params.model_max_length")
    whole, half = get("params.peft") is False, get("params.mixed_precision") == "bf16"
    rules = {
        # Only `llm-sft` packs and templates the way the rendered text wants.
        "task-unknown": context.text("task") not in ("", "llm", "llm-sft"),
        "trainer-overrides": given("params.trainer") and get("params.trainer") != "sft",
        "no-adapter": whole,
        "quantization-missing": not whole and not given("params.quantization"),
        "block-size-cut": longest and block > longest,
        "int4-in-bf16": get("params.quantization") == "int4" and half,
        "seed-ignored": (get("params.seed") or 42) != 42,
        "rate-of-full-fine-tuning": isinstance(rate, float) and rate < 5e-5 and get("params.peft"),
    }
    found = "is false" if given("params.peft") else "is missing, and AutoTrain's default is false"
    return context.found(rules, found=found, longest=longest)


def modules(context: LintContext) -> Iterator[Problem]:
    """`target_modules` is split at commas and nothing is stripped."""
    targets = context.text("params.target_modules")
    named = targets.split(",") if targets.strip() and targets != "all-linear" else []
    names = [name.strip() for name in named]
    # peft takes the end of a module's name, so that `29.mlp.up_proj` is that of one layer.
    odd = sorted({name for name in names if name.rpartition(".")[2] not in _LINEAR})
    rules = {
        "modules-missing": context.given("params.target_modules") and not targets.strip(),
        "modules-with-spaces": named != names,
        "modules-of-another-model": odd,
    }
    return context.found(rules, names=",".join(names), odd=", ".join(odd), linear=", ".join(sorted(_LINEAR)))


def engines(context: LintContext) -> Iterator[Problem]:
    """Settings of the trl engine that contradict each other, or that the engine about to start does not read."""
    best = context.get("amazon_titles.keep") == "best" and not context.get("amazon_titles.valid_split")
    changed = [key for key in _TRL_ONLY if context.get(key) != KEYS[tuple(key.split("."))].default]
    return context.found({"best-of-nothing": best, "only-trl-obeys": changed if context.run_here else []})


def names(context: LintContext) -> Iterator[Problem]:
    """Paths, and the project's name, which is the output folder and the repo's name at once.

    AutoTrain expands `${…}` in hub.username and hub.token only, and `~` nowhere.
    """
    literal, text = ("base_model", "project_name", "data.path"), context.text
    project, llama = text("project_name"), text("base_model").lower().startswith("meta-llama/")
    rules = {
        "not-expanded": [key for key in literal if "${" in text(key) or text(key).startswith("~")],
        "project-name-letters": project and not re.fullmatch(r"[A-Za-z0-9](?:-?[A-Za-z0-9])*", project),
        "project-name-long": len(project) > 50,
        "project-name-licence": project and llama and not project.lower().startswith("llama"),
    }
    example = re.sub(r"[^A-Za-z0-9]+", "-", project).strip("-") or "my-adapter"
    return context.found(rules, example=example, length=len(project))


def hub(context: LintContext) -> Iterator[Problem]:
    """Tokens, pushes, and a `${NAME}` that is not set: AutoTrain takes it for null, and pushes to `None/…`."""
    token, user, backend = (context.text(key) for key in ("hub.token", "hub.username", "backend"))
    written, pushes, here = not VARIABLE.fullmatch(token), context.get("hub.push_to_hub") is True, backend in _LOCAL
    folder = is_local_path(context.text("base_model"))
    variables = {key: VARIABLE.fullmatch(context.text(key)) for key in ("hub.username", "hub.token")}
    asked = context.run_here and (pushes or backend.startswith("spaces-"))
    return context.found({
        "token-in-the-file": token and written,
        "token-left-behind": token and not written and not pushes and here,
        "push-without-user": pushes and here and not user,
        "push-a-local-base": pushes and here and user and folder,
        "push-from-here": pushes and here and user and not folder,
        "variable-not-set": [key for key, name in variables.items() if asked and name and not os.environ.get(name[1])],
    })  # fmt: skip


def backend(context: LintContext) -> Iterator[Problem]:
    """Where it runs; a Space sees no folder of this machine, and forgets its own."""
    place, text = context.text("backend"), context.text
    space = place.startswith("spaces-")
    rules = {
        "backend-unknown": place not in ("", "local-ui", *_LOCAL, *SPACES),
        "space-from-here": space and context.run_here,
        "space-and-a-folder": [key for key in ("base_model", "data.path") if space and is_local_path(text(key))],
        "space-without-user": space and not text("hub.username"),
        "space-without-token": space and not text("hub.token"),
        "space-that-forgets": space and context.get("hub.push_to_hub") is not True,
        "space-without-gpu": place.startswith("spaces-cpu") and context.get("params.quantization"),
    }
    return context.found(rules, spaces=", ".join(SPACES))


RULES: tuple[Rule, ...] = (single_values, text, training, modules, engines, names, hub, backend)
"""Every rule that needs the recipe alone."""
