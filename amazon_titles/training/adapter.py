"""Makes what a trainer left behind into the adapter folder of the design."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amazon_titles.adapter_files import UNTRAINED, for_every_peft, for_every_transformers, weight_problems
from amazon_titles.errors import TrainingError
from amazon_titles.io import FolderKind, is_local, local_folder, read_object, to_json
from amazon_titles.progress import say
from amazon_titles.templates import ChatTemplate

TOKENIZER_FILES = (
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "tokenizer.model", "vocab.json", "merges.txt",
    "added_tokens.json", "chat_template.jinja",
)  # fmt: skip
"""Copied from the base, never saved anew: a tokenizer saved by transformers 5 does not load in 4.48."""

EVALUATION_FILES = (
    "before.json", "after.json", "comparison.json", "comparison.md", "before_after.png", "changes.png",
)  # fmt: skip
"""What an adapter's `eval` holds, by the names that the documents give: the tests of this adapter, and theirs alone."""

WEIGHTS, CONFIG = ADAPTER_FILES = ("adapter_model.safetensors", "adapter_config.json")
"""What a training that went well has written."""

_FILES = (
    "README.md", "run.json", "recipe.yml", "loss.png", *ADAPTER_FILES, *TOKENIZER_FILES,
    "eval/", *(f"eval/{name}" for name in EVALUATION_FILES),
)  # fmt: skip
ADAPTER = FolderKind(
    command="train", doing="training", files=re.compile("|".join(map(re.escape, _FILES))), marks=("run.json",),
    hint="Choose another name: --set project_name=NAME",
)  # fmt: skip
"""An adapter folder, which the next training of its name replaces."""


@dataclass(frozen=True, slots=True)
class TrainingRun:
    """A finished training.

    Attributes:
        folder: The adapter folder.
        run: What its `run.json` holds.
    """

    folder: Path
    run: dict[str, Any]

    @property
    def losses(self) -> list[dict[str, float]]:
        """The loss curve: `epoch` and `loss` (nats a token) at each logged step."""
        return list(self.run["losses"])

    @property
    def final_loss(self) -> float:
        """The last logged loss, in nats a token."""
        return float(self.run["losses"][-1]["loss"])


def finish_adapter(
    trained: Path, folder: Path, *, base: str, template: ChatTemplate | None, recipe: str, run: Mapping[str, Any]
) -> None:
    """Fills `folder` with the adapter's weights, its metadata, and the base's tokenizer with the template trained on.

    Pickles, checkpoints and tensorboard's files stay behind.

    Args:
        trained: Where the trainer wrote.
        folder: Empty.
        base: Hub id, or the absolute path of a local folder.
        template: Travels with the tokenizer; None where the text was rendered elsewhere, and the base's own stays.
        recipe: Text of the recipe.
        run: Becomes `run.json`.

    Raises:
        TrainingError: The weights cannot be read, are not finite, or are all zero after a step with a rate.
    """
    problem = next(weight_problems(trained / WEIGHTS), None)
    if problem == UNTRAINED and not any(point.get("learning_rate") for point in run["losses"]):
        say(
            "So few steps were all warm-up, which starts at a rate of 0: the adapter answers like its base. "
            "Take more rows or epochs, or --set warmup_ratio=0."
        )
    elif problem:
        raise TrainingError(
            f"The trained adapter cannot be used: {problem}.",
            hint="If it diverged, lower the rate: --set lr=1e-4. If nothing was learned, raise it or the epochs.",
        )
    tokenizer = local_folder(base, allow_patterns=list(TOKENIZER_FILES))
    copied = [trained / WEIGHTS, *(tokenizer / name for name in TOKENIZER_FILES if (tokenizer / name).is_file())]
    for path in copied:
        shutil.copyfile(path, folder / path.name)
    config = read_object(trained / CONFIG) | {"base_model_name_or_path": base}
    written = {
        CONFIG: to_json(for_every_peft(config)[0]),
        "tokenizer_config.json": to_json(with_template(read_object(tokenizer / "tokenizer_config.json"), template)),
        "recipe.yml": recipe,
        "run.json": to_json(run),
    }
    if template:  # as a file too: vLLM and llama.cpp take it by name, and the base's own may be such a file
        written["chat_template.jinja"] = template.jinja
    for name, text in written.items():
        (folder / name).write_text(text, encoding="utf-8")


def with_template(tokenizer_config: Mapping[str, Any], template: ChatTemplate | None) -> dict[str, Any]:
    """`tokenizer_config.json` with the template trained on, if that is known, fit for every transformers."""
    return {**for_every_transformers(tokenizer_config), **({"chat_template": template.jinja} if template else {})}


def full_name(name: str) -> str:
    """A local folder as an absolute path; a Hub id as it is."""
    return str(Path(name).resolve()) if is_local(name) else name


def dataset_of(path: str, revision: str | None = None) -> dict[str, Any]:
    """What `run.json` says of a dataset: path or id, revision; and what the report of a folder says."""
    report = Path(path) / "report.json"
    data = report.read_bytes() if report.is_file() else None
    catalogue = read_object(data or b"").get("catalogue", {})
    return {
        "path": full_name(path),
        "revision": revision,
        "report_sha256": None if data is None else hashlib.sha256(data).hexdigest(),
        # Address of a product, with {uid} in it: what the model card names its sources by.
        "url": catalogue.get("url"),
        **({"made_up": True} if catalogue.get("made_up") else {}),
    }
