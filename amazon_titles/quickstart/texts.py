"""What the quickstart says that is not its own code: a script for plain peft, and the commands for the real thing."""

from __future__ import annotations

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

REAL_THING = """
  # 1. The real trn.json, 2.25 million products
  pip install gdown
  amazon-titles download --out data
  # 2. A chat dataset of 1,000 products, and where every row went
  amazon-titles build data/LF-Amazon-1.3M.raw.zip --out dataset --limit 1000
  # 3. Llama 3.2 1B on a GPU (accept its licence on its page, then log in)
  amazon-titles push-dataset dataset USER/amazon-titles
  amazon-titles recipe llama-3.2-1b-lora --dataset USER/amazon-titles --user USER > my.yml
  amazon-titles check my.yml --online
  amazon-titles evaluate meta-llama/Llama-3.2-1B-Instruct --dataset dataset --out before.json
  amazon-titles train my.yml
  # 4. After, the Hub, an answer with its source
  amazon-titles evaluate Llama-3-2-1B-amazon-titles --dataset dataset --out after.json
  amazon-titles compare before.json after.json
  amazon-titles push-adapter Llama-3-2-1B-amazon-titles USER/Llama-3-2-1B-amazon-titles \\
      --before before.json --after after.json
  amazon-titles ask 'What is "The Prophet"?' --model Llama-3-2-1B-amazon-titles --dataset dataset
"""
"""What the quickstart prints last."""
