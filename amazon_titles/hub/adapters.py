"""An adapter folder → an adapter on the Hub."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from amazon_titles.adapter_files import config_problems, weight_problems
from amazon_titles.cards import licence_of
from amazon_titles.errors import InputError, PublishError
from amazon_titles.hub import validate
from amazon_titles.hub.adapter_metadata import AdapterMetadata, read_adapter_metadata, read_object
from amazon_titles.hub.bases import Origin, check_origin, legal_files
from amazon_titles.hub.client import Client, quiet_client
from amazon_titles.hub.contents import ADAPTER_FILES, LEGAL_FILES, Content, LeftOut, gather, is_there
from amazon_titles.hub.push import Plan, publish
from amazon_titles.hub.report import PushReport
from amazon_titles.hub.validate import ValidationIssue

NEEDED = ("README.md", "adapter_config.json", "adapter_model.safetensors", "tokenizer_config.json", "run.json")
_VOCABULARIES = ("tokenizer.json", "tokenizer.model", "spiece.model", "vocab.json", "vocab.txt")


def push_adapter_to_hub(
    folder: str | Path,
    repo_id: str,
    *,
    private: bool = True,
    token: str | None = None,
    before: str | Path | None = None,
    after: str | Path | None = None,
    comparison: str | Path | None = None,
    base: str | None = None,
    dataset: str | None = None,
    tag: str | None = None,
    commit_message: str | None = None,
    card_language: str | None = None,
    dry_run: bool = False,
) -> PushReport:
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
        after: The adapter's evaluation (JSON), to stand in `eval/after.json`; likewise.
        comparison: The folder of their comparison, as `evaluation.save_comparison` writes it, to stand in `eval/`; the
            page and the card show what is in it.
        base: The base's id on the Hub, where training read it from a folder; its config is compared with the folder's.
        dataset: The dataset's `ID@REVISION` on the Hub, where training read it from a folder; its report is compared.
        tag: A name for the commit.
        commit_message: For the repository's history.
        card_language: `en` or `pt`: writes the card anew in it.
        dry_run: Only checks, and reports what would go up. It asks the Hub about `base` and `dataset`, if given.

    Returns:
        What stands there now.

    Raises:
        InputError: `folder` is no adapter folder, or an option is wrong.
        PublishError: It must not, or could not, be published; nothing half-done is visible.
    """
    client = Client(repo_id, "model", token)
    message = commit_message or "Publish the adapter"
    with quiet_client(client.token), _opened(folder, client) as here:
        papers = read_adapter_metadata(here)
        if not dry_run:
            client.check_rights()
        origin = check_origin(papers, client, base=base, dataset=dataset, ask=not dry_run)
        given = _evaluations(before, after)
        papers.card_language = card_language
        papers.add_evaluations(given)
        if comparison is not None:
            papers.add_comparison(Path(comparison))
        if not origin.refusals:
            anew = bool(given or comparison or card_language)
            _complete(papers, origin, client.repo_id, named=bool(base or dataset), anew=anew)
        papers.files |= legal_files(origin, client, here, private=private)
        _require_name(origin, papers, client.repo_id, private=private)
        contents, left_out = gather(here, ADAPTER_FILES, papers.files, without=papers.outdated)
        words = validate.words(contents, message=message, tag=tag)
        for key in papers.too_new:
            origin.refuse("adapter_config.json", f"it uses {key!r}, which peft 0.14 does not know and would misread")
        validate.refuse(_refusals(contents, left_out, words, origin, client.token), folder)
        plan = Plan(
            contents=contents,
            left_out=left_out,
            belongs_here=lambda files: "adapter_config.json" in files,
            sort="an adapter",
            load_back=lambda opened, commit: _load_back(opened, commit, contents),
            warnings=tuple(origin.warnings(private)),
        )
        return publish(plan, client, private=private, message=message, tag=tag, dry_run=dry_run)


@contextmanager
def _opened(folder: str | Path, client: Client) -> Iterator[Path]:
    """The folder; or a repository of the Hub, downloaded for the time of the push."""
    if Path(folder).is_dir():
        yield Path(folder)
        return
    name = str(folder)
    if name.count("/") != 1 or name.startswith((".", "/", "~")):
        raise InputError(f"There is no folder {name}.", hint="Name an adapter folder, or a repository as USER/NAME.")
    from huggingface_hub import snapshot_download

    there = Client(name, "model", client.token)
    with tempfile.TemporaryDirectory(prefix="amazon-titles-") as empty:
        never = ["*.bin", "*.pt", "*.pth", "checkpoint-*"]
        path = there.call(
            f"reading {name}",
            lambda: snapshot_download(name, cache_dir=empty, ignore_patterns=never, token=client.token),
        )
        yield Path(path)


