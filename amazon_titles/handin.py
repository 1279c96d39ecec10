"""`hand_in`: what the course's assignment asks for, gathered in one folder, and what is still missing."""

from __future__ import annotations

import re
import shlex
import shutil
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jinja2

from amazon_titles.cards import dataset_card
from amazon_titles.default_model import find_model
from amazon_titles.errors import InputError, MissingExtraError
from amazon_titles.handin_texts import TEXTS, texts_of
from amazon_titles.hub.adapter_metadata import AdapterMetadata, read_adapter_metadata
from amazon_titles.hub_errors import explain
from amazon_titles.io import FolderKind, read_object, require_replaceable, staged
from amazon_titles.training.adapter import EVALUATION_FILES

DATA, TRAINING, RECIPE, EVALUATION = "data.md", "fine-tuning.md", "recipe.yml", "eval"
LOSS, VIDEO, LINKS = "loss.png", "video.txt", "handin.pdf"
FILES = (DATA, TRAINING, RECIPE, EVALUATION, LOSS, VIDEO, LINKS)
"""Everything that a hand-in's folder may hold; `eval` is a folder."""

_FOLDER = FolderKind(
    command="handin",
    doing="gathering",
    files=re.compile(
        "|".join(re.escape(name) for name in (*FILES, *(f"{EVALUATION}/{name}" for name in ("", *EVALUATION_FILES))))
    ),
    marks=(TRAINING, VIDEO),
    hint="Name a new folder: amazon-titles handin DIR …",
)

# Of a line of the PDF, in letters that are all as wide as each other, and in others.
_LINK_CHARS, _NAME_CHARS = 80, 60


@dataclass(frozen=True, slots=True)
class HandIn:
    """What was gathered.

    Attributes:
        folder: Where it is.
        missing: What the assignment asks for and the folder does not have yet, each with what to do.
    """

    folder: Path
    missing: tuple[str, ...]

    def to_text(self) -> str:
        """The files there are, then what is missing, for people."""
        there = [f"  {name}" for name in FILES if (self.folder / name).exists()]
        missing = [f"  - {what}" for what in self.missing] or ["  nothing"]
        return "\n".join([f"{self.folder}:", *there, "Still missing:", *missing]) + "\n"


def hand_in(
    output_dir: str | Path,
    *,
    model: str | Path,
    dataset: str | Path | None = None,
    video: str | None = None,
    repository: str | None = None,
    members: Sequence[str] = (),
    language: str = "pt",
    token: str | None = None,
) -> HandIn:
    """Gathers the two documents, the recipe, the evaluation, the video's description and the PDF with both links.

    Args:
        output_dir: The folder to make. One that this function made, and nobody added to, is replaced.
        model: Adapter folder or Hub id.
        dataset: Dataset folder or Hub id; by default the one that the adapter names.
        video: Address of the video.
        repository: Address of the source code.
        members: Names of those who hand it in.
        language: Of documents and texts: `pt` or `en`.
        token: Of the Hub; by default the one that is logged in.

    Raises:
        InputError: An address is none, the language is unknown, the model is no adapter, or `output_dir` holds
            something else.
        MissingExtraError: matplotlib, which writes the PDF, is not installed.
    """
    if language not in TEXTS:
        raise InputError(f"No language {language!r}.", hint="Use: --language pt or --language en")
    for option, address in (("--video", video), ("--repo", repository)):
        if address is not None and not _is_address(address):
            raise InputError(f"{option} {address!r} is no address.", hint=f"Write it as: {option} https://…")
    target = Path(output_dir)
    require_replaceable(target, _FOLDER)
    papers = read_adapter_metadata(_adapter_folder(model, token))
    papers.write_card(language=language)
    where = _dataset(papers, dataset)
    report = _report(where, token)
    told = report.get("catalogue")
    say = texts_of(language, told if isinstance(told, dict) else {})
    with staged(target, _FOLDER) as making:
        missing = [
            *_documents(making, papers, str(model), where, report, language),
            *_links(making, papers, video, repository, members, say),
        ]
    return HandIn(target, tuple(missing))


