"""Loads a model onto this machine; what is missing, damaged, or of a newer version is named."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

from amazon_titles.adapter_files import for_every_peft, for_every_transformers
from amazon_titles.errors import AmazonTitlesError, InputError
from amazon_titles.hub_errors import explain
from amazon_titles.io import is_local, read_object
from amazon_titles.model.finding import ADAPTER, BASE_OPTION, ModelFiles, find_model, require_model
from amazon_titles.model.local import LocalModel
from amazon_titles.progress import lines, on_terminal, say
from amazon_titles.templates import TEMPLATES, ChatTemplate

_AGAIN = "Train it, or fetch it, again."


def load_local(
    model: str | Path, *, base: str | None = None, device: str | None = None, dtype: str | None = None,
    **hub: str | None,
) -> LocalModel:  # fmt: skip
    """Loads an adapter (with its base) or a whole model: what asks, merges and exports, loads here.

    Args:
        model: Folder or Hub id.
        base: Of an adapter: folder or Hub id of its base; by default the one that it names.
        device: As in torch; by default CUDA or MPS where there is one, else the CPU.
        dtype: As in torch, or `auto` for that of its files; by default bfloat16 on CUDA devices that have it, else
            float32.
        **hub: `revision` of a Hub id, and `token` of the Hub.

    Raises:
        InputError: There is no model, or a file of it is missing or damaged, or of a newer version; the message names
            it.
        MissingExtraError: torch, transformers or peft is not installed.
        AmazonTitlesError: The Hub does not give it; the message says why.
    """
    require_model(model)
    from transformers import AutoConfig, AutoModelForCausalLM
    from transformers import __version__ as version

    name = Path(model).name
    device, kind = _device_and_dtype(device, dtype)
    # Renamed in transformers 4.56; the old name warns in 5, the new one is not known to AutoTrain's 4.48.
    weights = {"dtype" if tuple(map(int, version.split(".")[:2])) >= (4, 56) else "torch_dtype": kind}
    with quiet(bars=on_terminal()), lines(f"loading {name}", announce=False):
        files = find_model(model, base=base, **hub)
        _require_known_adapter(files)
        try:
            # Spelt so that this transformers reads the rope, whichever one wrote it.
            config = AutoConfig.for_model(**both_spellings(read_object(files.base / "config.json")))
            whole = str(files.base)
            loaded = AutoModelForCausalLM.from_pretrained(whole, config=config, trust_remote_code=False, **weights)
            tokenizer = _tokenizer(files.tokenizer)
            if files.adapter:
                loaded = _adapted(loaded, tokenizer, files)
            loaded = loaded.to(device).eval()
        except Exception as error:
            raise _explained(error, files) from None
    return LocalModel(loaded, tokenizer, name=name, template=template_of(tokenizer, name))


def _tokenizer(folder: Path) -> Any:  # noqa: ANN401 - of transformers
    """A tokenizer, also in 4.48 one that transformers 5 has saved: `AutoTokenizer` would look for its class there."""
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    told = read_object(folder / "tokenizer_config.json")
    if told.get("tokenizer_class") != "TokenizersBackend":
        return AutoTokenizer.from_pretrained(str(folder), trust_remote_code=False)
    changed = {key: value for key, value in for_every_transformers(told).items() if value != told.get(key)}
    return PreTrainedTokenizerFast.from_pretrained(str(folder), trust_remote_code=False, **changed)


def _adapted(network: Any, tokenizer: Any, files: ModelFiles) -> Any:  # noqa: ANN401 - of transformers and peft
    """A base with its adapter, resized for the adapter's tokenizer as AutoPeft does it."""
    import peft

    if files.tokenizer == files.folder and len(tokenizer) > network.get_input_embeddings().weight.shape[0]:
        network.resize_token_embeddings(len(tokenizer), mean_resizing=False)  # the adapter brings the new ones
    return peft.PeftModelForCausalLM.from_pretrained(network, str(files.folder), trust_remote_code=False)


def _require_known_adapter(files: ModelFiles) -> None:
    """Refuses an adapter that peft would load as another one: of a newer version, or not of a language model."""
    import peft

    path, config = files.folder / ADAPTER, files.adapter
    known = {field.name for field in fields(peft.LoraConfig)}
    if unknown := [key for key in for_every_peft(config)[1] if key not in known]:
        newer = (
            f"peft {peft.__version__} does not know: peft {config.get('peft_version', 'of a newer version')} wrote it"
        )
        said = f"{path} uses {', '.join(unknown)}, which {newer}."
        raise InputError(said, hint="Run this in an environment with a newer peft.")
    if (task := config.get("task_type")) not in (None, "CAUSAL_LM"):
        said = f"{path} is of no language model: its task_type is {task!r}, not 'CAUSAL_LM'."
        raise InputError(said, hint="Name another adapter.")


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
            warnings.filterwarnings("ignore", "Unexpected keyword arguments")  # of a later peft, which say nothing
            warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
            yield
    finally:
        if shown:
            logging.enable_progress_bar()


