"""What a model says, token by token: many conversations at a time, each row leaving when it is done.

`generate` of transformers keeps every row until the longest is finished, and spends more time between two steps than a
small model spends in one. `decode` does what greedy `generate` does, row for row, and drops rows that have ended.
"""

from __future__ import annotations

import inspect
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from amazon_titles.errors import InputError

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

TokenIds = Sequence[Sequence[int]]
"""Of several texts, a list of token ids each."""

# Rows are dropped once a quarter of them has ended: copying the cache costs about as much as a step.
_DROP_SHARE = 0.25


class Generation(NamedTuple):
    """What a model said to one conversation.

    Attributes:
        text: Without special tokens.
        finished: Whether the model ended its turn itself, rather than being cut off at the length limit.
        tokens: Of the text, the end-of-turn left out; 0 where a server does not tell.
    """

    text: str
    finished: bool
    tokens: int


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is drawn; without one it is the likeliest.

    Attributes:
        temperature: Above 0; the logits are divided by it.
        seed: Every answer draws from a generator of its own, so that it is the same alone and in a batch.

    Raises:
        InputError: The temperature is not above 0.
    """

    temperature: float
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.temperature < float("inf"):
            raise InputError(
                f"The temperature {self.temperature} is not above 0.",
                hint="Leave --temperature out for the likeliest answer, or name one such as 0.7.",
            )


def decode(
    model: PreTrainedModel,
    prompts: TokenIds,
    *,
    ends: Collection[int],
    max_new_tokens: int = 256,
    sampling: Sampling | None = None,
) -> Iterator[list[tuple[int, int]]]:
    """Yields, step by step, `(row, token)` of every row that is not done; an end token is a row's last.

    Args:
        model: Of transformers or peft, on its device, in evaluation mode.
        prompts: BOS included; shorter ones are padded on the left and take no notice of it.
        ends: Tokens that end an answer.
        max_new_tokens: Longest answer, in tokens.
        sampling: How to draw; greedy without.
    """
    import torch

    ids, mask = (made.to(model.device) for made in left_padded(prompts))
    # A mask that masks nothing only costs time.
    padded = bool((mask == 0).any())
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    generators = [torch.Generator().manual_seed(sampling.seed) for _ in prompts] if sampling else []
    # At 128,256 tokens of vocabulary a prompt's other logits are gigabytes. 4.48 spells the argument with `num_`.
    known = inspect.signature(whole_model(model).forward).parameters
    last = dict.fromkeys([name for name in ("logits_to_keep", "num_logits_to_keep") if name in known][:1], 1)
    stop = torch.tensor(sorted(ends))
    alive = torch.arange(len(prompts))  # the row that each line of the batch answers
    going = torch.ones_like(alive, dtype=torch.bool)
    cache = None
    for _ in range(max_new_tokens):
        with torch.inference_mode():
            out = model(
                input_ids=ids, attention_mask=mask if padded else None, position_ids=positions, past_key_values=cache,
                use_cache=True, **last,
            )  # fmt: skip
        if sampling is None:
            tokens = out.logits[:, -1].argmax(-1).cpu()
        else:
            shares = torch.softmax(out.logits[:, -1].float().cpu() / sampling.temperature, -1)
            drawing = zip(shares, alive.tolist(), strict=True)
            tokens = torch.cat([torch.multinomial(share, 1, generator=generators[row]) for share, row in drawing])
        yield list(zip(alive[going].tolist(), tokens[going].tolist(), strict=True))
        cache = out.past_key_values
        going &= ~torch.isin(tokens, stop)
        if not going.any():
            return
        positions = positions[:, -1:] + 1
        if going.sum() <= len(going) * (1 - _DROP_SHARE) and hasattr(cache, "batch_select_indices"):
            kept = going.nonzero().flatten()
            alive, tokens, going = alive[kept], tokens[kept], going[kept]
            kept = kept.to(model.device)
            mask, positions = mask[kept], positions[kept]
            cache.batch_select_indices(kept)
        mask = torch.cat([mask, mask.new_ones((len(mask), 1))], dim=1)
        ids = tokens.to(model.device)[:, None]


def left_padded(prompts: TokenIds) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and attention mask of prompts, as long as the longest of them, the shorter ones padded on the left."""
    import torch

    longest = max(map(len, prompts))
    ids = [[0] * (longest - len(prompt)) + list(prompt) for prompt in prompts]
    mask = [[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts]
    return torch.tensor(ids), torch.tensor(mask)


def whole_model(model: PreTrainedModel) -> PreTrainedModel:
    """The model of transformers under a `peft` adapter, its layers included."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model
