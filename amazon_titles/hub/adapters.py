"""An adapter folder → an adapter on the Hub."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from amazon_titles.adapter_files import CONTEXT, GGUF_ADAPTER, GGUF_TEMPLATE, config_problems, weight_problems
from amazon_titles.errors import InputError, PublishError, require
from amazon_titles.hub.adapter_metadata import add_legal_files, find_base, find_dataset, read_adapter_metadata
from amazon_titles.hub.client import Client
from amazon_titles.hub.contents import ADAPTER_FILES, Content, FileNote, gather, is_there
from amazon_titles.hub.push import Plan, PushReport, publish
from amazon_titles.io import is_local, may_be_hub_id, read_object, to_json
from amazon_titles.templates import get_template

NEEDED = ("README.md", "adapter_config.json", "adapter_model.safetensors", "tokenizer_config.json", "run.json")
_VOCABULARIES = ("tokenizer.json", "tokenizer.model", "spiece.model", "vocab.json", "vocab.txt")


def push_adapter_to_hub(
    folder: str | Path, repo_id: str, *, private: bool = True, token: str | None = None,
    before: str | Path | None = None, after: str | Path | None = None, base: str | None = None,
    dataset: str | None = None, tag: str | None = None, commit_message: str | None = None,
    card_language: str | None = None, gguf: str | Path | None = None, dry_run: bool = False,
) -> PushReport:  # fmt: skip
    """Publishes an adapter folder: checked before, in one commit, verified and loaded back after.

    What plain `autotrain --config` left behind is finished on the way, in a folder or in a repository of the Hub: it
    gets run.json, recipe.yml, a card and the chat template, and loses its pickle and its logs. The folder here stays
    as it is.

    Args:
        folder: What `train` wrote, or what AutoTrain left: a folder, or a repository's `USER/NAME`.
        repo_id: `USER/NAME`; `NAME` alone means the account's own.
        private: False shows it to everybody.
        token: A token with write access; None takes the one of the login or of HF_TOKEN.
        before: The base's evaluation (JSON), to stand in `eval/before.json`; the card is written anew with it.
        after: The adapter's evaluation (JSON), to stand in `eval/after.json`, and in the card too. Their comparison, of
            which one may be the folder's, is made and stands beside them.
        base: The base's id on the Hub, where training read it from a folder; its config is compared with the folder's.
        dataset: The dataset's `ID@REVISION` on the Hub, where training read it from a folder; its report is compared.
        tag: A name for the commit.
        commit_message: For the repository's history.
        card_language: `en` or `pt`: writes the card anew in it.
        gguf: What `export` wrote of this adapter, to stand beside it, with what Ollama reads; the card tells how to run
            it. A push without it takes an earlier one away.
        dry_run: Only checks, and reports what would go up. It asks the Hub about `base` and `dataset`, if given.

    Returns:
        What stands there now.

    Raises:
        InputError: `folder` is no adapter folder, or an option is wrong.
        MissingExtraError: `gguf` is given, and the package that reads it is not installed.
        PublishError: It must not, or could not, be published; nothing half-done is visible.
    """
    client = Client(repo_id, "model", token)
    here = _folder(folder, client.token)
    metadata = read_adapter_metadata(here)
    exported = _exported(Path(gguf), here) if gguf else []
    if not dry_run:
        client.check_rights()
    hub_base = find_base(metadata, base, client.token, ask=not dry_run)
    hub_dataset = find_dataset(metadata, dataset, client.token)
    if metadata.run.get("publishable") is False and not (base or dataset or metadata.issues):
        why = metadata.run.get("why_not_publishable") or "it does not say why"
        metadata.refuse("run.json", f"it is marked as not for publishing: {why}")
    metadata.add_evaluations(before, after, language=card_language)
    if not metadata.issues:
        # What AutoTrain left behind has no run.json of its own.
        named = base or dataset or (metadata.run and not is_there(here, "run.json"))
        if named:
            metadata.name_origin(hub_base.repo_id if hub_base else metadata.base, hub_dataset)
        if named or before or after or card_language or gguf or not is_there(here, "README.md"):
            name = Path(gguf).name if gguf else None
            metadata.write_card(client.repo_id, language=card_language, gguf=name)
    add_legal_files(metadata, hub_base, client.repo_id, private=private)
    contents, left_out = gather(here, ADAPTER_FILES, metadata.files, client.repo_id, metadata.outdated)
    contents = sorted([*contents, *exported], key=lambda content: content.path)
    # A base or a dataset that is a folder is told with its mend: the metadata would only tell its path again.
    told = ("adapter_config.json", "run.json", "recipe.yml") if metadata.issues else ()
    for what, hub in (("base", hub_base), ("dataset", hub_dataset)):
        if hub is not None and hub.seen.private and not private:
            lost = f"its {what} {hub.repo_id} is private: others cannot load it"
            metadata.warnings.append(f"the adapter is public, but {lost}")
    issues = _adapter_issues({content.path: content.source for content in contents})
    plan = Plan(
        folder, contents, left_out, "adapter_config.json", "an adapter", _load_back,
        needed=NEEDED, made_by="amazon-titles train", may_name_paths=told,
        issues=[*metadata.issues, *issues], warnings=metadata.warnings,
    )  # fmt: skip
    message = commit_message or "Publish the adapter"
    return publish(plan, client, private=private, message=message, tag=tag, dry_run=dry_run)


def _exported(file: Path, adapter: Path) -> list[Content]:
    """A GGUF file of this adapter, with the template and the settings that Ollama takes from a repository.

    By the Hub's docs/hub/ollama.md: the file `template` in Go's language, and `params` in JSON.

    Raises:
        InputError: It is no GGUF file, or of another adapter.
        MissingExtraError: The package gguf is not installed.
    """
    require("model", "gguf")
    from gguf import GGUFReader

    fields: Any = {}
    weights = hashlib.sha256((adapter / "adapter_model.safetensors").read_bytes()).hexdigest()
    with suppress(Exception):  # it is not there, or not GGUF, which its reader says in many ways
        fields = GGUFReader(file).fields
    if GGUF_ADAPTER not in fields or fields[GGUF_ADAPTER].contents() != weights:
        said = f"{file} was not exported from this adapter in its current state."
        raise InputError(said, hint=f"Make it: amazon-titles export {adapter} --out FILE.gguf")
    template = get_template(str(fields[GGUF_TEMPLATE].contents()))
    params = {"stop": [template.end], "temperature": 0, "num_ctx": CONTEXT}
    beside: dict[str, Path | bytes] = {"template": template.ollama.encode(), "params": to_json(params).encode()}
    return [Content.of(path, data) for path, data in ({file.name: file} | beside).items()]


def _folder(folder: str | Path, token: str | None) -> Path:
    """The folder; or what the Hub's cache has, or gets, of a repository."""
    if is_local(folder):
        return Path(folder)
    name = str(folder)
    if not may_be_hub_id(name):
        raise InputError(f"There is no folder {name}.", hint="Name an adapter folder, or a repository as USER/NAME.")
    from huggingface_hub import snapshot_download

    never = ["*.bin", "*.pt", "*.pth", "checkpoint-*"]
    hub = Client(name, "model", token)
    return Path(hub.ask(f"reading {name}", snapshot_download, ignore_patterns=never, token=hub.token))