def _explained(error: Exception, files: ModelFiles) -> AmazonTitlesError:
    """The sentence for what a library raised while it loaded: what is wrong with a file, or else its own words."""
    from transformers import CONFIG_MAPPING
    from transformers import __version__ as version

    config, base = read_object(files.base / "config.json"), repr(files.base_name)
    kind, quantised = config.get("model_type"), config.get("quantization_config")
    # transformers' words for a model that needs code of its own
    if "trust_remote_code" in str(error) or (kind not in CONFIG_MAPPING and "auto_map" in config):
        return InputError(
            f"{base} needs its own code to load, and this library does not run code from models.",
            hint="Use a model that transformers supports, such as an Instruct model of the Llama 3 family.",
        )
    if (damaged := next(_problems(files), None)) is not None:
        return damaged
    written = (
        f"transformers {config.get('transformers_version')} wrote its config.json, and {version} is installed here."
    )
    if kind not in CONFIG_MAPPING:
        said = f"The architecture of {base}, {kind!r}, is not known here: {written}"
        return InputError(said, hint="Run this in an environment with a newer transformers.")
    said = " ".join(str(error).split())[:300] or type(error).__name__
    if quantised:
        said = f"{base} is quantised ({quantised.get('quant_method')}), and cannot be loaded here: {said}"
        return InputError(said, hint=f"Take the same model unquantised: {BASE_OPTION}" if files.adapter else _AGAIN)
    if (apart := re.search(r"size mismatch for .*", str(error))) and files.adapter:
        said = f"The adapter {files.name!r} does not fit its base {base}: {apart.group()}"
        return InputError(said, hint=f"Name the base that it was trained on: {BASE_OPTION}")
    return InputError(f"The model in {files.name!r} cannot be loaded: {said}", hint=f"{_AGAIN} Besides, {written}")


def _problems(files: ModelFiles) -> Iterator[InputError]:
    """What is damaged or missing in a model's folder, or in its base's."""
    from safetensors import SafetensorError, safe_open

    for folder in dict.fromkeys((files.folder, files.base)):
        for path in (*sorted(folder.glob("*.json")), *sorted(folder.glob("*.safetensors"))):
            try:
                json.loads(path.read_bytes()) if path.suffix == ".json" else safe_open(path, framework="np")
            except (OSError, ValueError, SafetensorError) as error:
                yield InputError(f"{path} is damaged ({error}).", hint=_AGAIN)
        shards = read_object(folder / "model.safetensors.index.json").get("weight_map", {}).values()
        weights = ["model.safetensors" if folder == files.base else "adapter_model.safetensors"]
        wanted = [] if any(folder.glob("*_model*.bin")) else sorted(set(shards)) or weights
        missing = [name for name in wanted if not (folder / name).is_file()]
        words = ("tokenizer.json", "tokenizer.model", "vocab.json")
        if folder == files.tokenizer and not any((folder / name).is_file() for name in words):
            missing.append("tokenizer.json")
        yield from (InputError(f"{folder / name} is missing.", hint=_AGAIN) for name in missing)


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


def both_spellings(config: Mapping[str, Any]) -> dict[str, Any]:
    """A model's config that transformers 4.48 and 5 read alike.

    5 writes `rope_parameters` and `dtype`; 4.48 does not know them and silently takes a rope of theta 10000 in float32.
    4.48's are `rope_theta`, `rope_scaling` and `torch_dtype`, which 5 reads too.

    Args:
        config: `config.json`, of either.
    """
    both = dict(config)
    rope = both.get("rope_parameters")
    if isinstance(rope, dict) and "rope_theta" in rope:
        both.setdefault("rope_theta", rope["rope_theta"])
        if rope.get("rope_type", "default") != "default" and not both.get("rope_scaling"):
            both["rope_scaling"] = {key: value for key, value in rope.items() if key != "rope_theta"}
    elif "rope_theta" in both:
        scaling = both.get("rope_scaling") or {"rope_type": "default"}
        both["rope_parameters"] = {**scaling, "rope_theta": both["rope_theta"]}
    if (kind := both.get("torch_dtype") or both.get("dtype")) is not None:
        both["torch_dtype"] = both["dtype"] = kind
    return both


def _device_and_dtype(device: str | None, dtype: str | None) -> tuple[str, Any]:
    """Where to load to, and in which type of torch: what is asked for, else the best that this machine has."""
    import torch

    if dtype not in (None, "auto", "float32", "bfloat16", "float16"):
        raise InputError(f"No dtype {dtype!r}.", hint="Choose of: float32, bfloat16, float16.")
    if device is None:
        device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        said = str(error).splitlines()[0][:120]
        raise InputError(f"There is no device {device!r} here ({said}).", hint="Use --device cpu.") from None
    if dtype == "auto":
        return device, dtype
    fast = device.startswith("cuda") and torch.cuda.is_bf16_supported(including_emulation=False)
    return device, getattr(torch, dtype or ("bfloat16" if fast else "float32"))


def is_address(model: object) -> bool:
    """Whether a model is named by its server's address."""
    return str(model).startswith(("http://", "https://"))


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
    run = file_of(model, "run.json", **hub)
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
    run = file_of(model, "run.json", **hub)
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


def file_of(model: str | Path, name: str, *, revision: str | None = None, token: str | None = None) -> Path | None:
    """A file of a model's folder or Hub repo; None where it has none.

    Args:
        model: Folder or Hub id.
        name: Of the file, with forward slashes.
        revision: Of a Hub id.
        token: Of the Hub.

    Raises:
        AmazonTitlesError: The Hub does not say; the message says why.
    """
    if is_local(model):
        return next(Path(model).glob(name), None)
    from huggingface_hub import HfApi

    client = HfApi(token=token)
    try:
        there = client.file_exists(str(model), name, revision=revision)
        return Path(client.hf_hub_download(str(model), name, revision=revision)) if there else None
    except Exception as error:
        raise explain(error, str(model), "model", token=token) from None