def _complete(papers: AdapterMetadata, origin: Origin, repo_id: str, *, named: bool, anew: bool) -> None:
    """Puts into the papers what they lack, or what stands elsewhere now."""
    if papers.new or named:
        base = origin.base.id if origin.base else papers.base
        stand = origin.dataset
        papers.name_origin(base, stand.id if stand else None, stand.revision if stand else None)
    if papers.new or named or anew or not is_there(papers.folder, "README.md"):
        papers.write_card(repo_id)
    papers.name_repository(repo_id)
    licence = licence_of(papers.base)
    if (
        licence is not None
        and licence.notice_file
        and not any(is_there(papers.folder, path.name) for path in papers.folder.glob("NOTICE*"))
    ):
        # Section 1.b of Llama's licences: the notice goes with every copy, in a text file of this name.
        papers.files["NOTICE"] = licence.notice_file.encode()


def _require_name(origin: Origin, papers: AdapterMetadata, repo_id: str, *, private: bool) -> None:
    """Llama's licences want a published model's name to begin with Llama; a private one may still be renamed."""
    licence = licence_of(papers.base)
    if licence is not None and not private and not licence.allows(repo_id.rpartition("/")[2]):
        reason = f"the {licence.name} wants a published model's name to begin with {licence.prefix!r}"
        origin.refuse("README.md", f"{reason}, and {repo_id} does not")


def _evaluations(before: str | Path | None, after: str | Path | None) -> dict[str, bytes]:
    found = {}
    for name, path in (("before", before), ("after", after)):
        if path is not None:
            if not Path(path).is_file():
                raise InputError(f"There is no evaluation {path}.", hint="Make one: amazon-titles evaluate MODEL …")
            found[f"eval/{name}.json"] = Path(path).read_bytes()
    return found


def _refusals(
    contents: Sequence[Content],
    left_out: Sequence[LeftOut],
    words: Sequence[Content],
    origin: Origin,
    token: str | None,
) -> Iterator[ValidationIssue]:
    yield from origin.refusals
    yield from validate.missing(contents, left_out, NEEDED, "amazon-titles train")
    if not any(content.path in _VOCABULARIES for content in contents):
        yield ValidationIssue(
            "tokenizer.json", "it is missing, and so is any other vocabulary: copy the base's tokenizer files"
        )
    yield from validate.secrets_in([*contents, *words], token)
    yield from validate.unreadable(contents)
    # A base or a dataset that is a folder is told above, with its mend: the papers would only tell its path again.
    told = ("adapter_config.json", "run.json", "recipe.yml") if origin.refusals else ()
    # The text of a licence is its author's, whatever it names.
    ours = [content for content in contents if content.path not in told and not LEGAL_FILES.fullmatch(content.path)]
    yield from validate.local_paths_in(ours)
    yield from validate.card_in(contents)
    for content in contents:
        if content.path == "adapter_model.safetensors" and isinstance(content.source, Path):
            yield from (ValidationIssue(content.path, reason) for reason in weight_problems(content.source))
        if content.path == "adapter_config.json":
            yield from (
                ValidationIssue(content.path, reason) for reason in config_problems(read_object(content.read()))
            )
        if content.path == "tokenizer_config.json":
            yield from _tokenizer(content)


def _tokenizer(content: Content) -> Iterator[ValidationIssue]:
    """A tokenizer that transformers 5 has saved anew does not load in 4.48 (`TokenizersBackend does not exist`)."""
    if read_object(content.read()).get("tokenizer_class") == "TokenizersBackend":
        reason = "transformers 5 saved it anew, and 4.48 cannot load it: copy the base's tokenizer files"
        yield ValidationIssue(content.path, reason)


def _load_back(client: Client, commit: str, contents: Sequence[Content]) -> str:
    """Downloads config, tokenizer and weights by the repository's id, and reads them as a loader would.

    Raises:
        PublishError: It could not be loaded.
    """
    from huggingface_hub import hf_hub_download

    with tempfile.TemporaryDirectory(prefix="amazon-titles-") as empty:

        def fetch(path: str) -> Path:
            options: dict[str, Any] = {"revision": commit, "cache_dir": empty, "token": client.token}
            return Path(hf_hub_download(client.repo_id, path, **options))

        got = {
            content.path: client.call(f"loading {content.path} back", partial(fetch, content.path))
            for content in contents
            if content.path in (*NEEDED, *_VOCABULARIES)
        }
        config = read_object(got["adapter_config.json"].read_bytes())
        problems = {
            "adapter_config.json": list(config_problems(config)),
            "adapter_model.safetensors": list(weight_problems(got["adapter_model.safetensors"])),
            "tokenizer_config.json": [] if read_object(got["tokenizer_config.json"].read_bytes()) else ["it is empty"],
        }
        for path, reasons in problems.items():
            if reasons:
                raise PublishError(
                    f"What stands at {client.repo_id} now cannot be loaded: {path}: {reasons[0]}.",
                    hint="Mend the folder here and run the same command again.",
                )
        size = got["adapter_model.safetensors"].stat().st_size
    return f"{config.get('peft_type')} adapter of {config.get('base_model_name_or_path')}, {size} bytes of weights"
