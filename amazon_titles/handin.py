"""`hand_in`: what the course's assignment asks for, gathered in one folder, and what is still missing."""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import jinja2

from amazon_titles.cards import dataset_card
from amazon_titles.cards.rendering import environment, render, wording
from amazon_titles.default_model import require_default
from amazon_titles.errors import AmazonTitlesError, InputError
from amazon_titles.evaluation.comparison import comparison_files
from amazon_titles.hub.adapter_metadata import AdapterMetadata, read_adapter_metadata
from amazon_titles.hub.contents import read_file
from amazon_titles.hub_errors import explain
from amazon_titles.io import FolderKind, is_local, local_folder, read_object, require_replaceable, staged, write_whole
from amazon_titles.links import PRIVATE, look, video_seconds
from amazon_titles.pdf import write_pdf
from amazon_titles.plots import plot_lengths, plot_losses
from amazon_titles.recipes.autotrain_checks import is_local_path
from amazon_titles.search.index import dataset_folder
from amazon_titles.training.adapter import EVALUATION_FILES

FILES = (
    "handin.pdf", "draft.pdf", "data.md", "fine-tuning.md", "recipe.yml", "eval", "lengths.png", "loss.png",
    "video.txt",
)  # fmt: skip
"""Everything that a hand-in's folder may hold; `eval` is a folder; `draft.pdf` while something is missing."""

MOST_SECONDS = 600
"""Of the video: the assignment says 10 minutes."""

_FOLDER = FolderKind(
    command="handin",
    doing="gathering",
    files=re.compile("|".join(map(re.escape, (*FILES, *(f"eval/{name}" for name in ("", *EVALUATION_FILES)))))),
    marks=("fine-tuning.md", "video.txt"),
    hint="Name a new folder: amazon-titles handin DIR …",
)

_DATES = {"en": "%Y-%m-%d", "pt": "%d/%m/%Y"}
# What a browser could open: `https://…`, as the help writes it, is none.
_ADDRESS = re.compile(r"(?!.*\.\.\.)https?://(?=[.-]*\w)[\w.-]+(?::\d+)?(?:[/?#][^\s…]*)?")
_MEMBER = re.compile(r"(.*?)[\s,;:(–-]*\bRM[\s:.-]*(\d+)\)?\s*", re.IGNORECASE)
Said = Iterator[tuple[str, dict[str, object]]]
"""What is missing or worth a look: a key of `hub_cards/handin.yml`, and what is filled in."""


@dataclass(frozen=True, slots=True)
class HandIn:
    """What was gathered.

    Attributes:
        folder: Where it is.
        missing: What the assignment asks for and the folder does not have yet, each with what to do.
        notes: What is worth a look besides: nothing of it is asked for, or it could not be checked.
        language: Of both, and of the documents.
    """

    folder: Path
    missing: tuple[str, ...]
    notes: tuple[str, ...] = ()
    language: str = "pt"

    def to_text(self) -> str:
        """The files there are, then what is missing, then what is worth a look, for people."""
        texts = _texts(self.language, None)
        there = [f"  {name}" for name in FILES if (self.folder / name).exists()]
        missing = [f"  - {what}" for what in self.missing] or [f"  {texts['nothing']}"]
        notes = [texts["notes"], *(f"  - {what}" for what in self.notes)] if self.notes else []
        return "\n".join([f"{self.folder}:", *there, texts["missing"], *missing, *notes]) + "\n"


