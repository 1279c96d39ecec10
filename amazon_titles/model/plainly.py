"""Asks a model through plain transformers and peft, in a process of its own: what leaves here must load without us."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from amazon_titles.errors import TrainingError
from amazon_titles.templates import Message

# A text is what the model shall see, but for BOS; messages go through the tokenizer's own template.
_SCRIPT = """
import json, os, sys, torch, transformers
from transformers import AutoModelForCausalLM as load, AutoTokenizer
folder, asked, limits, dtype = sys.argv[1], *map(json.loads, sys.argv[2:4]), sys.argv[4]
if os.path.exists(os.path.join(folder, "adapter_config.json")):
    from peft import AutoPeftModelForCausalLM as load
model = load.from_pretrained(folder, trust_remote_code=False).eval().to(getattr(torch, dtype))
tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
answers = []
for one in asked:
    raw = isinstance(one, str)
    text = one if raw else tokenizer.apply_chat_template(one, add_generation_prompt=True, tokenize=False)
    ids = tokenizer(text, add_special_tokens=raw, return_tensors="pt").input_ids
    output = model.generate(input_ids=ids, do_sample=False, **limits)
    answers.append(tokenizer.decode(output[0][ids.shape[1]:], skip_special_tokens=True).strip())
print(json.dumps({"transformers": transformers.__version__, "answers": answers}))
"""


def ask_plainly(
    python: str | Path, folder: Path, asked: Sequence[str | Sequence[Message]], *, dtype: str = "float32",
    **limits: Any,  # noqa: ANN401
) -> tuple[str, list[str]]:  # fmt: skip
    """The greedy answers of a model's folder, or an adapter's.

    Args:
        python: The interpreter, of this environment or another.
        folder: Of the model.
        asked: Prompts, or conversations.
        dtype: To compute in.
        **limits: Of `generate`, such as `max_new_tokens`.

    Returns:
        The version of transformers, and the answers.

    Raises:
        TrainingError: It does not load there.
    """
    values = (str(folder), json.dumps(list(asked)), json.dumps(limits), dtype)
    command = [str(python), "-I", "-c", _SCRIPT, *values]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", errors="replace", check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise TrainingError(f"{folder.name} does not load with plain transformers of {python}: {last}")
    told = json.loads(done.stdout.splitlines()[-1])
    return told["transformers"], told["answers"]
