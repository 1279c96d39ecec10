"""What the quickstart says that is not its own code: a script for plain peft, and the commands that follow."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

# Nothing of this library: what is published must load without it.
LOAD_PLAINLY = """
import sys
from peft import AutoPeftModelForCausalLM
from transformers import AutoTokenizer
folder, question = sys.argv[1:3]
model = AutoPeftModelForCausalLM.from_pretrained(folder, trust_remote_code=False).eval().float()
tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
messages = [{"role": "user", "content": question}]
prompt = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
ids = tokenizer(prompt, add_special_tokens=False, return_tensors="pt").input_ids
output = model.generate(input_ids=ids, max_new_tokens=int(sys.argv[3]), do_sample=False)
print(tokenizer.decode(output[0][ids.shape[1]:], skip_special_tokens=True).strip())
"""
"""Prints what an adapter answers: `python -c LOAD_PLAINLY FOLDER QUESTION MAX_NEW_TOKENS`."""

REAL_THING = Path(__file__).with_name("real_thing.txt")
"""The commands for the real trn.json."""


def next_steps(folder: Path) -> str:
    """The commands that go on from a quickstart in `folder`, then those for the real trn.json, as they work here."""
    program = shlex.quote(sys.argv[0]) if Path(sys.argv[0]).stem == "amazon-titles" else "amazon-titles"
    here = Path(__file__).with_name("here.txt").read_text(encoding="utf-8").format(folder=shlex.quote(str(folder)))
    return re.sub(r"(?m)^  amazon-titles", lambda _: f"  {program}", here + REAL_THING.read_text(encoding="utf-8"))
