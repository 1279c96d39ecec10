"""The page as a folder that runs by itself: a Space of the Hub, with the library's source beside the app."""

from __future__ import annotations

import re
import shutil
import sys
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from amazon_titles import __version__, resources
from amazon_titles.cards.rendering import environment
from amazon_titles.errors import InputError
from amazon_titles.io import FolderKind, staged
from amazon_titles.page.texts import TEXTS
from amazon_titles.progress import say

_APP = '''"""Starts the page of {model}; README.md tells more."""

import sys

from amazon_titles.errors import AmazonTitlesError
from amazon_titles.page import serve

if __name__ == "__main__":
    try:
        # No host: a Space names its own, in GRADIO_SERVER_NAME.
        serve({model!r}, dataset={dataset!r}, host=None, language={language!r})
    except AmazonTitlesError as error:
        sys.exit(f"Error: {{error}}")
'''
_ID = re.compile(r"[\w][\w.-]*/[\w][\w.-]*")
_MARK = "amazon_titles/page/space.py"
_HINT = "Choose another: --out DIR"
_FOLDER = FolderKind("push-space", "writing", re.compile(".*", re.DOTALL), marks=(_MARK,), hint=_HINT)


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
    bare, at, _ = model.partition("@")
    if at and _ID.fullmatch(bare):
        raise InputError(
            f"A Space shows the newest revision of its model, and {model!r} names one.",
            hint=f"Leave it out: --model {bare}",
        )
    for what, name, command in (("model", model, "push-adapter"), ("dataset", dataset, "push-dataset")):
        if name is not None and (Path(name).exists() or not _ID.fullmatch(name.partition("@")[0])):
            raise InputError(
                f"A Space reads its {what} from the Hub, and {name!r} is no Hub id.",
                hint=f"Publish it first: amazon-titles {command} DIR USER/NAME; then name USER/NAME.",
            )
    target = Path(folder)
    if target.exists() and not (target.is_dir() and (not any(target.iterdir()) or (target / _MARK).is_file())):
        raise InputError(f"{target} holds something that is not a page's folder.", hint=_HINT)
    dataset_id = dataset.partition("@")[0] if dataset else None
    card = environment().get_template("space_card.md.jinja").render(
        title=TEXTS[language].title, short=TEXTS[language].short, language=language, model=model, dataset=dataset_id,
        gradio=version("gradio"), version=__version__, python=f"{sys.version_info.major}.{sys.version_info.minor}",
    )  # fmt: skip
    library = resources.library_files()
    with staged(target, _FOLDER) as made:
        for place, path in library.files.items():
            (made / place).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, made / place)
        for place, reason in library.left_out.items():
            say(f"  left out: {place} ({reason})")
        (made / "app.py").write_text(_APP.format(model=model, dataset=dataset, language=language), encoding="utf-8")
        (made / "requirements.txt").write_text("".join(f"{line}\n" for line in requirements()), encoding="utf-8")
        (made / "README.md").write_text(card, encoding="utf-8")
    return target


def requirements() -> list[str]:
    """What the library needs for the page, pinned to what is installed here; Gradio's version stands in the card.

    Raises:
        InputError: The library is not installed, so nobody knows what it needs.
    """
    try:
        lines = requires("amazon-titles") or []
    except PackageNotFoundError:
        raise InputError(
            "amazon-titles is not installed here, so its needs are not known.", hint="Install it: pip install -e ."
        ) from None
    needed = [line for line in lines if ";" not in line or re.search(r"""extra == ['"]model['"]""", line)]
    names = {re.split(r"[^\w.-]", line, maxsplit=1)[0] for line in needed} - {"amazon-titles"}
    return [f"{name}=={version(name).partition('+')[0]}" for name in sorted(names)]