def hand_in(
    output_dir: str | Path, *, model: str | Path, dataset: str | Path | None = None, video: str | None = None,
    repository: str | None = None, members: Sequence[str] = (),
    course: str | None = None, phase: str | None = None, group: str | None = None, language: str = "pt",
) -> HandIn:  # fmt: skip
    """Gathers the two documents and both in one PDF, the plots, the recipe, the evaluation and the video's description.

    Both addresses are asked for once, as somebody without an account would; where there is no network, that is a note.

    Args:
        output_dir: The folder to make. One that this function made, and nobody added to, is replaced.
        model: Adapter folder or Hub id.
        dataset: Dataset folder or Hub id; by default the one that the adapter names.
        video: Address of the video.
        repository: Address of the source code.
        members: Names of those who hand it in, each with its RM, the number of a student: `Ada Lovelace, RM 123456`.
        course: For the title page.
        phase: For the title page; by default the third of the Tech Challenge.
        group: For the title page.
        language: Of documents, plots and texts: `pt` or `en`.

    Raises:
        InputError: An address is none, the language is unknown, the model is no adapter, or `output_dir` holds
            something else.
        MissingExtraError: matplotlib or fpdf2, which draw and write the PDF, is not installed.
    """
    if language not in _DATES:
        raise InputError(f"No language {language!r}.", hint="Use: --language pt or --language en")
    for option, address in (("--video", video), ("--repo", repository)):
        if address is not None and not (_ADDRESS.fullmatch(address) and address.isprintable()):
            raise InputError(f"{option} {address!r} is no address.", hint=f"Write it as: {option} https://…")
    target = Path(output_dir)
    require_replaceable(target, _FOLDER)
    adapter = read_adapter_metadata(_adapter_folder(str(model)))
    path, revision = map(adapter.dataset.get, ("path", "revision"))
    source = str(dataset or (f"{path}@{revision}" if path and revision else path or ""))
    data = _report(source)
    texts = _texts(language, read_object(data).get("catalogue"))
    people = [found.groups() if (found := _MEMBER.fullmatch(member)) else (member, None) for member in members]
    cover = {"title": texts["title"], "course": course, "phase": phase, "group": group, "people": people}
    cover |= {"repository": repository, "video": video, "date": f"{date.today():{_DATES[language]}}"}
    cover |= {"base": Path(adapter.base).name, "card_language": language}
    with staged(target, _FOLDER) as made:
        said = [
            *_evidence(made, adapter, str(model), source, texts, language),
            *_data(made, adapter, source, data, texts, language),
            *_addresses(video, repository),
            *([] if members else [("need_members", {})]),
            *(("note_rm", {"name": name}) for name, rm in people if rm is None),
            *((f"note_{key}", {}) for key in ("course", "group") if not cover[key]),
        ]
        missing, notes = ([texts[key].format(**v) for key, v in said if key.startswith(k)] for k in ("need", "note"))
        described = environment().get_template("video.txt.jinja").render(cover, texts=texts, members=members)
        (made / "video.txt").write_text(described, encoding="utf-8")
        document = render("handin", {**cover, "missing": missing}) + _parts(made, texts)
        # Half a PDF would be handed in as if it were whole.
        name = "draft.pdf" if missing else "handin.pdf"
        write_pdf(made / name, document, made, title=texts["title"], language=language)
    return HandIn(target, tuple(missing), tuple(notes), language)


def _texts(language: str, catalogue: object) -> dict[str, str]:
    """The texts of a language about a catalogue, by what the dataset's report says of it."""
    texts = wording("handin", language)
    told = catalogue if isinstance(catalogue, dict) else {}
    way = "unnamed" if not told.get("name") else "made_up" if told.get("made_up") else "named"
    named = texts[way].replace("{name}", str(told.get("name")))
    return {"catalogue": named} | {key: text.replace("{catalogue}", named) for key, text in texts.items()}


def _adapter_folder(model: str) -> Path:
    require_default(model)
    if is_local_path(model) and not is_local(model):
        raise InputError(f"No adapter folder {model!r}.", hint="Name an adapter folder or a Hub id: --model …")
    try:
        return local_folder(model, allow_patterns=["*.json", "*.md", "*.png", "recipe.yml", "eval/*"])
    except Exception as error:
        raise explain(error, model) from None


def _report(dataset: str) -> bytes:
    """The report of a dataset folder or of `ID@REVISION`; b"" where it cannot be had: what is missing is listed."""
    with suppress(AmazonTitlesError):
        return read_file(dataset_folder(dataset, ["report.json"]), "report.json") if dataset else b""
    return b""


