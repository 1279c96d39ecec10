"""`hand_in`: what the course's assignment asks for, gathered in one folder, and what is still missing."""

from __future__ import annotations

import re
import shlex
import shutil
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import yaml

from amazon_titles import resources
from amazon_titles.cards import dataset_card
from amazon_titles.default_model import find_model
from amazon_titles.errors import AmazonTitlesError, InputError, MissingExtraError
from amazon_titles.hub.adapter_metadata import AdapterMetadata, read_adapter_metadata
from amazon_titles.hub_errors import explain
from amazon_titles.io import FolderKind, is_local, local_folder, read_object, require_replaceable, staged
from amazon_titles.recipes.autotrain_checks import is_local_path
from amazon_titles.search.index import dataset_folder
from amazon_titles.training.adapter import EVALUATION_FILES

FILES = ("data.md", "fine-tuning.md", "recipe.yml", "eval", "loss.png", "video.txt", "handin.pdf")
"""Everything that a hand-in's folder may hold; `eval` is a folder."""

_FOLDER = FolderKind(
    command="handin",
    doing="gathering",
    files=re.compile("|".join(map(re.escape, (*FILES, *(f"eval/{name}" for name in ("", *EVALUATION_FILES)))))),
    marks=("fine-tuning.md", "video.txt"),
    hint="Name a new folder: amazon-titles handin DIR …",
)
# Of a line of the PDF, in letters that are all as wide as each other, and in others.
_LINK_CHARS, _NAME_CHARS = 80, 60

_LANGUAGES = ("en", "pt")
# What a browser could open: `https://…`, as the help writes it, is none.
_ADDRESS = re.compile(r"(?!.*\.\.\.)https?://(?=[.-]*\w)[\w.-]+(?::\d+)?(?:[/?#][^\s…]*)?")


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
    output_dir: str | Path, *, model: str | Path, dataset: str | Path | None = None, video: str | None = None,
    repository: str | None = None, members: Sequence[str] = (), language: str = "pt",
) -> HandIn:  # fmt: skip
    """Gathers the two documents, the recipe, the evaluation, the video's description and the PDF with both links.

    Args:
        output_dir: The folder to make. One that this function made, and nobody added to, is replaced.
        model: Adapter folder or Hub id.
        dataset: Dataset folder or Hub id; by default the one that the adapter names.
        video: Address of the video.
        repository: Address of the source code.
        members: Names of those who hand it in.
        language: Of documents and texts: `pt` or `en`.

    Raises:
        InputError: An address is none, the language is unknown, the model is no adapter, or `output_dir` holds
            something else.
        MissingExtraError: matplotlib, which writes the PDF, is not installed.
    """
    if language not in _LANGUAGES:
        raise InputError(f"No language {language!r}.", hint="Use: --language pt or --language en")
    for option, address in (("--video", video), ("--repo", repository)):
        if address is not None and not (_ADDRESS.fullmatch(address) and address.isprintable()):
            raise InputError(f"{option} {address!r} is no address.", hint=f"Write it as: {option} https://…")
    target = Path(output_dir)
    require_replaceable(target, _FOLDER)
    adapter = read_adapter_metadata(_adapter_folder(str(model)))
    adapter.write_card(language=language)
    path, revision = map(adapter.dataset.get, ("path", "revision"))
    source = str(dataset or (f"{path}@{revision}" if path and revision else path or ""))
    report = _report(source)
    with staged(target, _FOLDER) as made:
        missing = [
            *_documents(made, adapter, str(model), source, report, language),
            *_links(made, adapter, video, repository, members, _texts(language, report.get("catalogue"))),
        ]
    return HandIn(target, tuple(missing))


def _texts(language: str, catalogue: object) -> dict[str, str]:
    """The texts of a language about a catalogue, by what the dataset's report says of it."""
    wording = yaml.safe_load((resources.folder("hub_cards") / "handin.yml").read_text(encoding="utf-8"))
    texts: dict[str, str] = {key: said[language] for key, said in wording.items()}
    told = catalogue if isinstance(catalogue, dict) else {}
    way = "unnamed" if not told.get("name") else "made_up" if told.get("made_up") else "named"
    named = texts[way].replace("{name}", str(told.get("name")))
    return {key: text.replace("{catalogue}", named) for key, text in texts.items()}


def _adapter_folder(model: str) -> Path:
    find_model(model)
    if is_local_path(model) and not is_local(model):
        raise InputError(f"No adapter folder {model!r}.", hint="Name an adapter folder or a Hub id: --model …")
    try:
        return local_folder(model, allow_patterns=["*.json", "*.md", "*.png", "recipe.yml", "eval/*"])
    except Exception as error:
        raise explain(error, model) from None


def _report(dataset: str) -> dict[str, Any]:
    """The report of a dataset folder or of `ID@REVISION`; {} where it cannot be had: what is missing is listed."""
    with suppress(AmazonTitlesError):
        return read_object(dataset_folder(dataset, ["report.json"]) / "report.json") if dataset else {}
    return {}


