"""A base as AutoTrain should read it: with a pad token that is not the end of a turn.

Llama 3's instruct models have no pad token, and SmolLM2's is the end of a turn. AutoTrain takes the EOS where there is
none, and the collator of its trl leaves every pad token out of the loss: so no end of a turn is trained, and an adapter
has to stop by what the base remembers (seen: 2 ends of a turn in the row, none in its labels).
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

# Tokens that no conversation holds, the first that the tokenizer has: Llama 3.1's own pad, Llama 3.0's spare, SmolLM2's
# end of a document.
_PADS = ("<|finetune_right_pad_id|>", "<|reserved_special_token_0|>", "<|endoftext|>", "<unk>")
_PATCHED = ("tokenizer_config.json", "special_tokens_map.json")
# What transformers loads; not the original checkpoints, other formats and pickles.
_NEEDED = ["*.json", "*.safetensors", "*.model", "*.jinja", "*.txt"]


def with_pad_token(base: str, folder: Path) -> str:
    """The base itself where its pad token is one, else a folder with its files and another pad token.

    Args:
        base: A folder, or a Hub id, which is downloaded as AutoTrain would.
        folder: Made where it is needed; its weights are links.

    Returns:
        What AutoTrain is to be given as base.
    """
    here = Path(base)
    if not here.is_dir():
        from huggingface_hub import snapshot_download

        tokenizer = Path(snapshot_download(base, allow_patterns=[*_PATCHED, "tokenizer.json"]))
        pad = missing_pad(tokenizer)
        if pad is not None:
            here = Path(snapshot_download(base, allow_patterns=_NEEDED, ignore_patterns=["*/*"]))
    else:
        pad = missing_pad(here)
    if pad is None:
        return base
    folder.mkdir()
    for path in here.iterdir():
        if path.is_file() and path.name not in _PATCHED:
            _link(path.resolve(), folder / path.name)
    for name in _PATCHED:
        (folder / name).write_text(json.dumps({**_json(here / name), "pad_token": pad}), encoding="utf-8")
    return str(folder)


def missing_pad(base: Path) -> str | None:
    """The pad token that a base should have; None where it has one of its own, or has none to take."""
    config, tokens = {**_json(base / _PATCHED[1]), **_json(base / _PATCHED[0])}, _json(base / "tokenizer.json")
    pad, eos = (_content(config.get(name)) for name in ("pad_token", "eos_token"))
    if not tokens or (pad is not None and pad != eos):
        return None
    known = {_content(token) for token in tokens.get("added_tokens", [])}
    return next((candidate for candidate in _PADS if candidate in known and candidate != eos), None)


def _content(token: Any) -> str | None:  # noqa: ANN401 - a text, or a mapping that has it
    return token.get("content") if isinstance(token, dict) else token


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _link(source: Path, target: Path) -> None:
    try:
        target.symlink_to(source)
    except OSError:  # Windows without the right to
        shutil.copyfile(source, target)