def _evidence(
    made: Path, adapter: AdapterMetadata, model: str, dataset: str, texts: dict[str, str], language: str
) -> Said:
    """Writes the document of the fine-tuning with its plots, the recipe and the evaluation; says what is missing."""
    if (comparison := adapter.comparison()) and comparison.rows():  # the folder's may be in another language
        adapter.files |= {f"eval/{name}": data for name, data in comparison_files(comparison, language).items()}
    if losses := adapter.run.get("losses"):
        valid = adapter.run.get("valid_losses") or ()
        adapter.files["loss.png"] = plot_losses(losses, valid=valid, language=language)
    adapter.write_card(language=language)
    (made / "fine-tuning.md").write_text(_body(adapter.files["README.md"].decode()), encoding="utf-8")
    if adapter.recipe:
        (made / "recipe.yml").write_text(adapter.recipe, encoding="utf-8")
    else:
        yield "need_recipe", {}
    told = {name: adapter.read(name) for name in ("loss.png", *(f"eval/{name}" for name in EVALUATION_FILES))}
    write_whole({made / name: data for name, data in told.items() if data})
    # What stands on the Hub is put there by a push.
    place = Path(model, "eval") if is_local(model) else Path()
    before, after = (shlex.quote(str(place / name)) for name in ("before.json", "after.json"))
    push = shlex.join(["amazon-titles", "push-adapter", model, model])
    then = "" if is_local(model) else f", {push} --before {before} --after {after}"
    for when, what, report in (("before", adapter.base or "BASE", before), ("after", model, after)):
        if not adapter.read(f"eval/{when}.json"):
            ask = f"amazon-titles evaluate {shlex.quote(what)} --dataset {shlex.quote(dataset or 'DIR|REPO')}"
            yield f"need_{when}", {"command": f"{ask} --out {report}{then}"}
    if not adapter.run.get("publishable", True):
        yield "note_local", {"model": shlex.quote(model)}


def _data(
    made: Path, adapter: AdapterMetadata, dataset: str, data: bytes, texts: dict[str, str], language: str
) -> Said:
    """Writes the document of the data with its plot; says what is missing of it, or wrong with it."""
    report = read_object(data)
    if not report:
        yield "need_data", {"dataset": dataset}
        return
    try:
        card = dataset_card(report, language=language)
        plot = plot_lengths(report["lengths"], language=language)
    except (LookupError, TypeError, ValueError, AttributeError, jinja2.UndefinedError):
        yield "need_report", {"dataset": dataset}
        return
    (made / "data.md").write_text(_body(card), encoding="utf-8")
    (made / "lengths.png").write_bytes(plot)
    trained_on = adapter.dataset.get("report_sha256")
    if trained_on and trained_on != hashlib.sha256(data).hexdigest():
        yield "need_same_data", {"dataset": dataset}
    if report["catalogue"].get("made_up") or report["catalogue"]["rules"] != "amazon":
        yield "need_trn", {"of": texts["catalogue"]}


def _addresses(video: str | None, repository: str | None) -> Said:
    """Says which address is missing, hidden from others or could not be checked, and whether the video is too long."""
    page = ""
    for name, option, address in (("repository", "--repo", repository), ("video", "--video", video)):
        if address is None:
            yield f"need_{name}", {}
            continue
        status, page = look(address)
        if status != 200:
            key = "need_public" if status in PRIVATE else "note_unchecked"
            yield key, {"option": option, "address": address, "status": status or "?"}
    seconds = video_seconds(page)  # of the last page, which is the video's
    if seconds is not None and seconds > MOST_SECONDS:
        yield "need_shorter", {"minutes": f"{seconds // 60}:{seconds % 60:02}"}
    elif video and seconds is None:
        yield "note_length", {}


def _parts(made: Path, texts: dict[str, str]) -> str:
    """Both documents as one: what each says of loading stands at the end."""
    parts = code = ""
    for name, part, of in (("data", texts["part_data"], "of_data"), ("fine-tuning", texts["part_model"], "of_model")):
        path = made / f"{name}.md"
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        section = re.compile(rf"^## {re.escape(texts['load'])}\n(.*?)(?=^## |\Z)", re.DOTALL | re.MULTILINE)
        code += "".join(f"\n## {texts[of]}\n{found[1]}" for found in section.finditer(text))
        parts += re.sub(r"\A# (.*)", rf"# {part}\n\n**\1**", section.sub("", text)) + "\n"
    return f"{parts}\n# {texts['part_code']}\n{code}"


def _body(card: str) -> str:
    """A card without the metadata at its head, which is for the Hub."""
    return re.sub(r"\A---\n.*?\n---\n+", "", card, flags=re.S)
