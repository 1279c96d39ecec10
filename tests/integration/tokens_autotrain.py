"""Runs in AutoTrain's environment: reads what AutoTrain would train on, token id by token id.

Usage: python tokens_autotrain.py JOBS.json OUT.json

JOBS: `{"today": "2024-07-23", "recipes": {name: file}, "bases": {template: folder}, "conversations": […]}`. Each recipe
goes through AutoTrain's own `AutoTrainConfigParser`, `LLMTrainingParams`, `llm_munge_data` and `train_clm_sft.train`,
with trl 0.13's own `SFTTrainer` and packing. Only three things are not AutoTrain's: the clock, the order (trl shuffles
rows and blocks without a seed; here they keep theirs, so that the stream can be read), and that `train()` hands out
what it was given instead of training.
"""

import datetime
import json
import sys
import types
from pathlib import Path


class Handed(Exception):
    """The packed rows, instead of a training."""


def set_clock(today):
    from transformers.utils import chat_template_utils

    year, month, day = map(int, today.split("-"))

    class Clock(datetime.datetime):
        @classmethod
        def now(cls, tz=None):
            return cls(year, month, day, 12, tzinfo=tz)

    chat_template_utils.datetime = Clock


def make_model(folder):
    """Puts a tiny random Llama beside the tokenizer; made on this stack, whose config both stacks read."""
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    if (folder / "config.json").exists():
        return
    tokenizer = AutoTokenizer.from_pretrained(folder)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=1, max_position_embeddings=131072,
        bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)


def packed_rows(recipe):
    """The rows that AutoTrain packs, each a list of `block_size` token ids; and its batches' labels, in any order."""
    from autotrain.parser import AutoTrainConfigParser
    from autotrain.project import llm_munge_data
    from autotrain.trainers.clm import train_clm_sft
    from autotrain.trainers.clm.params import LLMTrainingParams
    from trl import SFTTrainer
    from trl.trainer import utils as trl_utils

    class Reading(SFTTrainer):
        def train(self, *args, **kwargs):
            rows = [[int(i) for i in row["input_ids"]] for row in self.train_dataset]
            assert rows == [[int(i) for i in row["labels"]] for row in self.train_dataset]
            raise Handed(rows, [row for batch in self.get_train_dataloader() for row in batch["labels"].tolist()])

    trl_utils.random = types.SimpleNamespace(shuffle=lambda rows: None)
    train_clm_sft.SFTTrainer = Reading
    parser = AutoTrainConfigParser(str(recipe))
    assert parser.task == "lm_training"
    params = llm_munge_data(LLMTrainingParams(**parser.parsed_config), local=parser.backend.startswith("local"))
    assert params.trainer == "sft", "the recipe does not lead to AutoTrain's SFT"
    try:
        train_clm_sft.train(params)
    except Handed as handed:
        return handed.args
    raise AssertionError("AutoTrain's SFT did not come to train()")


def sent(base, template_name, conversations):
    """What inference sends on this stack: as the library encodes the question, and as the Jinja template does."""
    from transformers import AutoTokenizer

    from amazon_titles.templates import get_template

    tokenizer = AutoTokenizer.from_pretrained(base)
    template = get_template(template_name)
    return {
        "library": [tokenizer(template.prompt(messages[:-1]))["input_ids"] for messages in conversations],
        "jinja": [
            tokenizer.apply_chat_template(messages[:-1], chat_template=template.jinja, add_generation_prompt=True)
            for messages in conversations
        ],
    }


def main():
    jobs = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    set_clock(jobs["today"])
    answer = {"packed": {}, "labels": {}, "sent": {}}
    for template, base in jobs["bases"].items():
        make_model(Path(base))
        answer["sent"][template] = sent(base, template, jobs["conversations"])
    for name, recipe in jobs["recipes"].items():
        answer["packed"][name], answer["labels"][name] = packed_rows(Path(recipe))
    Path(sys.argv[2]).write_text(json.dumps(answer), encoding="utf-8")


if __name__ == "__main__":
    main()
