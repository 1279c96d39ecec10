"""Finds the files of a model: its own, its base's and its tokenizer's; what is wrong is told by the name of each."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from amazon_titles.adapter_files import last_checkpoint
from amazon_titles.default_model import require_default
from amazon_titles.errors import InputError, require
from amazon_titles.hub_errors import explain
from amazon_titles.io import MODEL_FILES, is_local, local_folder, may_be_hub_id, read_object

ADAPTER = "adapter_config.json"
BASE_OPTION = "--base ID|DIR, an option of ask, merge and export."
"""What helps where the base that an adapter names cannot be had."""


class ModelFiles(NamedTuple):
    """Where the files of a model lie.

    Attributes:
        name: The model, as it was named.
        folder: Its own.
        base_name: Its base, as it is named; the model itself where it is no adapter.
        base: The base's folder.
        tokenizer: The folder with its tokenizer: its own, or, of an adapter without one, its base's.
        adapter: What its `adapter_config.json` holds; {} where it is no adapter.
    """

    name: str
    folder: Path
    base_name: str
    base: Path
    tokenizer: Path
    adapter: dict[str, Any]


def find_model(
    model: str | Path, *, base: str | None = None, revision: str | None = None, token: str | None = None
) -> ModelFiles:
    """Finds a model's folder and its base's, or gets them from the Hub.

    Args:
        model: Folder or Hub id.
        base: Folder or Hub id of an adapter's base; by default the one that it names.
        revision: Of a Hub id.
        token: Of the Hub.

    Raises:
        InputError: There is no model, or its base is not here; the message names which.
        MissingExtraError: torch, transformers or peft is not installed.
        AmazonTitlesError: The Hub does not give one of them; the message says which, and why.
    """
    require_model(model)
    name, folder = str(model), _fetch(str(model), revision=revision, token=token)
    config = read_object(folder / ADAPTER)
    if not (folder / ADAPTER).is_file():
        if base:
            raise InputError(f"{name} is no adapter, so it has no base: it has no {ADAPTER}.", hint="Leave --base out.")
        return ModelFiles(name, folder, name, folder, folder, {})
    if not config:
        raise InputError(f"{folder / ADAPTER} is damaged.", hint="Train it, or fetch it, again.")
    named = base or str(config.get("base_model_name_or_path") or "")
    if not named or not (is_local(named) or may_be_hub_id(named)):
        said = (
            f"The base model of {name!r} is not here: {named}" if named else f"{folder / ADAPTER} names no base model."
        )
        raise InputError(said, hint=f"Name its Hub id or its folder: {BASE_OPTION}")
    whole = _fetch(named, adapter=name, revision=None if base else config.get("revision"), token=token)
    own = (folder / "tokenizer_config.json").is_file()  # by which AutoPeft tells, too
    return ModelFiles(name, folder, named, whole, folder if own else whole, config)


def _fetch(name: str, *, adapter: str | None = None, **hub: str | None) -> Path:
    """The folder of a model; of an adapter's base, where the adapter is told."""
    try:
        folder = local_folder(name, **MODEL_FILES, **hub)
    except Exception as error:
        told = explain(error, name, "model", token=hub["token"])
        if adapter is not None:
            said = f"{told.message} Wanted: {name}, the base of {adapter}."
            told = type(told)(said, hint=f"{told.hint} Or name another copy: {BASE_OPTION}")
        raise told from None
    _require_config(folder, name, ("config.json",) if adapter else (ADAPTER, "config.json"))
    return folder


def require_model(model: str | Path) -> None:
    """Refuses what is neither a model's folder nor looks like a Hub id, and a machine that cannot load it.

    Raises:
        InputError: With what was found there.
        MissingExtraError: torch, transformers or peft is not installed; with how to install it.
    """
    require("model", "torch", "transformers", "peft")
    require_default(model)
    if is_local(model):
        _require_config(Path(model), str(model), (ADAPTER, "config.json"))
    elif not may_be_hub_id(str(model)):
        hint = "Name an adapter folder, a base model's folder or a Hub id."
        raise InputError(f"No model folder {str(model)!r}.", hint=hint)


def _require_config(folder: Path, name: str, wanted: tuple[str, ...]) -> None:
    if any((folder / file).is_file() for file in wanted):
        return
    said = f"The folder {name!r} holds no model: no {' and no '.join(wanted)}."
    if checkpoint := last_checkpoint(folder):
        raise InputError(f"{said} A checkpoint inside does.", hint=f"Name that: {checkpoint}")
    raise InputError(said, hint="Train one: amazon-titles train RECIPE")
