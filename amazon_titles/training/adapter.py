"""Makes what a trainer left behind into the adapter folder of the design."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amazon_titles.adapter_files import for_every_peft, weight_problems
from amazon_titles.errors import TrainingError
from amazon_titles.io import FolderKind
from amazon_titles.templates import ChatTemplate

TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "tokenizer.model",
    "vocab.json",
    "merges.txt",
    "added_tokens.json",
)
"""Copied from the base, never saved anew: a tokenizer saved by transformers 5 does not load in 4.48."""

EVALUATION_FILES = (
    "before.json",
    "after.json",
    "comparison.json",
    "comparison.md",
    "before_after.png",
    "changes.png",
)
"""What an adapter's `eval` holds, by the names that the documents give: the tests of this adapter, and theirs alone."""

ADAPTER = FolderKind(
    command="train",
    doing="training",
    files=re.compile(
        r"README\.md|run\.json|recipe\.yml|loss\.png|adapter_config\.json|adapter_model\.safetensors|eval/"
        + "".join(f"|{re.escape(name)}" for name in TOKENIZER_FILES)
        + "".join(f"|eval/{re.escape(name)}" for name in EVALUATION_FILES)
    ),
    marks=("run.json",),
    hint="Choose another name: --set project_name=NAME",
)
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
    trained: Path, folder: Path, *, base: str, template: ChatTemplate, recipe: str, run: Mapping[str, Any]
) -> None:
    """Fills `folder` with the adapter's weights, its papers, and the base's tokenizer with the template trained on.

    Pickles, checkpoints and tensorboard's files stay behind.

    Args:
        trained: Where the trainer wrote.
        folder: Empty.
        base: Hub id, or the absolute path of a local folder.
        template: Travels with the tokenizer.
        recipe: Text of the recipe.
        run: Becomes `run.json`.

    Raises:
        TrainingError: The weights cannot be read, are not finite, or are all zero.
    """
    if problems := list(weight_problems(trained / "adapter_model.safetensors")):
        raise TrainingError(
            f"The trained adapter cannot be used: {problems[0]}.",
            hint="Where it diverged, lower the rate: --set lr=1e-4. Where nothing was learnt, raise it, or epochs.",
        )
    shutil.copyfile(trained / "adapter_model.safetensors", folder / "adapter_model.safetensors")
    config = json.loads((trained / "adapter_config.json").read_text(encoding="utf-8"))
    config["base_model_name_or_path"] = base
    _write_json(folder / "adapter_config.json", for_every_peft(config)[0])
    _copy_tokenizer(base, folder, template)
    (folder / "recipe.yml").write_text(recipe, encoding="utf-8")
    _write_json(folder / "run.json", run)


def _copy_tokenizer(base: str, folder: Path, template: ChatTemplate) -> None:
    source = Path(base)
    if not source.is_dir():
        from huggingface_hub import snapshot_download

        source = Path(snapshot_download(base, allow_patterns=list(TOKENIZER_FILES)))
    for name in TOKENIZER_FILES:
        if (source / name).is_file():
            shutil.copyfile(source / name, folder / name)
    path = folder / "tokenizer_config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    _write_json(path, with_template(config, template))


def with_template(tokenizer_config: Mapping[str, Any], template: ChatTemplate) -> dict[str, Any]:
    """`tokenizer_config.json` with the chat template that was trained on, fit for `generate` in every transformers.

    A file that does not say `model_input_names`, as Llama's own do, makes 4.48 write `token_type_ids`, and `generate`
    refuses those: "The following `model_kwargs` are not used by the model".
    """
    inputs = {"model_input_names": ["input_ids", "attention_mask"]}
    return {**inputs, **tokenizer_config, "chat_template": template.jinja}


def dataset_of(path: str, revision: str | None = None) -> dict[str, Any]:
    """What `run.json` says of a dataset: path or id, revision; of a folder also what its report tells."""
    report = Path(path) / "report.json"
    data = report.read_bytes() if report.is_file() else None
    catalogue = {} if data is None else json.loads(data).get("catalogue", {})
    local = Path(path).is_dir()
    return {
        "path": str(Path(path).resolve()) if local else path,
        "revision": revision,
        "report_sha256": None if data is None else hashlib.sha256(data).hexdigest(),
        # Address of a product, with {uid} in it: what the model card names its sources by.
        "url": catalogue.get("url"),
        **({"made_up": True} if catalogue.get("made_up") else {}),
    }


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