def _adapter_issues(files: Mapping[str, Path | bytes]) -> Iterator[FileNote]:
    """What would keep an adapter from being loaded: asked of the folder before the push, of the repository after it."""
    if not files.keys() & set(_VOCABULARIES):
        reason = "no vocabulary was found: copy the base's tokenizer files"
        yield FileNote("tokenizer.json", reason)
    for path, check in _CHECKS.items():
        if path in files:
            yield from (FileNote(path, reason) for reason in check(files[path]))


_CHECKS: dict[str, Callable[[Any], Iterable[str]]] = {
    "adapter_config.json": lambda source: config_problems(read_object(source)),
    "adapter_model.safetensors": weight_problems,
    "tokenizer_config.json": lambda source: () if read_object(source) else ("it is empty",),
}


def _load_back(client: Client, commit: str, contents: Sequence[Content]) -> str:
    """Downloads config, tokenizer and weights by the repository's id, and reads them as a loader would.

    Raises:
        PublishError: It could not be loaded.
    """
    with tempfile.TemporaryDirectory(prefix="amazon-titles-") as empty:
        paths = [content.path for content in contents if content.path in (*NEEDED, *_VOCABULARIES)]
        got = {path: client.download(path, commit, cache_dir=empty) for path in paths}
        if issue := next(_adapter_issues(got), None):
            said = f"The published {client.repo_id} cannot be loaded: {issue.path}: {issue.reason}."
            raise PublishError(said, hint="Fix the local folder and run the same command again.")
        config, size = read_object(got["adapter_config.json"]), got["adapter_model.safetensors"].stat().st_size
    return f"{config.get('peft_type')} adapter of {config.get('base_model_name_or_path')}, {size} bytes of weights"
