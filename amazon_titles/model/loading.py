"""Loads a model folder or Hub id onto this machine; what is missing or damaged is named."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from amazon_titles.default_model import find_model
from amazon_titles.errors import AmazonTitlesError, InputError, require
from amazon_titles.hub_errors import explain
from amazon_titles.io import is_local, may_be_hub_id, read_object
from amazon_titles.model.local import LocalModel
from amazon_titles.progress import lines, on_terminal, say
from amazon_titles.templates import TEMPLATES, ChatTemplate

_AGAIN = "Train it, or fetch it, again."
_ADAPTER = "adapter_config.json"


def load_local(
    model: str | Path, *, device: str | None = None, dtype: str | None = None, **hub: str | None
) -> LocalModel:
    """Loads an adapter (with its base) or a whole model.

    Args:
        model: Folder or Hub id.
        device: As in torch; by default CUDA or MPS where there is one, else the CPU.
        dtype: As in torch; by default bfloat16 on CUDA devices that have it, else float32.
        **hub: `revision` of a Hub id, and `token` of the Hub.

    Raises:
        InputError: There is no model, or a file of it is missing or damaged; the message names it.
        MissingExtraError: torch, transformers or peft is not installed.
        AmazonTitlesError: The Hub does not give it; the message says why.
    """
    require_model(model)
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers import __version__ as version

    name = Path(model).name
    device, kind = _device_and_dtype(device, dtype)
    # Renamed in transformers 4.56; the old name warns in 5, the new one is not known to AutoTrain's 4.48.
    weights = {"dtype" if tuple(map(int, version.split(".")[:2])) >= (4, 56) else "torch_dtype": kind}
    with quiet(bars=on_terminal()), lines(f"loading {name}", announce=False):
        try:
            adapter = _file(model, _ADAPTER, **hub) is not None
            loader: Any = import_module("peft").AutoPeftModelForCausalLM if adapter else AutoModelForCausalLM
            loaded = loader.from_pretrained(str(model), trust_remote_code=False, **weights, **hub)
            tokenizer = AutoTokenizer.from_pretrained(str(model), trust_remote_code=False, **hub)
        except Exception as error:
            raise _explained(error, model, hub.get("token")) from None
    return LocalModel(loaded.to(device).eval(), tokenizer, name=name, template=template_of(tokenizer, name))


@contextmanager
def quiet(*, bars: bool = False) -> Iterator[None]:
    """Keeps what transformers says while a model is loaded to itself.

    Args:
        bars: Whether its own bars are shown: those of downloads tell something.
    """
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    if not bars:
        logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():  # peft asks transformers by a name of yesterday
            warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
            yield
    finally:
        if shown:
            logging.enable_progress_bar()


def _explained(error: Exception, model: str | Path, token: str | None) -> AmazonTitlesError:
    """The sentence for what a library raised while it loaded: the damaged file, the Hub's answer, or its own words."""
    if "trust_remote_code" in str(error):  # transformers' words for a model that needs code of its own
        return InputError(
            f"{str(model)!r} needs its own code to load, and this library does not run code from models.",
            hint="Use a model that transformers supports, such as an Instruct model of the Llama 3 family.",
        )
    if not is_local(model):
        return explain(error, str(model), "model", token=token)
    said = next(iter(str(error).strip().splitlines()), type(error).__name__)[:200]
    unknown = InputError(f"The model in {str(model)!r} cannot be loaded: {said}", hint=_AGAIN)
    return next(_problems(Path(model)), unknown)


def _problems(folder: Path) -> Iterator[InputError]:
    """What is damaged or missing in a model's folder, or in its base's as far as that lies on this machine."""
    from safetensors import SafetensorError, safe_open

    for path in (*sorted(folder.glob("*.json")), *sorted(folder.glob("*.safetensors"))):
        try:
            json.loads(path.read_bytes()) if path.suffix == ".json" else safe_open(path, framework="np")
        except (OSError, ValueError, SafetensorError) as error:
            yield InputError(f"{path} is damaged ({error}).", hint=_AGAIN)
    adapter = (folder / _ADAPTER).is_file()
    shards = read_object(folder / "model.safetensors.index.json").get("weight_map", {}).values()
    weights = sorted(set(shards)) or ["adapter_model.safetensors" if adapter else "model.safetensors"]
    missing = [] if any(folder.glob("*_model*.bin")) else [name for name in weights if not (folder / name).is_file()]
    if not any((folder / name).is_file() for name in ("tokenizer.json", "tokenizer.model", "vocab.json")):
        missing.append("tokenizer.json")
    yield from (InputError(f"{folder / name} is missing.", hint=_AGAIN) for name in missing)
    if adapter:
        base = str(read_object(folder / _ADAPTER).get("base_model_name_or_path") or "")
        if not base:
            yield InputError(f"{folder / _ADAPTER} names no base model.", hint=_AGAIN)
        elif is_local(base) and Path(base) != folder:
            yield from _problems(Path(base))
        elif Path(base).is_absolute():
            yield InputError(
                f"The base model of {str(folder)!r} is not here: {base}",
                hint=f"Put it back, or name its folder or Hub id in {_ADAPTER}: base_model_name_or_path.",
            )


