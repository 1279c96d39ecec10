"""Loads a model folder or Hub id onto this machine; what is missing or damaged is named."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from amazon_titles.errors import AmazonTitlesError, InputError, MissingExtraError
from amazon_titles.hub_errors import explain
from amazon_titles.model.local import LocalModel
from amazon_titles.progress import lines
from amazon_titles.templates import TEMPLATES, ChatTemplate

_AGAIN = "Train it, or fetch it, again."


def load_local(
    model: str | Path,
    *,
    revision: str | None = None,
    token: str | None = None,
    device: str | None = None,
    dtype: str | None = None,
) -> LocalModel:
    """Loads an adapter (with its base) or a whole model.

    Args:
        model: Folder or Hub id.
        revision: Of a Hub id.
        token: Of the Hub.
        device: As in torch; by default CUDA or MPS where there is one, else the CPU.
        dtype: As in torch; by default bfloat16 on CUDA devices that have it, else float32.

    Raises:
        InputError: There is no model, or a file of it is missing or damaged; the message names it.
        MissingExtraError: torch, transformers or peft is not installed.
        AmazonTitlesError: The Hub does not give it; the message says why.
    """
    require_libraries()
    import torch
    from transformers import __version__ as version

    require_model(model)
    device = _device(torch, device)
    # Renamed in transformers 4.56; the old name warns in 5, the new one is not known to AutoTrain's 4.48.
    spelling = "dtype" if tuple(map(int, version.split(".")[:2])) >= (4, 56) else "torch_dtype"
    options = {spelling: _dtype(torch, dtype, device), "revision": revision, "token": token}
    with _quiet(), lines(f"loading {Path(model).name}", announce=False):
        loaded, tokenizer = _load(model, options, revision=revision, token=token)
    name = Path(model).name
    template = template_of(tokenizer, name)
    return LocalModel(loaded.to(device).eval(), tokenizer, name=name, template=template)


def _load(model: str | Path, options: dict[str, Any], *, revision: str | None, token: str | None) -> tuple[Any, Any]:
    """The model and its tokenizer.

    Raises:
        AmazonTitlesError: As `load_local`.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer

    try:
        if is_adapter(model, revision=revision, token=token):
            try:
                from peft import AutoPeftModelForCausalLM
            except ImportError as error:
                raise MissingExtraError("model", error.name or "peft") from error
            if Path(model).is_dir():
                _require_base(Path(model))
            loaded = AutoPeftModelForCausalLM.from_pretrained(str(model), trust_remote_code=False, **options)
        else:
            loaded = AutoModelForCausalLM.from_pretrained(str(model), trust_remote_code=False, **options)
        tokenizer = AutoTokenizer.from_pretrained(str(model), trust_remote_code=False, revision=revision, token=token)
        return loaded, tokenizer
    except AmazonTitlesError:
        raise
    except Exception as error:
        raise _explained(error, model, token=token) from None


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps transformers' bars to terminals, and to itself what peft asks of transformers by a name of yesterday."""
    from transformers.utils import logging

    bars = logging.is_progress_bar_enabled() and not sys.stderr.isatty()
    if bars:
        logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
            yield
    finally:
        if bars:
            logging.enable_progress_bar()


def _explained(error: Exception, model: str | Path, *, token: str | None) -> AmazonTitlesError:
    """The sentence for what a library raised while it loaded: the damaged file, the Hub's answer, or its own words."""
    if "trust_remote_code" in str(error):  # transformers' words for a model that needs code of its own
        return InputError(
            f"{str(model)!r} can be loaded only with code of its own, and no code of a model is run here.",
            hint="Use a model that transformers knows by itself, such as an Instruct model of the Llama 3 family.",
        )
    for folder in _folders(model):
        if damaged := _damaged(folder):
            return InputError(f"{damaged[0]} is {damaged[1]}.", hint=_AGAIN)
    if not Path(model).is_dir():
        return explain(error, str(model), "model", token=token)
    said = next(iter(str(error).strip().splitlines()), type(error).__name__)[:200]
    return InputError(f"The model in {str(model)!r} cannot be loaded: {said}", hint=_AGAIN)


def _folders(model: str | Path) -> list[Path]:
    """The folder of a model and the one of its base, as far as they lie on this machine."""
    folder = Path(model)
    if not folder.is_dir():
        return []
    found = [folder]
    if (folder / "adapter_config.json").is_file():
        base = Path(str(_json(folder / "adapter_config.json").get("base_model_name_or_path") or ""))
        found += [base] if base.is_dir() and base != folder else []
    return found


