"""The two files of a LoRA adapter, looked at without torch: are its weights usable, does every peft read its config?"""

from amazon_titles.adapter_files.peft_keys import config_problems, for_every_peft
from amazon_titles.adapter_files.weights import weight_problems

__all__ = ["config_problems", "for_every_peft", "weight_problems"]
