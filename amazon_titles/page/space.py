"""The page as a folder that runs by itself: a Space of the Hub, with the library's source beside the app."""

from __future__ import annotations

import re
import sys
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

from amazon_titles import __version__, resources
from amazon_titles.cards.rendering import environment
from amazon_titles.errors import AmazonTitlesError, InputError
from amazon_titles.io import FolderKind, read_object, staged, write_whole
from amazon_titles.model.loading import dataset_of
from amazon_titles.page.texts import TEXTS
from amazon_titles.progress import say
from amazon_titles.search.index import dataset_folder

_ID = r"\w[\w.-]*/\w[\w.-]*"
_MARKS = ("amazon_titles/page/space.py",)
_FOLDER = FolderKind("push-space", "writing", re.compile("(?s).*"), _MARKS, hint="Choose another: --out DIR")


def write_space(folder: str | Path, *, model: str, dataset: str | None = None, language: str = "en") -> Path:
    """Writes the folder of a Space; one that an earlier call wrote is replaced.

    Args:
        folder: The folder to make.
        model: The Hub id of an adapter or a model. A folder of this machine would not be there.
        dataset: The Hub id of the dataset that sources are taken from, `ID` or `ID@REVISION`; by default the one that
            the adapter names.
        language: That the page starts in, and that its card is written in.

    Raises:
        InputError: `model` or `dataset` is no Hub id, `model` names a revision, `folder` holds something else, or
            nothing says which files belong to the library.
    """
    for what, name, pattern, command in (
        ("model", model, _ID, "push-adapter"), ("dataset", dataset, f"{_ID}(@.*)?", "push-dataset"),
    ):  # fmt: skip
        if name is not None and (Path(name).exists() or not re.fullmatch(pattern, name)):
            raise InputError(
                f"A Space reads its {what} from the Hub, and {name!r} is no Hub id.",
                hint=f"Publish it: amazon-titles {command} DIR USER/NAME; then name it, a model without @REVISION.",
            )
    templates, said = environment(), TEXTS[language]
    app = templates.get_template("space_app.py.jinja").render(model=model, dataset=dataset, language=language)
    card = templates.get_template("space_card.md.jinja").render(
        title=said.title, short=said.short, language=language, model=model, dataset=(dataset or "").partition("@")[0],
        made_up=said.made_up if _is_made_up(model, dataset) else "", gradio=version("gradio"), version=__version__,
        python=f"{sys.version_info.major}.{sys.version_info.minor}",
    )  # fmt: skip
    files = {"app.py": app, "README.md": card, "requirements.txt": "".join(f"{line}\n" for line in requirements())}
    library = resources.library_files()
    with staged(Path(folder), _FOLDER) as made:
        write_whole({made / place: path.read_bytes() for place, path in library.files.items()})
        write_whole({made / place: content for place, content in files.items()})
        for place, reason in library.left_out.items():
            say(f"  left out: {place} ({reason})")
    return Path(folder)


def _is_made_up(model: str, dataset: str | None) -> bool:
    """Whether the sources are the made-up sample's, as far as the Hub tells here and now."""
    told = None
    with suppress(AmazonTitlesError):
        if named := dataset or dataset_of(model):
            told = read_object(dataset_folder(named, ["report.json"]) / "report.json").get("catalogue")
    return isinstance(told, dict) and bool(told.get("made_up"))


def requirements() -> list[str]:
    """What the library needs for the page, pinned to what is installed here; Gradio's version stands in the card.

    Raises:
        InputError: The library is not installed, so nobody knows what it needs.
    """
    needed = resources.requirements("model")
    names = {re.split(r"[^\w.-]", line, maxsplit=1)[0] for line in needed} - {"amazon-titles"}
    return [f"{name}=={version(name).partition('+')[0]}" for name in sorted(names)]