def _damaged(folder: Path) -> tuple[Path, str] | None:
    """The first file of a model's folder that cannot be read, or is missing, and what is wrong with it."""
    for path in sorted(folder.glob("*.json")):
        try:
            json.loads(path.read_text(encoding="utf-8"))
        except (ValueError, OSError) as error:
            return path, f"damaged: it is no JSON ({error})"
    from safetensors import SafetensorError, safe_open

    weights = sorted(folder.glob("*.safetensors"))
    for path in weights:
        try:
            with safe_open(path, framework="np") as file:
                file.keys()
        except (SafetensorError, OSError) as error:
            return path, f"damaged: it holds no weights ({error})"
    index = folder / "model.safetensors.index.json"
    shards = (
        set(json.loads(index.read_text(encoding="utf-8")).get("weight_map", {}).values()) if index.is_file() else ()
    )
    kind = "adapter_model" if (folder / "adapter_config.json").is_file() else "model"
    expected = sorted(shards) or [f"{kind}.safetensors"]
    present = {path.name for path in weights} | {path.name for path in folder.glob("*.bin")}
    for name in expected:
        if name not in present and f"{kind}.bin" not in present and "pytorch_model.bin" not in present:
            return folder / name, "missing"
    if not any((folder / name).is_file() for name in ("tokenizer.json", "tokenizer.model", "vocab.json")):
        return folder / "tokenizer.json", "missing"
    return None


def _require_base(adapter: Path) -> None:
    """Refuses an adapter whose base is a folder that is not there."""
    base = str(_json(adapter / "adapter_config.json").get("base_model_name_or_path") or "")
    if not base:
        raise InputError(f"{adapter / 'adapter_config.json'} names no base model.", hint=_AGAIN)
    if Path(base).is_absolute() and not Path(base).is_dir():
        raise InputError(
            f"The base model of {str(adapter)!r} is not here: {base}",
            hint="Put it back, or name its folder or Hub id in adapter_config.json: base_model_name_or_path.",
        )


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(value, dict):
            raise ValueError("it holds no object")
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is damaged: it is no JSON ({error}).", hint=_AGAIN) from None
    return value


def require_libraries() -> None:
    """Refuses to go on without torch and transformers.

    Raises:
        MissingExtraError: With how to install them.
    """
    try:
        import torch  # noqa: F401
        import transformers  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("model", error.name or "transformers") from error


def template_of(tokenizer: Any, name: str) -> ChatTemplate:  # noqa: ANN401
    """The template whose end-of-turn token the tokenizer knows: what was trained on is what is sent.

    Raises:
        InputError: It knows none.
    """
    vocabulary = tokenizer.get_vocab()
    for template in TEMPLATES.values():
        if template.end in vocabulary:
            return template
    ends = ", ".join(template.end for template in TEMPLATES.values())
    raise InputError(
        f"The tokenizer of {name} has none of the end-of-turn tokens that the chat templates use ({ends}).",
        hint="Use an Instruct model of the Llama 3 or SmolLM2 family.",
    )


def _device(torch: Any, wanted: str | None) -> str:  # noqa: ANN401
    """The device to load to: what is asked for, else CUDA or MPS where there is one, else the CPU."""
    if wanted is None:
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        torch.empty(0, device=wanted)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        said = str(error).splitlines()[0][:120]
        raise InputError(f"There is no device {wanted!r} here ({said}).", hint="Use --device cpu.") from None
    return wanted


def _dtype(torch: Any, wanted: str | None, device: str) -> Any:  # noqa: ANN401
    """The type to load in: what is asked for, else bfloat16 on CUDA devices that have it, else float32."""
    names = ("float32", "bfloat16", "float16")
    if wanted is not None and wanted not in names:
        raise InputError(f"No dtype {wanted!r}.", hint=f"Choose of: {', '.join(names)}.")
    fast = device.startswith("cuda") and torch.cuda.is_bf16_supported()
    return getattr(torch, wanted or ("bfloat16" if fast else "float32"))


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

    Raises:
        InputError: The file is damaged, or the folder that it names is not here.
    """
    run = Path(model) / "run.json"
    if not Path(model).is_dir():
        from huggingface_hub import HfApi, hf_hub_download

        try:
            if not HfApi(token=token).file_exists(str(model), "run.json", revision=revision):
                return None
            run = Path(hf_hub_download(str(model), "run.json", revision=revision, token=token))
        except Exception as error:
            raise explain(error, str(model), "model", token=token) from None
    if not run.is_file():
        return None
    try:
        dataset = _json(run)["dataset"]
        path, commit = str(dataset["path"]), dataset.get("revision")
    except (KeyError, TypeError, AttributeError):
        raise InputError(f"{run} names no dataset.", hint="Name it: --dataset DIR") from None
    if Path(path).is_absolute() and not Path(path).is_dir():
        raise InputError(f"The dataset that {run} names is not here: {path}", hint="Name it: --dataset DIR")
    return f"{path}@{commit}" if commit else path