def template_of(tokenizer: Any, name: str) -> ChatTemplate:  # noqa: ANN401
    """The template whose end-of-turn token the tokenizer knows: what was trained on is what is sent.

    Raises:
        InputError: It knows none.
    """
    vocabulary = tokenizer.get_vocab()
    ends = {template.end: template for template in TEMPLATES.values()}
    if known := [template for end, template in ends.items() if end in vocabulary]:
        return known[0]
    raise InputError(
        f"The tokenizer of {name} has none of the end-of-turn tokens that the chat templates use ({', '.join(ends)}).",
        hint="Use an Instruct model of the Llama 3 or SmolLM2 family.",
    )


def _device_and_dtype(device: str | None, dtype: str | None) -> tuple[str, Any]:
    """Where to load to, and in which type of torch: what is asked for, else the best that this machine has."""
    import torch

    if dtype not in (None, "float32", "bfloat16", "float16"):
        raise InputError(f"No dtype {dtype!r}.", hint="Choose of: float32, bfloat16, float16.")
    if device is None:
        device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        said = str(error).splitlines()[0][:120]
        raise InputError(f"There is no device {device!r} here ({said}).", hint="Use --device cpu.") from None
    fast = device.startswith("cuda") and torch.cuda.is_bf16_supported(including_emulation=False)
    return device, getattr(torch, dtype or ("bfloat16" if fast else "float32"))


def is_address(model: object) -> bool:
    """Whether a model is named by its server's address."""
    return str(model).startswith(("http://", "https://"))


def require_model(model: str | Path) -> None:
    """Refuses what is neither a model's folder nor looks like a Hub id, and a machine that cannot load it.

    Raises:
        InputError: With what was found there.
        MissingExtraError: torch, transformers or peft is not installed; with how to install it.
    """
    require("model", "torch", "transformers", "peft")
    find_model(model)
    if is_local(model):
        if not any((Path(model) / name).is_file() for name in (_ADAPTER, "config.json")):
            raise InputError(
                f"The folder {str(model)!r} holds no model: neither {_ADAPTER} nor config.json.",
                hint="Train one: amazon-titles train RECIPE",
            )
    elif not may_be_hub_id(str(model)):
        hint = "Name an adapter folder, a base model's folder or a Hub id."
        raise InputError(f"No model folder {str(model)!r}.", hint=hint)


def dataset_of(model: str | Path, **hub: str | None) -> str | None:
    """The dataset that an adapter was trained on, as its `run.json` names it: a folder, or `ID@REVISION`.

    None for a base model.

    Args:
        model: Folder or Hub id.
        **hub: `revision` of a Hub id, and `token` of the Hub.

    Raises:
        InputError: The file is damaged, or the folder that it names is not here.
        AmazonTitlesError: The Hub does not give it; the message says why.
    """
    run = _file(model, "run.json", **hub)
    if run is None:
        return None
    dataset = read_object(run).get("dataset")
    if not isinstance(dataset, dict) or "path" not in dataset:
        raise InputError(f"{run} is damaged, or names no dataset.", hint="Name it: --dataset DIR")
    path, commit = str(dataset["path"]), dataset.get("revision")
    if Path(path).is_absolute() and not is_local(path):
        raise InputError(f"The dataset that {run} names is not here: {path}", hint="Name it: --dataset DIR")
    return f"{path}@{commit}" if commit else path


def tell_of_another_catalogue(model: str | Path, catalogue: str, **hub: str | None) -> bool:
    """Whether an adapter was trained on another catalogue than the one that it is asked about; one line says so.

    Args:
        model: Folder or Hub id.
        catalogue: Its revision, as `Catalog` has it.
        **hub: `revision` of a Hub id, and `token` of the Hub.
    """
    run = _file(model, "run.json", **hub)
    trained = read_object(run).get("dataset") if run else None
    # A commit is compared with a commit, a report with a report.
    name = "report_sha256" if catalogue.startswith("sha256:") else "revision"
    known = trained.get(name) if isinstance(trained, dict) else None
    another = bool(known) and not str(known).startswith(catalogue.removeprefix("sha256:"))
    if another:
        say(
            "This is not the catalogue that the model was trained on: its records decide, what it lacks is refused, "
            "and what is new is answered from its record."
        )
    return another


def _file(model: str | Path, name: str, *, revision: str | None = None, token: str | None = None) -> Path | None:
    """A file of a model's folder or Hub repo; None where it has none."""
    if is_local(model):
        return next(Path(model).glob(name), None)
    from huggingface_hub import HfApi

    client = HfApi(token=token)
    try:
        there = client.file_exists(str(model), name, revision=revision)
        return Path(client.hf_hub_download(str(model), name, revision=revision)) if there else None
    except Exception as error:
        raise explain(error, str(model), "model", token=token) from None