def _is_address(text: str) -> bool:
    """Whether a browser could open it: `https://…`, as the help writes it, is none."""
    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018 - raises where it is no number
    except ValueError:
        return False
    whole = not re.search(r"\s|…|\.\.\.", text) and text.isprintable()
    return whole and parts.scheme in ("http", "https") and bool(re.search(r"\w", parts.hostname or ""))


def _adapter_folder(model: str | Path, token: str | None) -> Path:
    find_model(model)
    if Path(model).is_dir():
        return Path(model)
    if str(model).startswith((".", "/", "~")) or str(model).count("/") != 1:
        raise InputError(f"No adapter folder {str(model)!r}.", hint="Name an adapter folder or a Hub id: --model …")
    from huggingface_hub import snapshot_download

    wanted = ["*.json", "*.md", "*.png", RECIPE, "eval/*"]
    try:
        return Path(snapshot_download(str(model), allow_patterns=wanted, token=token))
    except Exception as error:
        raise explain(error, str(model), "model", token=token) from None


def _dataset(papers: AdapterMetadata, dataset: str | Path | None) -> str:
    """The dataset that is named, else the one that the adapter names: a folder, an id or `ID@REVISION`."""
    named = papers.dataset
    at = f"@{named['revision']}" if named.get("path") and named.get("revision") else ""
    return str(dataset or f"{named.get('path') or ''}{at}")


def _documents(
    making: Path, papers: AdapterMetadata, model: str, where: str, report: dict[str, Any], language: str
) -> list[str]:
    """Writes the documents, the recipe and the evaluation; returns what is missing of them."""
    missing = []
    (making / TRAINING).write_text(_body(papers.files["README.md"].decode()), encoding="utf-8")
    if papers.recipe:
        (making / RECIPE).write_text(papers.recipe, encoding="utf-8")
    else:
        missing.append("the recipe: the adapter's folder has no recipe.yml")
    missing += _tests(papers, model, where)
    evaluations = [name for name in EVALUATION_FILES if (papers.folder / EVALUATION / name).is_file()]
    if evaluations:
        (making / EVALUATION).mkdir()
    for name in evaluations:
        shutil.copy(papers.folder / EVALUATION / name, making / EVALUATION / name)
    if (papers.folder / LOSS).is_file():
        shutil.copy(papers.folder / LOSS, making / LOSS)
    if not papers.run.get("publishable", True):
        missing.append(f"a real base model: this adapter is a trial's ({papers.run.get('why_not_publishable')})")
    try:
        card = dataset_card(report, language=language) if report else None
    except (LookupError, TypeError, ValueError, AttributeError, jinja2.UndefinedError):
        missing.append(f"the document of the data: the report.json of {where} is none that `amazon-titles build` wrote")
        return missing
    if card:
        (making / DATA).write_text(_body(card), encoding="utf-8")
        if report["catalogue"].get("made_up"):
            missing.append("a real catalogue: the products of this one are made up")
    else:
        missing.append(f"the document of the data: no dataset {where} here. Name it: --dataset DIR|REPO")
    return missing