def _documents(
    made: Path, adapter: AdapterMetadata, model: str, dataset: str, report: dict[str, Any], language: str
) -> Iterator[str]:
    """Writes the documents, the recipe and the evaluation; yields what is missing of them."""
    (made / "fine-tuning.md").write_text(_body(adapter.files["README.md"].decode()), encoding="utf-8")
    if adapter.recipe:
        (made / "recipe.yml").write_text(adapter.recipe, encoding="utf-8")
    else:
        yield "the recipe: the adapter's folder has no recipe.yml"
    yield from _tests(adapter, model, dataset)
    for name in ("loss.png", *(f"eval/{name}" for name in EVALUATION_FILES)):
        if (adapter.folder / name).is_file():
            (made / name).parent.mkdir(exist_ok=True)
            shutil.copy(adapter.folder / name, made / name)
    if not adapter.run.get("publishable", True):
        yield f"a real base model: this adapter is a trial's ({adapter.run.get('why_not_publishable')})"
    if not report:
        yield f"the document of the data: no dataset {dataset} here. Name it: --dataset DIR|REPO"
        return
    try:
        card = dataset_card(report, language=language)
    except (LookupError, TypeError, ValueError, AttributeError, jinja2.UndefinedError):
        yield f"the document of the data: the report.json of {dataset} is none that `amazon-titles build` wrote"
        return
    (made / "data.md").write_text(_body(card), encoding="utf-8")
    if report["catalogue"].get("made_up"):
        yield "a real catalogue: the products of this one are made up"


def _tests(adapter: AdapterMetadata, model: str, dataset: str) -> Iterator[str]:
    """What is missing of both tests and of their comparison, which stand in the adapter's `eval`."""
    there = {path.name for path in (adapter.folder / "eval").glob("*") if path.is_file()}
    # What stands on the Hub is put there by a push, which makes the comparison too.
    place = Path(model, "eval") if is_local(model) else Path()
    before, after, folder = (shlex.quote(str(place / name)) for name in ("before.json", "after.json", ""))
    push = f"{shlex.join(['amazon-titles', 'push-adapter', model, model])} --before {before} --after {after}"
    then = "" if is_local(model) else f", then {push}"
    for when, what, report in (("before", adapter.base or "BASE", before), ("after", model, after)):
        if f"{when}.json" not in there:
            ask = f"amazon-titles evaluate {shlex.quote(what)} --dataset {shlex.quote(dataset or 'DIR|REPO')}"
            yield f"the test {when} the training: {ask} --out {report}{then}"
    if {"before.json", "after.json"} <= there and not {"comparison.json", "comparison.md"} <= there:
        compare = f"amazon-titles compare {before} {after} --out {folder}"
        yield f"the comparison of both tests: {compare if is_local(model) else push}"


def _links(
    made: Path, adapter: AdapterMetadata, video: str | None, repository: str | None, members: Sequence[str],
    texts: dict[str, str],
) -> Iterator[str]:  # fmt: skip
    """Writes the video's description and the PDF; yields what is missing of them."""
    code = [f"{texts['repository']}: {repository}"] if repository else []
    people = [f"{texts['members']}:", *(f"- {member}" for member in members)] if members else []
    lines = [texts["title"], "", texts["about"], "", f"{texts['base']}: {Path(adapter.base).name}", *code, "", *people]
    (made / "video.txt").write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")
    if not members:
        yield "the members' names: --member NAME, once for each"
    if not repository:
        yield "the source code's address: --repo URL"
    if not video:
        yield "the video's address: make one (at most 10 minutes), upload it, then --video URL"
    # Half a PDF would be handed in as if it were whole.
    if video and repository and members:
        _write_pdf(made / "handin.pdf", members, {texts["repository"]: repository, texts["video"]: video}, texts)
    else:
        yield "handin.pdf, which needs the members and both addresses"


def _write_pdf(path: Path, members: Sequence[str], links: dict[str, str], texts: dict[str, str]) -> None:
    """One A4 page with the title, the members and the links, which can be clicked."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("model", "matplotlib") from error
    plain: dict[str, Any] = {"fontsize": 11}
    lines = [(piece, plain | {"fontsize": 14}) for piece in textwrap.wrap(texts["title"], _NAME_CHARS)]
    lines += [("", plain), (f"{texts['members']}:", plain)]
    lines += [(f"    {piece}", plain) for member in members for piece in textwrap.wrap(member, _NAME_CHARS)]
    for name, link in links.items():
        # Each piece leads to the whole address.
        clickable: dict[str, Any] = {"url": link, "color": "#0645ad", "family": "monospace", "fontsize": 9}
        pieces = [link[start : start + _LINK_CHARS] for start in range(0, len(link), _LINK_CHARS)]
        lines += [("", plain), (f"{name}:", plain), *((piece, clickable) for piece in pieces)]
    page = Figure(figsize=(8.27, 11.69))
    for number, (text, style) in enumerate(lines):
        # parse_math: a name with a $ in it is a name.
        page.text(0.1, 0.92 - 0.028 * number, text, parse_math=False, **style)
    page.savefig(path, metadata={"Title": texts["title"], "CreationDate": None})


def _body(card: str) -> str:
    """A card without the metadata at its head, which is for the Hub."""
    return re.sub(r"\A---\n.*?\n---\n+", "", card, flags=re.S)
