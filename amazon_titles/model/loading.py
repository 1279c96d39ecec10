"""What a model's folder or Hub id says of itself: its kind, its template, its dataset; and what this machine can do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from amazon_titles.errors import InputError
from amazon_titles.hub import explain
from amazon_titles.templates import TEMPLATES, ChatTemplate


def template_of(tokenizer: Any, name: str) -> ChatTemplate:  # noqa: ANN401
    """The template whose end-of-turn token the tokenizer knows: what was trained on is what is sent."""
    vocabulary = tokenizer.get_vocab()
    for template in TEMPLATES.values():
        if template.end in vocabulary:
            if tokenizer.pad_token is None:
                tokenizer.pad_token = template.end
            return template
    ends = ", ".join(template.end for template in TEMPLATES.values())
    raise InputError(
        f"The tokenizer of {name} has none of the end-of-turn tokens that the chat templates use ({ends}).",
        hint="Use an Instruct model of the Llama 3 or SmolLM2 family.",
    )


def device(torch: Any) -> str:  # noqa: ANN401
    """The device to load to: CUDA or MPS where there is one, else the CPU."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def dtype(torch: Any, device: str) -> str:  # noqa: ANN401
    """The type to load in: bfloat16 on CUDA devices that have it, else float32."""
    return "bfloat16" if device == "cuda" and torch.cuda.is_bf16_supported() else "float32"


def require_model(model: str | Path) -> None:
    """Refuses what is neither a model's folder nor looks like a Hub id.

    Raises:
        InputError: With what was found there.
    """
    folder = Path(model)
    if not folder.is_dir():
        if folder.exists() or str(model).startswith((".", "/", "~")) or str(model).count("/") != 1:
            raise InputError(
                f"No model folder {str(model)!r}.", hint="Name an adapter folder, a base model's folder or a Hub id."
            )
        return
    if not (folder / "adapter_config.json").is_file() and not (folder / "config.json").is_file():
        raise InputError(
            f"The folder {str(model)!r} holds no model: neither adapter_config.json nor config.json.",
            hint="Train one: amazon-titles train RECIPE",
        )


def is_adapter(model: str | Path, *, revision: str | None, token: str | None) -> bool:
    """Whether a folder or Hub repo holds a LoRA adapter rather than a whole model."""
    if Path(model).is_dir():
        return (Path(model) / "adapter_config.json").is_file()
    from huggingface_hub import HfApi

    return HfApi(token=token).file_exists(str(model), "adapter_config.json", revision=revision)


def dataset_of(model: str | Path, *, revision: str | None, token: str | None) -> str | None:
    """The dataset that an adapter was trained on, as its `run.json` names it: a folder, or `ID@REVISION`.

    None for a base model.
    """
    run = Path(model) / "run.json"
    if not Path(model).is_dir():
        from huggingface_hub import HfApi, hf_hub_download

        if not HfApi(token=token).file_exists(str(model), "run.json", revision=revision):
            return None
        run = Path(hf_hub_download(str(model), "run.json", revision=revision, token=token))
    if not run.is_file():
        return None
    dataset = json.loads(run.read_text(encoding="utf-8"))["dataset"]
    return f"{dataset['path']}@{dataset['revision']}" if dataset.get("revision") else str(dataset["path"])


def dataset_folder(dataset: str | Path, *, token: str | None) -> Path:
    """The folder of a dataset: itself, or what is fetched of a Hub id (`ID` or `ID@REVISION`), the rendered text aside.

    Raises:
        InputError: There is no such folder, and it is no Hub id.
        AmazonTitlesError: The Hub does not give it; the message says why.
    """
    if Path(dataset).is_dir():
        return Path(dataset)
    repo, _, revision = str(dataset).partition("@")
    if repo.startswith((".", "/", "~")) or repo.count("/") != 1:
        raise InputError(f"No dataset folder {repo!r}.", hint="Make one: amazon-titles build SOURCE --out DIR")
    from huggingface_hub import snapshot_download

    wanted = ["report.json", "catalog/*", "chat/*"]
    try:
        return Path(
            snapshot_download(repo, repo_type="dataset", revision=revision or None, allow_patterns=wanted, token=token)
        )
    except Exception as error:
        raise explain(error, repo, "dataset", token=token) from None


def url_of(dataset: Path) -> str:
    """The link of a product, with `{uid}`, as the dataset's report has it; "" where its catalogue has no links."""
    path = dataset / "report.json"
    if not path.is_file():
        raise InputError(f"{dataset} is no dataset folder.", hint="Make one: amazon-titles build SOURCE --out DIR")
    return json.loads(path.read_text(encoding="utf-8"))["catalogue"]["url"] or ""
