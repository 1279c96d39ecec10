"""What the quickstart says that is not its own code: a script for plain peft, and the commands for the real thing."""

from __future__ import annotations

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
"""What the quickstart prints last."""