def _tests(papers: AdapterMetadata, model: str, dataset: str) -> list[str]:
    """What is missing of both tests and of their comparison, which stand in the adapter's `eval`."""
    there = {name for name in ("before", "after") if (papers.folder / EVALUATION / f"{name}.json").is_file()}
    compared = all((papers.folder / EVALUATION / f"comparison.{kind}").is_file() for kind in ("json", "md"))
    # What stands on the Hub is put there by a push, which makes the comparison too.
    local = Path(model).is_dir()
    place = Path(model, EVALUATION) if local else Path()
    before, after = (shlex.quote(str(place / f"{name}.json")) for name in ("before", "after"))
    source = shlex.quote(dataset or "DIR|REPO")
    push = shlex.join(["amazon-titles", "push-adapter", model, model])
    then = "" if local else f", then {push} --before {before} --after {after}"
    asked = (("before", papers.base or "BASE", before), ("after", model, after))
    missing = [
        f"the test {name} the training: "
        f"amazon-titles evaluate {shlex.quote(what)} --dataset {source} --out {report}{then}"
        for name, what, report in asked
        if name not in there
    ]
    if len(there) == 2 and not compared:
        make = f"amazon-titles compare {before} {after} --out {shlex.quote(str(place))}"
        missing.append(f"the comparison of both tests: {make if local else then.removeprefix(', then ')}")
    return missing


def _report(dataset: str, token: str | None) -> dict[str, Any]:
    """The report of a dataset folder or of `ID@REVISION`; {} where it cannot be had."""
    if Path(dataset).is_dir() or dataset.count("/") != 1:
        return read_object(Path(dataset) / "report.json")
    from huggingface_hub import hf_hub_download

    repo, _, revision = dataset.partition("@")
    try:
        path = hf_hub_download(repo, "report.json", repo_type="dataset", revision=revision or None, token=token)
    except Exception:  # what is missing is listed, whatever the reason
        return {}
    return read_object(Path(path))


def _links(
    making: Path,
    papers: AdapterMetadata,
    video: str | None,
    repository: str | None,
    members: Sequence[str],
    say: dict[str, str],
) -> list[str]:
    """Writes the video's description and the PDF; returns what is missing of them."""
    missing = [
        what
        for what, there in (
            ("the members' names: --member NAME, once for each", members),
            ("the source code's address: --repo URL", repository),
            ("the video's address: make one (at most 10 minutes), upload it, then --video URL", video),
        )
        if not there
    ]
    people = [f"{say['members']}:", *(f"- {member}" for member in members)] if members else []
    code = [f"{say['repository']}: {repository}"] if repository else []
    text = [say["title"], "", say["about"], "", f"{say['base']}: {Path(papers.base).name}", *code, "", *people]
    (making / VIDEO).write_text("\n".join(text).rstrip() + "\n", encoding="utf-8")
    # Half a PDF would be handed in as if it were whole.
    if video and repository and members:
        _write_pdf(making / LINKS, members, {say["repository"]: repository, say["video"]: video}, say)
    else:
        missing.append(f"{LINKS}, which needs the members and both addresses")
    return missing


def _write_pdf(path: Path, members: Sequence[str], links: dict[str, str], say: dict[str, str]) -> None:
    """One A4 page with the title, the members and the links, which can be clicked."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("model", "matplotlib") from error
    title = textwrap.wrap(say["title"], _NAME_CHARS)
    lines: list[tuple[str, str | None]] = [(piece, None) for piece in title]
    lines += [("", None), (f"{say['members']}:", None)]
    lines += [(f"    {piece}", None) for member in members for piece in textwrap.wrap(member, _NAME_CHARS)]
    for name, link in links.items():
        lines += [("", None), (f"{name}:", None)]
        # Each piece leads to the whole address.
        pieces = range(0, len(link), _LINK_CHARS)
        lines += [(link[start : start + _LINK_CHARS], link) for start in pieces]
    page = Figure(figsize=(8.27, 11.69))
    for number, (text, address) in enumerate(lines):
        # parse_math: a name with a $ in it is a name.
        shown = page.text(
            0.1, 0.92 - 0.028 * number, text, fontsize=14 if number < len(title) else 11, parse_math=False
        )
        if address:
            shown.set(url=address, color="#0645ad", family="monospace", fontsize=9)
    page.savefig(path, metadata={"Title": say["title"], "CreationDate": None})


def _body(card: str) -> str:
    """A card without the metadata at its head, which is for the Hub."""
    return re.sub(r"\A---\n.*?\n---\n+", "", card, flags=re.S)
